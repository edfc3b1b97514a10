/* contact_sheet.c - see contact_sheet.h. */
#include "contact_sheet.h"
#include <math.h>
#include <string.h>

enum {
    MARGIN = 24,
    GAP = 2,    /* between cells; half of it between rows */
    TITLE = 22, /* font sizes in pixels */
    TEXT = 14,
    CELL_HEIGHT = 128, /* at most */
    CELL_WIDTH = 160,
    LONGEST = 5000, /* of all rows together; if there are many, each is lower */
    MIN_PITCH = 24,
    LABEL_WIDTH = 280, /* width of the labels */
    BAR_WIDTH = 14,
    BAR_HEIGHT = 240, /* at most */
    BAR_EVERY = 800,  /* from bar to bar */
    BAR_SPACE = 60,   /* the bar with its numbers and words */
    LINES = 3         /* of a label */
};

typedef struct label {
    char line[LINES][256]; /* "": none */
} label;

static const cfp_tube *tube_of(const cfp_sheet *s, int tube)
{
    return &s->canvas->explanation->tubes.tube[tube];
}

static const cfp_layer *layer_of(const cfp_sheet *s, int tube)
{
    return cfp_pyramid_layer(&s->canvas->explanation->pyramid, tube_of(s, tube)->node);
}

/* For a contrast: the same layer for the other class; NULL if it does not reach the layer. */
static const cfp_layer *layer_against(const cfp_sheet *s, int tube)
{
    const cfp_explanation *other = s->canvas->explanation->against;
    return other == NULL ? NULL : cfp_pyramid_layer(&other->pyramid, tube_of(s, tube)->node);
}

static float relevance_in(const cfp_layer *layer, int kernel)
{
    return layer == NULL ? 0 : layer->relevance[kernel];
}

/* The relevance of a tube's kernel; with two classes, the higher one. */
static float relevance_of(const cfp_sheet *s, int tube)
{
    const int kernel = tube_of(s, tube)->kernel;
    return fmaxf(relevance_in(layer_of(s, tube), kernel),
                 relevance_in(layer_against(s, tube), kernel));
}

static const char *name_of(const cfp_sheet *s, int tube)
{
    return s->canvas->explanation->model->node[tube_of(s, tube)->node].name;
}

static bool same_page(const cfp_tube *a, const cfp_tube *b)
{
    return a->kernel < 0 ? b->kernel < 0 : b->kernel >= 0 && a->node == b->node;
}

/* The row of a tube, counted below the clip's row.  Layers keep their order.  Kernels are sorted by
 * relevance, equal ones by number. */
static int row_of(const cfp_sheet *s, int tube)
{
    if (tube_of(s, tube)->kernel < 0)
        return tube - s->first;
    int row = 0;
    const float mine = relevance_of(s, tube);
    for (int k = s->first; k < s->first + s->n_tubes; k++) {
        const float theirs = relevance_of(s, k);
        row += theirs > mine || (theirs == mine && k < tube);
    }
    return row;
}

/* Writes "depth 3, 8 time steps for 16 frames" to the second line. */
static void label_depth(label *l, const cfp_sheet *s, int tube, const cfp_layer *layer)
{
    char time[64];
    cfp_words_time(time, sizeof time, s->canvas->explanation, tube_of(s, tube));
    snprintf(l->line[1], sizeof l->line[1], "depth %d%s%s", layer->depth,
             time[0] != '\0' ? ", " : "", time);
}

static label label_of_contrast(const cfp_sheet *s, int tube)
{
    const cfp_layer *a = layer_of(s, tube), *b = layer_against(s, tube);
    const int kernel = tube_of(s, tube)->kernel;
    label l = {0};
    if (kernel >= 0) {
        snprintf(l.line[0], sizeof l.line[0], "kernel %d", kernel);
        snprintf(l.line[1], sizeof l.line[1], "A %.3g, B %.3g", (double)relevance_in(a, kernel),
                 (double)relevance_in(b, kernel));
        cfp_words_time(l.line[2], sizeof l.line[2], s->canvas->explanation, tube_of(s, tube));
        return l;
    }
    snprintf(l.line[0], sizeof l.line[0], "%s", name_of(s, tube));
    label_depth(&l, s, tube, a != NULL ? a : b);
    cfp_words_both(l.line[2], sizeof l.line[2], a, b);
    return l;
}

