/* lane_stem.c - the first convolution, which reads the few channels of a clip, with fewer
 * multiplications along T (lanes.h: stem; Winograd's F(2, 2), nested).
 *
 * Two neighbouring outputs of a 2-tap filter need 3 multiplications instead of 4:
 *
 *     m0 = (x0 - x1) g0,  m1 = x1 (g0 + g1),  m2 = (x1 - x2) g1      y0 = m0 + m1,  y1 = m1 - m2
 *
 * The same holds for pairs of pairs.  With `levels` levels, 2^levels frames of a kernel of up to
 * 2^levels taps need 3^levels products: 27, where 7 taps and 8 frames need 56.  The transforms only
 * add and subtract, so they lose nothing but rounding.  Each product is a convolution along H and W
 * of rows that are already filtered along T.  A clip has so few channels that filtering them costs
 * almost nothing.
 *
 * A task is one row of outputs, of 2^levels frames. */
#include "lane_filter.h"
#include <omp.h>

enum { STEM_LEVELS = 3, STEM_FRAMES = 8, STEM_LAYERS = 27, STEM_SPAN = 15 };

struct stem_plan {
    int frames, layers, span; /* outputs of a task along T, products, and frames that they read */
    int width;                /* width of a filtered row, padding included */
    int64_t layer_rows;       /* floats in the rows of one layer */
    int64_t layer_sums, layer_weights;
    int pairs;
};

static struct stem_plan stem_plan_of(const lane_stem *job)
{
    struct stem_plan p = {.frames = 1 << job->levels, .layers = 1};
    for (int i = 0; i < job->levels; i++)
        p.layers *= 3;
    const int *k = job->kernel, w = job->dst_shape.w;
    p.span = 2 * p.frames - 1;
    p.width = ((w - 1) * job->stride[2] + k[2] + LANES - 1) / LANES * LANES;
    p.layer_rows = (int64_t)job->src_shape.c * k[1] * p.width;
    p.layer_sums = (int64_t)BESIDE * w * LANES;
    p.layer_weights = (int64_t)job->src_shape.c * k[1] * k[2] * BESIDE * LANES;
    p.pairs = ((job->dst_shape.c + LANES - 1) / LANES + 1) / BESIDE;
    return p;
}

size_t LANE(stem_scratch)(const lane_stem *job, int threads)
{
    const struct stem_plan p = stem_plan_of(job);
    return (size_t)((p.layer_rows + p.layer_sums) * p.layers) * sizeof(float) * (size_t)threads;
}

/* Filters x[3], `step` apart, along one level: x becomes the factors of the products. */
static inline __attribute__((always_inline)) void stem_filter(vec *x, int step)
{
    x[0] = v_sub(x[0], x[step]);
    x[2 * step] = v_sub(x[step], x[2 * step]);
}

/* Filters along all levels, the last one first. */
static inline __attribute__((always_inline)) void stem_filter_all(vec *x, int layers)
{
#pragma GCC unroll 9
    for (int i = 0; i < layers; i += 3)
        stem_filter(x + i, 1);
#pragma GCC unroll 9
    for (int i = 0; layers > 3 && i < layers; i += i % 3 == 2 ? 7 : 1)
        stem_filter(x + i, 3);
#pragma GCC unroll 9
    for (int i = 0; layers > 9 && i < 9; i++)
        stem_filter(x + i, 9);
}

/* The first frame that product i of the first level reads.  Each of its digits to base 3 is added
 * at one level. */
static inline __attribute__((always_inline)) int stem_start(int i, int levels)
{
    return levels == 1   ? i
           : levels == 2 ? 2 * (i / 3) + i % 3
                         : 4 * (i / 9) + 2 * (i / 3 % 3) + i % 3;
}

/* Filters LANES points of one row of all frames along T.  Layers are `apart` floats apart. */
static inline __attribute__((always_inline)) void
stem_points(float *to, int64_t apart, const vec frame[STEM_SPAN], int levels, int layers)
{
    vec x[STEM_LAYERS];
#pragma GCC unroll 27
    for (int i = 0; i < layers; i++)
        x[i] = frame[stem_start(i, levels)];
    stem_filter_all(x, layers);
#pragma GCC unroll 27
    for (int i = 0; i < layers; i++)
        v_store(to + i * apart, x[i]);
}

/* Makes one row of one channel of all layers from the rows of the frames; a row is NULL in the
 * padding. */
