/* lane_conv_tile.h - a tile of lane_conv.c: where its rows, its weights and its outputs are; for
 * the two files that compute tiles. */
#pragma once
#include "lane.h"

struct tile {
    int n, b, t, h, w,
        n_w; /* clip, block of dst, indices along the axes, number of outputs along W */
};

typedef void tile_fn(const lane_conv *job, const struct tile *at);

/* Row (t, h) of the source's first block.  The same row of the next block is `plane` floats
 * further. */
static inline const float *source_row(const lane_conv *job, int n, int t, int h, int64_t plane)
{
    const int64_t blocks = (job->src_shape.c + LANES - 1) / LANES;
    return job->src + n * blocks * plane +
           ((int64_t)t * job->src_shape.h + h) * job->src_shape.w * LANES;
}

static inline const float *weights_at(const lane_conv *job, int b, int tap_t, int tap_h)
{
    const int *k = job->kernel;
    return job->weights +
           (((int64_t)b * k[0] + tap_t) * k[1] + tap_h) * job->channels * k[2] * LANES;
}

static inline float *dst_row(const lane_conv *job, const struct tile *at)
{
    const lane_axis *x = job->axis;
    const cfp_shape s = job->dst_shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES;
    const int64_t t = x[0].first + at->t * x[0].step, h = x[1].first + at->h * x[1].step;
    const int64_t w = x[2].first + (int64_t)at->w * x[2].step;
    return job->dst + ((((at->n * blocks + at->b) * s.t + t) * s.h + h) * s.w + w) * LANES;
}

/* The unrolled tile for block b of dst, of length TILE_NARROW or TILE_WIDE; NULL if there is
 * none. */
tile_fn *LANE(unrolled_tile)(const lane_conv *job, int b, bool narrow);
