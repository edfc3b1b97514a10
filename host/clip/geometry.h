/* geometry.h - resizes a frame and cuts out its centre (SPEC "Geometry"); private to host/clip/.
 *
 * The resized frame is never stored: each pixel of the crop is computed from the source.
 *
 * resize_filter "bilinear" is OpenCV's INTER_LINEAR: half-pixel centres, clamped edges, no
 * antialiasing.  It is computed in float and rounded to nearest.  (OpenCV's version for 8 bits has
 * weights of 11 bits and may differ by one level.)  It rounds the long side to nearest.  Its crop
 * begins at half of the remaining length, rounded down, as in mmcv.
 *
 * resize_filter "antialias" (antialias.h) is torchvision's transform of PIL images, with its
 * rounding.  The long side is rounded down: int(size * w / h) in
 * torchvision/transforms/functional.py, and in spatial_transforms.py of
 * kenshohara/video-classification-3d-cnn-pytorch.  The crop begins at round(remaining / 2), halves
 * to even. */
#pragma once
#include "../model/model.h"
#include "clip_source.h"

typedef struct cfp_geometry {
    int resized_width, resized_height;
    int left, top;  /* of the crop, in pixels of the resized frame */
    bool enlarged;  /* resize_short gave a frame smaller than the crop, so it was enlarged */
    bool antialias; /* which filter */
} cfp_geometry;

/* Plans the resize to a crop of the spec's width x height.
 * With `resize`: the frame is stretched to that size.
 * With resize_short S > 0: the short side becomes S, and the frame keeps its proportions.  If it
 * would then not cover the crop (a portrait video, a wide crop), it is enlarged until it just does;
 * no border is added.
 * With resize_short 0: the frame is stretched to the size of the crop. */
CFP_CHECKED cfp_status cfp_geometry_plan(cfp_geometry *out, cfp_ctx *ctx, const cfp_image *image,
                                         const cfp_input_spec *spec);

/* out: crop_height x crop_width x 3. */
CFP_CHECKED cfp_status cfp_geometry_apply(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                                          const cfp_geometry *geometry, int crop_width,
                                          int crop_height);
/* The same for one channel of image->values, bilinear, not rounded.  out: crop_height x crop_width.
 */
CFP_CHECKED cfp_status cfp_geometry_apply_values(float *out, cfp_ctx *ctx, const cfp_image *image,
                                                 const cfp_geometry *geometry, int channels,
                                                 int channel, int crop_width, int crop_height);