static void stem_row(const lane_stem *job, const struct stem_plan *p, float *to,
                     const float *const row[STEM_SPAN])
{
    const int width = job->src_shape.w, pad = job->pad[2];
    for (int at = 0; at < p->width; at += LANES) {
        vec frame[STEM_SPAN];
        const bool inside = at >= pad && at - pad + LANES <= width;
        for (int f = 0; f < p->span; f++) {
            float part[LANES] = {0};
            frame[f] = v_set(0);
            if (row[f] == NULL)
                continue;
            for (int l = 0; l < LANES && !inside; l++)
                if (at + l >= pad && at + l - pad < width)
                    part[l] = row[f][at + l - pad];
            frame[f] = v_load(inside ? row[f] + at - pad : part);
        }
        if (job->levels == 1)
            stem_points(to + at, p->layer_rows, frame, 1, 3);
        else if (job->levels == 2)
            stem_points(to + at, p->layer_rows, frame, 2, 9);
        else
            stem_points(to + at, p->layer_rows, frame, 3, 27);
    }
}

struct stem_task {
    int n, t, h; /* clip, first frame, row of outputs */
};

static void stem_rows(const lane_stem *job, const struct stem_plan *p, const struct stem_task *task,
                      float *rows)
{
    const cfp_shape s = job->src_shape;
    const int64_t area = (int64_t)s.h * s.w;
    for (int c = 0; c < s.c; c++)
        for (int k = 0; k < job->kernel[1]; k++) {
            const float *row[STEM_SPAN];
            const int h = task->h * job->stride[1] - job->pad[1] + k;
            const float *plane = job->src + ((int64_t)task->n * s.c + c) * s.t * area;
            for (int f = 0; f < p->span; f++) {
                const int t = task->t - job->pad[0] + f;
                const bool inside = t >= 0 && t < s.t && h >= 0 && h < s.h;
                row[f] = inside ? plane + t * area + (int64_t)h * s.w : NULL;
            }
            stem_row(job, p, rows + ((int64_t)c * job->kernel[1] + k) * p->width, row);
        }
}

/* sum(k, w) = sum over channels and taps of H and W of weight(k) * row(w * step + tap), for
 * `columns` columns. */
static inline __attribute__((always_inline)) void
stem_product(float *sums, const float *weight, const float *rows, const lane_stem *job,
             const struct stem_plan *p, int columns, int beside, int step)
{
    vec sum[BESIDE][COLUMNS];
#pragma GCC unroll 28
    for (int i = 0; i < beside * columns; i++)
        sum[i / columns][i % columns] = v_set(0);
    for (int r = 0; r < job->src_shape.c * job->kernel[1]; r++)
        for (int k = 0; k < job->kernel[2]; k++, weight += BESIDE * LANES) {
            const float *x = rows + (int64_t)r * p->width + k;
            const vec w0 = v_load(weight), w1 = v_load(weight + LANES);
#pragma GCC unroll 14
            for (int i = 0; i < columns; i++) {
                const vec y = v_set(x[i * step]);
                sum[0][i] = v_fma(y, w0, sum[0][i]);
                if (beside == 2)
                    sum[1][i] = v_fma(y, w1, sum[1][i]);
            }
        }
#pragma GCC unroll 28
    for (int i = 0; i < beside * columns; i++)
        v_store(sums + ((int64_t)(i / columns) * job->dst_shape.w + i % columns) * LANES,
                sum[i / columns][i % columns]);
}

typedef void stem_fn(float *sums, const float *weight, const float *rows, const lane_stem *job,
                     const struct stem_plan *p);
#define STEM_FN(n, beside, step)                                                                   \
    static void stem_##n##_##beside##_##step(float *sums, const float *weight, const float *rows,  \
                                             const lane_stem *job, const struct stem_plan *p)      \
    {                                                                                              \
        stem_product(sums, weight, rows, job, p, n, beside, step);                                 \
    }
#define STEM_FNS(n) STEM_FN(n, 1, 1) STEM_FN(n, 2, 1) STEM_FN(n, 1, 2) STEM_FN(n, 2, 2)
#define STEM_NAMES(n) {{stem_##n##_1_1, stem_##n##_2_1}, {stem_##n##_1_2, stem_##n##_2_2}},
FOR_COLUMNS(STEM_FNS)
/* [columns - 1][step - 1][beside - 1] */
static stem_fn *const stem_products[COLUMNS][2][BESIDE] = {FOR_COLUMNS(STEM_NAMES)};

