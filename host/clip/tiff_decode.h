/* tiff_decode.h - TIFF files by libtiff: their pages as RGB pictures; private to host/clip/.
 *
 * Every kind that libtiff turns into 8-bit RGB is read: JPEG, LZW, deflate, PackBits and fax data,
 * strips and tiles, palettes, grey, CMYK, YCbCr, 8 and 16 bits, either byte order, BigTIFF.  A page
 * that libtiff reports an error for is refused, so nothing is shown that was not in the file.
 * The orientation is applied.  Transparency is dropped: the colours are shown as they are. */
#pragma once
#include "clip_source.h"
#include <stdio.h>

typedef struct cfp_tiff cfp_tiff;

bool cfp_is_tiff(const uint8_t *head, size_t n_bytes);

/* From memory that stays the caller's, or, where bytes is NULL, from a file that does.  `name` is
 * for messages, the caller's too. */
CFP_CHECKED cfp_status cfp_tiff_open(cfp_tiff **out, cfp_ctx *ctx, const char *name, FILE *file,
                                     const uint8_t *bytes, size_t n_bytes);
void cfp_tiff_close(cfp_tiff **tiff);
/* Thumbnails, smaller copies and masks do not count. */
int cfp_tiff_pages(const cfp_tiff *tiff);
/* *image lives until the next call. */
CFP_CHECKED cfp_status cfp_tiff_page(const cfp_image **image, cfp_tiff *tiff, cfp_ctx *ctx,
                                     int page);
