/* image_decode.h - decodes the bytes of an image file to RGB; private to host/clip/. */
#pragma once
#include "clip_source.h"

typedef struct cfp_image_decoder cfp_image_decoder; /* decodes one image after another */

CFP_CHECKED cfp_status cfp_image_decoder_open(cfp_image_decoder **out, cfp_ctx *ctx);
void cfp_image_decoder_close(cfp_image_decoder **decoder);

/* Decodes an image; *image is valid until the next call.  The bytes decide the format (JPEG, PNG,
 * BMP, WebP, TIFF, PNM); `name` is only for messages.  An EXIF orientation is applied.  From a
 * damaged image the part that decodes is used, with a warning.  CFP_FORMAT if nothing decodes, or
 * if a TIFF is damaged.  If the file holds several pictures, the first is used; a warning names the
 * first such file. */
CFP_CHECKED cfp_status cfp_image_decode(const cfp_image **image, cfp_image_decoder *decoder,
                                        cfp_ctx *ctx, const char *name, const void *bytes,
                                        size_t n_bytes);

/* True if the name has the suffix of an image file. */
bool cfp_is_image_name(const char *name);
/* True if the bytes are the beginning of an image file; 16 bytes are enough. */
bool cfp_is_image_head(const uint8_t *head, size_t n_bytes);
/* Reads a whole image file.  CFP_FORMAT if it is larger than an image can be. */
CFP_CHECKED cfp_status cfp_image_read_file(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx,
                                           const char *path);