/* Turns products into outputs: x[3], `step` apart, becomes 2 outputs in its first two places. */
static inline __attribute__((always_inline)) void stem_unfilter(vec *x, int step)
{
    const vec second = v_sub(x[step], x[2 * step]);
    x[0] = v_add(x[0], x[step]);
    x[step] = second;
}

static inline __attribute__((always_inline)) void stem_unfilter_all(vec *x, int layers)
{
#pragma GCC unroll 9
    for (int i = 0; i < layers; i += 3)
        stem_unfilter(x + i, 1);
#pragma GCC unroll 9
    for (int i = 0; layers > 3 && i < layers; i += i % 3 == 2 ? 7 : 1)
        stem_unfilter(x + i, 3);
#pragma GCC unroll 9
    for (int i = 0; layers > 9 && i < 9; i++)
        stem_unfilter(x + i, 9);
}

/* Writes a row of one block of kernels.  Filtering makes `made` frames, of which the first `frames`
 * exist. */
static inline __attribute__((always_inline)) void stem_frames(const lane_stem *job, float *to,
                                                              const float *sums, int64_t layer_sums,
                                                              vec bias, int frames, int made,
                                                              int layers)
{
    const vec floor = v_set(job->floor);
    const int64_t area = (int64_t)job->dst_shape.h * job->dst_shape.w * LANES;
    for (int64_t w = 0; w < job->dst_shape.w; w++) {
        vec x[STEM_LAYERS];
#pragma GCC unroll 27
        for (int i = 0; i < layers; i++)
            x[i] = v_load(sums + w * LANES + i * layer_sums);
        stem_unfilter_all(x, layers);
#pragma GCC unroll 8
        for (int f = 0; f < made; f++) { /* the digits of f to base 2, read as a number to base 3 */
            const int i = f % 2 + f / 2 % 2 * 3 + f / 4 * 9;
            if (f < frames)
                v_store(to + w * LANES + f * area, v_max(floor, v_add(x[i], bias)));
        }
    }
}

static void stem_task(const lane_stem *job, const struct stem_plan *p, const struct stem_task *task,
                      float *scratch)
{
    const cfp_shape s = job->dst_shape;
    const int64_t area = (int64_t)s.h * s.w * LANES;
    const int blocks = (s.c + LANES - 1) / LANES, runs = (s.w + COLUMNS - 1) / COLUMNS;
    const int frames = cfp_min_int(p->frames, s.t - task->t);
    float *rows = scratch, *sums = scratch + p->layers * p->layer_rows;
    stem_rows(job, p, task, rows);
    for (int pair = 0; pair < p->pairs; pair++) {
        const int beside = cfp_min_int(BESIDE, blocks - pair * BESIDE);
        for (int l = 0; l < p->layers; l++)
            for (int run = 0, at = 0; run < runs; run++) {
                const int end = s.w * (run + 1) / runs;
                stem_products[end - at - 1][job->stride[2] - 1][beside - 1](
                    sums + l * p->layer_sums + (int64_t)at * LANES,
                    job->weights + ((int64_t)pair * p->layers + l) * p->layer_weights,
                    rows + l * p->layer_rows + (int64_t)at * job->stride[2], job, p);
                at = end;
            }
        for (int i = 0; i < beside; i++) {
            const int b = pair * BESIDE + i;
            const vec bias = v_load(job->bias + b * LANES);
            float *to = job->dst + (((int64_t)task->n * blocks + b) * s.t + task->t) * area +
                        (int64_t)task->h * s.w * LANES;
            const float *from = sums + (int64_t)i * s.w * LANES;
            if (job->levels == 1)
                stem_frames(job, to, from, p->layer_sums, bias, frames, 2, 3);
            else if (job->levels == 2)
                stem_frames(job, to, from, p->layer_sums, bias, frames, 4, 9);
            else
                stem_frames(job, to, from, p->layer_sums, bias, frames, 8, 27);
        }
    }
}

void LANE(stem_run)(const lane_stem *job, int threads)
{
    const struct stem_plan p = stem_plan_of(job);
    const cfp_shape s = job->dst_shape;
    const int groups = (s.t + p.frames - 1) / p.frames;
    const int64_t tasks = (int64_t)s.n * groups * s.h;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < tasks; i++) {
        const struct stem_task task = {.n = (int)(i / s.h / groups),
                                       .t = (int)(i / s.h % groups) * p.frames,
                                       .h = (int)(i % s.h)};
        stem_task(job, &p, &task,
                  job->scratch + (p.layer_rows + p.layer_sums) * p.layers * omp_get_thread_num());
    }
}