static label label_of(const cfp_sheet *s, int tube)
{
    const cfp_layer *layer = layer_of(s, tube);
    if (s->canvas->explanation->against != NULL)
        return label_of_contrast(s, tube);
    const int kernel = tube_of(s, tube)->kernel;
    label l = {0};
    if (kernel >= 0) {
        snprintf(l.line[0], sizeof l.line[0], "kernel %d", kernel);
        if (layer != NULL)
            snprintf(l.line[1], sizeof l.line[1], "relevance %.3g",
                     (double)layer->relevance[kernel]);
        cfp_words_time(l.line[2], sizeof l.line[2], s->canvas->explanation, tube_of(s, tube));
        return l;
    }
    snprintf(l.line[0], sizeof l.line[0], "%s", name_of(s, tube));
    if (layer != NULL) {
        label_depth(&l, s, tube, layer);
        snprintf(l.line[2], sizeof l.line[2], "%d of %d kernel%s", layer->n_selected,
                 layer->n_kernels, layer->n_kernels == 1 ? "" : "s");
    }
    return l;
}

static label label_of_clip(const cfp_sheet *s)
{
    label l = {.line = {"clip", "as the model saw it"}};
    if (s->run->canvas_source)
        strcpy(l.line[1], "uncropped");
    return l;
}

/* Sets the font for line k of a label. */
static void label_font(const cfp_sheet *s, int k)
{
    cfp_figure_font(s->figure.cr, s->font, k == 0);
}

static void draw_label(const cfp_sheet *s, int row, const label *l)
{
    int n = 0;
    while (n < LINES && l->line[n][0] != '\0')
        n++;
    const double apart = 1.3 * s->font;
    double y =
        s->top + row * s->pitch + s->cell_height / 2.0 - (n - 1) * apart / 2 + 0.36 * s->font;
    for (int k = 0; k < n; k++, y += apart) {
        label_font(s, k);
        cairo_set_source_rgb(s->figure.cr, k == 0 ? 0 : 0.3, k == 0 ? 0 : 0.3, k == 0 ? 0 : 0.3);
        cfp_figure_text(s->figure.cr, s->left - 10, y, 1, s->left - 10 - MARGIN, l->line[k]);
    }
}

static double label_width(const cfp_sheet *s, const label *l)
{
    double widest = 0;
    for (int k = 0; k < LINES; k++) {
        label_font(s, k);
        widest = fmax(widest, cfp_figure_text_width(s->figure.cr, l->line[k]));
    }
    return widest;
}

/* Breaks the title of the page, class and question, into lines. */
static void break_head(cfp_lines *title, cfp_lines *below, const cfp_sheet *s, cairo_t *cr)
{
    const cfp_explanation *e = s->canvas->explanation;
    const double width = s->width - 2 * MARGIN;
    cfp_words class = {0}, question = {0};
    cfp_words_class(&class, e);
    cfp_figure_font(cr, TITLE, true);
    cfp_words_break(title, cr, width, &class, "   ");
    if (tube_of(s, s->first)->kernel >= 0)
        cfp_words_add(&question, "kernels of %.200s", name_of(s, s->first));
    cfp_words_question(&question, e);
    if (s->rows < s->n_tubes)
        cfp_words_add(&question, "the first %d of %d", s->rows, s->n_tubes);
    cfp_figure_font(cr, TEXT, false);
    cfp_words_break(below, cr, width, &question, "  |  ");
}

/* Computes all sizes.  Labels are measured on a figure of one pixel. */
static cfp_status lay_out(cfp_sheet *s)
{
    const cfp_canvas *canvas = s->canvas;
    const int max_rows = tube_of(s, s->first)->kernel < 0 ? CFP_SHEET_LAYERS : CFP_SHEET_KERNELS;
    s->rows = cfp_min_int(s->n_tubes, max_rows);
    s->columns = cfp_canvas_spread(canvas, s->frame, CFP_SHEET_COLUMNS);
    const int highest = cfp_min_int(CELL_HEIGHT, LONGEST / (s->rows + 1));
    const double scale =
        fmin(1, fmin((double)highest / canvas->height, (double)CELL_WIDTH / canvas->width));
    s->cell_height = cfp_max_int(1, (int)(canvas->height * scale + 0.5));
    s->cell_width = cfp_max_int(1, (int)(canvas->width * scale + 0.5));
    s->pitch = cfp_max_int(MIN_PITCH, s->cell_height) + 2 * GAP;
    s->font = fmin(TEXT, s->pitch / 4.4);
    CFP_TRY(cfp_figure_open(&s->figure, canvas->ctx, 1, 1, false));
    label l = label_of_clip(s);
    double width = label_width(s, &l);
    for (int k = s->first; k < s->first + s->n_tubes; k++) {
        l = label_of(s, k);
        width = fmax(width, label_width(s, &l));
    }
    if (!cfp_figure_has_font(s->figure.cr) && !s->warned) {
        s->warned = true;
        cfp_log(canvas->ctx, CFP_LOG_WARNING,
                "contact-sheet.png: no font is installed (Debian: fonts-dejavu-core); its words "
                "are plain strokes");
    }
    s->left = MARGIN + (int)ceil(fmin(LABEL_WIDTH, width)) + 10;
    s->width = s->left + s->columns * (s->cell_width + GAP) + 14 + BAR_SPACE;
    cfp_lines title, below;
    break_head(&title, &below, s, s->figure.cr);
    const cfp_status status = cfp_figure_check(&s->figure);
    cfp_figure_close(&s->figure);
    s->top = MARGIN + (int)(1.2 * TITLE * title.n + 1.4 * TEXT * below.n) + 20;
    return status;
}

