/* paper.h - a page of text, lines, areas and images that can be written as PDF, SVG and PNG.
 *
 * All measures are in points (1/72 inch), from the upper left corner; colours are 0xRRGGBB.  The
 * page is a list of shapes, so the three files show the same.  Text stays text: a reader can select
 * it and a program for drawing can edit it.  (Cairo draws PDF and PNG.  Its SVG has outlines
 * instead of text, so the SVG is written here.)  No file has a date or a random name in it: equal
 * pages give equal bytes. */
#pragma once
#include "figure.h"

enum { CFP_PAPER_DPI = 300 }; /* of the PNG, and the most that an image needs */

typedef struct cfp_font {
    double size;
    bool bold;
    uint32_t colour;
} cfp_font;

typedef enum cfp_item_kind {
    CFP_ITEM_AREA,
    CFP_ITEM_LINE,
    CFP_ITEM_IMAGE,
    CFP_ITEM_TEXT
} cfp_item_kind;

typedef struct cfp_item {
    cfp_item_kind kind;
    double x, y, width, height; /* of a line, width is its thickness; of a text, its length */
    uint32_t colour;
    double *point; /* of a line: [2 * n_points] */
    int n_points;
    cairo_surface_t *image;
    char *text; /* as it is shown: UTF-8, cut to its place; x is where it begins */
    double size;
    bool bold;
} cfp_item;

typedef struct cfp_paper {
    cfp_ctx *ctx;
    double width, height; /* the caller sets them at any time before the page is written */
    cfp_figure measure;   /* measures text */
    cfp_item *item;       /* [n] in the order in which they are drawn */
    int n, capacity;
    cfp_status status; /* the first failure of a function without a status; writing returns it */
} cfp_paper;

CFP_CHECKED cfp_status cfp_paper_open(cfp_paper *out, cfp_ctx *ctx);
void cfp_paper_close(cfp_paper *paper); /* accepts {0} */

/* An area of one colour. */
void cfp_paper_area(cfp_paper *paper, double x, double y, double width, double height,
                    uint32_t colour);
/* A line through n points, x and y in turn. */
void cfp_paper_line(cfp_paper *paper, const double *point, int n, double width, uint32_t colour);
/* Text with its baseline at y; see cfp_figure_text. */
void cfp_paper_text(cfp_paper *paper, double x, double y, double align, double max_width,
                    const cfp_font *font, const char *text);
double cfp_paper_text_width(const cfp_paper *paper, const cfp_font *font, const char *text);
/* Draws the picture rgb, pixels_high rows of pixels_wide pixels, as an image.  It is reduced to
 * CFP_PAPER_DPI if it has more pixels than that. */
void cfp_paper_picture(cfp_paper *paper, double x, double y, double width, double height,
                       const uint8_t *rgb, int pixels_wide, int pixels_high);

/* Writes the page as SVG to an open file (paper_svg.c). */
CFP_CHECKED cfp_status cfp_paper_to_svg(const cfp_paper *paper, cfp_output *output,
                                        const char *title);

/* Writes NAME.pdf, NAME.svg and NAME.png.  `title` is what the files call themselves. */
CFP_CHECKED cfp_status cfp_paper_write(cfp_paper *paper, cfp_output *output, const char *name,
                                       const char *title);
