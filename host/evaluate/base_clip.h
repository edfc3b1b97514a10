/* base_clip.h - what stands in the place of what is taken out of a clip. */
#pragma once
#include "../base/tensor.h"

typedef enum cfp_base { CFP_BASE_ZEROS, CFP_BASE_MEAN, CFP_BASE_BLUR, CFP_BASE_FREEZE } cfp_base;
extern const char *const cfp_base_names[]; /* zeros mean blur freeze */

/* The whole clip x, C x T x H x W and normalised, as the base shows it: zeros (the mean colour of
 * the model's data), the clip's own mean colour, every frame blurred, or its middle frame all the
 * time. */
CFP_CHECKED cfp_status cfp_base_clip(float *out, cfp_ctx *ctx, const float *x, cfp_shape shape,
                                     cfp_base base);
/* The sigma of the blur, in pixels: a tenth of the short side. */
double cfp_base_sigma(cfp_shape shape);
