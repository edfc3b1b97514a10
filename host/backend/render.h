/* render.h - how the map of a tube becomes a volume over the clip, and frames coloured by it.
 *
 * Plain data for the host and for devices.  The formulas are in render_math.h. */
#pragma once
#include "../base/base.h"

enum { CFP_RENDER_BOUNDS = 1 << 17 };

/* As `alpha`: each pixel is as opaque as the volume's value there, of a difference its size. */
#define CFP_ALPHA_SALIENCY -1

/* volume = map, resized trilinearly and min-max normalised.  Sizes are T, H, W. */
typedef struct cfp_render {
    const float *map;
    int from[3], to[3];
    float *volume;
    float *bounds; /* [CFP_RENDER_BOUNDS] working memory */
} cfp_render;

/* How frames are coloured by a volume over what the model saw of them.  A volume is from 0 to 1; a
 * difference of two is from -1 to 1. */
typedef struct cfp_overlay {
    int height, width;           /* of the frames */
    int seen_height, seen_width; /* of the volume */
    bool cropped;                /* the model saw a part of them, resized; else these very pixels */
    double top, left, step_y, step_x; /* of that part, as in cfp_clip */
    double alpha;                     /* opacity, in [0, 1], or CFP_ALPHA_SALIENCY */
    bool difference; /* the volume is from -1 to 1, and 0 has the colour in the middle, 128 */
    uint8_t colour[256 * 3]; /* of 0/255 ... 255/255 */
} cfp_overlay;
