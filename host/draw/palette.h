/* palette.h - chooses the 256 colours that show a movie best, and maps each pixel to one of them
 * (gif).
 *
 * Colours are counted in cells of 4 x 4 x 4 levels.  The set of cells is cut in two where its error
 * is largest, at the mean of its widest axis, until there are 256 parts (the variance-based variant
 * of median cut: Wan, Wong, Prusinkiewicz, 1988).  A movie with at most 256 cells keeps its
 * colours. Other movies are dithered with an ordered pattern (Bayer, 1973), which does not flicker,
 * because it is the same in every frame. */
#pragma once
#include "../base/base.h"

enum { CFP_PALETTE_COLOURS = 256 };

typedef struct cfp_palette_cell cfp_palette_cell;

typedef struct cfp_palette {
    int n; /* number of colours */
    uint8_t rgb[CFP_PALETTE_COLOURS * 3];
    cfp_palette_cell *cell; /* all cells */
    int32_t *used;          /* numbers of the cells that have pixels */
    int n_used;
    bool dither;
    int16_t *nearest; /* the colour of a cell; -1: not computed yet */
} cfp_palette;

CFP_CHECKED cfp_status cfp_palette_open(cfp_palette *out, cfp_ctx *ctx);
void cfp_palette_close(cfp_palette *palette); /* accepts {0} */

/* Use: count the pixels of every picture, then choose the colours once, then look pixels up. */
void cfp_palette_count(cfp_palette *palette, const uint8_t *rgb, size_t pixels);
void cfp_palette_choose(cfp_palette *palette);
/* Returns the number of the colour for a pixel at (y, x). */
int cfp_palette_index(cfp_palette *palette, const uint8_t *rgb, int y, int x);
