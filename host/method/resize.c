/* resize.c - resizes volumes, axis by axis.
 *
 * Both ways of resizing are separable.  Along one axis, each output position is a weighted sum of a
 * few input positions, its taps.  The volume is made frame by frame, along T, then H, then W; so
 * intermediate results stay in the caches, and threads take different frames.  The taps along W lie
 * anywhere in a row, so ABREAST rows are computed at once, and a vector holds the same point of
 * each row. */
#include "resize.h"
#include "../backend/render_math.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { MAX_TAPS = 4 };

/* One axis: output position u is the sum over k of weight[u][k] * input[at[u][k]]. */
struct axis {
    int taps;
    int (*at)[MAX_TAPS];
    double (*weight)[MAX_TAPS];
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

/* The index reflected at both ends; the end samples are not repeated: ... 2 1 0 1 2 ... */
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
        const bool outside = x > from - 1; /* scipy's mode 'constant': 0 there */
        const double w[4] = {g * g * g / 6, (f * f * (f - 2) * 3 + 4) / 6,
                             (g * g * (g - 2) * 3 + 4) / 6, f * f * f / 6};
        for (int k = 0; k < 4; k++) {
            axis->at[u][k] = mirrored(low - 1 + k, from);
            axis->weight[u][k] = outside ? 0 : w[k];
        }
    }
    return CFP_OK;
}

enum { ABREAST = 4 }; /* rows that are computed together along W */

/* Inlined, so that a constant argument `taps` or `rows` unrolls the loop over it. */
#define UNROLLED static inline __attribute__((always_inline)) void

/* Row u of the output: to[i] = sum over the taps of u of weight * from[tap][i], rows of n. */
UNROLLED add_rows(double *to, const double *from, int64_t n, const struct axis *axis, int u,
                  int taps)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = axis->weight[u][0] * from[axis->at[u][0] * n + i];
        for (int k = 1; k < taps; k++)
            sum += axis->weight[u][k] * from[axis->at[u][k] * n + i];
        to[i] = sum;
    }
}

CFP_WIDE static void weigh_rows(double *to, const double *from, int64_t n, const struct axis *axis,
                                int u)
{
    if (axis->taps == 2)
        add_rows(to, from, n, axis, u, 2);
    else
        add_rows(to, from, n, axis, u, MAX_TAPS);
}

typedef double doubles __attribute__((vector_size(ABREAST * sizeof(double))));
typedef float floats __attribute__((vector_size(ABREAST * sizeof(float))));

/* Point u of ABREAST output rows.  `from` has the same point of all rows side by side. */
UNROLLED add_point(floats *to, const double *from, const struct axis *axis, int u, int taps)
{
    doubles sum, x;
    memcpy(&sum, from + (int64_t)axis->at[u][0] * ABREAST, sizeof sum);
    sum = axis->weight[u][0] * sum;
    for (int k = 1; k < taps; k++) {
        memcpy(&x, from + (int64_t)axis->at[u][k] * ABREAST, sizeof x);
        sum += axis->weight[u][k] * x;
    }
    *to = __builtin_convertvector(sum, floats);
}

