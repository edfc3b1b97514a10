/* source_folder.c - a folder of frame images in the order of their numbers.
 *
 * Frames count from 0 in that order, whatever numbers the names carry and whether some are left
 * out.  Images without a number in the name (a poster) are no frames; two series in one folder
 * (img_00001 and flow_x_00001) are refused, since mixing them would go unnoticed. */
#include "image_decode.h"
#include "numbered.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct folder_state {
    cfp_numbered_list files;
    cfp_image_decoder *decoder;
} folder_state;

static bool folder_matches(const cfp_path_facts *facts)
{
    return facts->is_folder;
}

static cfp_status list_images(folder_state *state, cfp_ctx *ctx, DIR *folder)
{
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        CFP_TRY(cfp_check_interrupt(ctx));
        bool added;
        if (entry->d_name[0] != '.' && cfp_is_image_name(entry->d_name))
            CFP_TRY(cfp_numbered_add(&state->files, ctx, entry->d_name, true, &added));
    }
    return CFP_OK;
}

static cfp_status folder_open(cfp_source *source, cfp_ctx *ctx)
{
    folder_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    DIR *folder = opendir(source->path);
    if (folder == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", source->path, strerror(errno));
    const cfp_status status = list_images(state, ctx, folder);
    closedir(folder);
    CFP_TRY(status);
    if (state->files.count == 0)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: no frame images (.jpg, .png, ... with a number in the name) and no "
                        "frames.db in this folder",
                        source->path);
    CFP_TRY(cfp_numbered_sort(&state->files, ctx, source->path));
    CFP_TRY(cfp_image_decoder_open(&state->decoder, ctx));
    source->frames = state->files.count;
    source->exact = true;
    return CFP_OK;
}

static char *frame_path(const cfp_source *source, cfp_ctx *ctx, int32_t frame)
{
    const folder_state *state = source->state;
    const size_t length = strlen(source->path);
    const char *slash = length > 0 && source->path[length - 1] == '/' ? "" : "/";
    return cfp_format(ctx, "%s%s%s", source->path, slash, state->files.item[frame].name);
}

static cfp_status read_file(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx, const char *path,
                            FILE *file)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return cfp_fail(ctx, CFP_FORMAT, "%s: not a file", path);
    *n_bytes = (size_t)status.st_size;
    CFP_TRY_ALLOC(ctx, *bytes, *n_bytes);
    if (fread(*bytes, 1, *n_bytes, file) != *n_bytes)
        return cfp_fail(ctx, CFP_IO, "%s: cannot be read to its end", path);
    return CFP_OK;
}

static cfp_status push_frame(cfp_source *source, cfp_ctx *ctx, const char *path, int32_t frame,
                             const cfp_sink *sink)
{
    const folder_state *state = source->state;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    const cfp_image *image = NULL;
    cfp_status status = read_file(&bytes, &n_bytes, ctx, path, file);
    fclose(file);
    if (status == CFP_OK)
        status = cfp_image_decode(&image, state->decoder, ctx, path, bytes, n_bytes);
    cfp_free(bytes);
    return status == CFP_OK ? sink->take(sink->cookie, ctx, frame, image) : status;
}

static cfp_status folder_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                              const cfp_sink *sink)
{
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        char *path = frame_path(source, ctx, wanted[i]);
        if (path == NULL)
            return CFP_NOMEM;
        const cfp_status status = push_frame(source, ctx, path, wanted[i], sink);
        cfp_free(path);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status folder_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    char *path = frame_path(source, ctx, frame);
    if (path == NULL)
        return CFP_NOMEM;
    const cfp_status status = cfp_sha256_add_file(sum, ctx, path);
    cfp_free(path);
    return status;
}

static void folder_close(cfp_source *source)
{
    folder_state *state = source->state;
    if (state == NULL)
        return;
    cfp_numbered_free(&state->files);
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_folder = {
    .name = "folder of images",
    .matches = folder_matches,
    .open = folder_open,
    .read = folder_read,
    .digest = folder_digest,
    .close = folder_close,
};
