/* lane_linear.c - multiplies a vector by a matrix that stays in the order of the model (lanes.h:
 * linear).
 *
 * The speed is limited by memory: every weight is read once and used once for each clip.  Another
 * order would gain nothing, and would need a second copy of the weights (C3D: 134 MB in one layer).
 */
#include "lane.h"

enum { ABREAST = 4 }; /* independent sums, so that additions overlap */

static float dot(const float *a, const float *b, int n)
{
    vec sum[ABREAST] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int i = 0;
    for (; i + ABREAST * LANES <= n; i += ABREAST * LANES)
#pragma GCC unroll 4
        for (int k = 0; k < ABREAST; k++)
            sum[k] = v_fma(v_load(a + i + k * LANES), v_load(b + i + k * LANES), sum[k]);
    for (; i + LANES <= n; i += LANES)
        sum[0] = v_fma(v_load(a + i), v_load(b + i), sum[0]);
    float total = v_total(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
    for (; i < n; i++)
        total += a[i] * b[i];
    return total;
}

void LANE(linear_run)(const lane_linear *job, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int o = 0; o < job->kernels; o++)
        for (int n = 0; n < job->clips; n++)
            job->dst[n * job->dst_clip + o] = (job->bias != NULL ? job->bias[o] : 0) +
                                              dot(job->weight + (int64_t)o * job->channels,
                                                  job->src + n * job->src_clip, job->channels);
}

/* Backward goes down the columns of the matrix, many at a time, to touch fewer pages. */
enum { BACK_ABREAST = LANES };

/* `width` channels of the gradient from `first` on: sum over o of weight(o, channel) * dy(o). */
static void linear_back_piece(const lane_linear *job, int n, int first, int width)
{
    float *to = job->diff_src + n * job->src_clip + first;
    const float *dy = job->diff_dst + n * job->dst_clip;
    const float *row = job->weight + first;
    if (width == BACK_ABREAST * LANES) {
        vec sum[BACK_ABREAST];
#pragma GCC unroll 16
        for (int k = 0; k < BACK_ABREAST; k++)
            sum[k] = v_set(0);
        for (int o = 0; o < job->kernels; o++, row += job->channels)
#pragma GCC unroll 16
            for (int k = 0; k < BACK_ABREAST; k++)
                sum[k] = v_fma(v_load(row + k * LANES), v_set(dy[o]), sum[k]);
#pragma GCC unroll 16
        for (int k = 0; k < BACK_ABREAST; k++)
            v_store(to + k * LANES, sum[k]);
        return;
    }
    for (int i = 0; i < width; i++)
        to[i] = 0;
    for (int o = 0; o < job->kernels; o++, row += job->channels)
        for (int i = 0; i < width; i++)
            to[i] += row[i] * dy[o];
}

void LANE(linear_back)(const lane_linear *job, int threads)
{
    const int piece = BACK_ABREAST * LANES;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int n = 0; n < job->clips; n++)
        for (int first = 0; first < job->channels; first += piece)
            linear_back_piece(job, n, first, cfp_min_int(piece, job->channels - first));
}
