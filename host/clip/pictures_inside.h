/* pictures_inside.h - how many pictures one image file holds, and whether it is whole; private to
 * host/clip/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A JPEG has the marker that ends it.  libavcodec shows one that was cut off and says nothing. */
bool cfp_jpeg_has_end(const uint8_t *bytes, size_t n_bytes);
/* Of a JPEG (MPO: the list of its multi-picture segment), a PNG (APNG) or a WebP (an animation);
 * 1 where the file says nothing of others. */
int cfp_pictures_inside(const uint8_t *bytes, size_t n_bytes);
