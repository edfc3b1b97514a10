/* tube.h - saliency tubes: where and when the selected kernels of a layer are active in the clip.
 */
#pragma once
#include "query.h"

/* A tube before it is resized to the clip (SPEC "Tubes").  Plain data in host memory. */
typedef struct cfp_tube cfp_tube;
struct cfp_tube {
    int node;       /* the kernel layer */
    int kernel;     /* the tube of this kernel; -1: the layer's tube */
    int t, h, w;    /* of raw */
    float *raw;     /* t x h x w */
    float min, max; /* of raw */
    /* A difference tube (contrast.h): this tube is subtracted after both have been rendered. */
    const cfp_tube *minus; /* borrowed; NULL: none */
};

typedef struct cfp_tubes_list {
    int n;
    cfp_tube
        *tube; /* [n]: layer tubes in the pyramid's order, then kernel tubes by layer, kernel */
} cfp_tubes_list;

void cfp_tubes_free(cfp_tubes_list *tubes);

/* True: all values are the same.  Asked before resizing, because interpolation rounds, and min-max
 * would then stretch the rounding errors to 0..1. */
static inline bool cfp_tube_constant(const cfp_tube *tube)
{
    return !(tube->max > tube->min);
}

/* volume: T x H x W, from 0 to 1.  The raw map is resized (resize.h), then min-max normalised.  A
 * constant map gives zeros. */
CFP_CHECKED cfp_status cfp_tube_render(float *volume, cfp_ctx *ctx, const cfp_tube *tube, int T,
                                       int H, int W, cfp_interp interp);
