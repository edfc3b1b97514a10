/* resize.h - resizes volumes, trilinearly or by cubic B-splines.  Sizes are T, H, W. */
#pragma once
#include "../base/base.h"

/* The lowest and the highest value of a volume.  NaN does not count.  Without any value they are
 * infinity and -infinity. */
typedef struct cfp_extremes {
    float low, high;
} cfp_extremes;

/* Trilinear, with half-pixel centres, clamped at the edges: position u of dst reads position
 * (u + 0.5) * from / to - 0.5 of the source.  extremes: those of dst. */
CFP_CHECKED cfp_status cfp_resize_linear(float *dst, const int to[3], cfp_ctx *ctx,
                                         const float *src, const int from[3],
                                         cfp_extremes *extremes);

/* Cubic, as scipy.ndimage.zoom(order=3) with its defaults.  End points fall on end points.  Mode
 * 'constant' filters the source as if it were mirrored, and gives 0 if rounding puts the last
 * sample past the end. */
CFP_CHECKED cfp_status cfp_resize_spline(float *dst, const int to[3], cfp_ctx *ctx,
                                         const float *src, const int from[3],
                                         cfp_extremes *extremes);
