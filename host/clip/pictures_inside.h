/* pictures_inside.h - finds how many pictures an image file holds, and whether it is complete;
 * private to host/clip/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if the JPEG has its end marker.  libavcodec decodes a truncated one without an error. */
bool cfp_jpeg_has_end(const uint8_t *bytes, size_t n_bytes);
/* The number of pictures in a JPEG (MPO: by its multi-picture segment), a PNG (APNG) or a WebP
 * (animation); 1 if the file names no others. */
int cfp_pictures_inside(const uint8_t *bytes, size_t n_bytes);
