/* lane_direct.c - a convolution by its plain sum, any window, both directions (lanes.h:
 * lane_direct).
 *
 * A row of outputs of two blocks starts with the bias.  Then each tap (t, h) is added to the whole
 * row, a few columns at a time, so that the weights of the tap come from the cache.  At the edges,
 * where not all columns have the same taps, a tap is added to one column at a time. */
#include "lane.h"

enum { DIRECT_PAIR = 2, DIRECT_COLUMNS = 6 }; /* 12 sums, two vectors of weights, one source */

struct direct_row {
    const lane_direct *job;
    const float *src;       /* first position of the row that tap (t, h) reads, channel 0 */
    const int64_t *channel; /* floats from there to channel c of those that the pair reads */
    const float *weights;   /* of tap (t, h): [kW][channels][DIRECT_PAIR][LANES] */
    /* The row in its two blocks.  If there is no second block, `second` points to the first one. It
     * is stored before `first`, so it is overwritten. */
    float *first, *second;
};

/* Adds taps from ... end - 1 along W to `columns` outputs from w on. */
static inline __attribute__((always_inline)) void direct_add(const struct direct_row *r, int w,
                                                             int from, int end, int columns)
{
    const lane_axis *x = &r->job->axis[2];
    const int block = r->job->src_block, channels = r->job->channels;
    const int64_t apart = (int64_t)x->in_step * block, step = (int64_t)x->step * LANES;
    float *first = r->first + w * step, *second = r->second + w * step;
    vec sum[DIRECT_PAIR][DIRECT_COLUMNS];
#pragma GCC unroll 6
    for (int i = 0; i < columns; i++) {
        sum[0][i] = v_load(first + i * step);
        sum[1][i] = v_load(second + i * step);
    }
    for (int k = from; k < end; k++) {
        const float *at = r->src + (int64_t)reads(x, w, k) * block;
        const float *u = r->weights + (int64_t)x->tap[k] * channels * DIRECT_PAIR * LANES;
        for (int c = 0; c < channels; c++, u += DIRECT_PAIR * LANES) {
            const float *y = at + r->channel[c];
            const vec u0 = v_load(u), u1 = v_load(u + LANES);
#pragma GCC unroll 6
            for (int i = 0; i < columns; i++) {
                const vec value = v_set(y[i * apart]);
                sum[0][i] = v_fma(value, u0, sum[0][i]);
                sum[1][i] = v_fma(value, u1, sum[1][i]);
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < columns; i++)
        v_store(second + i * step, sum[1][i]);
#pragma GCC unroll 6
    for (int i = 0; i < columns; i++)
        v_store(first + i * step, sum[0][i]);
}

static void direct_one(const struct direct_row *r, int w, int from, int end)
{
    direct_add(r, w, from, end, 1);
}

static void direct_some(const struct direct_row *r, int w, int from, int end, int columns)
{
    if (columns == DIRECT_COLUMNS)
        direct_add(r, w, from, end, DIRECT_COLUMNS);
    else if (columns == 3)
        direct_add(r, w, from, end, 3);
    else
        direct_one(r, w, from, end);
}

static int direct_columns(int left)
{
    return left >= DIRECT_COLUMNS ? DIRECT_COLUMNS : left >= 3 ? 3 : 1;
}

/* Adds tap (t, h) of the row to `columns` outputs from w on. */
static void direct_tile(const struct direct_row *r, int w, int columns)
{
    const lane_axis *x = &r->job->axis[2];
    const int width = r->job->src_shape.w;
    int from = 0, end = 0; /* the taps that all columns have */
    while (from < x->n_taps && reads(x, w, from) < 0)
        from++;
    while (end < x->n_taps && reads(x, w + columns - 1, end) < width)
        end++;
    if (from < end)
        direct_some(r, w, from, end, columns);
    for (int k = 0; k < x->n_taps; k++) {
        if (k >= from && k < end)
            continue;
        for (int i = 0; i < columns; i++) {
            const int q = reads(x, w + i, k);
            if (q >= 0 && q < width)
                direct_one(r, w + i, k, k + 1);
        }
    }
}

static void direct_begin(const struct direct_row *r, const float *bias)
{
    const lane_axis *x = &r->job->axis[2];
    const int64_t step = (int64_t)x->step * LANES;
    const vec first = v_load(bias), second = v_load(bias + LANES);
    for (int i = 0; i < x->count; i++)
        v_store(r->second + i * step, second);
    for (int i = 0; i < x->count; i++)
        v_store(r->first + i * step, first);
}

static float *direct_place(const lane_direct *job, int n, int b, int t, int h)
{
    const lane_axis *x = job->axis;
    const cfp_shape s = job->dst_shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES;
    const int64_t frame = (n * blocks + b) * s.t + x[0].first + t * x[0].step;
    const int64_t row = frame * s.h + x[1].first + h * x[1].step;
    return job->dst + (row * s.w + x[2].first) * LANES;
}

static void direct_row(const lane_direct *job, int n, int pair, int t, int h)
{
    const lane_axis *x = job->axis;
    const cfp_shape s = job->src_shape;
    const int *kernel = job->kernel, b = pair * DIRECT_PAIR, block = job->src_block;
    const bool alone = (b + 1) * LANES >= job->dst_shape.c;
    const int64_t clip = (int64_t)((s.c + block - 1) / block) * cfp_positions(s) * block;
    const int64_t tap = (int64_t)kernel[2] * job->channels * DIRECT_PAIR * LANES;
    struct direct_row r = {.job = job,
                           .channel = job->channel + job->first[pair],
                           .first = direct_place(job, n, b, t, h),
                           .second = direct_place(job, n, alone ? b : b + 1, t, h)};
    direct_begin(&r, job->bias + (int64_t)b * LANES);
    for (int kt = 0; kt < x[0].n_taps; kt++)
        for (int kh = 0; kh < x[1].n_taps; kh++) {
            const int from_t = reads(&x[0], t, kt), from_h = reads(&x[1], h, kh);
            if (from_t < 0 || from_t >= s.t || from_h < 0 || from_h >= s.h)
                continue;
            r.src = job->src + n * clip + ((int64_t)from_t * s.h + from_h) * s.w * block;
            r.weights =
                job->weights +
                (((int64_t)pair * kernel[0] + x[0].tap[kt]) * kernel[1] + x[1].tap[kh]) * tap;
            for (int w = 0, columns; w < x[2].count; w += columns) {
                columns = direct_columns(x[2].count - w);
                direct_tile(&r, w, columns);
            }
        }
}

void LANE(direct_run)(const lane_direct *job, int threads)
{
    const lane_axis *x = job->axis;
    const int pairs = (job->dst_shape.c + DIRECT_PAIR * LANES - 1) / (DIRECT_PAIR * LANES);
#pragma omp parallel for collapse(4) schedule(static) num_threads(threads)
    for (int n = 0; n < job->dst_shape.n; n++)
        for (int pair = 0; pair < pairs; pair++)
            for (int t = 0; t < x[0].count; t++)
                for (int h = 0; h < x[1].count; h++)
                    direct_row(job, n, pair, t, h);
}
