/* window_dump.c - reads windows out of a video, and compares each frame with the same frame when
 * the whole video is decoded.  check_windows.py asks it.
 *
 *     window_dump VIDEO WINDOWS
 *     window_dump VIDEO at SECONDS...
 *
 * It reads that many windows, evenly spread, each opened anew: some frames in a row and one further
 * on.  Standard output gets one line of name=value: frames (of the whole decoding), counted (as the
 * source says after the last window), indexed (1: it knew the count without decoding), wrong
 * (frames that differ or are missing). */
#include "../host/clip/clip.h"
#include "../host/clip/frame_rgb.h"
#include "../host/clip/video_file.h"
#include <stdlib.h>
#include <string.h>

enum { A_WINDOW = 4, FURTHER = 11, MOST = 200000 };

typedef struct whole { /* the sums of all frames */
    uint64_t *sum;
    int frames;
} whole;

typedef struct window {
    const whole *all;
    int taken, wrong;
} window;

static uint64_t sum_of(const cfp_image *image)
{
    uint64_t sum = 1469598103934665603u ^ (uint64_t)image->width;
    const size_t bytes = (size_t)image->width * (size_t)image->height * 3;
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t word;
        memcpy(&word, image->rgb + i, 8);
        sum = (sum ^ word) * 1099511628211u;
        sum ^= sum >> 29;
    }
    return sum;
}

static cfp_status decode_all(whole *all, cfp_video_file *video, cfp_frame_rgb *rgb, cfp_ctx *ctx,
                             const char *path)
{
    CFP_TRY(cfp_video_open(video, ctx, path, 0));
    CFP_TRY_ALLOC(ctx, all->sum, MOST);
    for (bool more; all->frames < MOST; all->frames++) {
        CFP_TRY(cfp_video_next(video, &more));
        if (!more)
            return CFP_OK;
        CFP_TRY(cfp_frame_to_rgb(rgb, ctx, path, video->frame, cfp_video_matrix(video)));
        all->sum[all->frames] = sum_of(&rgb->image);
    }
    return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: more than %d frames", path, MOST);
}

static cfp_status take(void *cookie, cfp_ctx *ctx, int32_t frame, const cfp_image *image)
{
    window *w = cookie;
    (void)ctx;
    w->taken++;
    w->wrong += frame >= w->all->frames || sum_of(image) != w->all->sum[frame];
    return CFP_OK;
}

static cfp_status read_window(cfp_source *source, cfp_ctx *ctx, const whole *all, int start,
                              int *wrong)
{
    window w = {.all = all};
    const cfp_sink sink = {take, &w};
    int32_t wanted[A_WINDOW + 1];
    int n = 0;
    for (int i = 0; i < A_WINDOW && start + i < all->frames; i++)
        wanted[n++] = start + i;
    if (start + FURTHER < all->frames && n == A_WINDOW)
        wanted[n++] = start + FURTHER;
    const bool sure = source->exact;
    CFP_TRY(source->kind->read(source, ctx, wanted, n, &sink));
    if (sure && !source->exact) { /* damage was met: this is what clip.c does then */
        source->exact = true;
        w = (window){.all = all};
        CFP_TRY(source->kind->read(source, ctx, wanted, n, &sink));
    }
    *wrong += w.wrong + (n - w.taken);
    return CFP_OK;
}

static void print_log(void *cookie, cfp_level level, const char *line)
{
    (void)cookie;
    fprintf(stderr, "%s: %s\n", level == CFP_LOG_WARNING ? "warning" : "log", line);
}

static cfp_status compare(cfp_ctx *ctx, const char *path, const whole *all, int windows)
{
    int wrong = 0, indexed = 0;
    int64_t counted = 0;
    for (int i = 0; i < windows; i++) {
        const int last = windows > 1 ? windows - 1 : 1;
        cfp_source source = {.kind = &cfp_source_video, .path = path, .channels = 3};
        cfp_status status = source.kind->open(&source, ctx);
        indexed = source.exact;
        if (status == CFP_OK)
            status = read_window(&source, ctx, all, (all->frames - 1) * i / last, &wrong);
        counted = source.frames;
        source.kind->close(&source);
        CFP_TRY(status);
    }
    printf("frames=%d counted=%lld indexed=%d wrong=%d\n", all->frames, (long long)counted, indexed,
           wrong);
    return CFP_OK;
}

static void print_frame_at(const char *path, const char *seconds)
{
    const cfp_input_spec spec = {
        .channels = 3, .frames = 1, .height = 8, .width = 8, .frame_stride = 1};
    const cfp_sampling sampling = {.by_time = true, .seconds = atof(seconds), .unhashed = true};
    cfp_ctx ctx = {0};
    cfp_clip clip;
    if (cfp_clip_open(&clip, &ctx, path, &spec, &sampling) == CFP_OK)
        printf("%d\n", (int)clip.index[0]);
    else
        printf("%s\n", ctx.message);
    cfp_clip_free(&clip);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[2], "at") == 0) {
        for (int i = 3; i < argc; i++)
            print_frame_at(argv[1], argv[i]);
        return 0;
    }
    if (argc != 3) {
        fprintf(stderr, "window_dump VIDEO WINDOWS | VIDEO at SECONDS...\n");
        return 2;
    }
    cfp_ctx ctx = {.log = print_log};
    whole all = {0};
    cfp_video_file video = {0};
    cfp_frame_rgb rgb = {0};
    cfp_status status = decode_all(&all, &video, &rgb, &ctx, argv[1]);
    cfp_video_close(&video);
    cfp_frame_rgb_free(&rgb);
    if (status == CFP_OK && all.frames > 0)
        status = compare(&ctx, argv[1], &all, atoi(argv[2]));
    cfp_free(all.sum);
    if (status != CFP_OK)
        fprintf(stderr, "%s\n", ctx.message);
    return status == CFP_OK ? 0 : 1;
}
