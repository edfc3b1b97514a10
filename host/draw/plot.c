/* plot.c - see plot.h.
 *
 * Sizes are in points; a PNG has SCALE pixels per point.  The colour of a line is its depth in
 * viridis, without the brightest colours, which do not show on white.  Up to KEYS depths are listed
 * in a key beside the panels; more depths get a colour bar. */
#include "plot.h"
#include "colormap.h"
#include "figure.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCALE = 2,
    PANELS = 12, /* panels on a page */
    WIDTH = 250,
    HEIGHT = 170,   /* height of a panel's axes */
    LEFT = 56,      /* for the numbers and the name of the vertical axis */
    ABOVE = 44,     /* for the titles */
    BELOW = 44,     /* for the numbers and the name of the horizontal axis */
    BETWEEN = 14,   /* between panels */
    KEY_SPACE = 92, /* for the key or the colour bar on the right */
    NOTE_SPACE = 26,
    KEYS = 12,
    DOTS = 26 /* with more thetas, points have no dots */
};
static const double TEXT = 10, TITLE = 11, BRIGHTEST = 0.93;

struct cfp_plot {
    cfp_ctx *ctx;
    cfp_plot_request request;
    cfp_output output;
    cfp_figure figure;      /* the current page; empty between pages */
    const char *name;       /* name of the file in its folder */
    int *order;             /* [thetas] numbers of the thetas in ascending order */
    int64_t *selected;      /* [thetas] selected kernels of one depth */
    int columns, rows;      /* of the panels on a page */
    int panels;             /* on the current page */
    int64_t panels_all;     /* on all pages */
    int pages;              /* number of finished pages */
    double low, high, step; /* the horizontal axis and its ticks */
    uint8_t colour[256 * 3];
};

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

cfp_status cfp_plot_check(cfp_ctx *ctx, const char *path)
{
    if (ends_in(path, ".png") || ends_in(path, ".svg"))
        return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE, "--plot: '%s' ends neither in .png nor in .svg", path);
}

/* --- the axes --- */

/* Chooses the ends and the ticks of the axis of theta: at most six intervals, whose length is 1, 2
 * or 5 times a power of ten. */
static void choose_axis(cfp_plot *p)
{
    static const double steps[] = {0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001};
    const cfp_plot_request *r = &p->request;
    double low = r->theta[p->order[0]], high = r->theta[p->order[r->n_thetas - 1]];
    if (high - low < 0.005) { /* a single theta is in the middle */
        low = fmax(0, low - 0.1);
        high = fmin(1, high + 0.1);
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (i > 0 && (high - low) / steps[i] > 6)
            break;
        p->step = steps[i];
        p->low = floor(low / p->step + 1e-6) * p->step;
        p->high = ceil(high / p->step - 1e-6) * p->step;
    }
}

/* For by_theta: a compare function of qsort gets no further argument. */
static _Thread_local const cfp_plot_request *sorted_by;

static int by_theta(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    const double s = sorted_by->theta[x], t = sorted_by->theta[y];
    return s < t ? -1 : s > t ? 1 : x - y;
}

static double x_of(const cfp_plot *p, double theta)
{
    return WIDTH * (theta - p->low) / (p->high - p->low);
}

static double y_of(double fraction)
{
    return HEIGHT * (1 - fraction);
}

static void grey(cairo_t *cr, double v)
{
    cairo_set_source_rgb(cr, v, v, v);
}

