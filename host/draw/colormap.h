/* colormap.h - the colours of a colour map, for the values of a tube. */
#pragma once
#include "../files/run.h"

/* Fills rgb[256 * 3] with the colours of 0/255 ... 255/255.  A map for differences has those of
 * -128/127 ... 127/127. */
void cfp_colormap_table(uint8_t *rgb, cfp_colormap map);
