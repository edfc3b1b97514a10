/* base_clip.c - see base_clip.h.
 *
 * The blur is that of scipy.ndimage.gaussian_filter over H and W: cut off at 4 sigma, and mirrored
 * at the edges (d c b a | a b c d | d c b a). */
#include "base_clip.h"
#include <math.h>
#include <string.h>

const char *const cfp_base_names[] = {"zeros", "mean", "blur", "freeze", NULL};

double cfp_base_sigma(cfp_shape shape)
{
    return 0.1 * cfp_min_int(shape.h, shape.w);
}

static void fill_mean(float *out, const float *x, cfp_shape s)
{
    const int64_t n = cfp_positions(s);
    for (int c = 0; c < s.c; c++) {
        double sum = 0;
        for (int64_t v = 0; v < n; v++)
            sum += (double)x[c * n + v];
        for (int64_t v = 0; v < n; v++)
            out[c * n + v] = (float)(sum / (double)n);
    }
}

/* The middle of T frames is number T div 2, as in --baseline freeze. */
static void freeze(float *out, const float *x, cfp_shape s)
{
    const int64_t frame = (int64_t)s.h * s.w;
    for (int c = 0; c < s.c; c++)
        for (int t = 0; t < s.t; t++)
            memcpy(out + (c * (int64_t)s.t + t) * frame, x + (c * (int64_t)s.t + s.t / 2) * frame,
                   (size_t)frame * sizeof *out);
}

static int mirrored(int i, int n)
{
    const int period = 2 * n, at = ((i % period) + period) % period;
    return at < n ? at : period - 1 - at;
}

/* Blurs one line of n numbers, which lie `step` apart. */
static void blur_line(float *line, int64_t step, int n, const double *weight, int radius,
                      double *buffer)
{
    for (int i = 0; i < n; i++) {
        buffer[i] = 0;
        for (int k = -radius; k <= radius; k++)
            buffer[i] += weight[k + radius] * (double)line[mirrored(i + k, n) * step];
    }
    for (int i = 0; i < n; i++)
        line[i * step] = (float)buffer[i];
}

static void blur_frames(float *out, cfp_shape s, const double *weight, int radius, double *buffer)
{
    for (int64_t f = 0; f < (int64_t)s.c * s.t; f++) {
        float *frame = out + f * s.h * s.w;
        for (int w = 0; w < s.w; w++)
            blur_line(frame + w, s.w, s.h, weight, radius, buffer);
        for (int h = 0; h < s.h; h++)
            blur_line(frame + (int64_t)h * s.w, 1, s.w, weight, radius, buffer);
    }
}

static cfp_status blur(float *out, cfp_ctx *ctx, const float *x, cfp_shape s)
{
    const double sigma = cfp_base_sigma(s);
    const int radius = (int)(4 * sigma + 0.5);
    double *weight, sum = 0;
    CFP_TRY_ALLOC(ctx, weight, 2 * radius + 1 + cfp_max_int(s.h, s.w));
    for (int k = -radius; k <= radius; k++)
        sum += weight[k + radius] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k < 2 * radius + 1; k++)
        weight[k] /= sum;
    memcpy(out, x, (size_t)cfp_count(s) * sizeof *out);
    blur_frames(out, s, weight, radius, weight + 2 * radius + 1);
    cfp_free(weight);
    return CFP_OK;
}

cfp_status cfp_base_clip(float *out, cfp_ctx *ctx, const float *x, cfp_shape shape, cfp_base base)
{
    if (base == CFP_BASE_BLUR)
        return blur(out, ctx, x, shape);
    if (base == CFP_BASE_MEAN)
        fill_mean(out, x, shape);
    else if (base == CFP_BASE_FREEZE)
        freeze(out, x, shape);
    else
        memset(out, 0, (size_t)cfp_count(shape) * sizeof *out);
    return CFP_OK;
}
