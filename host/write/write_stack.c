/* write_stack.c - the clip as a stack of slanted frames with the tube in it, a figure for a paper:
 * overlay/<layer>/stack.png, overlay/<layer>/kernel-<o>/stack.png.
 *
 * Time runs from the back on the left to the front on the right.  In each frame the tube is opaque
 * and the rest is almost transparent, so that the tube can be seen through the stack.  The frame
 * with most of the tube has a gap on both sides and is drawn opaque, as in the other pictures.  Of
 * a long clip the figure shows SHOWN evenly spread frames.  The background is transparent. */
#include "../backend/render_math.h"
#include "../draw/canvas.h"
#include "../draw/figure.h"
#include "writer.h"

enum { SHOWN = 16 };
static const int shortest = 480,
                 longest = 960; /* limits of a frame's height, in pixels of the figure */

/* Distances, as a fraction of a frame's width or height: */
static const double across = 0.6, rise = 0.18; /* the upper edge goes right and up; of the width */
static const double right = 0.1,
                    down = 0.028; /* from frame to frame; of the width, of the height */
static const double before = 0.3,
                    behind =
                        0.54;    /* the gaps on the two sides of the frame in focus; of the width */
static const double veil = 0.24; /* opacity where there is no tube */
static const double margin = 0.03, line = 0.003;

typedef struct stack {
    cfp_canvas canvas;
    cairo_surface_t *image; /* one frame */
    float *value;           /* values of the tube at its pixels; then their opacity */
    int n, frame[SHOWN];    /* the frames that are shown */
    int focus;              /* index in frame[] of the frame in focus */
    double height, width;   /* size of a frame before it is slanted */
} stack;

typedef struct place { /* the upper left corner of a frame */
    double x, y;
} place;

/* Finds the frame with most of the tube; among equal ones, the one nearest to the middle. */
static int find_focus(const stack *s)
{
    int best = s->n / 2;
    double strongest = cfp_canvas_strength(&s->canvas, s->frame[best]);
    for (int away = 1; away <= s->n; away++)
        for (int side = -1; side <= 1; side += 2) {
            const int k = s->n / 2 + side * away;
            const double strength =
                k >= 0 && k < s->n ? cfp_canvas_strength(&s->canvas, s->frame[k]) : -1;
            if (strength > strongest) {
                strongest = strength;
                best = k;
            }
        }
    return best;
}

static place place_of(const stack *s, int k)
{
    const double gap = (k >= s->focus && s->focus > 0 ? before : 0) + (k > s->focus ? behind : 0);
    const double steps = k + gap / right; /* gaps lie on the axis of time, too */
    return (place){s->height * margin + s->width * right * steps,
                   s->height * (margin + down * steps) + s->width * rise};
}

static void draw_frame(const stack *s, const cfp_figure *figure, int k)
{
    const place at = place_of(s, k);
    const bool in_focus = k == s->focus;
    cairo_matrix_t slanted;
    cairo_t *cr = figure->cr;
    cairo_matrix_init(&slanted, s->width * across, -s->width * rise, 0, s->height, at.x, at.y);
    cairo_save(cr);
    cairo_transform(cr, &slanted);
    cfp_figure_draw(figure, s->image);
    cairo_rectangle(cr, 0, 0, 1, 1);
    cairo_restore(cr);
    cairo_set_line_width(cr, s->height * line * (in_focus ? 2 : 1));
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_source_rgba(cr, 0, 0, 0, in_focus ? 1 : 0.5);
    cairo_stroke(cr);
}

/* A channel of the frame under the tube.  Under a difference the frame is grey. */
static int below(const stack *s, const uint8_t *rgb, int c)
{
    return s->canvas.renderer.overlay.difference ? cfp_grey(rgb) : rgb[c];
}

/* Fades the overlay to the plain frame, and its opacity to `veil`, where the tube has low
 * values. */
static void unveil(const stack *s, int t)
{
    const size_t pixels = (size_t)s->canvas.clip->height * (size_t)s->canvas.clip->width;
    const uint8_t *plain = s->canvas.clip->rgb + (size_t)t * pixels * 3;
    cfp_canvas_values(&s->canvas, s->value, t);
    for (size_t p = 0; p < pixels; p++) {
        const double v = (double)s->value[p], weight = v * v * (3 - 2 * v);
        uint8_t *rgb = s->canvas.frame + 3 * p;
        for (int c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(weight * rgb[c] + (1 - weight) * below(s, plain + 3 * p, c) + 0.5);
        s->value[p] = (float)(veil + (1 - veil) * weight);
    }
}

static cfp_status draw_stack(const stack *s, const cfp_figure *figure)
{
    for (int k = 0; k < s->n; k++) {
        CFP_TRY(cfp_check_interrupt(s->canvas.ctx));
        CFP_TRY(cfp_canvas_colour(&s->canvas, s->frame[k]));
        if (k != s->focus)
            unveil(s, s->frame[k]);
        cfp_figure_fill(s->image, s->canvas.frame, (size_t)s->canvas.clip->width * 3,
                        k != s->focus ? s->value : NULL);
        draw_frame(s, figure, k);
    }
    return CFP_OK;
}

static cfp_status write_figure(stack *s, cfp_output *output, const cfp_tube *tube)
{
    CFP_TRY(cfp_canvas_tube(&s->canvas, tube));
    CFP_TRY(cfp_canvas_volume(&s->canvas));
    s->focus = find_focus(s);
    const place last = place_of(s, s->n - 1);
    cfp_figure figure;
    CFP_TRY(cfp_figure_open(&figure, output->ctx,
                            (int)(last.x + s->width * across + s->height * margin + 0.5),
                            (int)(last.y + s->height * (1 + margin) + 0.5), true));
    cfp_status status = draw_stack(s, &figure);
    char *name = cfp_output_overlay(output, s->canvas.explanation->model, tube, "/stack.png");
    if (status == CFP_OK)
        status = name == NULL ? CFP_NOMEM : cfp_figure_write(output, name, &figure);
    cfp_free(name);
    cfp_figure_close(&figure);
    CFP_TRY(status);
    return cfp_output_step(output);
}

static cfp_status open_stack(stack *s)
{
    const int H = s->canvas.clip->height, W = s->canvas.clip->width;
    s->n = cfp_canvas_spread(&s->canvas, s->frame, SHOWN);
    s->height = cfp_max_int(shortest, cfp_min_int(H, longest));
    s->width = s->height * W / H;
    s->image = cfp_figure_image(s->canvas.ctx, W, H);
    if (s->image == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(s->canvas.ctx, s->value, (size_t)H * (size_t)W);
    return CFP_OK;
}

static cfp_status write_stack(cfp_output *output, const cfp_explanation *explanation,
                              const cfp_run *run)
{
    stack s = {0};
    CFP_TRY(cfp_canvas_open(&s.canvas, output->ctx, explanation, run));
    cfp_status status = open_stack(&s);
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++)
        status = write_figure(&s, output, &explanation->tubes.tube[i]);
    cairo_surface_destroy(s.image);
    cfp_free(s.value);
    cfp_canvas_close(&s.canvas);
    return status;
}

const cfp_writer cfp_writer_stack = {
    .format = "stack",
    .summary = "overlay/<layer>/stack.png: the clip as a stack of slanted frames with the tube in "
               "it, for a paper",
    .write = write_stack,
    .draws_tubes = true,
    .only_tubes = true,
};
