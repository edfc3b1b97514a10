/* resize.c - both ways of resizing are separable: an axis is a list of taps per output position,
 * and three passes of "gather a few rows, weigh, add" do the volume. */
#include "resize.h"
#include "../backend/render_math.h"
#include <math.h>

enum { MOST_TAPS = 4 };

/* One axis: output position u is the sum over k of weight[u][k] * input[at[u][k]]. */
struct axis {
    int taps;
    int (*at)[MOST_TAPS];
    double (*weight)[MOST_TAPS];
};

static void axis_close(struct axis *axis)
{
    cfp_free(axis->at);
    cfp_free(axis->weight);
}

static cfp_status axis_linear(struct axis *axis, cfp_ctx *ctx, int from, int to)
{
    axis->taps = 2;
    CFP_TRY_ALLOC(ctx, axis->at, to);
    CFP_TRY_ALLOC(ctx, axis->weight, to);
    for (int u = 0; u < to; u++) {
        const cfp_taps taps = cfp_taps_linear(u, from, to);
        for (int k = 0; k < 2; k++) {
            axis->at[u][k] = taps.at[k];
            axis->weight[u][k] = taps.weight[k];
        }
    }
    return CFP_OK;
}

/* Index reflected at both ends, the end samples standing once: ... 2 1 0 1 2 ... */
static int mirrored(int i, int n)
{
    if (n == 1)
        return 0;
    const int period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

static cfp_status axis_spline(struct axis *axis, cfp_ctx *ctx, int from, int to)
{
    axis->taps = 4;
    CFP_TRY_ALLOC(ctx, axis->at, to);
    CFP_TRY_ALLOC(ctx, axis->weight, to);
    const double zoom = to > 1 ? (double)(from - 1) / (double)(to - 1) : 1.0;
    for (int u = 0; u < to; u++) {
        const double x = zoom * u;
        const int low = (int)floor(x);
        const double f = x - low, g = 1 - f;
        const bool outside = x > from - 1; /* scipy's mode 'constant': nothing there */
        const double w[4] = {g * g * g / 6, (f * f * (f - 2) * 3 + 4) / 6,
                             (g * g * (g - 2) * 3 + 4) / 6, f * f * f / 6};
        for (int k = 0; k < 4; k++) {
            axis->at[u][k] = mirrored(low - 1 + k, from);
            axis->weight[u][k] = outside ? 0 : w[k];
        }
    }
    return CFP_OK;
}

/* Resamples the middle axis of (outer, n, inner) to (outer, m, inner). */
static void resample(double *dst, const double *src, int64_t outer, int n, int m, int64_t inner,
                     const struct axis *axis)
{
    for (int64_t o = 0; o < outer; o++)
        for (int u = 0; u < m; u++) {
            double *to = dst + (o * m + u) * inner;
            for (int64_t i = 0; i < inner; i++)
                to[i] = 0;
            for (int k = 0; k < axis->taps; k++) {
                const double w = axis->weight[u][k];
                const double *from = src + (o * n + axis->at[u][k]) * inner;
                for (int64_t i = 0; i < inner; i++)
                    to[i] += w * from[i];
            }
        }
}

/* The samples of one line become the coefficients of the cubic B-spline through them: a causal and
 * an anticausal recursion with the pole sqrt(3) - 2, exact for a mirrored line (Unser 1999). */
static void spline_line(double *c, int n, int64_t stride)
{
    const double pole = sqrt(3.0) - 2.0, gain = (1 - pole) * (1 - 1 / pole);
    const double far = pow(pole, n - 1);
    if (n < 2)
        return;
    for (int i = 0; i < n; i++)
        c[i * stride] *= gain;
    double power = pole;
    c[0] += far * c[(n - 1) * stride];
    for (int i = 1; i < n - 1; i++) {
        c[0] += power * (c[i * stride] + far * c[(n - 1 - i) * stride]);
        power *= pole;
    }
    c[0] /= 1 - far * far;
    for (int i = 1; i < n; i++)
        c[i * stride] += pole * c[(i - 1) * stride];
    c[(n - 1) * stride] =
        (pole * c[(n - 2) * stride] + c[(n - 1) * stride]) * pole / (pole * pole - 1);
    for (int i = n - 2; i >= 0; i--)
        c[i * stride] = pole * (c[(i + 1) * stride] - c[i * stride]);
}

static void spline_filter(double *x, const int n[3])
{
    const int64_t stride[3] = {(int64_t)n[1] * n[2], n[2], 1};
    for (int a = 0; a < 3; a++)
        for (int64_t line = 0; line < (int64_t)n[0] * n[1] * n[2] / n[a]; line++) {
            const int64_t outer = line / stride[a], inner = line % stride[a];
            spline_line(x + outer * stride[a] * n[a] + inner, n[a], stride[a]);
        }
}

/* Working space of one resize: the volume after each axis. */
struct work {
    struct axis axis[3];
    double *source, *after_t, *after_h, *after_w;
};

static cfp_status resize(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                         const int from[3], struct work *w,
                         cfp_status (*open_axis)(struct axis *, cfp_ctx *, int, int), bool filter)
{
    const int64_t plane = (int64_t)from[1] * from[2];
    for (int a = 0; a < 3; a++)
        CFP_TRY(open_axis(&w->axis[a], ctx, from[a], to[a]));
    CFP_TRY_ALLOC(ctx, w->source, from[0] * plane);
    CFP_TRY_ALLOC(ctx, w->after_t, to[0] * plane);
    CFP_TRY_ALLOC(ctx, w->after_h, (int64_t)to[0] * to[1] * from[2]);
    CFP_TRY_ALLOC(ctx, w->after_w, (int64_t)to[0] * to[1] * to[2]);
    for (int64_t p = 0; p < from[0] * plane; p++)
        w->source[p] = (double)src[p];
    if (filter)
        spline_filter(w->source, from);
    resample(w->after_t, w->source, 1, from[0], to[0], plane, &w->axis[0]);
    resample(w->after_h, w->after_t, to[0], from[1], to[1], from[2], &w->axis[1]);
    resample(w->after_w, w->after_h, (int64_t)to[0] * to[1], from[2], to[2], 1, &w->axis[2]);
    for (int64_t p = 0; p < (int64_t)to[0] * to[1] * to[2]; p++)
        dst[p] = (float)w->after_w[p];
    return CFP_OK;
}

static void work_close(struct work *w)
{
    for (int a = 0; a < 3; a++)
        axis_close(&w->axis[a]);
    cfp_free(w->source);
    cfp_free(w->after_t);
    cfp_free(w->after_h);
    cfp_free(w->after_w);
}

cfp_status cfp_resize_linear(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                             const int from[3])
{
    struct work w = {0};
    const cfp_status status = resize(dst, to, ctx, src, from, &w, axis_linear, false);
    work_close(&w);
    return status;
}

cfp_status cfp_resize_spline(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                             const int from[3])
{
    struct work w = {0};
    const cfp_status status = resize(dst, to, ctx, src, from, &w, axis_spline, true);
    work_close(&w);
    return status;
}
