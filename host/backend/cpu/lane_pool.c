/* lane_pool.c - maximum and average over windows, both directions (lanes.h: lane_pool).
 *
 * Forward keeps a tile of outputs along W in registers, as lane_conv.c does, and loads each source
 * vector once for all outputs that need it.  For 64 x 16 x 112 x 112 and 3 x 3 x 3 / 2 the speed is
 * limited by memory (51 MB are read). */
#include "lane.h"

static inline const float *frame_row(const float *x, cfp_shape s, int64_t block, int t, int h)
{
    return x + ((block * s.t + t) * s.h + h) * s.w * LANES;
}

static inline vec pool_in(vec sum, vec v, bool average)
{
    return average ? v_add(sum, v) : v_max(v, sum);
}

/* The part [*first, *last) of window a that lies inside the input. */
static inline void cut_window(int *first, int *last, const lane_window *x, int a, int size)
{
    const int start = a * x->stride - x->pad;
    *first = cfp_max_int(start, 0);
    *last = cfp_min_int(start + x->kernel, size);
}

static inline vec weight_of(const lane_pool *job, int t, int h, int w)
{
    const lane_window *x = job->axis;
    return v_set(x[0].weight[t] * x[1].weight[h] * x[2].weight[w]);
}

static inline __attribute__((always_inline)) void pool_tile(const lane_pool *job, int64_t block,
                                                            int at_t, int at_h, int at_w, int n_w,
                                                            int tile, int kernel, int stride,
                                                            bool average)
{
    const lane_window *x = job->axis;
    const cfp_shape s = job->src_shape, d = job->dst_shape;
    const int q0 = at_w * stride - x[2].pad;
    const int low = cfp_max_int(0, -q0);
    const int high = cfp_min_int((n_w - 1) * stride + kernel, s.w - q0);
    int t, t_end, h0, h_end;
    vec sum[TILE_WIDE];
#pragma GCC unroll 16
    for (int i = 0; i < tile; i++)
        sum[i] = v_set(average ? 0.0f : -INFINITY);

    cut_window(&h0, &h_end, &x[1], at_h, s.h);
    cut_window(&t, &t_end, &x[0], at_t, s.t);
    for (; t < t_end; t++)
        for (int h = h0; h < h_end; h++) {
            const float *row = frame_row(job->src, s, block, t, h);
#pragma GCC unroll 32
            for (int q = 0; q < (tile - 1) * stride + kernel; q++) {
                if (q < low || q >= high)
                    continue;
                const vec v = v_load(row + (int64_t)(q0 + q) * LANES);
#pragma GCC unroll 3
                for (int k = 0; k < kernel; k++)
                    if (q >= k && (q - k) % stride == 0 && (q - k) / stride < tile)
                        sum[(q - k) / stride] = pool_in(sum[(q - k) / stride], v, average);
            }
        }
    float *to = job->dst + (((block * d.t + at_t) * d.h + at_h) * d.w + at_w) * LANES;
    for (int i = 0; i < n_w; i++)
        v_store(to + i * LANES,
                average ? v_mul(sum[i], weight_of(job, at_t, at_h, at_w + i)) : sum[i]);
}

/* Any window: one output after the other. */
static void pool_row_any(const lane_pool *job, int64_t block, int at_t, int at_h, bool average)
{
    const lane_window *x = job->axis;
    const cfp_shape s = job->src_shape, d = job->dst_shape;
    float *to = job->dst + ((block * d.t + at_t) * d.h + at_h) * d.w * LANES;
    int t0, t_end, h0, h_end, w0, w_end;
    cut_window(&t0, &t_end, &x[0], at_t, s.t);
    cut_window(&h0, &h_end, &x[1], at_h, s.h);
    for (int w = 0; w < d.w; w++) {
        vec sum = v_set(average ? 0.0f : -INFINITY);
        cut_window(&w0, &w_end, &x[2], w, s.w);
        for (int t = t0; t < t_end; t++)
            for (int h = h0; h < h_end; h++) {
                const float *row = frame_row(job->src, s, block, t, h);
                for (int q = w0; q < w_end; q++)
                    sum = pool_in(sum, v_load(row + (int64_t)q * LANES), average);
            }
        v_store(to + (int64_t)w * LANES, average ? v_mul(sum, weight_of(job, at_t, at_h, w)) : sum);
    }
}

static inline __attribute__((always_inline)) void
pool_row(const lane_pool *job, int64_t block, int t, int h, int kernel, int stride, bool average)
{
    for (int w = 0; w < job->dst_shape.w; w += TILE_NARROW)
        pool_tile(job, block, t, h, w, cfp_min_int(TILE_NARROW, job->dst_shape.w - w), TILE_NARROW,
                  kernel, stride, average);
}

