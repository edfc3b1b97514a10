/* base_clip.h - the base: what replaces the parts that are taken out of a clip. */
#pragma once
#include "../base/tensor.h"

typedef enum cfp_base { CFP_BASE_ZEROS, CFP_BASE_MEAN, CFP_BASE_BLUR, CFP_BASE_FREEZE } cfp_base;
extern const char *const cfp_base_names[]; /* zeros mean blur freeze */

/* Makes the base of clip x.  Both are C x T x H x W, normalised.  The base is zeros (the mean
 * colour of the training data), the clip's own mean colour, the clip with every frame blurred, or
 * its middle frame repeated. */
CFP_CHECKED cfp_status cfp_base_clip(float *out, cfp_ctx *ctx, const float *x, cfp_shape shape,
                                     cfp_base base);
/* The sigma of the blur, in pixels: a tenth of the short side. */
double cfp_base_sigma(cfp_shape shape);
