/* paper.c - see paper.h. */
#include "paper.h"
#include <math.h>
#include <string.h>

static const double inch = 72; /* in points */

cfp_status cfp_paper_open(cfp_paper *out, cfp_ctx *ctx)
{
    *out = (cfp_paper){.ctx = ctx};
    return cfp_figure_open(&out->measure, ctx, 1, 1, false);
}

static void free_shape(cfp_item *shape)
{
    cairo_surface_destroy(shape->image);
    cfp_free(shape->point);
    cfp_free(shape->text);
}

void cfp_paper_close(cfp_paper *paper)
{
    for (int i = 0; i < paper->n; i++)
        free_shape(&paper->item[i]);
    cfp_free(paper->item);
    cfp_figure_close(&paper->measure);
    *paper = (cfp_paper){0};
}

static cfp_status make_room(cfp_paper *paper)
{
    CFP_TRY_ROOM(paper->ctx, paper->item, paper->n, paper->capacity);
    return CFP_OK;
}

/* Adds a shape.  The page frees what it points to, also after a failure. */
static void add(cfp_paper *paper, cfp_item shape)
{
    if (paper->status == CFP_OK)
        paper->status = make_room(paper);
    if (paper->status == CFP_OK)
        paper->item[paper->n++] = shape;
    else
        free_shape(&shape);
}

void cfp_paper_area(cfp_paper *paper, double x, double y, double width, double height,
                    uint32_t colour)
{
    add(paper, (cfp_item){.kind = CFP_ITEM_AREA,
                          .x = x,
                          .y = y,
                          .width = width,
                          .height = height,
                          .colour = colour});
}

void cfp_paper_line(cfp_paper *paper, const double *point, int n, double width, uint32_t colour)
{
    double *copy = cfp_alloc(paper->ctx, 2 * (size_t)n, sizeof *copy);
    if (copy == NULL) {
        paper->status = CFP_NOMEM;
        return;
    }
    memcpy(copy, point, 2 * (size_t)n * sizeof *copy);
    add(paper,
        (cfp_item){
            .kind = CFP_ITEM_LINE, .point = copy, .n_points = n, .width = width, .colour = colour});
}

double cfp_paper_text_width(const cfp_paper *paper, const cfp_font *font, const char *text)
{
    cfp_figure_font(paper->measure.cr, font->size, font->bold);
    return cfp_figure_text_width(paper->measure.cr, text);
}

void cfp_paper_text(cfp_paper *paper, double x, double y, double align, double max_width,
                    const cfp_font *font, const char *text)
{
    char shown[CFP_FIGURE_TEXT];
    cfp_figure_font(paper->measure.cr, font->size, font->bold);
    const double width = cfp_figure_fit(shown, paper->measure.cr, max_width, text);
    char *copy = cfp_strdup(paper->ctx, shown);
    if (copy == NULL) {
        paper->status = CFP_NOMEM;
        return;
    }
    add(paper, (cfp_item){.kind = CFP_ITEM_TEXT,
                          .x = x - align * width,
                          .y = y,
                          .width = width,
                          .text = copy,
                          .size = font->size,
                          .bold = font->bold,
                          .colour = font->colour});
}

/* Resamples the image to width x height pixels. */
static cairo_surface_t *reduce(cfp_paper *paper, cairo_surface_t *image, int width, int height)
{
    cfp_figure small;
    paper->status = cfp_figure_open(&small, paper->ctx, width, height, false);
    if (paper->status != CFP_OK)
        return NULL;
    cairo_scale(small.cr, width, height);
    cfp_figure_draw(&small, image);
    paper->status = cfp_figure_check(&small);
    cairo_surface_t *reduced = cairo_surface_reference(small.surface);
    cfp_figure_close(&small);
    return reduced;
}

void cfp_paper_picture(cfp_paper *paper, double x, double y, double width, double height,
                       const uint8_t *rgb, int pixels_wide, int pixels_high)
{
    const int wide = cfp_max_int(1, (int)ceil(width / inch * CFP_PAPER_DPI));
    const int high = cfp_max_int(1, (int)ceil(height / inch * CFP_PAPER_DPI));
    if (paper->status != CFP_OK)
        return;
    cairo_surface_t *image = cfp_figure_image(paper->ctx, pixels_wide, pixels_high);
    if (image == NULL) {
        paper->status = CFP_NOMEM;
        return;
    }
    cfp_figure_fill(image, rgb, 3 * (size_t)pixels_wide, NULL);
    if (pixels_wide > wide || pixels_high > high) {
        cairo_surface_t *reduced =
            reduce(paper, image, cfp_min_int(wide, pixels_wide), cfp_min_int(high, pixels_high));
        cairo_surface_destroy(image);
        image = reduced;
    }
    add(paper, (cfp_item){.kind = CFP_ITEM_IMAGE,
                          .x = x,
                          .y = y,
                          .width = width,
                          .height = height,
                          .image = image});
}

