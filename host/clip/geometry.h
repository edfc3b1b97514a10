/* geometry.h - SPEC "Geometry": resize, then centre crop; private to host/clip/.
 *
 * The resized frame is never made: each pixel of the crop is computed straight from the source.
 * resize_filter "bilinear": half-pixel centres, edge clamp, no antialiasing: OpenCV's INTER_LINEAR
 * computed in float and rounded to nearest (its 8-bit version works with 11-bit weights and may
 * be one level off).  "antialias": see antialias.h.
 *
 * "antialias" stands for torchvision's transforms on PIL images, so it also takes their sizes: the
 * long side is rounded down (int(size * w / h) in torchvision/transforms/functional.py, and in
 * kenshohara/video-classification-3d-cnn-pytorch, spatial_transforms.py), and the crop begins at
 * round(left over / 2), halves to even. "bilinear" rounds the long side to the nearest and begins
 * its crop at half of what is left over, rounded down, as mmcv does. */
#pragma once
#include "../model/model.h"
#include "clip_source.h"

typedef struct cfp_geometry {
    int resized_width, resized_height;
    int left, top;  /* of the crop, in pixels of the resized frame */
    bool enlarged;  /* resize_short would have left less than the crop */
    bool antialias; /* how the frame is resized */
} cfp_geometry;

/* The crop is the spec's width x height.  With a resize: stretched to that, whatever its shape.
 * resize_short S > 0: the short side becomes S and the frame keeps its shape.
 * Where that is smaller than the crop (a portrait video, a wide crop), the frame is resized so
 * that it just covers the crop and keeps its shape: no border is made up.  S = 0: stretched to the
 * crop's own size. */
CFP_CHECKED cfp_status cfp_geometry_plan(cfp_geometry *out, cfp_ctx *ctx, const cfp_image *image,
                                         const cfp_input_spec *spec);

/* out: crop_height x crop_width x 3. */
CFP_CHECKED cfp_status cfp_geometry_apply(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                                          const cfp_geometry *geometry, int crop_width,
                                          int crop_height);
