/* colormap.h - from a value of a tube to a colour. */
#pragma once
#include "../files/run.h"

/* rgb[256 * 3]: the colours of 0/255 ... 255/255; of a map for differences, of -128/127 ...
 * 127/127.
 */
void cfp_colormap_table(uint8_t *rgb, cfp_colormap map);
