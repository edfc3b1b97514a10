/* write_png.c - overlays as PNG: one strip per tube (png), or one picture per frame (frames).
 *
 * A strip shows the frames from left to right and top to bottom.  A row has at most COLUMNS frames,
 * or fewer if the strip would be wider than WIDEST.  The rest of the last row is white.  A caption
 * below names layer, class and question.
 *
 *     overlay/<layer>.png, overlay/<layer>/kernel-<o>.png                   strips
 *     overlay/<layer>/%06d.png, overlay/<layer>/kernel-<o>/%06d.png         frames, from 0
 *
 * Format png also makes the contact sheet, from the same pictures.  Format sheet makes it alone. */
#include "../draw/contact_sheet.h"
#include "../draw/picture_words.h"
#include "../draw/png_file.h"
#include "writer.h"
#include <string.h>

enum { COLUMNS = 8, WIDEST = 4096, TEXT = 13, LEADING = 17, SIDE = 4 };

typedef struct picture {
    cfp_canvas canvas;
    int height, width;
    int columns;  /* in a row of a strip */
    uint8_t *rgb; /* height x width x 3 */
    cfp_sheet sheet;
} picture;

static const uint8_t *rgb_row(const cfp_pixels *pixels, int y, uint8_t *buffer)
{
    (void)buffer;
    return (const uint8_t *)pixels->data + (size_t)y * (size_t)pixels->width * 3;
}

static int caption_height(const cfp_lines *lines)
{
    return lines->n * LEADING + SIDE;
}

/* The caption of a tube, in lines that fit the strip. */
static cfp_status break_caption(cfp_lines *out, const picture *p, const cfp_tube *tube)
{
    cfp_words words = {0};
    cfp_figure figure;
    CFP_TRY(cfp_figure_open(&figure, p->canvas.ctx, 1, 1, false));
    cfp_words_caption(&words, p->canvas.explanation, tube);
    cfp_figure_font(figure.cr, TEXT, false);
    cfp_words_break(out, figure.cr, p->width - 2 * SIDE, &words, "  |  ");
    const cfp_status status = cfp_figure_check(&figure);
    cfp_figure_close(&figure);
    return status;
}

static cfp_status write_picture(cfp_output *output, const char *name, const picture *p)
{
    const cfp_pixels pixels = {
        .height = p->height, .width = p->width, .channels = 3, .row = rgb_row, .data = p->rgb};
    return cfp_png_write(output, name, &pixels);
}

/* Draws the caption of the strip, whose picture is p, below its frames. */
static cfp_status draw_caption(const picture *p, const cfp_lines *lines)
{
    const int height = caption_height(lines);
    cfp_figure figure;
    CFP_TRY(cfp_figure_open(&figure, p->canvas.ctx, p->width, height, false));
    cfp_figure_font(figure.cr, TEXT, false);
    cairo_set_source_rgb(figure.cr, 0, 0, 0);
    for (int k = 0; k < lines->n; k++)
        cfp_figure_text(figure.cr, SIDE, k * LEADING + TEXT + SIDE / 2.0, 0, p->width - 2 * SIDE,
                        lines->line[k]);
    const cfp_status status =
        cfp_figure_read(&figure, p->rgb + (size_t)(p->height - height) * (size_t)p->width * 3);
    cfp_figure_close(&figure);
    return status;
}

/* Returns frame t in the strip. */
static const uint8_t *in_strip(const void *from, int t, size_t *stride)
{
    const picture *p = from;
    const size_t row = (size_t)(t / p->columns) * (size_t)p->canvas.height;
    const size_t column = (size_t)(t % p->columns) * (size_t)p->canvas.width;
    *stride = (size_t)p->width * 3;
    return p->rgb + row * *stride + column * 3;
}

/* Draws all frames of tube i into p->rgb, with `below` free rows below them. */
static cfp_status draw_cells(cfp_output *output, picture *p, int below)
{
    const cfp_canvas *canvas = &p->canvas;
    const int frames = canvas->clip->frames;
    p->height = (frames + p->columns - 1) / p->columns * canvas->height + below;
    const size_t bytes = (size_t)p->width * (size_t)p->height * 3;
    cfp_free(p->rgb); /* captions differ in height */
    p->rgb = NULL;
    CFP_TRY_ALLOC(output->ctx, p->rgb, bytes);
    memset(p->rgb, 255, bytes);
    for (int t = 0; t < frames; t++) {
        size_t stride;
        const size_t at = (size_t)(in_strip(p, t, &stride) - p->rgb);
        CFP_TRY(cfp_canvas_draw(canvas, p->rgb + at, stride, t));
        CFP_TRY(cfp_check_interrupt(output->ctx));
    }
    return CFP_OK;
}

