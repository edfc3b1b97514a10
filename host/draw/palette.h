/* palette.h - the 256 colours that show a film best, and each pixel as one of them (for gif).
 *
 * Colours are counted in cells of 4 x 4 x 4 levels; the set of cells is cut in two where it errs
 * most, at the mean of its widest axis, until there are 256 parts (median cut's variance-based
 * kind: Wan, Wong, Prusinkiewicz, 1988).  A film of at most 256 cells keeps its colours; of others
 * the pixels are dithered in an ordered pattern (Bayer, 1973), which stands still from frame to
 * frame. */
#pragma once
#include "../base/base.h"

enum { CFP_PALETTE_MOST = 256 };

typedef struct cfp_palette_cell cfp_palette_cell;

typedef struct cfp_palette {
    int n; /* colours */
    uint8_t rgb[CFP_PALETTE_MOST * 3];
    cfp_palette_cell *cell; /* by its place among all */
    int32_t *used;          /* the numbers of those that were counted */
    int n_used;
    bool dither;
    int16_t *nearest; /* a cell's colour, -1: not looked for yet */
} cfp_palette;

CFP_CHECKED cfp_status cfp_palette_open(cfp_palette *out, cfp_ctx *ctx);
void cfp_palette_close(cfp_palette *palette); /* accepts {0} */

/* First every picture is counted, then the colours are chosen once, then pixels are looked up. */
void cfp_palette_count(cfp_palette *palette, const uint8_t *rgb, size_t pixels);
void cfp_palette_choose(cfp_palette *palette);
/* The colour for a pixel at (y, x). */
int cfp_palette_index(cfp_palette *palette, const uint8_t *rgb, int y, int x);
