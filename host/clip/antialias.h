/* antialias.h - resizes a frame with a triangle filter whose width grows with the reduction;
 * private to host/clip/.
 *
 * This is the BILINEAR filter of PIL and torchvision.  Where a side shrinks, each pixel is a
 * weighted mean of all pixels that it covers; the nearest weigh most.  Where a side grows, the
 * filter is plain bilinear interpolation. */
#pragma once
#include "geometry.h"

/* out: crop_height x crop_width x 3.  Gives the bytes that Pillow gives when it resizes the whole
 * frame and crops it. */
CFP_CHECKED cfp_status cfp_antialias(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                                     const cfp_geometry *geometry, int crop_width, int crop_height);
