/* canvas.c - see canvas.h. */
#include "canvas.h"
#include "../backend/render_math.h"
#include <string.h>

/* Reads the sampled frames again, uncropped and at the size of the source. */
static cfp_status open_source(cfp_clip *out, cfp_ctx *ctx, const cfp_explanation *explanation)
{
    const cfp_clip *clip = explanation->clip;
    cfp_input_spec spec = explanation->model->input;
    spec.frames = clip->frames;
    spec.height = clip->source_height;
    spec.width = clip->source_width;
    spec.resize_short = spec.resize[0] = spec.resize[1] = 0;
    const cfp_sampling sampling = {.start = clip->uniform ? clip->part_first : clip->place,
                                   .stride = clip->stride,
                                   .uniform = clip->uniform,
                                   .part_frames = clip->part_frames,
                                   .by_place = true,
                                   .track = clip->track};
    /* No warnings: they were given when the clip was read the first time. */
    cfp_ctx quiet = *ctx;
    quiet.log = NULL;
    const cfp_status status = cfp_clip_open(out, &quiet, clip->path, &spec, &sampling);
    ctx->fail_allocation = quiet.fail_allocation;
    if (status != CFP_OK)
        return cfp_fail(ctx, status, "%s", quiet.message);
    for (int t = 0; t < clip->frames; t++)
        if (out->index[t] != clip->index[t])
            return cfp_fail(ctx, CFP_IO, "%s: has changed while it was explained", clip->path);
    return CFP_OK;
}

static cfp_status open_canvas(cfp_canvas *canvas, const cfp_run *run)
{
    const cfp_clip *seen = canvas->explanation->clip;
    canvas->clip = seen;
    canvas->fps = run->fps;
    if (run->canvas_source) {
        CFP_TRY(open_source(&canvas->source, canvas->ctx, canvas->explanation));
        canvas->clip = &canvas->source;
    }
    const int shorter = cfp_min_int(canvas->clip->height, canvas->clip->width);
    const int longer = cfp_max_int(canvas->clip->height, canvas->clip->width);
    if (longer > CFP_CANVAS_MAX)
        return cfp_fail(canvas->ctx, CFP_UNSUPPORTED,
                        "%s: frames of %d x %d; pictures of at most %d a side can be drawn",
                        canvas->clip->path, canvas->clip->width, canvas->clip->height,
                        CFP_CANVAS_MAX);
    canvas->enlarge = cfp_max_int(
        1, cfp_min_int((CFP_CANVAS_SHORT + shorter - 1) / shorter, CFP_CANVAS_LONG / longer));
    canvas->height = canvas->clip->height * canvas->enlarge;
    canvas->width = canvas->clip->width * canvas->enlarge;
    CFP_TRY_ALLOC(canvas->ctx, canvas->frame,
                  (size_t)canvas->clip->height * (size_t)canvas->clip->width * 3);
    cfp_overlay overlay = {.height = canvas->clip->height,
                           .width = canvas->clip->width,
                           .seen_height = seen->height,
                           .seen_width = seen->width,
                           .cropped = run->canvas_source,
                           .top = seen->top,
                           .left = seen->left,
                           .step_y = seen->step_y,
                           .step_x = seen->step_x,
                           .alpha = run->alpha,
                           .difference = canvas->explanation->against != NULL};
    cfp_colormap_table(overlay.colour, run->colormap);
    return cfp_renderer_open(&canvas->renderer, canvas->ctx, run->renders_on,
                             (int[]){seen->frames, seen->height, seen->width},
                             canvas->explanation->interp, &overlay);
}

cfp_status cfp_canvas_open(cfp_canvas *out, cfp_ctx *ctx, const cfp_explanation *explanation,
                           const cfp_run *run)
{
    *out = (cfp_canvas){.ctx = ctx, .explanation = explanation};
    const cfp_status status = open_canvas(out, run);
    if (status != CFP_OK)
        cfp_canvas_close(out);
    return status;
}

