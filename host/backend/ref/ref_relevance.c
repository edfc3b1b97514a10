/* ref_relevance.c - the back-step of a layer, kernel by kernel; see relevance.h. */
#include "../relevance_math.h"
#include "ref.h"
#include <stdlib.h>
#include <string.h>

static void raise_to(cfp_demand *to, cfp_demand demand)
{
    *to = demand > *to ? demand : *to;
}

cfp_status ref_route(cfp_backend *backend, const cfp_demand_route *r)
{
    (void)backend;
    for (int q = 0; q < r->questions; q++)
        for (int j = 0; j < r->n_from; j++) {
            const int i = r->map != NULL ? r->map[j] : j;
            if (i >= 0)
                raise_to(&r->to[(int64_t)q * r->n_to + i], r->from[(int64_t)q * r->n_from + j]);
        }
    return CFP_OK;
}

void ref_raise_targets(const cfp_back_step *s)
{
    for (int t = 0; t < s->n_targets; t++) {
        const cfp_demand_target *target = &s->target[t];
        const cfp_demand_route route = {.from = s->child,
                                        .to = target->to,
                                        .map = target->map,
                                        .questions = s->clips * s->thetas,
                                        .n_from = s->channels,
                                        .n_to = target->n_to};
        (void)ref_route(NULL, &route); /* which cannot fail */
    }
}

/* The state while the kernels of a layer are scored one after the other. */
struct scoring {
    const cfp_back_step *step;
    int n, words;     /* channels of a span, and words of bits for them */
    double *value;    /* [n] */
    float *relevance; /* [n] */
    uint32_t *bits;   /* [words] what is selected */
    int *order;       /* [n] for --top */
    cfp_row row;
};

static cfp_status open_scoring(struct scoring *k, cfp_ctx *ctx, const cfp_back_step *s)
{
    *k = (struct scoring){.step = s, .n = cfp_span_length(s), .words = cfp_span_words(s)};
    CFP_TRY_ALLOC(ctx, k->value, k->n);
    CFP_TRY_ALLOC(ctx, k->relevance, k->n);
    CFP_TRY_ALLOC(ctx, k->bits, k->words);
    CFP_TRY_ALLOC(ctx, k->order, k->n);
    return CFP_OK;
}

static void close_scoring(struct scoring *k)
{
    cfp_free(k->value);
    cfp_free(k->relevance);
    cfp_free(k->bits);
    cfp_free(k->order);
}

/* The loops below apply the formulas of relevance_math.h to a whole span.  They test the rule once,
 * so that the compiler can vectorise them.  Tests compare both versions. */

/* cfp_value of every channel. */
static void score_values(struct scoring *k, int clip, int o)
{
    const cfp_back_step *s = k->step;
    const float *x = s->input + (int64_t)clip * s->channels + cfp_span_first(s, o);
    const float *w = s->kernel_mean + (int64_t)o * (s->channels / s->groups);
    double *const v = k->value;
    const int n = k->n;
    if (s->classifier || s->rule != CFP_RULE_CFP) {
        for (int j = 0; j < n; j++)
            v[j] = cfp_value(s, clip, o, j);
        return;
    }
    const double scale = s->kernel_scale != NULL ? (double)s->kernel_scale[o] : 1.0;
    for (int j = 0; j < n; j++)
        v[j] = scale * (double)w[j] * (double)x[j];
}

/* cfp_relevance of every channel. */
static void score_relevances(struct scoring *k)
{
    const cfp_back_step *s = k->step;
    const cfp_row row = k->row;
    float *const r = k->relevance;
    const int n = k->n;
    const bool plain = s->rule == CFP_RULE_CFP && !s->classifier &&
                       s->normalise == CFP_NORMALISE_MINMAX && row.high > row.low;
    if (!plain) {
        for (int j = 0; j < n; j++)
            r[j] = cfp_relevance(s, &row, k->value[j]);
        return;
    }
    const double range = row.high - row.low;
    for (int j = 0; j < n; j++)
        r[j] = (float)((k->value[j] - row.low) / range) + 0.0f;
}

static void extremes(struct scoring *k)
{
    const bool divides = cfp_inflates(k->step);
    double low = INFINITY, high = cfp_highest_from_zero(k->step) ? 0 : -INFINITY;
    for (int j = 0; j < k->n; j++) {
        const double v = divides ? k->value[j] / k->row.sum : k->value[j];
        low = v < low ? v : low; /* NaN is neither */
        high = v > high ? v : high;
    }
    k->row.low = low;
    k->row.high = high;
}

/* Rule grad: the highest product of the whole layer, not of the group's channels. */
static double highest_product(const cfp_back_step *s, int clip)
{
    double high = 0;
    for (int c = 0; c < s->channels; c++) {
        const double v = (double)s->input[(int64_t)clip * s->channels + c];
        high = v > high ? v : high;
    }
    return high;
}

/* Computes the row of kernel o.  Under rule grad the layer has one row, which exists already. */
static void score_row(struct scoring *k)
{
    const cfp_back_step *s = k->step;
    if (s->rule == CFP_RULE_GRAD)
        return;
    k->row = (cfp_row){0};
    for (int j = 0; cfp_inflates(s) && j < k->n; j++)
        k->row.sum += k->value[j];
    extremes(k);
    float best = 0;
    for (int j = 0; cfp_divides_by_best(s) && j < k->n; j++) {
        const float r = cfp_relevance(s, &k->row, k->value[j]);
        best = r > best ? r : best;
    }
    k->row.best = best;
}

