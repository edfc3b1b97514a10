/* tube.h - saliency tubes: where and when the selected kernels of a layer fire in the clip. */
#pragma once
#include "query.h"

/* A map before it is resized (SPEC "Tubes"): plain data. */
typedef struct cfp_tube cfp_tube;
struct cfp_tube {
    int node;       /* the kernel layer */
    int kernel;     /* o of a kernel tube; -1: the layer's tube */
    int t, h, w;    /* of raw */
    float *raw;     /* t x h x w */
    float min, max; /* of raw */
    /* A difference tube (contrast.h): this other tube is subtracted when both have been rendered.
     */
    const cfp_tube *minus; /* borrowed; NULL: none */
};

typedef struct cfp_tubes_list {
    int n;
    cfp_tube
        *tube; /* [n]: layer tubes in the pyramid's order, then kernel tubes by layer, kernel */
} cfp_tubes_list;

void cfp_tubes_free(cfp_tubes_list *tubes);

/* Constant is decided before resizing: interpolation's rounding would make noise of it that min-max
 * then blows up to 0..1. */
static inline bool cfp_tube_constant(const cfp_tube *tube)
{
    return !(tube->max > tube->min);
}

/* volume is T x H x W in [0, 1]: raw resized (half-pixel centres, edge clamp; or the cubic spline
 * of scipy.ndimage.zoom order 3), then min-max normalised; a constant map gives all zeros. */
CFP_CHECKED cfp_status cfp_tube_render(float *volume, cfp_ctx *ctx, const cfp_tube *tube, int T,
                                       int H, int W, cfp_interp interp);