static double draw_lines(const cfp_sheet *s, double y, double apart, const cfp_lines *lines)
{
    for (int k = 0; k < lines->n; k++) {
        y += apart;
        cfp_figure_text(s->figure.cr, MARGIN, y, 0, s->width - 2 * MARGIN, lines->line[k]);
    }
    return y;
}

static void draw_head(const cfp_sheet *s)
{
    cairo_t *cr = s->figure.cr;
    cfp_lines title, below;
    break_head(&title, &below, s, cr);
    cairo_set_source_rgb(cr, 0, 0, 0);
    cfp_figure_font(cr, TITLE, true);
    const double y = draw_lines(s, MARGIN - 0.2 * TITLE, 1.2 * TITLE, &title);
    cairo_set_source_rgb(cr, 0.3, 0.3, 0.3);
    cfp_figure_font(cr, TEXT, false);
    draw_lines(s, y + 0.3 * TEXT, 1.4 * TEXT, &below);
}

static void draw_time(const cfp_sheet *s)
{
    const cfp_clip *clip = s->canvas->clip;
    const double y = s->top + (s->rows + 1) * s->pitch + 1.2 * TEXT;
    cairo_t *cr = s->figure.cr;
    char text[32];
    cairo_set_source_rgb(cr, 0.3, 0.3, 0.3);
    cfp_figure_font(cr, TEXT, false);
    cfp_figure_text(cr, s->left - 10, y, 1, 0, "frame");
    if (clip->fps > 0)
        cfp_figure_text(cr, s->left - 10, y + 1.3 * TEXT, 1, 0, "seconds");
    cfp_figure_font(cr, fmin(TEXT, s->cell_width / 3.2), false);
    for (int k = 0; k < s->columns; k++) {
        const double x = s->left + k * (s->cell_width + GAP) + s->cell_width / 2.0;
        const int32_t number = clip->index[s->frame[k]];
        snprintf(text, sizeof text, "%d", (int)number);
        cfp_figure_text(cr, x, y, 0.5, 0, text);
        snprintf(text, sizeof text, "%.2f", number / clip->fps);
        if (clip->fps > 0)
            cfp_figure_text(cr, x, y + 1.3 * TEXT, 0.5, 0, text);
    }
}

/* Draws a colour bar beside `rows` rows, from row `first` on; row 0 is the clip's. */
static void draw_bar(const cfp_sheet *s, int first, int rows)
{
    cairo_t *cr = s->figure.cr;
    const double x = s->left + s->columns * (s->cell_width + GAP) + 14;
    const double y = s->top + first * s->pitch;
    const int height = cfp_min_int(BAR_HEIGHT, rows * s->pitch - 2 * GAP);
    const uint8_t *colours = s->canvas->renderer.overlay.colour;
    const bool differs = s->canvas->explanation->against != NULL;
    for (int k = 0; k < height; k++) { /* from 1 at the top to 0 */
        const uint8_t *c = colours + 3 * (255 - 255 * k / cfp_max_int(1, height - 1));
        cairo_rectangle(cr, x, y + k, BAR_WIDTH, 1);
        cairo_set_source_rgb(cr, c[0] / 255.0, c[1] / 255.0, c[2] / 255.0);
        cairo_fill(cr);
    }
    cairo_set_source_rgb(cr, 0.3, 0.3, 0.3);
    cfp_figure_font(cr, fmin(TEXT, height / 4.0), false);
    cfp_figure_text(cr, x + BAR_WIDTH + 5, y + 0.75 * TEXT, 0, 0, "1");
    cfp_figure_text(cr, x + BAR_WIDTH + 5, y + height, 0, 0, differs ? "-1" : "0");
    if (differs && height >= 3 * TEXT)
        cfp_figure_text(cr, x + BAR_WIDTH + 5, y + height / 2.0 + 0.36 * TEXT, 0, 0, "0");
    const double size = fmin(TEXT, height / 14.0); /* the words are this much longer than high */
    if (size < 7)
        return;
    cfp_figure_font(cr, size, false);
    cairo_save(cr);
    cairo_translate(cr, x + BAR_WIDTH + 5 + (differs ? 2 : 1) * TEXT, y + height / 2.0);
    cairo_rotate(cr, -M_PI_2);
    cfp_figure_text(cr, 0, 0, 0.5, 0,
                    differs ? "saliency of A minus B" : "saliency, each row 0 to 1");
    cairo_restore(cr);
}

