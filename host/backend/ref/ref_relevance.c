/* ref_relevance.c - the back-step of a layer, one kernel after the other; see relevance.h. */
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

struct candidate { /* a channel of the span whose relevance reached theta */
    int channel;
    float relevance;
};

/* A layer's kernels, being scored one after the other. */
struct scoring {
    const cfp_back_step *step;
    int n;         /* channels of a span */
    double *value; /* [n] */
    struct candidate *candidate;
    int n_candidates;
    cfp_row row;
};

static void extremes(struct scoring *k)
{
    const bool divides = cfp_inflates(k->step);
    k->row.low = INFINITY;
    k->row.high = cfp_highest_from_zero(k->step) ? 0 : -INFINITY;
    for (int j = 0; j < k->n; j++) {
        const double v = divides ? k->value[j] / k->row.sum : k->value[j];
        k->row.low = v < k->row.low ? v : k->row.low; /* NaN is neither */
        k->row.high = v > k->row.high ? v : k->row.high;
    }
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

static void score(struct scoring *k, int clip, int o)
{
    const cfp_back_step *s = k->step;
    double sum = 0;
    for (int j = 0; j < k->n; j++) {
        k->value[j] = cfp_value(s, clip, o, j);
        sum += k->value[j];
    }
    if (s->rule == CFP_RULE_GRAD)
        return; /* the row is the layer's */
    k->row = (cfp_row){.sum = sum};
    extremes(k);
    float best = 0;
    for (int j = 0; cfp_divides_by_best(s) && j < k->n; j++) {
        const float r = cfp_relevance(s, &k->row, k->value[j]);
        best = r > best ? r : best;
    }
    k->row.best = best;
}

static int by_relevance(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->relevance != y->relevance)
        return x->relevance < y->relevance ? 1 : -1;
    return x->channel - y->channel; /* SPEC: among equals the lower index */
}

static int by_channel(const void *a, const void *b)
{
    return ((const struct candidate *)a)->channel - ((const struct candidate *)b)->channel;
}

/* SPEC "--top": at most the `top` highest stay, in ascending order of channels as they came. */
static void keep_top(struct scoring *k)
{
    const int top = k->step->top;
    if (top <= 0 || k->n_candidates <= top)
        return;
    qsort(k->candidate, (size_t)k->n_candidates, sizeof *k->candidate, by_relevance);
    k->n_candidates = top;
    qsort(k->candidate, (size_t)top, sizeof *k->candidate, by_channel);
}

static void keep_row(const struct scoring *k, int64_t row)
{
    const cfp_back_step *s = k->step;
    const int words = cfp_span_words(s);
    uint32_t *edges = s->edges + row * words;
    memset(edges, 0, (size_t)words * sizeof *edges);
    for (int i = 0; i < k->n_candidates; i++)
        edges[k->candidate[i].channel / 32] |= (uint32_t)1 << k->candidate[i].channel % 32;
    s->n_edges[row] = k->n_candidates;
    s->row[row] = k->row;
}

/* One demanded kernel: the channels that are relevant to it join the demand. */
static void back_step_of(struct scoring *k, int question, int o)
{
    const cfp_back_step *s = k->step;
    const int64_t row = (int64_t)question * s->kernels + o;
    const double theta = s->theta[question % s->thetas];
    const double gain =
        s->propagate == CFP_PROPAGATE_PATH ? cfp_demanded_relevance(s->demand[row]) : 1.0;
    score(k, question / s->thetas, o);
    k->n_candidates = 0;
    for (int j = 0; j < k->n; j++) {
        const float r = cfp_relevance(s, &k->row, k->value[j]);
        if (gain * (double)r >= theta) /* NaN compares false: not selected */
            k->candidate[k->n_candidates++] = (struct candidate){j, r};
    }
    keep_top(k);
    cfp_demand *child = s->child + (int64_t)question * s->channels + cfp_span_first(s, o);
    for (int i = 0; i < k->n_candidates; i++)
        raise_to(&child[k->candidate[i].channel],
                 cfp_demand_of(gain * (double)k->candidate[i].relevance));
    if (s->edges != NULL)
        keep_row(k, row);
}

cfp_status ref_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    struct scoring k = {.step = s, .n = cfp_span_channels(s)};
    k.value = cfp_alloc(NULL, (size_t)k.n, sizeof *k.value);
    k.candidate = cfp_alloc(NULL, (size_t)k.n, sizeof *k.candidate);
    (void)backend;
    for (int q = 0; k.value != NULL && k.candidate != NULL && q < s->clips * s->thetas; q++) {
        if (s->rule == CFP_RULE_GRAD)
            k.row = (cfp_row){.high = highest_product(s, q / s->thetas)};
        for (int o = 0; o < s->kernels; o++) {
            const int64_t row = (int64_t)q * s->kernels + o;
            if (s->demand[row] >= 0)
                back_step_of(&k, q, o);
            else if (s->n_edges != NULL)
                s->n_edges[row] = 0;
        }
    }
    const bool had_memory = k.value != NULL && k.candidate != NULL;
    cfp_free(k.value);
    cfp_free(k.candidate);
    return had_memory ? CFP_OK : CFP_NOMEM;
}

cfp_status ref_list_edges(cfp_backend *backend, const cfp_back_step *s, int question,
                          cfp_edge *edge)
{
    const int words = cfp_span_words(s);
    cfp_edge *next = edge;
    (void)backend;
    for (int o = 0; o < s->kernels; o++) {
        const int64_t row = (int64_t)question * s->kernels + o;
        const uint32_t *bits = s->edges + row * words;
        for (int w = 0; s->n_edges[row] > 0 && w < words; w++)
            for (uint32_t left = bits[w]; left != 0; left &= left - 1) {
                const int j = 32 * w + __builtin_ctz(left);
                const double v = cfp_value(s, question / s->thetas, o, j);
                *next++ =
                    (cfp_edge){o, cfp_span_first(s, o) + j, cfp_relevance(s, &s->row[row], v)};
            }
    }
    return CFP_OK;
}
