/* lane_sum.c - sums over positions and over channels, in double (lanes.h).
 *
 * Positions are cut into chunks of a fixed size.  Each chunk is summed separately, and the sums are
 * added in order, so any number of threads gives the same bits. */
#include "lane.h"

static dvec chunk_sum(const float *x, const float *g, int64_t floats)
{
    dvec sum = d_zero(), other = d_zero(); /* two independent sums, so that additions overlap */
    int64_t i = 0;
    if (g != NULL)
        for (; i < floats; i += LANES)
            sum = d_fma(d_widen_at(x + i), d_widen_at(g + i), sum);
    for (; i + LANES < floats; i += 2 * LANES) {
        sum = d_add(sum, d_widen_at(x + i));
        other = d_add(other, d_widen_at(x + i + LANES));
    }
    for (; i < floats; i += LANES)
        sum = d_add(sum, d_widen_at(x + i));
    return d_add(sum, other);
}

void LANE(sums_run)(double *sum, const float *x, const float *g, cfp_shape s, double *scratch,
                    int threads)
{
    const int64_t blocks = (int64_t)s.n * ((s.c + LANES - 1) / LANES), chunks = lane_chunks(s);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t c = 0; c < chunks; c++) {
            const int64_t start = (b * cfp_positions(s) + c * LANE_CHUNK) * LANES;
            d_store(scratch + (b * chunks + c) * LANES,
                    chunk_sum(x + start, g == NULL ? NULL : g + start, chunk_length(s, c) * LANES));
        }
    for (int64_t b = 0; b < blocks; b++)
        for (int lane = 0; lane < LANES; lane++) {
            double total = 0;
            for (int64_t c = 0; c < chunks; c++)
                total += scratch[(b * chunks + c) * LANES + lane];
            sum[b * LANES + lane] = total;
        }
}

enum {
    SUMMED = 64, /* positions at a time; their sums fit the first-level cache */
    STREAMS = 4  /* blocks that are read at the same time */
};

/* Blocks of x and g, from one position on, and their channels that are kept. */
typedef struct streams {
    int n;
    const float *x[STREAMS], *g[STREAMS];
    const float *keep[STREAMS];
} streams;

/* Adds x (times g unless NULL) to the sums of n positions, lane by lane, block by block. */
static inline __attribute__((always_inline)) void add_streams(double *sum, const streams *of,
                                                              int blocks, bool times_g, int64_t n)
{
    vec kept[STREAMS];
    const vec zero = v_set(0);
    for (int k = 0; k < blocks; k++)
        kept[k] = v_load(of->keep[k]);
    for (int64_t i = 0; i < n * LANES; i += LANES) {
        dvec total = d_load(sum + i);
#pragma GCC unroll 4
        for (int k = 0; k < blocks; k++) {
            const dvec v = d_widen(v_where_greater(kept[k], zero, v_load(of->x[k] + i), zero));
            if (times_g) {
                const vec g = v_where_greater(kept[k], zero, v_load(of->g[k] + i), zero);
                total = d_fma(v, d_widen(g), total); /* 0 even where an unkept g is infinite */
            } else {
                total = d_add(total, v);
            }
        }
        d_store(sum + i, total);
    }
}

static void add_kept(double *sum, streams *of, bool times_g, int64_t n)
{
#define CASE(blocks)                                                                               \
    case blocks:                                                                                   \
        if (times_g)                                                                               \
            add_streams(sum, of, blocks, true, n);                                                 \
        else                                                                                       \
            add_streams(sum, of, blocks, false, n);                                                \
        break;
    switch (of->n) {
        CASE(1) CASE(2) CASE(3) CASE(4)
    }
#undef CASE
    of->n = 0;
}

/* The outer loop goes over blocks, the inner one over a few positions.  So few streams of memory
 * are read at a time, and blocks without a kept channel are not read. */
void LANE(channel_sum_run)(float *map, const float *x, const float *g, const float *keep,
                           cfp_shape s, int threads)
{
    const int blocks = (s.c + LANES - 1) / LANES;
    const int64_t positions = cfp_positions(s);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t p = 0; p < positions; p += SUMMED) {
        const int64_t n = positions - p < SUMMED ? positions - p : SUMMED;
        double sum[SUMMED * LANES] = {0};
        streams of = {0};
        for (int b = 0; b < blocks; b++) {
            const int64_t at = (b * positions + p) * LANES;
            if (!any_kept(keep + b * LANES))
                continue;
            of.x[of.n] = x + at;
            of.g[of.n] = g == NULL ? NULL : g + at;
            of.keep[of.n++] = keep + b * LANES;
            if (of.n == STREAMS)
                add_kept(sum, &of, g != NULL, n);
        }
        add_kept(sum, &of, g != NULL, n);
        for (int64_t i = 0; i < n; i++)
            map[p + i] = (float)d_total(d_load(sum + i * LANES));
    }
}
