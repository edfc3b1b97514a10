/* antialias.h - a frame resized by a triangle filter that grows with the reduction; private to
 * host/clip/.
 *
 * The filter of PIL's and torchvision's BILINEAR: where a side is made smaller, each pixel is the
 * mean of all pixels that it covers, the nearer the heavier.  Where a side grows it is bilinear. */
#pragma once
#include "geometry.h"

/* out: crop_height x crop_width x 3.  The bytes of Pillow's resize of the whole frame, cropped. */
CFP_CHECKED cfp_status cfp_antialias(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                                     const cfp_geometry *geometry, int crop_width, int crop_height);
