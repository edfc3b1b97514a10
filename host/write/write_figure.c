/* write_figure.c - a figure for a paper: figure.pdf, figure.svg, and figure.png with 300 dots per
 * inch.
 *
 * Its rows are the clip and some layers: those of --layers, or a few that are spread over depth.  A
 * row has a few frames of the clip with the layer's tube over them, the colour bar, and a curve of
 * the mean saliency of each frame.  Above stand class, probability, rule and theta.  The width is
 * that of a page with two columns.  Rows that do not fit on a page go to figure-2 and so on.  Tubes
 * of kernels have no figure. */
#include "../draw/canvas.h"
#include "../draw/paper.h"
#include "../draw/picture_words.h"
#include "writer.h"
#include <math.h>
#include <string.h>

enum { FRAMES_LEAST = 4, FRAMES_MOST = 8, LAYERS = 5, BAR_STEPS = 256 };

/* In points: */
static const double margin = 6, gap = 2;
static const double frames_width = 380; /* of all frames of a row */
static const double cell_goal = 62;     /* the height of a frame that decides how many there are */
static const double cell_most = 94;     /* no frame is higher or wider */
static const double cell_least = 22;    /* no row is lower, so that it has room for a curve */
static const double page_most = 690;    /* height */
static const double page_least = 252;   /* width: a column of a page with two */
static const double bar_width = 6, bar_place = 6, curve_place = 48, curve_width = 64;
static const double between_rows = 5, leading = 1.25;
static const cfp_font title_font = {.size = 10, .bold = true},
                      text_font = {.size = 7, .colour = 0x404040},
                      name_font = {.size = 7, .bold = true},
                      small_font = {.size = 6, .colour = 0x404040};
static const uint32_t axis_colour = 0x808080, curve_colour = 0x202020;

typedef struct drawing {
    cfp_output *output;
    cfp_canvas canvas;
    cfp_paper paper;
    const cfp_explanation *e;
    bool warned; /* that there is no font */
    uint8_t *rgb;
    double *curve;           /* [frames] */
    double *point;           /* [2 * frames] */
    int *tube;               /* [layers] the tubes that are shown */
    int layers, pages, each; /* each: layers on a page */
    int n, frame[FRAMES_MOST];
    double cell_width, cell_height, row_height, right; /* right: where the frames end */
    double label_width;
    double y; /* where the next row begins */
} drawing;

/* --- what is shown --- */

/* Chooses the layers: all that were asked for, or a few.  A few are spread evenly over the tubes,
 * which are ordered by depth; those whose map is constant show nothing. */
static cfp_status choose_layers(drawing *d)
{
    const cfp_tubes_list *tubes = &d->e->tubes;
    CFP_TRY_ALLOC(d->canvas.ctx, d->tube, cfp_max_int(1, tubes->n));
    const bool all = d->e->query.layers != NULL;
    for (int only_varying = all ? 0 : 1; only_varying >= 0 && d->layers == 0; only_varying--)
        for (int i = 0; i < tubes->n; i++)
            if (tubes->tube[i].kernel < 0 && (!only_varying || !cfp_tube_constant(&tubes->tube[i])))
                d->tube[d->layers++] = i;
    if (all || d->layers <= LAYERS)
        return CFP_OK;
    for (int k = 0; k < LAYERS; k++)
        d->tube[k] = d->tube[cfp_spread(k, LAYERS, d->layers)];
    d->layers = LAYERS;
    return CFP_OK;
}

static void choose_frames(drawing *d)
{
    const double shape = (double)d->canvas.width / d->canvas.height;
    int n = (int)(frames_width / (cell_goal * shape) + 0.5);
    n = cfp_max_int(FRAMES_LEAST, cfp_min_int(n, FRAMES_MOST));
    d->n = cfp_canvas_spread(&d->canvas, d->frame, n);
    d->cell_width = fmin((frames_width - (d->n - 1) * gap) / d->n, cell_most);
    d->cell_width = fmin(d->cell_width, cell_most * shape);
    d->cell_height = d->cell_width / shape;
    d->row_height = fmax(d->cell_height, cell_least);
    d->right = margin + d->n * (d->cell_width + gap) - gap;
}

