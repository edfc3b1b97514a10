/* figure.h - a picture that is composed: images in any place and slant, lines, text; for stack and
 * the contact sheet.  The way to cairo.
 *
 * Text is in DejaVu Sans, or what fontconfig has in its place; where there is no font at all cairo
 * draws plain strokes, which cfp_figure_has_font tells.  Nothing here depends on a display's
 * settings: the same fonts, the same bytes. */
#pragma once
#include "../files/output.h"
#include <cairo-svg.h>
#include <cairo.h>

enum { CFP_FIGURE_MOST = 32000 }; /* a side; cairo's own limit is 32767 */

typedef struct cfp_figure {
    cfp_ctx *ctx;
    int width, height;
    cairo_surface_t *surface;
    cairo_t *cr; /* to draw with */
} cfp_figure;

/* Transparent, or white.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_figure_open(cfp_figure *out, cfp_ctx *ctx, int width, int height,
                                       bool transparent);
/* A white vector figure that grows into the file that output has begun; sides in points.  Nothing
 * is in the file before cfp_figure_finish. */
CFP_CHECKED cfp_status cfp_figure_open_svg(cfp_figure *out, cfp_output *output, int width,
                                           int height);
CFP_CHECKED cfp_status cfp_figure_finish(cfp_figure *figure);
void cfp_figure_close(cfp_figure *figure); /* accepts {0} */
CFP_CHECKED cfp_status cfp_figure_write(cfp_output *output, const char *name,
                                        const cfp_figure *figure);

/* An image of its own, width x height, cairo's premultiplied ARGB; the caller's to
 * cairo_surface_destroy.  NULL: no memory, which the message says. */
cairo_surface_t *cfp_figure_image(cfp_ctx *ctx, int width, int height);
/* Fills it with rgb, whose rows are `stride` bytes apart; share[height * width] in [0, 1] is how
 * opaque each pixel is, NULL: all are. */
void cfp_figure_fill(cairo_surface_t *image, const uint8_t *rgb, size_t stride, const float *share);
/* Draws the image into the unit square of the current transformation, resampled without steps. */
void cfp_figure_draw(const cfp_figure *figure, cairo_surface_t *image);

/* Which font is in force from now on, `size` pixels high. */
void cfp_figure_font(cairo_t *cr, double size, bool bold);
/* False: there is no font here. */
bool cfp_figure_has_font(cairo_t *cr);
double cfp_figure_text_width(cairo_t *cr, const char *text);
/* On the baseline at y, from x on, to x or around it (align 0, 1, 0.5), cut with an ellipsis where
 * it is wider than `most` (0: never). */
void cfp_figure_text(cairo_t *cr, double x, double y, double align, double most, const char *text);
