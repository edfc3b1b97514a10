/* picture_words.c - see picture_words.h. */
#include "picture_words.h"
#include <stdarg.h>
#include <string.h>

void cfp_words_add(cfp_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (words->n < CFP_WORDS_PARTS)
        vsnprintf(words->part[words->n++], CFP_WORDS_BYTES, format, arguments);
    va_end(arguments);
}

static double percent(const cfp_explanation *e)
{
    return 100 * (double)e->probabilities[e->class_index];
}

void cfp_words_class(cfp_words *out, const cfp_explanation *e)
{
    const cfp_explanation *b = e->against;
    const char *const head = e->model->head_name;
    cfp_words_add(out, "%s%.100s%s%.300s  %.1f %%", b != NULL ? "A: " : "",
                  head != NULL ? head : "", head != NULL ? ": " : "",
                  e->model->class_name[e->class_index], percent(e));
    if (b != NULL)
        cfp_words_add(out, "minus  B: %.300s  %.1f %%", b->model->class_name[b->class_index],
                      percent(b));
}

/* The last part of a path. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

void cfp_words_question(cfp_words *out, const cfp_explanation *e)
{
    const cfp_saturation full = cfp_pyramid_saturation(&e->pyramid);
    cfp_words_add(out, "rule %s, theta %g", cfp_rule_names[e->query.rule], e->query.theta);
    cfp_words_add(out, "%.200s", e->model->name);
    cfp_words_add(out, "%.200s", last_part(e->clip->path));
    if (full.most && e->against == NULL)
        cfp_words_add(out, "saturated: %d of %d layers select at least 90 %% of their kernels",
                      full.saturated, full.layers);
}

void cfp_words_time(char *out, size_t bytes, const cfp_explanation *e, const cfp_tube *tube)
{
    const int t = tube->minus != NULL ? cfp_max_int(tube->t, tube->minus->t) : tube->t;
    *out = '\0';
    if (t == 1 && e->clip->frames > 1)
        snprintf(out, bytes, "one map for all frames");
    else if (t < e->clip->frames)
        snprintf(out, bytes, "%d time steps for %d frames", t, e->clip->frames);
}

void cfp_words_both(char *out, size_t bytes, const cfp_layer *a, const cfp_layer *b)
{
    int both = 0;
    const int in_a = a == NULL ? 0 : a->n_selected, in_b = b == NULL ? 0 : b->n_selected;
    for (int i = 0, k = 0; i < in_a && k < in_b;) {
        const int x = a->selected[i], y = b->selected[k];
        both += x == y;
        i += x <= y;
        k += y <= x;
    }
    snprintf(out, bytes, "kernels: both %d, A %d, B %d", both, in_a - both, in_b - both);
}

void cfp_words_layer(cfp_words *out, const cfp_explanation *e, const cfp_tube *tube)
{
    const cfp_layer *a = cfp_pyramid_layer(&e->pyramid, tube->node);
    const cfp_layer *b =
        e->against == NULL ? NULL : cfp_pyramid_layer(&e->against->pyramid, tube->node);
    const cfp_layer *layer = a != NULL ? a : b;
    char text[CFP_WORDS_BYTES];
    if (layer != NULL)
        cfp_words_add(out, "depth %d", layer->depth);
    if (e->against != NULL) {
        cfp_words_both(text, sizeof text, a, b);
        cfp_words_add(out, "%s", text);
    } else if (layer != NULL) {
        cfp_words_add(out, "%d of %d kernel%s", layer->n_selected, layer->n_kernels,
                      layer->n_kernels == 1 ? "" : "s");
    }
    cfp_words_time(text, sizeof text, e, tube);
    if (text[0] != '\0')
        cfp_words_add(out, "%s", text);
}

void cfp_words_caption(cfp_words *out, const cfp_explanation *e, const cfp_tube *tube)
{
    const cfp_layer *layer = cfp_pyramid_layer(&e->pyramid, tube->node);
    char time[64];
    cfp_words_add(out, "%.400s", e->model->node[tube->node].name);
    if (tube->kernel < 0) {
        cfp_words_layer(out, e, tube);
    } else {
        cfp_words_add(out, "kernel %d", tube->kernel);
        if (layer != NULL && e->against == NULL)
            cfp_words_add(out, "relevance %.3g", (double)layer->relevance[tube->kernel]);
        cfp_words_time(time, sizeof time, e, tube);
        cfp_words_add(out, "%s", time);
    }
    cfp_words_class(out, e);
    cfp_words_question(out, e);
}

/* --- lines --- */

static bool fits(cairo_t *cr, double width, const char *text)
{
    char shown[CFP_FIGURE_TEXT];
    return cfp_figure_fit(shown, cr, 0, text) <= width;
}

/* Adds `text` to the last line if it fits there, else on a new line. */
static bool put(cfp_lines *out, cairo_t *cr, double width, const char *between, const char *text)
{
    char joined[CFP_WORDS_BYTES];
    if (out->n > 0) {
        char *line = out->line[out->n - 1];
        const int length = snprintf(joined, sizeof joined, "%s%s%s", line, between, text);
        if (length < (int)sizeof joined && fits(cr, width, joined)) {
            strcpy(line, joined);
            return true;
        }
    }
    if (!fits(cr, width, text) && strchr(text, ' ') != NULL)
        return false;
    if (out->n < CFP_WORDS_LINES)
        snprintf(out->line[out->n++], CFP_WORDS_BYTES, "%s", text);
    return true;
}

/* Puts a statement that is longer than a line on several. */
static void put_long(cfp_lines *out, cairo_t *cr, double width, const char *text)
{
    bool first = true;
    while (*text != '\0') {
        char word[CFP_WORDS_BYTES];
        const size_t n = strcspn(text, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        if (first && out->n < CFP_WORDS_LINES)
            snprintf(out->line[out->n++], CFP_WORDS_BYTES, "%s", word);
        else if (n > 0)
            put(out, cr, width, " ", word);
        first = false;
        text += n + strspn(text + n, " ");
    }
}

void cfp_words_break(cfp_lines *out, cairo_t *cr, double width, const cfp_words *words,
                     const char *between)
{
    *out = (cfp_lines){0};
    for (int k = 0; k < words->n; k++)
        if (words->part[k][0] != '\0' && !put(out, cr, width, between, words->part[k]))
            put_long(out, cr, width, words->part[k]);
}