/* --- words --- */

static double put_lines(drawing *d, double x, double y, const cfp_font *font,
                        const cfp_lines *lines)
{
    for (int k = 0; k < lines->n; k++) {
        y += leading * font->size;
        cfp_paper_text(&d->paper, x, y, 0, d->paper.width - margin - x, font, lines->line[k]);
    }
    return y;
}

static void break_words(drawing *d, cfp_lines *out, double width, const cfp_font *font,
                        const cfp_words *words, const char *between)
{
    cfp_figure_font(d->paper.measure.cr, font->size, font->bold);
    cfp_words_break(out, d->paper.measure.cr, width, words, between);
}

/* The title of page number `number`, counted from 0. */
static void put_title(drawing *d, int number)
{
    cfp_words class = {0}, question = {0};
    cfp_lines lines;
    const double width = d->paper.width - 2 * margin;
    cfp_words_class(&class, d->e);
    break_words(d, &lines, width, &title_font, &class, "  ");
    d->y = put_lines(d, margin, margin - 3, &title_font, &lines) + 2;
    cfp_words_question(&question, d->e);
    if (d->pages > 1)
        cfp_words_add(&question, "page %d of %d", number + 1, d->pages);
    break_words(d, &lines, width, &text_font, &question, "  |  ");
    d->y = put_lines(d, margin, d->y, &text_font, &lines) + between_rows;
}

/* The bytes of `name` that go on the line: all if they fit, else up to the last of . / _ - that
 * does. */
static size_t name_length(const drawing *d, const char *name)
{
    char part[CFP_WORDS_BYTES];
    size_t fitting = 0;
    if (cfp_paper_text_width(&d->paper, &name_font, name) <= d->label_width)
        return strlen(name);
    for (size_t n = 1; n < sizeof part && name[n] != '\0'; n++) {
        if (strchr("./_-", name[n - 1]) == NULL)
            continue;
        snprintf(part, sizeof part, "%.*s", (int)n, name);
        if (cfp_paper_text_width(&d->paper, &name_font, part) > d->label_width)
            break;
        fitting = n;
    }
    return fitting > 0 ? fitting : strlen(name);
}

/* The name of a row, with facts behind it, or below it if they do not fit.  Sets d->y to where the
 * row's frames begin. */
static void put_label(drawing *d, const char *name, const cfp_words *facts)
{
    char begin[CFP_WORDS_BYTES];
    for (size_t n; (n = name_length(d, name)) < strlen(name); name += n) {
        snprintf(begin, sizeof begin, "%.*s", (int)n, name);
        d->y += leading * name_font.size;
        cfp_paper_text(&d->paper, margin, d->y, 0, 0, &name_font, begin);
    }
    const double width = d->label_width, y = d->y + leading * name_font.size;
    const double used = cfp_paper_text_width(&d->paper, &name_font, name) + 6;
    cfp_lines lines;
    cfp_paper_text(&d->paper, margin, y, 0, width, &name_font, name);
    break_words(d, &lines, width - used, &text_font, facts, ", ");
    if (lines.n == 1) {
        cfp_paper_text(&d->paper, margin + used, y, 0, width - used, &text_font, lines.line[0]);
        d->y = y + 3;
        return;
    }
    break_words(d, &lines, width, &text_font, facts, ", ");
    d->y = put_lines(d, margin, y, &text_font, &lines) + 3;
}