/* Makes rows of points that lie side by side. */
UNROLLED transpose(floats to[ABREAST], const floats from[ABREAST])
{
    const floats a = __builtin_shufflevector(from[0], from[1], 0, 4, 1, 5);
    const floats b = __builtin_shufflevector(from[2], from[3], 0, 4, 1, 5);
    const floats c = __builtin_shufflevector(from[0], from[1], 2, 6, 3, 7);
    const floats d = __builtin_shufflevector(from[2], from[3], 2, 6, 3, 7);
    to[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    to[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    to[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    to[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

UNROLLED add_points(float *to, const double *from, int n, const struct axis *axis, int taps)
{
    floats point[ABREAST], row[ABREAST];
    int u = 0;
    for (; u + ABREAST <= n; u += ABREAST) {
        for (int i = 0; i < ABREAST; i++)
            add_point(&point[i], from, axis, u + i, taps);
        transpose(row, point);
        for (int r = 0; r < ABREAST; r++)
            memcpy(to + r * n + u, &row[r], sizeof row[r]);
    }
    for (; u < n; u++) {
        add_point(&point[0], from, axis, u, taps);
        for (int r = 0; r < ABREAST; r++)
            to[r * n + u] = point[0][r];
    }
}

/* All n points of ABREAST rows.  `to` has one row after the other. */
CFP_WIDE static void weigh_points(float *to, const double *from, int n, const struct axis *axis)
{
    if (axis->taps == 2)
        add_points(to, from, n, axis, 2);
    else
        add_points(to, from, n, axis, MAX_TAPS);
}

/* Takes ABREAST rows of n, one after the other, and puts the same point of all rows side by side.
 */
CFP_WIDE static void side_by_side(double *to, const double *rows, int n)
{
    for (int i = 0; i < n; i++)
        for (int r = 0; r < ABREAST; r++)
            to[i * ABREAST + r] = rows[r * n + i];
}

/* Makes of the samples of one line the coefficients of the cubic B-spline through them, by a causal
 * and an anticausal recursion with the pole sqrt(3) - 2.  Exact for a mirrored line (Unser 1999).
 */
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
    double *workspace; /* workspace_size() for each thread */
};

/* One thread's part of it. */
struct workspace {
    double *frame, *rows, *points; /* of the source: a frame, ABREAST rows, the same side by side */
    float *made;                   /* ABREAST rows of the result */
    float *low, *high;             /* a row: the extremes of the frame's columns */
};

static int64_t workspace_size(const int to[3], const int from[3]) /* doubles */
{
    return ((int64_t)from[1] + 2 * ABREAST) * from[2] + ((ABREAST + 2) * (int64_t)to[2] + 1) / 2;
}

static struct workspace workspace_at(double *begin, const int to[3], const int from[3])
{
    struct workspace workspace = {.frame = begin};
    workspace.rows = workspace.frame + (int64_t)from[1] * from[2];
    workspace.points = workspace.rows + ABREAST * from[2];
    workspace.made = (float *)(void *)(workspace.points + ABREAST * from[2]);
    workspace.low = workspace.made + ABREAST * to[2];
    workspace.high = workspace.low + to[2];
    return workspace;
}

UNROLLED widen_by(float *restrict low, float *restrict high, const float *row, int n, int rows)
{
    for (int u = 0; u < n; u++) {
        float min = low[u], max = high[u];
        for (int r = 0; r < rows; r++) {
            min = row[r * n + u] < min ? row[r * n + u] : min;
            max = row[r * n + u] > max ? row[r * n + u] : max;
        }
        low[u] = min;
        high[u] = max;
    }
}

/* Widens the extremes of n columns by the points of at most ABREAST rows; NaN does not count. */
CFP_WIDE static void widen_columns(float *low, float *high, const float *row, int n, int rows)
{
    if (rows == ABREAST)
        widen_by(low, high, row, n, ABREAST);
    else
        for (int r = 0; r < rows; r++)
            widen_by(low, high, row + r * n, n, 1);
}

static cfp_extremes extremes_of(const struct workspace *workspace, int n)
{
    cfp_extremes all = {INFINITY, -INFINITY};
    for (int u = 0; u < n; u++) {
        all.low = workspace->low[u] < all.low ? workspace->low[u] : all.low;
        all.high = workspace->high[u] > all.high ? workspace->high[u] : all.high;
    }
    return all;
}

static cfp_extremes resize_frame(float *dst, const int to[3], const int from[3],
                                 const struct work *w, const struct workspace *workspace)
{
    for (int u = 0; u < to[2]; u++) {
        workspace->low[u] = INFINITY;
        workspace->high[u] = -INFINITY;
    }
    for (int y = 0; y < to[1]; y += ABREAST) {
        const int n = cfp_min_int(ABREAST, to[1] - y);
        float *out = dst + (int64_t)y * to[2];
        for (int r = 0; r < n; r++)
            weigh_rows(workspace->rows + r * from[2], workspace->frame, from[2], &w->axis[1],
                       y + r);
        side_by_side(workspace->points, workspace->rows, from[2]);
        weigh_points(n == ABREAST ? out : workspace->made, workspace->points, to[2], &w->axis[2]);
        if (n < ABREAST)
            memcpy(out, workspace->made, (size_t)n * (size_t)to[2] * sizeof *dst);
        widen_columns(workspace->low, workspace->high, out, to[2], n);
    }
    return extremes_of(workspace, to[2]);
}

static cfp_extremes resize_frames(float *dst, const int to[3], const int from[3],
                                  const struct work *w)
{
    const int64_t plane = (int64_t)from[1] * from[2];
    float low = INFINITY, high = -INFINITY;
#pragma omp parallel for schedule(static) reduction(min : low) reduction(max : high)
    for (int t = 0; t < to[0]; t++) {
        const struct workspace workspace =
            workspace_at(w->workspace + workspace_size(to, from) * omp_get_thread_num(), to, from);
        weigh_rows(workspace.frame, w->source, plane, &w->axis[0], t);
        const cfp_extremes of =
            resize_frame(dst + (int64_t)t * to[1] * to[2], to, from, w, &workspace);
        low = of.low < low ? of.low : low;
        high = of.high > high ? of.high : high;
    }
    return (cfp_extremes){low, high};
}

static cfp_status resize(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                         const int from[3], cfp_extremes *extremes, struct work *w,
                         cfp_status (*open_axis)(struct axis *, cfp_ctx *, int, int), bool filter)
{
    const int64_t plane = (int64_t)from[1] * from[2];
    for (int a = 0; a < 3; a++)
        CFP_TRY(open_axis(&w->axis[a], ctx, from[a], to[a]));
    CFP_TRY_ALLOC(ctx, w->source, from[0] * plane);
    CFP_TRY_ALLOC(ctx, w->workspace, workspace_size(to, from) * omp_get_max_threads());
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < from[0] * plane; p++)
        w->source[p] = (double)src[p];
    if (filter)
        spline_filter(w->source, from);
    *extremes = resize_frames(dst, to, from, w);
    return CFP_OK;
}

static void work_close(struct work *w)
{
    for (int a = 0; a < 3; a++)
        axis_close(&w->axis[a]);
    cfp_free(w->source);
    cfp_free(w->workspace);
}

cfp_status cfp_resize_linear(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                             const int from[3], cfp_extremes *extremes)
{
    struct work w = {0};
    const cfp_status status = resize(dst, to, ctx, src, from, extremes, &w, axis_linear, false);
    work_close(&w);
    return status;
}

cfp_status cfp_resize_spline(float *dst, const int to[3], cfp_ctx *ctx, const float *src,
                             const int from[3], cfp_extremes *extremes)
{
    struct work w = {0};
    const cfp_status status = resize(dst, to, ctx, src, from, extremes, &w, axis_spline, true);
    work_close(&w);
    return status;
}