static void choose_columns(picture *p)
{
    const cfp_canvas *canvas = &p->canvas;
    const int fitting = cfp_max_int(1, cfp_min_int(COLUMNS, WIDEST / canvas->width));
    p->columns = cfp_min_int(canvas->clip->frames, fitting);
    p->width = p->columns * canvas->width;
}

static cfp_status draw_strip(cfp_output *output, picture *p, int i)
{
    const cfp_explanation *e = p->canvas.explanation;
    cfp_lines caption;
    choose_columns(p);
    CFP_TRY(break_caption(&caption, p, &e->tubes.tube[i]));
    CFP_TRY(draw_cells(output, p, caption_height(&caption)));
    CFP_TRY(draw_caption(p, &caption));
    char *name = cfp_output_overlay(output, e->model, &e->tubes.tube[i], ".png");
    const cfp_status status = name == NULL ? CFP_NOMEM : write_picture(output, name, p);
    cfp_free(name);
    CFP_TRY(status);
    return cfp_sheet_add(&p->sheet, i, in_strip, p);
}

static cfp_status draw_row(cfp_output *output, picture *p, int i)
{
    choose_columns(p);
    CFP_TRY(draw_cells(output, p, 0));
    return cfp_sheet_add(&p->sheet, i, in_strip, p);
}

static cfp_status draw_frames(cfp_output *output, picture *p, int i)
{
    const cfp_canvas *canvas = &p->canvas;
    const cfp_tube *tube = &canvas->explanation->tubes.tube[i];
    p->width = canvas->width;
    p->height = canvas->height;
    const size_t stride = (size_t)p->width * 3;
    if (p->rgb == NULL)
        CFP_TRY_ALLOC(output->ctx, p->rgb, stride * (size_t)p->height);
    cfp_status status = CFP_OK;
    for (int t = 0; t < canvas->clip->frames && status == CFP_OK; t++) {
        char suffix[24];
        snprintf(suffix, sizeof suffix, "/%06d.png", t);
        CFP_TRY(cfp_canvas_draw(canvas, p->rgb, stride, t));
        char *name = cfp_output_overlay(output, canvas->explanation->model, tube, suffix);
        status = name == NULL ? CFP_NOMEM : write_picture(output, name, p);
        cfp_free(name);
    }
    return status;
}

static cfp_status draw_all(cfp_output *output, const cfp_explanation *explanation,
                           const cfp_run *run,
                           cfp_status (*draw)(cfp_output *, picture *, int tube))
{
    picture p = {0};
    cfp_status status = cfp_canvas_open(&p.canvas, output->ctx, explanation, run);
    cfp_sheet_open(&p.sheet, output, &p.canvas, run);
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++) {
        status = cfp_canvas_tube(&p.canvas, &explanation->tubes.tube[i]);
        if (status == CFP_OK)
            status = draw(output, &p, i);
        if (status == CFP_OK)
            status = cfp_output_step(output);
    }
    cfp_sheet_close(&p.sheet);
    cfp_canvas_close(&p.canvas);
    cfp_free(p.rgb);
    return status;
}

static cfp_status write_png(cfp_output *output, const cfp_explanation *explanation,
                            const cfp_run *run)
{
    return draw_all(output, explanation, run, draw_strip);
}

/* True if this run has the sheet already, of format png. */
static bool has_sheet(const cfp_output *output)
{
    for (int i = 0; i < output->n_files; i++) {
        const char *const name = cfp_output_inside(output, i);
        if (name != NULL && strcmp(name, "contact-sheet.png") == 0)
            return true;
    }
    return false;
}

static cfp_status write_sheet(cfp_output *output, const cfp_explanation *explanation,
                              const cfp_run *run)
{
    if (!has_sheet(output))
        return draw_all(output, explanation, run, draw_row);
    for (int i = 0; i < explanation->tubes.n; i++)
        CFP_TRY(cfp_output_step(output));
    return CFP_OK;
}

static cfp_status write_frames(cfp_output *output, const cfp_explanation *explanation,
                               const cfp_run *run)
{
    return draw_all(output, explanation, run, draw_frames);
}

const cfp_writer cfp_writer_png = {
    .format = "png",
    .summary = "overlay/<layer>.png: the overlays of a layer's frames side by side; "
               "contact-sheet.png: all layers on a page",
    .write = write_png,
    .draws_tubes = true,
    .only_tubes = true,
};

const cfp_writer cfp_writer_sheet = {
    .format = "sheet",
    .summary = "contact-sheet.png: all layers on a page",
    .write = write_sheet,
    .draws_tubes = true,
    .only_tubes = true,
};

const cfp_writer cfp_writer_frames = {
    .format = "frames",
    .summary = "overlay/<layer>/000000.png ...: an overlay a frame",
    .write = write_frames,
    .draws_tubes = true,
    .only_tubes = true,
};