static inline __attribute__((always_inline)) void pool_run(const lane_pool *job, int threads,
                                                           bool average)
{
    const lane_window *w = &job->axis[2];
    const int64_t blocks = (int64_t)job->dst_shape.n * ((job->dst_shape.c + LANES - 1) / LANES);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int t = 0; t < job->dst_shape.t; t++)
            for (int h = 0; h < job->dst_shape.h; h++) {
                if (w->kernel == 3 && w->stride == 2)
                    pool_row(job, b, t, h, 3, 2, average);
                else if (w->kernel == 3 && w->stride == 1)
                    pool_row(job, b, t, h, 3, 1, average);
                else if (w->kernel == 2 && w->stride == 2)
                    pool_row(job, b, t, h, 2, 2, average);
                else
                    pool_row_any(job, b, t, h, average);
            }
}

void LANE(maxpool)(const lane_pool *job, int threads)
{
    pool_run(job, threads, false);
}

void LANE(avgpool)(const lane_pool *job, int threads)
{
    pool_run(job, threads, true);
}

/* Adds the gradient of window (t, h, w), lane by lane, to the first place of its maximum. */
static void give_to_maximum(const lane_pool *job, int64_t block, int t, int h, int w)
{
    const lane_window *x = job->axis;
    const cfp_shape s = job->src_shape, d = job->dst_shape;
    int first[3], last[3];
    cut_window(&first[0], &last[0], &x[0], t, s.t);
    cut_window(&first[1], &last[1], &x[1], h, s.h);
    cut_window(&first[2], &last[2], &x[2], w, s.w);

    vec max = v_set(-INFINITY);
    for (int i = first[0]; i < last[0]; i++)
        for (int j = first[1]; j < last[1]; j++) {
            const float *row = frame_row(job->src, s, block, i, j);
            for (int q = first[2]; q < last[2]; q++)
                max = v_max(v_load(row + (int64_t)q * LANES), max);
        }
    const vec zero = v_set(0);
    vec left = v_load(frame_row(job->diff_dst, d, block, t, h) + (int64_t)w * LANES);
    for (int i = first[0]; i < last[0]; i++)
        for (int j = first[1]; j < last[1]; j++) {
            const float *row = frame_row(job->src, s, block, i, j);
            float *to = job->diff_src + (row - job->src);
            for (int q = first[2]; q < last[2]; q++) {
                const vec v = v_load(row + (int64_t)q * LANES);
                const vec given = v_where_equal(v, max, left, zero);
                left = v_where_equal(v, max, zero, left);
                v_store(to + (int64_t)q * LANES, v_add(v_load(to + (int64_t)q * LANES), given));
            }
        }
}

/* Only blocks of channels are divided among threads, because windows overlap in T, H and W. */
void LANE(maxpool_back)(const lane_pool *job, int threads)
{
    const cfp_shape s = job->src_shape, d = job->dst_shape;
    const int64_t blocks = (int64_t)d.n * ((d.c + LANES - 1) / LANES);
    const int64_t size = cfp_positions(s) * LANES;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++) {
        memset(job->diff_src + b * size, 0, (size_t)size * sizeof(float));
        for (int t = 0; t < d.t; t++)
            for (int h = 0; h < d.h; h++)
                for (int w = 0; w < d.w; w++)
                    give_to_maximum(job, b, t, h, w);
    }
}

/* The windows [*first, *last) along an axis that cover input i. */
static inline void windows_over(int *first, int *last, const lane_window *x, int i)
{
    const int reach = i + x->pad, before = reach - x->kernel + 1;
    *first = before <= 0 ? 0 : (before + x->stride - 1) / x->stride;
    *last = cfp_min_int(reach / x->stride + 1, x->count);
}

void LANE(avgpool_back)(const lane_pool *job, int threads)
{
    const lane_window *x = job->axis;
    const cfp_shape s = job->src_shape, d = job->dst_shape;
    const int64_t blocks = (int64_t)s.n * ((s.c + LANES - 1) / LANES);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int t = 0; t < s.t; t++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++) {
                    int t0, t1, h0, h1, w0, w1;
                    vec sum = v_set(0);
                    windows_over(&t0, &t1, &x[0], t);
                    windows_over(&h0, &h1, &x[1], h);
                    windows_over(&w0, &w1, &x[2], w);
                    for (int i = t0; i < t1; i++)
                        for (int j = h0; j < h1; j++)
                            for (int k = w0; k < w1; k++)
                                sum = v_fma(v_load(frame_row(job->diff_dst, d, b, i, j) +
                                                   (int64_t)k * LANES),
                                            weight_of(job, i, j, k), sum);
                    v_store(job->diff_src + (((b * s.t + t) * s.h + h) * s.w + w) * LANES, sum);
                }
}
