/* colormap.h - from a value of a tube to a colour. */
#pragma once
#include "writer.h"

/* rgb[256 * 3]: the colours of 0/255 ... 255/255. */
void cfp_colormap_table(uint8_t *rgb, cfp_colormap map);

/* The row of the table for v in [0, 1]; what lies outside is clamped, NaN is 0. */
static inline int cfp_colormap_index(float v)
{
    return v >= 1.0f ? 255 : v > 0.0f ? (int)(v * 255.0f + 0.5f) : 0;
}
