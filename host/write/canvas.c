/* canvas.c - see canvas.h. */
#include "canvas.h"
#include <math.h>
#include <string.h>

/* The sampled frames once more, uncropped and at the size of the source. */
static cfp_status open_source(cfp_clip *out, cfp_ctx *ctx, const cfp_explanation *explanation)
{
    const cfp_clip *clip = explanation->clip;
    cfp_input_spec spec = explanation->model->input;
    spec.frames = clip->frames;
    spec.height = clip->source_height;
    spec.width = clip->source_width;
    spec.resize_short = spec.resize[0] = spec.resize[1] = 0;
    const cfp_sampling sampling = {.start = clip->index[0], .stride = clip->stride};
    /* What there is to warn of has been said when the clip was read first. */
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
    if (run->canvas_source) {
        CFP_TRY(open_source(&canvas->source, canvas->ctx, canvas->explanation));
        canvas->clip = &canvas->source;
    }
    const int shorter = cfp_min_int(canvas->clip->height, canvas->clip->width);
    const int longer = cfp_max_int(canvas->clip->height, canvas->clip->width);
    if (longer > CFP_CANVAS_MOST)
        return cfp_fail(canvas->ctx, CFP_UNSUPPORTED,
                        "%s: frames of %d x %d; pictures of at most %d a side can be drawn",
                        canvas->clip->path, canvas->clip->width, canvas->clip->height,
                        CFP_CANVAS_MOST);
    canvas->enlarge = cfp_max_int(
        1, cfp_min_int((CFP_CANVAS_SHORT + shorter - 1) / shorter, CFP_CANVAS_LONG / longer));
    canvas->height = canvas->clip->height * canvas->enlarge;
    canvas->width = canvas->clip->width * canvas->enlarge;
    canvas->alpha = run->alpha;
    cfp_colormap_table(canvas->colour, run->colormap);
    const size_t voxels = (size_t)seen->frames * (size_t)seen->height * (size_t)seen->width;
    CFP_TRY_ALLOC(canvas->ctx, canvas->volume, voxels);
    return CFP_OK;
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
    cfp_free(canvas->volume);
    *canvas = (cfp_canvas){0};
}

cfp_status cfp_canvas_tube(cfp_canvas *canvas, const cfp_tube *tube)
{
    const cfp_clip *seen = canvas->explanation->clip;
    return cfp_tube_render(canvas->volume, canvas->ctx, tube, seen->frames, seen->height,
                           seen->width, canvas->explanation->interp);
}

/* Where source pixel x lies among the n pixels of the crop; false: outside. */
static bool in_crop(double *out, int x, double begin, double step, int n)
{
    *out = (x - begin + 0.5) / step - 0.5;
    return *out >= -0.5 && *out <= n - 0.5;
}

/* The tube at pixel (y, x) of the canvas, bilinear between the pixels the model saw; -1: it saw
 * nothing there. */
static float sample(const cfp_canvas *canvas, int t, int y, int x)
{
    const cfp_clip *seen = canvas->explanation->clip;
    const int H = seen->height, W = seen->width;
    const float *frame = canvas->volume + (size_t)t * (size_t)H * (size_t)W;
    if (canvas->clip == seen)
        return frame[(size_t)y * (size_t)W + (size_t)x];
    double v, u;
    if (!in_crop(&v, y, seen->top, seen->step_y, H) || !in_crop(&u, x, seen->left, seen->step_x, W))
        return -1.0f;
    const double v0 = floor(v), u0 = floor(u);
    const int top = cfp_max_int((int)v0, 0), bottom = cfp_min_int((int)v0 + 1, H - 1);
    const int left = cfp_max_int((int)u0, 0), right = cfp_min_int((int)u0 + 1, W - 1);
    const double fv = v - v0, fu = u - u0;
    const double above = frame[top * W + left] * (1 - fu) + frame[top * W + right] * fu;
    const double below = frame[bottom * W + left] * (1 - fu) + frame[bottom * W + right] * fu;
    return (float)(above * (1 - fv) + below * fv);
}

void cfp_canvas_draw(const cfp_canvas *canvas, uint8_t *rgb, size_t stride, int t)
{
    const int H = canvas->clip->height, W = canvas->clip->width, n = canvas->enlarge;
    const uint8_t *frame = canvas->clip->rgb + (size_t)t * (size_t)H * (size_t)W * 3;
    for (int y = 0; y < H; y++) {
        uint8_t *row = rgb + (size_t)y * (size_t)n * stride;
        uint8_t *pixel = row;
        for (int x = 0; x < W; x++, frame += 3) {
            const float v = sample(canvas, t, y, x);
            const double alpha = v < 0.0f ? 0.0 : canvas->alpha;
            const uint8_t *colour = canvas->colour + 3 * cfp_colormap_index(v);
            for (int c = 0; c < 3; c++)
                pixel[c] = (uint8_t)(alpha * colour[c] + (1.0 - alpha) * frame[c] + 0.5);
            for (int k = 1; k < n; k++)
                memcpy(pixel + 3 * k, pixel, 3);
            pixel += 3 * n;
        }
        for (int k = 1; k < n; k++)
            memcpy(row + (size_t)k * stride, row, (size_t)W * (size_t)n * 3);
    }
}
