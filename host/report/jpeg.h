/* jpeg.h - encodes pictures of one size as JPEG in memory, to embed them in a page; reduces
 * pictures.
 *
 * Baseline, 4:4:4, full-range ITU-R BT.601 (JFIF), at the best quality.  On the clips that ship
 * with the project, values differ from the original by at most 12 of 255, and by 1.4 on average.
 * Equal pictures give equal bytes. */
#pragma once
#include "../base/base.h"

typedef struct cfp_jpeg cfp_jpeg;

/* Opens an encoder.  Messages start with `where`, the file that the pictures are for, which is
 * borrowed.  On failure *out is NULL. */
CFP_CHECKED cfp_status cfp_jpeg_open(cfp_jpeg **out, cfp_ctx *ctx, const char *where, int height,
                                     int width);
void cfp_jpeg_close(cfp_jpeg **jpeg); /* *jpeg may be NULL, and is NULL after */

/* Encodes rgb, height x width x 3.  *bytes, of length *n, stays valid until the next call. */
CFP_CHECKED cfp_status cfp_jpeg_encode(cfp_jpeg *jpeg, const uint8_t *rgb, const uint8_t **bytes,
                                       size_t *n);

/* Reduces a picture of height x width x 3: out has height / n x width / n pixels, each the mean of
 * n x n.  Incomplete squares on the right and at the bottom are cut off. */
void cfp_shrink(uint8_t *out, const uint8_t *rgb, int height, int width, int n);
