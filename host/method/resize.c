/* resize.c - both ways of resizing are separable: an axis is a list of taps per output position,
 * and "gather a few rows, weigh, add" along T, then H, then W makes the volume, frame by frame:
 * what is between stays in the cache, and frames are shared out among the threads. */
#include "resize.h"
#include "../backend/render_math.h"
#include <math.h>
#include <omp.h>
#include <string.h>

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

/* to[i] = the sum over the taps of position u of weight * from[tap][i], rows of n. */
CFP_WIDE static void weigh_rows(double *to, const double *from, int64_t n, const struct axis *axis,
                                int u)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = 0;
    for (int k = 0; k < axis->taps; k++) {
        const double w = axis->weight[u][k];
        const double *row = from + axis->at[u][k] * n;
        for (int64_t i = 0; i < n; i++)
            to[i] += w * row[i];
    }
}

enum { ABREAST = 4 }; /* rows whose points are weighed together */

/* The same along ABREAST rows, whose points stand side by side: to[row][u]. */
CFP_WIDE static void weigh_points(float *to, const double *from, int n, const struct axis *axis)
{
    for (int u = 0; u < n; u++) {
        double sum[ABREAST] = {0};
        for (int k = 0; k < axis->taps; k++)
            for (int r = 0; r < ABREAST; r++)
                sum[r] += axis->weight[u][k] * from[axis->at[u][k] * ABREAST + r];
        for (int r = 0; r < ABREAST; r++)
            to[r * n + u] = (float)sum[r];
    }
}

static void side_by_side(double *to, const double *row, int n)
{
    for (int i = 0; i < n; i++)
        to[i * ABREAST] = row[i];
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

/* Working space of one resize. */
struct work {
    struct axis axis[3];
    double *source;
    double *room; /* room_of() for each thread */
};

/* Doubles that one thread wants: a frame of the source, a row of it, ABREAST rows side by side, and
 * as many rows of the result. */
static int64_t room_of(const int to[3], const int from[3])
{
    return ((int64_t)from[1] + 1 + ABREAST) * from[2] + (ABREAST * (int64_t)to[2] + 1) / 2;
}

static void resize_frame(float *dst, const int to[3], const int from[3], const struct work *w,
                         const double *frame, double *room)
{
    double *row = room, *rows = row + from[2];
    float *made = (float *)(void *)(rows + ABREAST * from[2]);
    for (int y = 0; y < to[1]; y += ABREAST) {
        const int n = cfp_min_int(ABREAST, to[1] - y);
        for (int r = 0; r < n; r++) {
            weigh_rows(row, frame, from[2], &w->axis[1], y + r);
            side_by_side(rows + r, row, from[2]);
        }
        weigh_points(n == ABREAST ? dst + (int64_t)y * to[2] : made, rows, to[2], &w->axis[2]);
        if (n < ABREAST)
            memcpy(dst + (int64_t)y * to[2], made, (size_t)n * (size_t)to[2] * sizeof *dst);
    }
}

static void resize_frames(float *dst, const int to[3], const int from[3], const struct work *w)
{
    const int64_t plane = (int64_t)from[1] * from[2];
#pragma omp parallel for schedule(static)
    for (int t = 0; t < to[0]; t++) {
        double *frame = w->room + room_of(to, from) * omp_get_thread_num();
        weigh_rows(frame, w->source, plane, &w->axis[0], t);
        resize_frame(dst + (int64_t)t * to[1] * to[2], to, from, w, frame, frame + plane);
    }
}

static cfp_status resize(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                         const int from[3], struct work *w,
                         cfp_status (*open_axis)(struct axis *, cfp_ctx *, int, int), bool filter)
{
    const int64_t plane = (int64_t)from[1] * from[2];
    for (int a = 0; a < 3; a++)
        CFP_TRY(open_axis(&w->axis[a], ctx, from[a], to[a]));
    CFP_TRY_ALLOC(ctx, w->source, from[0] * plane);
    CFP_TRY_ALLOC(ctx, w->room, room_of(to, from) * omp_get_max_threads());
    for (int64_t p = 0; p < from[0] * plane; p++)
        w->source[p] = (double)src[p];
    if (filter)
        spline_filter(w->source, from);
    resize_frames(dst, to, from, w);
    return CFP_OK;
}

static void work_close(struct work *w)
{
    for (int a = 0; a < 3; a++)
        axis_close(&w->axis[a]);
    cfp_free(w->source);
    cfp_free(w->room);
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