static void put_times(drawing *d)
{
    const cfp_clip *clip = d->canvas.clip;
    const double y = d->y - between_rows + leading * small_font.size;
    cfp_font font = small_font;
    char text[32];
    font.size = fmin(font.size, d->cell_width / 4.2); /* "12.34 s" is as wide as a frame */
    for (int k = 0; k < d->n; k++) {
        const double x = margin + k * (d->cell_width + gap) + d->cell_width / 2;
        const int32_t number = clip->index[d->frame[k]];
        snprintf(text, sizeof text, "%s%d", d->cell_width >= 36 ? "frame " : "", (int)number);
        cfp_paper_text(&d->paper, x, y, 0.5, 0, &font, text);
        snprintf(text, sizeof text, "%.2f s", number / clip->fps);
        if (clip->fps > 0)
            cfp_paper_text(&d->paper, x, y + leading * small_font.size, 0.5, 0, &font, text);
    }
}

/* Beside the clip: what colours and curves mean. */
static void put_legend(drawing *d)
{
    cfp_words words = {0};
    cfp_lines lines;
    const double x = d->right + bar_place;
    if (d->e->against != NULL)
        cfp_words_add(&words, "Colour: saliency of A minus that of B.");
    else
        cfp_words_add(&words, "Colour: saliency, each layer scaled to 0 to 1.");
    if (d->canvas.clip->frames > 1)
        cfp_words_add(&words, "Curve: its mean over each frame; dots: the frames shown.");
    break_words(d, &lines, d->paper.width - margin - x, &small_font, &words, "  ");
    put_lines(d, x, d->y - 3, &small_font, &lines);
}

/* --- the bar and the curve of a row --- */

static void put_bar(drawing *d)
{
    uint8_t rgb[BAR_STEPS * 3];
    const uint8_t *colours = d->canvas.renderer.overlay.colour;
    const bool differs = d->e->against != NULL;
    const double x = d->right + bar_place, h = d->row_height, below = 0.36 * small_font.size;
    for (int k = 0; k < BAR_STEPS; k++)
        memcpy(rgb + 3 * k, colours + 3 * (BAR_STEPS - 1 - k), 3);
    cfp_paper_picture(&d->paper, x, d->y, bar_width, h, rgb, 1, BAR_STEPS);
    cfp_paper_text(&d->paper, x + bar_width + 2, d->y + 2 * below, 0, 0, &small_font, "1");
    if (differs)
        cfp_paper_text(&d->paper, x + bar_width + 2, d->y + h / 2 + below, 0, 0, &small_font, "0");
    cfp_paper_text(&d->paper, x + bar_width + 2, d->y + h, 0, 0, &small_font, differs ? "-1" : "0");
}

/* Computes the mean of the current tube in each frame.  Returns the largest size. */
static double fill_curve(drawing *d)
{
    double most = 0;
    for (int t = 0; t < d->canvas.clip->frames; t++) {
        d->curve[t] = cfp_canvas_mean(&d->canvas, t);
        most = fmax(most, fabs(d->curve[t]));
    }
    return most;
}

static void put_axes(drawing *d, double x, double zero, double most)
{
    const double h = d->row_height, below = 0.36 * small_font.size;
    char text[32];
    cfp_paper_line(&d->paper, (double[]){x, d->y, x, d->y + h}, 2, 0.5, axis_colour);
    cfp_paper_line(&d->paper, (double[]){x, zero, x + curve_width, zero}, 2, 0.5, axis_colour);
    snprintf(text, sizeof text, "%.2g", most);
    cfp_paper_text(&d->paper, x - 2, d->y + 2 * below, 1, 0, &small_font, text);
    cfp_paper_text(&d->paper, x - 2, fmin(zero + below, d->y + h), 1, 0, &small_font, "0");
    if (zero < d->y + h) {
        snprintf(text, sizeof text, "-%.2g", most);
        cfp_paper_text(&d->paper, x - 2, d->y + h, 1, 0, &small_font, text);
    }
}

