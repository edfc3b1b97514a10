/* lane_conv.c - depth-wise and grouped convolution, both directions (lanes.h: lane_conv).
 *
 * The sums of a tile of outputs along W stay in registers during the loops over taps and channels.
 * This file has the tile for any window, and the loop over tiles.  lane_conv_tiles.c has unrolled
 * tiles for the usual windows. */
#include "lane_conv_tile.h"

/* Channel j's vector at `at`, from any number of sources: see pick in lanes.h. */
static vec fetch_any(const lane_conv *job, const struct tile *tile, const float *at, int64_t plane,
                     int j)
{
    if (job->sources == 0)
        return v_load(at + tile->b * plane);
    const int64_t entry = ((int64_t)tile->b * job->channels + j) * job->sources;
    const int32_t *block = job->source + entry, *pick = job->pick + entry * LANES;
    const int sources = job->n_source[tile->b];
    vec v = v_load(at + block[0] * plane);
    if (sources == 1)
        return v_pick(v, v_load_pick(pick));
    for (int k = 1; k < sources; k++)
        v = v_pick2(v, v_load(at + block[k] * plane), v_load_pick(pick + k * LANES));
    return v;
}

/* Any taps, any stride, any number of sources: the same sums, tap by tap. */
static void lane_conv_tile_any(const lane_conv *job, const struct tile *at)
{
    const lane_axis *x = job->axis;
    const int64_t plane = cfp_positions(job->src_shape) * LANES;
    const int64_t step_j = (int64_t)job->kernel[2] * LANES;
    const vec floor = v_set(job->floor);
    vec sum[TILE_WIDE];
    for (int i = 0; i < TILE_WIDE; i++)
        sum[i] = v_load(job->bias + at->b * LANES);

    for (int kt = 0; kt < x[0].n_taps; kt++)
        for (int kh = 0; kh < x[1].n_taps; kh++) {
            const int t = reads(&x[0], at->t, kt), h = reads(&x[1], at->h, kh);
            if (t < 0 || t >= job->src_shape.t || h < 0 || h >= job->src_shape.h)
                continue;
            const float *weight = weights_at(job, at->b, x[0].tap[kt], x[1].tap[kh]);
            const float *row = source_row(job, at->n, t, h, plane);
            for (int k = 0; k < x[2].n_taps; k++)
                for (int i = 0; i < at->n_w; i++) {
                    const int q = reads(&x[2], at->w + i, k);
                    if (q < 0 || q >= job->src_shape.w)
                        continue;
                    const float *w = weight + x[2].tap[k] * LANES;
                    for (int j = 0; j < job->channels; j++)
                        sum[i] = v_fma(fetch_any(job, at, row + (int64_t)q * LANES, plane, j),
                                       v_load(w + j * step_j), sum[i]);
                }
        }
    float *to = dst_row(job, at);
    for (int i = 0; i < at->n_w; i++)
        v_store(to + (int64_t)i * x[2].step * LANES, v_max(floor, sum[i]));
}

/* True if narrow tiles leave fewer registers unused: with W = 7 or 21, half of a wide one would be.
 */
static bool narrow_is_better(int count)
{
    const int wide = (count + TILE_WIDE - 1) / TILE_WIDE * TILE_WIDE;
    const int narrow = (count + TILE_NARROW - 1) / TILE_NARROW * TILE_NARROW;
    return narrow < wide;
}

void LANE(conv_run)(const lane_conv *job, int threads)
{
    const lane_axis *x = job->axis;
    const int blocks = (job->dst_shape.c + LANES - 1) / LANES;
    const bool narrow = narrow_is_better(x[2].count);
    const int length = narrow ? TILE_NARROW : TILE_WIDE;

#pragma omp parallel for collapse(3) schedule(static) num_threads(threads)
    for (int n = 0; n < job->dst_shape.n; n++)
        for (int b = 0; b < blocks; b++)
            for (int t = 0; t < x[0].count; t++) {
                tile_fn *const unrolled = LANE(unrolled_tile)(job, b, narrow);
                tile_fn *const run = unrolled != NULL ? unrolled : lane_conv_tile_any;
                for (int h = 0; h < x[1].count; h++)
                    for (int w = 0; w < x[2].count; w += length) {
                        const struct tile at = {n, b, t, h, w, cfp_min_int(length, x[2].count - w)};
                        run(job, &at);
                    }
            }
}
