/* jpeg.h - pictures of one size as JPEG files in memory: what a page can show without a server.
 *
 * Baseline, 4:4:4, full-range ITU-R BT.601 (JFIF), the best quality: on the clips that ship with
 * the project no value is off by more than 12 of 255, and 1.4 is the mean.  The same picture gives
 * the same bytes.
 */
#pragma once
#include "../base/base.h"

typedef struct cfp_jpeg cfp_jpeg;

/* On failure *out is NULL; `where`, the file that it is for, starts messages and is borrowed. */
CFP_CHECKED cfp_status cfp_jpeg_open(cfp_jpeg **out, cfp_ctx *ctx, const char *where, int height,
                                     int width);
void cfp_jpeg_close(cfp_jpeg **jpeg); /* accepts NULL in it */

/* rgb is height x width x 3.  *bytes stays valid until the next call. */
CFP_CHECKED cfp_status cfp_jpeg_encode(cfp_jpeg *jpeg, const uint8_t *rgb, const uint8_t **bytes,
                                       size_t *n);