static void put_curve(drawing *d, const cfp_tube *tube)
{
    const int T = d->canvas.clip->frames;
    const double x = d->right + curve_place, h = d->row_height;
    const bool one_map = tube->t == 1 && (tube->minus == NULL || tube->minus->t == 1);
    const double zero = d->e->against != NULL ? d->y + h / 2 : d->y + h;
    const double most = fill_curve(d), high = zero - d->y;
    if (T < 2)
        return;
    if (one_map) { /* a flat curve would look like a finding */
        cfp_paper_text(&d->paper, x, d->y + h / 2, 0, curve_width, &small_font,
                       "no curve: one map");
        return;
    }
    put_axes(d, x, zero, most);
    for (int t = 0; t < T; t++) {
        d->point[2 * t] = x + curve_width * (t + 0.5) / T;
        d->point[2 * t + 1] = zero - (most > 0 ? d->curve[t] / most * high : 0);
    }
    cfp_paper_line(&d->paper, d->point, T, 0.8, curve_colour);
    for (int k = 0; k < d->n; k++) {
        const double *at = d->point + 2 * d->frame[k];
        cfp_paper_area(&d->paper, at[0] - 1.1, at[1] - 1.1, 2.2, 2.2, curve_colour);
    }
}

/* Below the last row: the first and the last frame of the curves. */
static void put_curve_times(drawing *d)
{
    const cfp_clip *clip = d->canvas.clip;
    const double x = d->right + curve_place;
    const double y = d->y - between_rows + leading * small_font.size;
    char text[32];
    if (clip->frames < 2)
        return;
    snprintf(text, sizeof text, "%d", (int)clip->index[0]);
    cfp_paper_text(&d->paper, x, y, 0, 0, &small_font, text);
    cfp_paper_text(&d->paper, x + curve_width / 2, y, 0.5, 0, &small_font, "frame");
    snprintf(text, sizeof text, "%d", (int)clip->index[clip->frames - 1]);
    cfp_paper_text(&d->paper, x + curve_width, y, 1, 0, &small_font, text);
}

/* --- rows and pages --- */

/* The frames of a row, with the current tube or without. */
static cfp_status put_frames(drawing *d, bool plain)
{
    const size_t stride = 3 * (size_t)d->canvas.width;
    const double y = d->y + (d->row_height - d->cell_height) / 2;
    for (int k = 0; k < d->n; k++) {
        if (plain)
            cfp_canvas_plain(&d->canvas, d->rgb, stride, d->frame[k]);
        else
            CFP_TRY(cfp_canvas_draw(&d->canvas, d->rgb, stride, d->frame[k]));
        cfp_paper_picture(&d->paper, margin + k * (d->cell_width + gap), y, d->cell_width,
                          d->cell_height, d->rgb, d->canvas.width, d->canvas.height);
        CFP_TRY(d->paper.status);
        CFP_TRY(cfp_check_interrupt(d->canvas.ctx));
    }
    return CFP_OK;
}

static cfp_status put_clip(drawing *d)
{
    cfp_words facts = {0};
    cfp_words_add(&facts, d->canvas.source.rgb != NULL ? "uncropped" : "as the model saw it");
    put_label(d, "clip", &facts);
    put_legend(d);
    CFP_TRY(put_frames(d, true));
    d->y += d->row_height + between_rows;
    return CFP_OK;
}

static cfp_status put_layer(drawing *d, int i)
{
    const cfp_tube *tube = &d->e->tubes.tube[i];
    cfp_words facts = {0};
    cfp_words_layer(&facts, d->e, tube);
    if (tube->minus == NULL && cfp_tube_constant(tube))
        cfp_words_add(&facts, "the map is constant");
    CFP_TRY(cfp_canvas_tube(&d->canvas, tube));
    CFP_TRY(cfp_canvas_volume(&d->canvas));
    put_label(d, d->e->model->node[tube->node].name, &facts);
    CFP_TRY(put_frames(d, false));
    put_bar(d);
    put_curve(d, tube);
    d->y += d->row_height + between_rows;
    return CFP_OK;
}

