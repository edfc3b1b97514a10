/* contact_sheet.h - all tubes of an explanation on one page.
 *
 * Each row is a layer, by depth, with the clip in the first row; each column is a frame.  The label
 * of a row names the layer, its depth and how many of its kernels are selected.  The axis of time
 * is below.  The colour bar is on the right, and comes again on a long page.  Tubes of kernels get
 * one page for each layer, with the most relevant kernel first.
 *
 *     contact-sheet.png                     the layers
 *     overlay/<layer>/contact-sheet.png     the layer's kernels
 *
 * A page shows at most CFP_SHEET_COLUMNS evenly spread frames and CFP_SHEET_LAYERS or
 * CFP_SHEET_KERNELS rows, and says how many there are in all.  The sheet does not draw overlays:
 * the caller passes the pictures, tube by tube in the order of the explanation. */
#pragma once
#include "../method/contrast.h"
#include "canvas.h"
#include "picture_words.h"

enum { CFP_SHEET_COLUMNS = 16, CFP_SHEET_LAYERS = 512, CFP_SHEET_KERNELS = 64 };

typedef struct cfp_sheet {
    cfp_output *output;
    const cfp_canvas *canvas; /* draws the pictures */
    const cfp_run *run;
    bool warned; /* the user was warned that there is no font */

    /* The current page: */
    int first, n_tubes; /* the tubes of the explanation that belong to it */
    int rows;           /* how many tubes are shown */
    int columns, frame[CFP_SHEET_COLUMNS];
    int cell_height, cell_width, pitch; /* pixels; pitch from row to row */
    double font;                        /* height of the labels */
    int left, top;                      /* position of the clip's first cell */
    int width;                          /* of the page */
    cairo_surface_t *cell;              /* holds one picture of the canvas */
    cfp_figure figure;                  /* without a surface if there is no current page */
} cfp_sheet;

void cfp_sheet_open(cfp_sheet *out, cfp_output *output, const cfp_canvas *canvas,
                    const cfp_run *run);
void cfp_sheet_close(cfp_sheet *sheet);

/* Adds tube number `tube` of the explanation to its page.  The first tube of a page begins it, the
 * last one writes the file.  picture(from, t, &stride) returns the picture of frame t, in the size
 * of the canvas. */
CFP_CHECKED cfp_status cfp_sheet_add(cfp_sheet *sheet, int tube,
                                     const uint8_t *(*picture)(const void *from, int t,
                                                               size_t *stride),
                                     const void *from);
