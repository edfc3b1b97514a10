/* values.h - clips of numbers: volumes of a scanner, events, flow beside colours; private to
 * host/clip/.
 *
 * A source gives numbers (cfp_image.values), or pictures for a network of one channel.  Pictures
 * become grey: 0.299 red + 0.587 green + 0.114 blue, rounded, as Pillow and OpenCV make it. */
#pragma once
#include "clip.h"
#include "clip_source.h"
#include "geometry.h"

/* CFP_FORMAT if a number of frame `frame` is NaN or infinite. */
CFP_CHECKED cfp_status cfp_values_check(cfp_ctx *ctx, const char *path, int64_t frame,
                                        const float *value, int64_t n);
/* Resizes a frame into place t of the clip. */
CFP_CHECKED cfp_status cfp_values_take(cfp_clip *clip, cfp_ctx *ctx, const cfp_input_spec *spec,
                                       int t, const cfp_image *image, const cfp_geometry *geometry);
/* When all frames are there: makes the pictures that show them, then standardises the numbers.
 * bytes: they were 0 to 255, and are shown so; else the pictures go from the lowest number of a
 * channel to its highest. */
void cfp_values_finish(cfp_clip *clip, const cfp_input_spec *spec, bool bytes);