static cfp_status open_page(drawing *d)
{
    CFP_TRY(cfp_paper_open(&d->paper, d->canvas.ctx));
    d->paper.width = d->right + curve_place + (d->canvas.clip->frames > 1 ? curve_width : 0);
    d->paper.width = fmax(d->paper.width + margin, page_least);
    d->label_width = d->paper.width - 2 * margin;
    cfp_figure_font(d->paper.measure.cr, text_font.size, false);
    if (!d->warned && !cfp_figure_has_font(d->paper.measure.cr))
        cfp_log(d->canvas.ctx, CFP_LOG_WARNING,
                "figure.pdf: no font is installed (Debian: fonts-dejavu-core); its words are plain "
                "strokes");
    d->warned = true;
    return CFP_OK;
}

static cfp_status draw_page(drawing *d, int number)
{
    const int first = number * d->each, end = cfp_min_int(first + d->each, d->layers);
    put_title(d, number);
    CFP_TRY(put_clip(d));
    for (int k = first; k < end; k++)
        CFP_TRY(put_layer(d, d->tube[k]));
    put_times(d);
    put_curve_times(d);
    d->paper.height =
        d->y + (d->canvas.clip->fps > 0 ? 2 : 1) * leading * small_font.size + margin / 2;
    return d->paper.status;
}

static cfp_status write_page(drawing *d, int number)
{
    char name[32], title[CFP_WORDS_BYTES];
    cfp_words class = {0};
    cfp_words_class(&class, d->e);
    snprintf(title, sizeof title, "%.400s", class.part[0]);
    if (number == 0)
        strcpy(name, "figure");
    else
        snprintf(name, sizeof name, "figure-%d", number + 1);
    cfp_status status = open_page(d);
    if (status == CFP_OK)
        status = draw_page(d, number);
    if (status == CFP_OK)
        status = cfp_paper_write(&d->paper, d->output, name, title);
    cfp_paper_close(&d->paper);
    return status;
}

/* Shares the layers out over pages. */
static void share_out(drawing *d)
{
    const double row = d->row_height + between_rows + leading * name_font.size + 3;
    const double around = 2 * margin + 60; /* titles and times */
    const int fitting = cfp_max_int(1, (int)((page_most - around) / row) - 1);
    d->pages = (d->layers + fitting - 1) / fitting;
    d->each = (d->layers + d->pages - 1) / d->pages;
}

static cfp_status draw_all(drawing *d)
{
    const int T = d->canvas.clip->frames;
    CFP_TRY(choose_layers(d));
    if (d->layers == 0)
        return CFP_OK;
    choose_frames(d);
    share_out(d);
    CFP_TRY_ALLOC(d->canvas.ctx, d->rgb, 3 * (size_t)d->canvas.width * (size_t)d->canvas.height);
    CFP_TRY_ALLOC(d->canvas.ctx, d->curve, T);
    CFP_TRY_ALLOC(d->canvas.ctx, d->point, 2 * T);
    for (int k = 0; k < d->pages; k++)
        CFP_TRY(write_page(d, k));
    return CFP_OK;
}

static cfp_status write_figure(cfp_output *output, const cfp_explanation *explanation,
                               const cfp_run *run)
{
    drawing d = {.output = output, .e = explanation};
    CFP_TRY(cfp_canvas_open(&d.canvas, output->ctx, explanation, run));
    const cfp_status status = draw_all(&d);
    cfp_free(d.rgb);
    cfp_free(d.curve);
    cfp_free(d.point);
    cfp_free(d.tube);
    cfp_canvas_close(&d.canvas);
    CFP_TRY(status);
    return cfp_output_step(output);
}

const cfp_writer cfp_writer_figure = {
    .format = "figure",
    .summary =
        "figure.pdf, .svg, .png: a few frames of a few layers, or of those of --layers, with "
        "a curve over time, for a paper",
    .write = write_figure,
    .only_tubes = true,
};