/* Sets the bits of the channels that reach theta; returns their number. */
static int select_channels(struct scoring *k, double gain, double theta)
{
    int count = 0;
    for (int w = 0; w < k->words; w++) {
        const int max = cfp_min_int(32, k->n - 32 * w);
        const float *r = k->relevance + 32 * w;
        uint32_t bits = 0;
        for (int j = 0; j < max; j++) /* NaN compares false: not selected */
            bits |= (uint32_t)(gain * (double)r[j] >= theta) << j;
        k->bits[w] = bits;
        count += __builtin_popcount(bits);
    }
    return count;
}

/* For the comparison function of qsort, which has no argument for it. */
static _Thread_local const float *relevance_of;

static int by_relevance(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    if (relevance_of[x] != relevance_of[y])
        return relevance_of[x] < relevance_of[y] ? 1 : -1;
    return x - y; /* SPEC: the lower index wins a tie */
}

/* Keeps at most the `top` highest (SPEC "--top"). */
static int keep_top(struct scoring *k, int count)
{
    const int top = k->step->top;
    if (top <= 0 || count <= top)
        return count;
    int n = 0;
    for (int j = 0; j < k->n; j++)
        if (k->bits[j / 32] >> j % 32 & 1)
            k->order[n++] = j;
    relevance_of = k->relevance;
    qsort(k->order, (size_t)n, sizeof *k->order, by_relevance);
    memset(k->bits, 0, (size_t)k->words * sizeof *k->bits);
    for (int i = 0; i < top; i++)
        k->bits[k->order[i] / 32] |= (uint32_t)1 << k->order[i] % 32;
    return top;
}

/* The back-step of one demanded kernel: raises the demands on its relevant channels. */
static void back_step_of(struct scoring *k, int question, int o)
{
    const cfp_back_step *s = k->step;
    const int64_t row = (int64_t)question * s->kernels + o;
    const double theta = s->theta[question % s->thetas];
    const double above = cfp_demanded_relevance(s->demand[row]);
    const double gain = s->propagate == CFP_PROPAGATE_PATH ? above : 1.0;
    score_values(k, question / s->thetas, o);
    score_row(k);
    score_relevances(k);
    const int count = keep_top(k, select_channels(k, gain, theta));
    cfp_demand *child = s->child + (int64_t)question * s->channels + cfp_span_first(s, o);
    for (int w = 0; w < k->words; w++)
        for (uint32_t left = k->bits[w]; left != 0; left &= left - 1) {
            const int j = 32 * w + __builtin_ctz(left);
            raise_to(&child[j], cfp_demand_of(cfp_propagated(s, above, k->relevance[j])));
        }
    if (s->edges == NULL)
        return;
    memcpy(s->edges + row * k->words, k->bits, (size_t)k->words * sizeof *k->bits);
    s->n_edges[row] = count;
    s->row[row] = k->row;
}

cfp_status ref_back_step_rows(cfp_ctx *ctx, const cfp_back_step *s, int64_t first, int64_t last)
{
    struct scoring k;
    const cfp_status status = open_scoring(&k, ctx, s);
    for (int64_t row = first; status == CFP_OK && row < last; row++) {
        const int question = (int)(row / s->kernels), o = (int)(row % s->kernels);
        if (s->rule == CFP_RULE_GRAD && (row == first || o == 0))
            k.row = (cfp_row){.high = highest_product(s, question / s->thetas)};
        if (s->demand[row] >= 0)
            back_step_of(&k, question, o);
        else if (s->n_edges != NULL)
            s->n_edges[row] = 0;
    }
    close_scoring(&k);
    return status;
}

cfp_status ref_pick_edges(cfp_backend *backend, const cfp_back_step *s)
{
    (void)backend;
    const int words = cfp_span_words(s);
    const int64_t rows = (int64_t)s->clips * s->thetas * s->kernels;
    for (int64_t row = 0; row < rows; row++) {
        const int clip = (int)(row / s->kernels) / s->thetas, o = (int)(row % s->kernels);
        s->n_edges[row] = 0;
        for (int w = 0; w < words && s->demand[row] >= 0; w++) {
            uint32_t *const bits = &s->edges[row * words + w];
            for (uint32_t left = *bits; left != 0; left &= left - 1)
                if (!(cfp_edge_value(s, clip, o, 32 * w + __builtin_ctz(left)) > 0))
                    *bits &= ~(left & -left);
            s->n_edges[row] += __builtin_popcount(*bits);
        }
    }
    return CFP_OK;
}

cfp_status ref_list_edges_rows(cfp_ctx *ctx, const cfp_back_step *s, int question, int first,
                               int last, cfp_edge *edge)
{
    struct scoring k;
    const cfp_status status = open_scoring(&k, ctx, s);
    cfp_edge *next = edge;
    for (int o = first; status == CFP_OK && o < last; o++) {
        const int64_t row = (int64_t)question * s->kernels + o;
        const int channel = cfp_span_first(s, o);
        if (s->n_edges[row] == 0)
            continue;
        for (int j = 0; s->rule == CFP_RULE_GRAD && j < k.n; j++)
            k.value[j] = cfp_edge_value(s, question / s->thetas, o, j);
        if (s->rule != CFP_RULE_GRAD)
            score_values(&k, question / s->thetas, o);
        k.row = s->row[row];
        score_relevances(&k);
        for (int w = 0; w < k.words; w++)
            for (uint32_t left = s->edges[row * k.words + w]; left != 0; left &= left - 1) {
                const int j = 32 * w + __builtin_ctz(left);
                *next++ = (cfp_edge){o, channel + j, k.relevance[j]};
            }
    }
    close_scoring(&k);
    return status;
}
