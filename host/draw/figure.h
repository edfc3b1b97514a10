/* figure.h - pictures composed of images, lines and text (stack, the contact sheet, plots); the
 * only interface to cairo.
 *
 * Text is in DejaVu Sans, or in the font that fontconfig offers instead.  Without any font, cairo
 * draws simple strokes; cfp_figure_has_font tells.  Settings of a display have no influence: equal
 * fonts give equal bytes. */
#pragma once
#include "../files/output.h"
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>

enum { CFP_FIGURE_MAX = 32000 }; /* of a side; the limit of cairo is 32767 */
enum { CFP_FIGURE_TEXT = 512 };  /* bytes of a text; a longer one is cut */

typedef struct cfp_figure {
    cfp_ctx *ctx;
    int width, height;
    int dpi; /* pixels per inch, for a PNG that says so; 0: it does not */
    cairo_surface_t *surface;
    cairo_t *cr; /* the drawing context */
} cfp_figure;

/* Makes a picture of width x height pixels, transparent or white.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_figure_open(cfp_figure *out, cfp_ctx *ctx, int width, int height,
                                       bool transparent);
/* Makes a white vector figure, with sides in points, that is written to the open file of output.
 * Nothing is in the file before cfp_figure_finish. */
CFP_CHECKED cfp_status cfp_figure_open_svg(cfp_figure *out, cfp_output *output, int width,
                                           int height);
/* The same as PDF.  `title` is what the file calls itself. */
CFP_CHECKED cfp_status cfp_figure_open_pdf(cfp_figure *out, cfp_output *output, double width,
                                           double height, const char *title);
CFP_CHECKED cfp_status cfp_figure_finish(cfp_figure *figure);
void cfp_figure_close(cfp_figure *figure); /* accepts {0} */
CFP_CHECKED cfp_status cfp_figure_write(cfp_output *output, const char *name,
                                        const cfp_figure *figure);

/* The first failure of what was drawn or measured. */
CFP_CHECKED cfp_status cfp_figure_check(const cfp_figure *figure);
/* Copies an opaque picture to rgb[height][width][3]. */
CFP_CHECKED cfp_status cfp_figure_read(const cfp_figure *figure, uint8_t *rgb);

/* Makes an image of width x height in cairo's format: ARGB, premultiplied by the opacity.  The
 * caller frees it with cairo_surface_destroy.  NULL: out of memory; the message is set. */
cairo_surface_t *cfp_figure_image(cfp_ctx *ctx, int width, int height);
/* Fills the image with rgb, whose rows are `stride` bytes apart.  opacity[height * width] is in [0,
 * 1]; NULL: every pixel is opaque. */
void cfp_figure_fill(cairo_surface_t *image, const uint8_t *rgb, size_t stride,
                     const float *opacity);
/* Draws the image into the unit square of the current transformation, smoothly resampled. */
void cfp_figure_draw(const cfp_figure *figure, cairo_surface_t *image);

/* Sets the font for what follows, `size` pixels high. */
void cfp_figure_font(cairo_t *cr, double size, bool bold);
/* False if the machine has no font. */
bool cfp_figure_has_font(cairo_t *cr);
double cfp_figure_text_width(cairo_t *cr, const char *text);
/* Writes what cfp_figure_text would draw to shown[CFP_FIGURE_TEXT]: without bytes that are not
 * UTF-8, and cut to max_width.  Returns its width. */
double cfp_figure_fit(char *shown, cairo_t *cr, double max_width, const char *text);
/* Draws text with its baseline at y.  It starts at x (align 0), is centred at x (0.5) or ends at x
 * (1).  Text wider than `max_width` is cut and gets an ellipsis; 0: it is never cut. */
void cfp_figure_text(cairo_t *cr, double x, double y, double align, double max_width,
                     const char *text);
