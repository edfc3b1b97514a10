/* tiff_decode.h - reads the pages of TIFF files as RGB pictures, with libtiff; private to
 * host/clip/.
 *
 * Everything that libtiff converts to 8-bit RGB is read: JPEG, LZW, deflate, PackBits and fax data,
 * strips and tiles, palettes, grey, CMYK, YCbCr, 8 and 16 bits, both byte orders, BigTIFF.  If
 * libtiff reports an error in a page, the page is refused, so that no pixel is made up.  The
 * orientation is applied.  Transparency is ignored: the colours are shown as stored. */
#pragma once
#include "clip_source.h"
#include <stdio.h>

typedef struct cfp_tiff cfp_tiff;

bool cfp_is_tiff(const uint8_t *head, size_t n_bytes);

/* Opens a TIFF in memory, or in `file` if bytes is NULL.  The caller keeps memory, file and `name`,
 * which is for messages, until cfp_tiff_close. */
CFP_CHECKED cfp_status cfp_tiff_open(cfp_tiff **out, cfp_ctx *ctx, const char *name, FILE *file,
                                     const uint8_t *bytes, size_t n_bytes);
void cfp_tiff_close(cfp_tiff **tiff);
/* The number of pages, without thumbnails, smaller copies and masks. */
int cfp_tiff_pages(const cfp_tiff *tiff);
/* Decodes a page, from 0; *image is valid until the next call. */
CFP_CHECKED cfp_status cfp_tiff_page(const cfp_image **image, cfp_tiff *tiff, cfp_ctx *ctx,
                                     int page);
