/* lane_filter.h - the transforms of minimal filtering F(2, 3), for the files that filter
 * (lane_winograd.c says how). */
#pragma once
#include "lane.h"

enum {
    SQUARE_PLANES = 16,
    BESIDE = 2
}; /* of a 2 x 2 tile; blocks of kernels that are computed together */

/* x becomes [x0 - x2, x1 + x2, x2 - x1, x1 - x3]. */
static inline __attribute__((always_inline)) void filter_input(vec *x, int step)
{
    const vec a = x[0], b = x[step], c = x[2 * step], d = x[3 * step];
    x[0] = v_sub(a, c);
    x[step] = v_add(b, c);
    x[2 * step] = v_sub(c, b);
    x[3 * step] = v_sub(b, d);
}

static inline __attribute__((always_inline)) void filter_tile(vec x[16])
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        filter_input(x + i, 4);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        filter_input(x + 4 * i, 1);
}

/* Loads the 4 x 4 inputs that start at (h, w) of the frame; 0 outside the frame. */
static inline __attribute__((always_inline)) void load_tile(vec x[16], const float *frame, int h,
                                                            int w, int height, int width)
{
    if (h >= 0 && w >= 0 && h + 4 <= height && w + 4 <= width) {
        const float *from = frame + ((int64_t)h * width + w) * LANES;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            x[i] = v_load(from + ((int64_t)(i / 4) * width + i % 4) * LANES);
        return;
    }
    static const float nothing[LANES]; /* read instead of a branch for each point outside */
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        const int y = h + i / 4, z = w + i % 4;
        const bool inside = ((y >= 0) & (y < height) & (z >= 0) & (z < width)) != 0;
        x[i] = v_load(inside ? frame + ((int64_t)y * width + z) * LANES : nothing);
    }
}

/* Returns [m0 + m1 + m2, m1 - m2 - m3]. */
static inline __attribute__((always_inline)) void filter_output(vec *y, const vec *m, int to,
                                                                int from)
{
    const vec both = v_add(m[from], m[2 * from]), apart = v_sub(m[from], m[2 * from]);
    y[0] = v_add(m[0], both);
    y[to] = v_sub(apart, m[3 * from]);
}

/* Computes the 2 x 2 outputs from the 16 planes of a tile. */
static inline __attribute__((always_inline)) void filter_tile_back(vec y[4], const vec m[16])
{
    vec half[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        filter_output(half + i, m + i, 4, 4);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        filter_output(y + 2 * i, half + 4 * i, 1, 1);
}
