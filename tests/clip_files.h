/* clip_files.h - writes small clips for the clip tests, into a folder that is removed at the end.
 */
#pragma once
#include "../host/clip/clip.h"
#include "test.h"
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, n, file) == n);
    if (file != NULL)
        fclose(file);
}

/* Makes a binary PPM picture of 2 x 2 equal pixels and returns its length in bytes. */
static inline size_t make_ppm(char out[32], int level)
{
    static const char head[] = "P6\n2 2\n255\n";
    memcpy(out, head, sizeof head - 1);
    memset(out + sizeof head - 1, level, 12);
    return sizeof head - 1 + 12;
}

static inline void write_ppm(const char *path, int level)
{
    char ppm[32];
    write_file(path, ppm, make_ppm(ppm, level));
}

static inline cfp_input_spec spec_of(int frames, int height, int width, int resize_short)
{
    return (cfp_input_spec){.channels = 3,
                            .frames = frames,
                            .height = height,
                            .width = width,
                            .frame_stride = 1,
                            .resize_short = resize_short,
                            .scale = 1};
}

/* Opens a clip, takes the first byte of each frame, and frees the clip. */
static inline cfp_status levels_of(int *level, cfp_ctx *ctx, const char *path, int frames)
{
    const cfp_input_spec spec = spec_of(frames, 2, 2, 0);
    cfp_clip clip;
    const cfp_status status =
        cfp_clip_open(&clip, ctx, path, &spec, &(cfp_sampling){.start = 0, .stride = 1});
    if (status != CFP_OK) {
        CHECK(clip.rgb == NULL && clip.index == NULL && clip.path == NULL);
        return status;
    }
    for (int i = 0; i < frames; i++)
        level[i] = clip.rgb[(size_t)i * 12];
    cfp_clip_free(&clip);
    return CFP_OK;
}

static inline void check_refusal(const char *path, cfp_status expected, const char *words)
{
    cfp_ctx ctx = {0};
    int level[4];
    CHECK_EQ(levels_of(level, &ctx, path, 4), expected);
    CHECK_HAS(ctx.message, words);
    CHECK_HAS(ctx.message, path);
}

/* An .npy file: version, the header's text, frames x 2 x 2 x 3 with every byte the frame's number.
 */
static inline void write_npy(const char *path, int version, const char *header, int frames)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file == NULL)
        return;
    const size_t length = strlen(header);
    fprintf(file, "\x93NUMPY%c%c%c%c", version, 0, (int)(length & 255), (int)(length >> 8));
    if (version > 1)
        fprintf(file, "%c%c", 0, 0);
    fputs(header, file);
    for (int i = 0; i < frames * 12; i++)
        fputc(i / 12, file);
    fclose(file);
}

#define NPY(descr, order, shape)                                                                   \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }  \n"

static inline int remove_entry(const char *path, const struct stat *status, int kind,
                               struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

/* Makes a folder in the working folder and changes to it.  name is a template for mkdtemp. */
static inline bool enter_folder(char *name)
{
    if (mkdtemp(name) != NULL && chdir(name) == 0)
        return true;
    perror(name);
    return false;
}

static inline void leave_folder(const char *name)
{
    if (chdir("..") == 0)
        nftw(name, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
