/* resize.h - volumes to other sizes: trilinear and cubic B-spline.  Axes are T, H, W. */
#pragma once
#include "../base/base.h"

/* Of the values of a volume; NaN is neither, and of none they are infinity, -infinity. */
typedef struct cfp_extremes {
    float low, high;
} cfp_extremes;

/* Half-pixel centres, clamped at the edges: dst position u reads source position
 * (u + 0.5) * from / to - 0.5.  extremes: dst's. */
CFP_CHECKED cfp_status cfp_resize_linear(float *dst, const int to[3], cfp_ctx *ctx,
                                         const float *src, const int from[3],
                                         cfp_extremes *extremes);

/* scipy.ndimage.zoom(order=3) with its defaults: end points on end points, mode 'constant' (which
 * filters as if mirrored and gives 0 where rounding puts the last sample past the end). */
CFP_CHECKED cfp_status cfp_resize_spline(float *dst, const int to[3], cfp_ctx *ctx,
                                         const float *src, const int from[3],
                                         cfp_extremes *extremes);
