/* contact_sheet.h - all tubes of one explanation on one page: what a reader looks at first.
 *
 * Rows are the layers by depth, the clip above them; columns are time.  Beside each row stand the
 * layer, its depth and how many of its kernels are selected; below is the axis of time, at the
 * right the colours.  Kernel tubes have a page a layer, the most relevant kernel first.
 *
 *     contact-sheet.png                     the layers
 *     overlay/<layer>/contact-sheet.png     the layer's kernels
 *
 * At most CFP_SHEET_COLUMNS frames, evenly spread, and CFP_SHEET_LAYERS or CFP_SHEET_KERNELS rows
 * are shown, and the page says so where there are more.  The overlays are given, one tube after the
 * other in the order of the explanation: the sheet draws none itself. */
#pragma once
#include "../method/contrast.h"
#include "canvas.h"
#include "figure.h"

enum { CFP_SHEET_COLUMNS = 16, CFP_SHEET_LAYERS = 512, CFP_SHEET_KERNELS = 64 };

typedef struct cfp_sheet {
    cfp_output *output;
    const cfp_canvas *canvas; /* whose pictures are put together */
    const cfp_run *run;
    bool warned; /* that there is no font */

    /* Of the page at hand: */
    int first, n_tubes; /* tubes of the explanation */
    int rows;           /* of tubes that are shown */
    int columns, frame[CFP_SHEET_COLUMNS];
    int cell_height, cell_width, pitch; /* pixels; pitch from row to row */
    double font;                        /* height of the labels */
    int left, top;                      /* of the clip's first cell */
    cairo_surface_t *cell;              /* a picture of the canvas */
    cfp_figure figure;                  /* no surface: there is no page at hand */
} cfp_sheet;

void cfp_sheet_open(cfp_sheet *out, cfp_output *output, const cfp_canvas *canvas,
                    const cfp_run *run);
void cfp_sheet_close(cfp_sheet *sheet);

/* Tube number `tube` goes on its page, which is begun with its first tube and written with its
 * last.  picture(from, t, &stride): the canvas' picture of frame t. */
CFP_CHECKED cfp_status cfp_sheet_add(cfp_sheet *sheet, int tube,
                                     const uint8_t *(*picture)(const void *from, int t,
                                                               size_t *stride),
                                     const void *from);