void cfp_canvas_close(cfp_canvas *canvas)
{
    cfp_clip_free(&canvas->source);
    cfp_renderer_close(&canvas->renderer);
    cfp_free(canvas->frame);
    *canvas = (cfp_canvas){0};
}

cfp_status cfp_canvas_tube(cfp_canvas *canvas, const cfp_tube *tube)
{
    return cfp_renderer_tube(&canvas->renderer, tube);
}

/* Repeats each pixel n times, and each row n times. */
static void enlarge(uint8_t *rgb, size_t stride, const uint8_t *frame, int H, int W, int n)
{
    for (int y = 0; y < H; y++) {
        uint8_t *row = rgb + (size_t)y * (size_t)n * stride;
        uint8_t *pixel = row;
        for (int x = 0; x < W; x++, frame += 3)
            for (int k = 0; k < n; k++, pixel += 3)
                memcpy(pixel, frame, 3);
        for (int k = 1; k < n; k++)
            memcpy(row + (size_t)k * stride, row, (size_t)W * (size_t)n * 3);
    }
}

static const uint8_t *frame_of(const cfp_clip *clip, int t)
{
    return clip->rgb + (size_t)t * (size_t)clip->height * (size_t)clip->width * 3;
}

cfp_status cfp_canvas_colour(const cfp_canvas *canvas, int t)
{
    memcpy(canvas->frame, frame_of(canvas->clip, t),
           (size_t)canvas->clip->height * (size_t)canvas->clip->width * 3);
    return cfp_renderer_overlay(&canvas->renderer, canvas->frame, t);
}

cfp_status cfp_canvas_draw(const cfp_canvas *canvas, uint8_t *rgb, size_t stride, int t)
{
    CFP_TRY(cfp_canvas_colour(canvas, t));
    enlarge(rgb, stride, canvas->frame, canvas->clip->height, canvas->clip->width, canvas->enlarge);
    return CFP_OK;
}

void cfp_canvas_plain(const cfp_canvas *canvas, uint8_t *rgb, size_t stride, int t)
{
    enlarge(rgb, stride, frame_of(canvas->clip, t), canvas->clip->height, canvas->clip->width,
            canvas->enlarge);
}

cfp_status cfp_canvas_volume(cfp_canvas *canvas)
{
    return cfp_renderer_volume(&canvas->renderer);
}

static const float *plane_of(const cfp_canvas *canvas, int t)
{
    const int *size = canvas->renderer.size;
    return canvas->renderer.volume + (size_t)t * (size_t)size[1] * (size_t)size[2];
}

void cfp_canvas_values(const cfp_canvas *canvas, float *value, int t)
{
    const cfp_overlay *overlay = &canvas->renderer.overlay;
    for (int y = 0; y < overlay->height; y++)
        for (int x = 0; x < overlay->width; x++) {
            const float v = cfp_tube_at(overlay, plane_of(canvas, t), y, x);
            *value++ = v > 0.0f ? v : v > CFP_UNSEEN ? -v : 0.0f;
        }
}

double cfp_canvas_strength(const cfp_canvas *canvas, int t)
{
    const int n = canvas->renderer.size[1] * canvas->renderer.size[2];
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += fabs((double)plane_of(canvas, t)[k]);
    return sum / n;
}

double cfp_canvas_mean(const cfp_canvas *canvas, int t)
{
    const int n = canvas->renderer.size[1] * canvas->renderer.size[2];
    double sum = 0;
    for (int k = 0; k < n; k++)
        sum += (double)plane_of(canvas, t)[k];
    return sum / n;
}

int cfp_canvas_spread(const cfp_canvas *canvas, int *frame, int max_frames)
{
    const int T = canvas->clip->frames, n = cfp_min_int(T, max_frames);
    for (int k = 0; k < n; k++)
        frame[k] = (int)((2 * (int64_t)k + 1) * T / (2 * n));
    return n;
}
