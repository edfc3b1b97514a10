/* clip_dump.c - reads a clip by cfp_clip_open and writes its frames to an .npy file.
 * check_clips.py compares them.
 *
 *     clip-dump CLIP OUT.npy FRAMES HEIGHT WIDTH RESIZE STRIDE START [TRACK]
 *
 * Standard output gets one line of name=value, standard error the warnings and the error.  With
 * HEIGHT 0 the frames stay as they are in the source, and WIDTH is ignored.  RESIZE is the length
 * of the short side, or HxW; a trailing "a" chooses the filter "antialias". */
#include "../host/clip/clip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_log(void *cookie, cfp_level level, const char *line)
{
    (void)cookie;
    fprintf(stderr, "%s: %s\n", level == CFP_LOG_WARNING ? "warning" : "log", line);
}

static int write_npy(const cfp_clip *clip, const char *path)
{
    char header[118] = "";
    snprintf(header, sizeof header,
             "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d, %d, 3), }", clip->frames,
             clip->height, clip->width);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return -1;
    fprintf(file, "\x93NUMPY%c%c%c%c%-117s\n", 1, 0, 118, 0, header);
    const size_t frame = (size_t)clip->height * (size_t)clip->width * 3;
    const bool written =
        fwrite(clip->rgb, frame, (size_t)clip->frames, file) == (size_t)clip->frames;
    return fclose(file) == 0 && written ? 0 : -1;
}

static cfp_status open_as_is(cfp_clip *clip, cfp_ctx *ctx, const char *path, cfp_input_spec *spec,
                             const cfp_sampling *sampling)
{
    spec->height = spec->width = 1;
    spec->resize_short = 0;
    CFP_TRY(cfp_clip_open(clip, ctx, path, spec, sampling));
    spec->height = clip->source_height;
    spec->width = clip->source_width;
    cfp_clip_free(clip);
    return cfp_clip_open(clip, ctx, path, spec, sampling);
}

int main(int argc, char **argv)
{
    if (argc != 9 && argc != 10) {
        fprintf(stderr, "clip-dump CLIP OUT.npy FRAMES HEIGHT WIDTH RESIZE STRIDE START [TRACK]\n");
        return 2;
    }
    cfp_input_spec spec = {.channels = 3,
                           .frames = atoi(argv[3]),
                           .height = atoi(argv[4]),
                           .width = atoi(argv[5]),
                           .resize_short = atoi(argv[6]),
                           .frame_stride = 1};
    if (sscanf(argv[6], "%dx%d", &spec.resize[0], &spec.resize[1]) != 2)
        spec.resize[0] = 0;
    spec.antialias = strchr(argv[6], 'a') != NULL;
    const cfp_sampling sampling = {
        .stride = atoi(argv[7]), .start = atoll(argv[8]), .track = argc > 9 ? atoi(argv[9]) : 0};
    cfp_ctx ctx = {.log = print_log};
    cfp_clip clip;
    const cfp_status status = spec.height == 0
                                  ? open_as_is(&clip, &ctx, argv[1], &spec, &sampling)
                                  : cfp_clip_open(&clip, &ctx, argv[1], &spec, &sampling);
    if (status != CFP_OK) {
        fprintf(stderr, "%s\n", ctx.message);
        return 1;
    }
    printf("source_frames=%lld source_width=%d source_height=%d fps=%.6g looped=%d left=%.9g "
           "top=%.9g step_x=%.9g step_y=%.9g sha256=%s index=",
           (long long)clip.source_frames, clip.source_width, clip.source_height, clip.fps,
           clip.looped, clip.left, clip.top, clip.step_x, clip.step_y, clip.sha256);
    for (int i = 0; i < clip.frames; i++)
        printf("%s%d", i > 0 ? "," : "", (int)clip.index[i]);
    printf("\n");
    const int result = write_npy(&clip, argv[2]);
    cfp_clip_free(&clip);
    return result == 0 ? 0 : 1;
}