static void line(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

static void draw_axes(const cfp_plot *p, bool names_y)
{
    cairo_t *cr = p->figure.cr;
    char text[32];
    cfp_figure_font(cr, TEXT, false);
    cairo_set_line_width(cr, 0.6);
    for (int k = 0; k <= 4; k++) {
        grey(cr, 0.87);
        line(cr, 0, y_of(k / 4.0), WIDTH, y_of(k / 4.0));
        grey(cr, 0.2);
        snprintf(text, sizeof text, "%d %%", 25 * k);
        cfp_figure_text(cr, -6, y_of(k / 4.0) + 0.36 * TEXT, 1, 0, text);
    }
    const int ticks = (int)lround((p->high - p->low) / p->step);
    for (int k = 0; k <= ticks; k++) {
        const double theta = p->low + k * p->step;
        grey(cr, 0.87);
        line(cr, x_of(p, theta), 0, x_of(p, theta), HEIGHT);
        grey(cr, 0.2);
        snprintf(text, sizeof text, "%.4g", theta);
        cfp_figure_text(cr, x_of(p, theta), HEIGHT + 1.4 * TEXT, 0.5, 0, text);
    }
    cairo_rectangle(cr, 0, 0, WIDTH, HEIGHT);
    cairo_set_line_width(cr, 0.8);
    cairo_stroke(cr);
    cfp_figure_text(cr, WIDTH / 2.0, HEIGHT + 2.9 * TEXT, 0.5, 0, "threshold theta");
    if (!names_y)
        return;
    cairo_save(cr);
    cairo_translate(cr, -LEFT + TEXT + 2, HEIGHT / 2.0);
    cairo_rotate(cr, -M_PI / 2);
    cfp_figure_text(cr, 0, 0, 0.5, 0, "selected kernels");
    cairo_restore(cr);
}

/* --- the lines --- */

static void depth_colour(const cfp_plot *p, int depth)
{
    const int deepest = cfp_max_int(1, p->request.max_depth);
    const uint8_t *c = p->colour + 3 * (int)(255 * BRIGHTEST * depth / deepest + 0.5);
    cairo_set_source_rgb(p->figure.cr, c[0] / 255.0, c[1] / 255.0, c[2] / 255.0);
}

/* Adds up the selected kernels of a depth at every theta, into p->selected.  Returns the number of
 * all kernels of that depth. */
static int64_t pool(const cfp_plot *p, const cfp_series *series, int depth)
{
    int64_t kernels = 0;
    memset(p->selected, 0, (size_t)p->request.n_thetas * sizeof *p->selected);
    for (int i = 0; i < series->n_layers; i++) {
        const cfp_swept_layer *layer = &series->layer[i];
        if (layer->depth != depth)
            continue;
        kernels += layer->kernels;
        for (int k = 0; k < p->request.n_thetas; k++)
            p->selected[k] += layer->selected[k];
    }
    return kernels;
}

static void draw_depth(const cfp_plot *p, const cfp_series *series, int depth)
{
    const int n = p->request.n_thetas;
    const int64_t kernels = pool(p, series, depth);
    cairo_t *cr = p->figure.cr;
    if (kernels == 0)
        return;
    depth_colour(p, depth);
    cairo_new_path(cr); /* text leaves a current point behind */
    for (int k = 0; k < n; k++) {
        const int at = p->order[k];
        const double fraction = (double)p->selected[at] / (double)kernels;
        cairo_line_to(cr, x_of(p, p->request.theta[at]), y_of(fraction));
    }
    cairo_stroke(cr);
    for (int k = 0; k < n && n <= DOTS; k++) {
        const int at = p->order[k];
        const double fraction = (double)p->selected[at] / (double)kernels;
        cairo_arc(cr, x_of(p, p->request.theta[at]), y_of(fraction), n == 1 ? 3 : 1.8, 0, 2 * M_PI);
        cairo_fill(cr);
    }
}

static void draw_panel(const cfp_plot *p, const char *title, const char *subtitle,
                       const cfp_series *series)
{
    cairo_t *cr = p->figure.cr;
    const int column = p->panels % p->columns, row = p->panels / p->columns;
    cairo_save(cr);
    cairo_translate(cr, LEFT + column * (LEFT + WIDTH + BETWEEN),
                    ABOVE + row * (ABOVE + HEIGHT + BELOW));
    grey(cr, 0);
    cfp_figure_font(cr, TITLE, true);
    cfp_figure_text(cr, 0, -20, 0, WIDTH, title);
    grey(cr, 0.3);
    cfp_figure_font(cr, TEXT, false);
    cfp_figure_text(cr, 0, -6, 0, WIDTH, subtitle);
    draw_axes(p, column == 0);
    cairo_set_line_width(cr, 1.3);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    for (int depth = 0; depth <= p->request.max_depth;
         depth++) /* the deepest is drawn last, on top */
        draw_depth(p, series, depth);
    cairo_restore(cr);
}

/* --- the page --- */

static int page_width(const cfp_plot *p)
{
    return p->columns * (LEFT + WIDTH + BETWEEN) + KEY_SPACE;
}

static int page_height(const cfp_plot *p)
{
    return p->rows * (ABOVE + HEIGHT + BELOW) + NOTE_SPACE;
}

static void draw_keys(const cfp_plot *p)
{
    cairo_t *cr = p->figure.cr;
    char text[32];
    cairo_new_path(cr);
    cairo_set_line_width(cr, 2.5);
    for (int depth = 0; depth <= p->request.max_depth; depth++) {
        const double y = 1.5 * TEXT * depth + 6;
        depth_colour(p, depth);
        if (p->request.n_thetas > 1) {
            line(cr, 0, y, 18, y);
        } else {
            cairo_arc(cr, 9, y, 3, 0, 2 * M_PI);
            cairo_fill(cr);
        }
        grey(cr, 0.2);
        snprintf(text, sizeof text, "%d", depth);
        cfp_figure_text(cr, 26, y + 0.36 * TEXT, 0, 0, text);
    }
}

static void draw_bar(const cfp_plot *p)
{
    enum { BAR = 12, APART = 5 };
    cairo_t *cr = p->figure.cr;
    const int deepest = p->request.max_depth,
              every = cfp_max_int(1, (deepest + APART) / (APART + 1));
    char text[32];
    for (int depth = 0; depth <= deepest; depth++) {
        const double top = (double)HEIGHT * depth / (deepest + 1);
        depth_colour(p, depth);
        cairo_rectangle(cr, 0, top, BAR,
                        (double)HEIGHT / (deepest + 1) + (depth < deepest ? 0.3 : 0));
        cairo_fill(cr);
        if ((depth % every != 0 || deepest - depth < every / 2 + 1) && depth != deepest)
            continue;
        grey(cr, 0.2);
        snprintf(text, sizeof text, "%d", depth);
        cfp_figure_text(cr, BAR + 6, top + HEIGHT / 2.0 / (deepest + 1) + 0.36 * TEXT, 0, 0, text);
    }
    grey(cr, 0.2);
    cairo_set_line_width(cr, 0.8);
    cairo_rectangle(cr, 0, 0, BAR, HEIGHT);
    cairo_stroke(cr);
}

static void draw_around(const cfp_plot *p)
{
    cairo_t *cr = p->figure.cr;
    char text[256];
    cairo_save(cr);
    cairo_translate(cr, page_width(p) - KEY_SPACE + 14, ABOVE);
    cfp_figure_font(cr, TITLE, true);
    grey(cr, 0);
    cfp_figure_text(cr, 0, -6, 0, 0, "depth");
    cfp_figure_font(cr, TEXT, false);
    if (p->request.max_depth < KEYS)
        draw_keys(p);
    else
        draw_bar(p);
    cairo_restore(cr);
    grey(cr, 0.3);
    const int64_t pages = (p->request.n_panels + PANELS - 1) / PANELS;
    const int used =
        snprintf(text, sizeof text, "Percent of all kernels; layers of the same depth are pooled.");
    if (pages > 1)
        snprintf(text + used, sizeof text - (size_t)used, "  Page %d of %lld.", p->pages + 1,
                 (long long)pages);
    cfp_figure_text(cr, LEFT, page_height(p) - 10, 0, page_width(p) - LEFT - 10, text);
}

/* Returns "<stem>-<page>.<ending>", which the caller frees. */
static char *page_name(const cfp_plot *p)
{
    const int stem = (int)strlen(p->name) - 4;
    return p->pages == 0
               ? cfp_strdup(p->ctx, p->name)
               : cfp_format(p->ctx, "%.*s-%d%s", stem, p->name, p->pages + 1, p->name + stem);
}

static bool is_svg(const cfp_plot *p)
{
    return ends_in(p->name, ".svg");
}

static cfp_status begin_page(cfp_plot *p)
{
    const int64_t left = p->request.n_panels - p->panels_all;
    const int n = (int)(left < 1 ? 1 : left < PANELS ? left : PANELS);
    p->columns = n <= 2 ? n : n <= 4 ? 2 : n <= 9 ? 3 : 4;
    p->rows = (n + p->columns - 1) / p->columns;
    p->panels = 0;
    if (!is_svg(p)) {
        CFP_TRY(cfp_figure_open(&p->figure, p->ctx, page_width(p) * SCALE, page_height(p) * SCALE,
                                false));
        cairo_scale(p->figure.cr, SCALE, SCALE);
    } else {
        char *name = page_name(p);
        const cfp_status status = name == NULL ? CFP_NOMEM : cfp_output_begin(&p->output, name);
        cfp_free(name);
        CFP_TRY(status);
        CFP_TRY(cfp_figure_open_svg(&p->figure, &p->output, page_width(p), page_height(p)));
    }
    draw_around(p);
    return CFP_OK;
}

static cfp_status write_page(cfp_plot *p)
{
    if (is_svg(p)) {
        CFP_TRY(cfp_figure_finish(&p->figure));
        return cfp_output_commit(&p->output);
    }
    char *name = page_name(p);
    const cfp_status status =
        name == NULL ? CFP_NOMEM : cfp_figure_write(&p->output, name, &p->figure);
    cfp_free(name);
    return status;
}

static cfp_status end_page(cfp_plot *p)
{
    const cfp_status status = write_page(p);
    cfp_figure_close(&p->figure);
    p->pages++;
    return status;
}

cfp_status cfp_plot_add(cfp_plot *p, const char *title, const char *subtitle,
                        const cfp_series *series)
{
    if (p->figure.surface == NULL)
        CFP_TRY(begin_page(p));
    draw_panel(p, title, subtitle, series);
    p->panels_all++;
    return ++p->panels == PANELS ? end_page(p) : CFP_OK;
}

cfp_status cfp_plot_commit(cfp_plot *p, int *pages)
{
    if (p->figure.surface != NULL)
        CFP_TRY(end_page(p));
    *pages = p->pages;
    return CFP_OK;
}

static cfp_status open_folder(cfp_plot *p)
{
    const char *path = p->request.path, *slash = strrchr(path, '/');
    p->name = slash == NULL ? path : slash + 1;
    char *folder = slash == NULL   ? cfp_strdup(p->ctx, ".")
                   : slash == path ? cfp_strdup(p->ctx, "/")
                                   : cfp_format(p->ctx, "%.*s", (int)(slash - path), path);
    if (folder == NULL)
        return CFP_NOMEM;
    const cfp_status status = cfp_output_open_folder(&p->output, p->ctx, folder);
    cfp_free(folder);
    return status;
}

static cfp_status open_plot(cfp_plot *p)
{
    const int n = p->request.n_thetas;
    CFP_TRY(cfp_plot_check(p->ctx, p->request.path));
    CFP_TRY(open_folder(p));
    CFP_TRY_ALLOC(p->ctx, p->order, n);
    CFP_TRY_ALLOC(p->ctx, p->selected, n);
    for (int k = 0; k < n; k++)
        p->order[k] = k;
    sorted_by = &p->request;
    qsort(p->order, (size_t)n, sizeof *p->order, by_theta);
    choose_axis(p);
    cfp_colormap_table(p->colour, CFP_COLORMAP_VIRIDIS);
    return CFP_OK;
}

cfp_status cfp_plot_open(cfp_plot **out, cfp_ctx *ctx, const cfp_plot_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->request = *request;
    const cfp_status status = open_plot(*out);
    if (status != CFP_OK)
        cfp_plot_close(out);
    return status;
}

void cfp_plot_close(cfp_plot **plot)
{
    cfp_plot *p = *plot;
    *plot = NULL;
    if (p == NULL)
        return;
    cfp_figure_close(&p->figure);
    cfp_output_close(&p->output);
    cfp_free(p->order);
    cfp_free(p->selected);
    cfp_free(p);
}