/* A long sheet has a bar wherever a reader may look: on each screen or printed page. */
static void draw_bars(const cfp_sheet *s)
{
    const int bars = cfp_max_int(1, cfp_min_int(s->rows, s->rows * s->pitch / BAR_EVERY));
    const int each = (s->rows + bars - 1) / bars;
    for (int first = 1; first <= s->rows; first += each)
        draw_bar(s, first, cfp_min_int(each, s->rows + 1 - first));
}

static void draw_cell(const cfp_sheet *s, int row, int k, const uint8_t *rgb, size_t stride)
{
    cairo_t *cr = s->figure.cr;
    cfp_figure_fill(s->cell, rgb, stride, NULL);
    cairo_save(cr);
    cairo_translate(cr, s->left + k * (s->cell_width + GAP), s->top + row * s->pitch);
    cairo_scale(cr, s->cell_width, s->cell_height);
    cfp_figure_draw(&s->figure, s->cell);
    cairo_restore(cr);
}

/* Draws the row of the clip. */
static cfp_status draw_clip(const cfp_sheet *s)
{
    const cfp_canvas *canvas = s->canvas;
    const size_t stride = (size_t)canvas->width * 3;
    const label l = label_of_clip(s);
    uint8_t *rgb = cfp_alloc(canvas->ctx, (size_t)canvas->height, stride);
    if (rgb == NULL)
        return CFP_NOMEM;
    for (int k = 0; k < s->columns; k++) {
        cfp_canvas_plain(canvas, rgb, stride, s->frame[k]);
        draw_cell(s, 0, k, rgb, stride);
    }
    cfp_free(rgb);
    draw_label(s, 0, &l);
    return CFP_OK;
}

static cfp_status begin_page(cfp_sheet *s, int tube)
{
    const cfp_explanation *e = s->canvas->explanation;
    s->first = tube;
    s->n_tubes = 1;
    while (tube + s->n_tubes < e->tubes.n &&
           same_page(tube_of(s, tube), tube_of(s, tube + s->n_tubes)))
        s->n_tubes++;
    CFP_TRY(lay_out(s));
    if (s->cell == NULL)
        s->cell = cfp_figure_image(s->canvas->ctx, s->canvas->width, s->canvas->height);
    if (s->cell == NULL)
        return CFP_NOMEM;
    CFP_TRY(cfp_figure_open(&s->figure, s->canvas->ctx, s->width,
                            s->top + (s->rows + 1) * s->pitch + 3 * TEXT + MARGIN, false));
    draw_head(s);
    draw_time(s);
    draw_bars(s);
    return draw_clip(s);
}

static cfp_status end_page(cfp_sheet *s)
{
    const cfp_tube *tube = tube_of(s, s->first);
    const cfp_tube layer = {.node = tube->node, .kernel = -1};
    char *name = tube->kernel < 0 ? cfp_strdup(s->canvas->ctx, "contact-sheet.png")
                                  : cfp_output_overlay(s->output, s->canvas->explanation->model,
                                                       &layer, "/contact-sheet.png");
    const cfp_status status =
        name == NULL ? CFP_NOMEM : cfp_figure_write(s->output, name, &s->figure);
    cfp_free(name);
    cfp_figure_close(&s->figure);
    return status;
}

void cfp_sheet_open(cfp_sheet *out, cfp_output *output, const cfp_canvas *canvas,
                    const cfp_run *run)
{
    *out = (cfp_sheet){.output = output, .canvas = canvas, .run = run};
}

void cfp_sheet_close(cfp_sheet *sheet)
{
    cfp_figure_close(&sheet->figure);
    cairo_surface_destroy(sheet->cell);
    *sheet = (cfp_sheet){0};
}

cfp_status cfp_sheet_add(cfp_sheet *s, int tube,
                         const uint8_t *(*picture)(const void *from, int t, size_t *stride),
                         const void *from)
{
    if (s->figure.surface == NULL)
        CFP_TRY(begin_page(s, tube));
    const int row = row_of(s, tube);
    if (row < s->rows) {
        const label l = label_of(s, tube);
        draw_label(s, row + 1, &l);
        for (int k = 0; k < s->columns; k++) {
            size_t stride;
            const uint8_t *rgb = picture(from, s->frame[k], &stride);
            draw_cell(s, row + 1, k, rgb, stride);
        }
    }
    return tube + 1 == s->first + s->n_tubes ? end_page(s) : CFP_OK;
}
