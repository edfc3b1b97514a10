/* image_decode.h - one image file's bytes -> RGB; private to host/clip/. */
#pragma once
#include "clip_source.h"

typedef struct cfp_image_decoder cfp_image_decoder; /* reused from image to image */

CFP_CHECKED cfp_status cfp_image_decoder_open(cfp_image_decoder **out, cfp_ctx *ctx);
void cfp_image_decoder_close(cfp_image_decoder **decoder);

/* *image lives until the next call.  The kind (JPEG, PNG, BMP, WebP, TIFF, PNM) is told by the
 * bytes, not the name, which is only for messages.  An EXIF orientation is applied.  A damaged
 * image is used as far as it decodes, with a warning; CFP_FORMAT where it does not at all, or where
 * it is a TIFF.  Of a file that holds several pictures the first is taken; the first such file is
 * warned of. */
CFP_CHECKED cfp_status cfp_image_decode(const cfp_image **image, cfp_image_decoder *decoder,
                                        cfp_ctx *ctx, const char *name, const void *bytes,
                                        size_t n_bytes);

/* A file name that ends like an image's. */
bool cfp_is_image_name(const char *name);
/* Bytes that begin like an image's; 16 are enough. */
bool cfp_is_image_head(const uint8_t *head, size_t n_bytes);
/* An image file is read whole: CFP_FORMAT where it is larger than any. */
CFP_CHECKED cfp_status cfp_image_read_file(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx,
                                           const char *path);