/* --- with cairo --- */

static void draw_shape(const cfp_figure *figure, const cfp_item *s)
{
    cairo_t *cr = figure->cr;
    cairo_save(cr);
    cairo_new_path(cr);
    cairo_set_source_rgb(cr, (s->colour >> 16 & 255) / 255.0, (s->colour >> 8 & 255) / 255.0,
                         (s->colour & 255) / 255.0);
    switch (s->kind) {
    case CFP_ITEM_AREA:
        cairo_rectangle(cr, s->x, s->y, s->width, s->height);
        cairo_fill(cr);
        break;
    case CFP_ITEM_LINE:
        cairo_set_line_width(cr, s->width);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        for (int k = 0; k < s->n_points; k++)
            cairo_line_to(cr, s->point[2 * k], s->point[2 * k + 1]);
        cairo_stroke(cr);
        break;
    case CFP_ITEM_IMAGE:
        cairo_translate(cr, s->x, s->y);
        cairo_scale(cr, s->width, s->height);
        cfp_figure_draw(figure, s->image);
        break;
    case CFP_ITEM_TEXT:
        cfp_figure_font(cr, s->size, s->bold);
        cairo_move_to(cr, s->x, s->y);
        cairo_show_text(cr, s->text);
        break;
    }
    cairo_restore(cr);
}

static void draw_shapes(const cfp_paper *paper, const cfp_figure *figure)
{
    for (int i = 0; i < paper->n; i++)
        draw_shape(figure, &paper->item[i]);
}

static cfp_status to_pdf(const cfp_paper *paper, cfp_output *output, const char *title)
{
    cfp_figure figure;
    CFP_TRY(cfp_figure_open_pdf(&figure, output, paper->width, paper->height, title));
    draw_shapes(paper, &figure);
    const cfp_status status = cfp_figure_finish(&figure);
    cfp_figure_close(&figure);
    return status;
}

static cfp_status to_png(const cfp_paper *paper, cfp_output *output, const char *name)
{
    const double scale = CFP_PAPER_DPI / inch;
    cfp_figure figure;
    CFP_TRY(cfp_figure_open(&figure, paper->ctx, (int)ceil(paper->width * scale),
                            (int)ceil(paper->height * scale), false));
    figure.dpi = CFP_PAPER_DPI;
    cairo_scale(figure.cr, scale, scale);
    draw_shapes(paper, &figure);
    const cfp_status status = cfp_figure_write(output, name, &figure);
    cfp_figure_close(&figure);
    return status;
}

/* Writes one of the three files. */
static cfp_status write_file(cfp_paper *paper, cfp_output *output, const char *name,
                             const char *ending, const char *title)
{
    char *file = cfp_format(paper->ctx, "%s.%s", name, ending);
    if (file == NULL)
        return CFP_NOMEM;
    const bool png = strcmp(ending, "png") == 0;
    cfp_status status = png ? to_png(paper, output, file) : cfp_output_begin(output, file);
    cfp_free(file);
    if (png || status != CFP_OK)
        return status;
    CFP_TRY(strcmp(ending, "pdf") == 0 ? to_pdf(paper, output, title)
                                       : cfp_paper_to_svg(paper, output, title));
    return cfp_output_commit(output);
}

cfp_status cfp_paper_write(cfp_paper *paper, cfp_output *output, const char *name,
                           const char *title)
{
    static const char *const endings[] = {"pdf", "svg", "png"};
    char shown[CFP_FIGURE_TEXT];
    CFP_TRY(paper->status);
    cfp_figure_fit(shown, paper->measure.cr, 0, title); /* without bytes that no file may have */
    CFP_TRY(cfp_figure_check(&paper->measure));
    for (int k = 0; k < 3; k++) {
        CFP_TRY(cfp_check_interrupt(paper->ctx));
        CFP_TRY(write_file(paper, output, name, endings[k], shown));
    }
    return CFP_OK;
}
