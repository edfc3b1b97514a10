/* lane_pairs.c - multiplies the gradients of 16 kernels and the values of 4 channels (lane_pairs of
 * lanes.h).  All sums stay in registers. */
#include "lane.h"

enum { VECS = LANE_PAIRS_KERNELS / LANES, CHANNELS = LANE_PAIRS_CHANNELS };

static inline __attribute__((always_inline)) void
add_output(vec sum[CHANNELS][VECS], const float *dy, const float *x, int64_t apart)
{
    vec slope[VECS];
    for (int v = 0; v < VECS; v++)
        slope[v] = v_load(dy + v * LANES);
    for (int c = 0; c < CHANNELS; c++) {
        const vec value = v_set(x[c * apart]);
        for (int v = 0; v < VECS; v++)
            sum[c][v] = v_fma(value, slope[v], sum[c][v]);
    }
}

void LANE(pairs_run)(float *sum, const lane_pairs *job, const float *dy, const float *x)
{
    vec mine[CHANNELS][VECS];
    for (int c = 0; c < CHANNELS; c++)
        for (int v = 0; v < VECS; v++)
            mine[c][v] = v_load(sum + c * LANE_PAIRS_KERNELS + v * LANES);
    for (int row = 0; row < job->rows; row++, dy += job->dy_row, x += job->x_row)
        for (int w = 0; w < job->n; w++)
            add_output(mine, dy + w * LANE_PAIRS_KERNELS, x + (int64_t)w * job->stride, job->apart);
    for (int c = 0; c < CHANNELS; c++)
        for (int v = 0; v < VECS; v++)
            v_store(sum + c * LANE_PAIRS_KERNELS + v * LANES, mine[c][v]);
}
