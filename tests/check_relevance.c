/* check_relevance.c - compares route, back_step and list_edges with ref's, on random layers: every
 * rule and option, groups, ties, zeros, several clips and thetas.  Both must select the same, bit
 * by bit.  Both compile relevance_math.h; only the order of the work differs. */
#include "../host/backend/relevance_math.h"
#include "check_backends.h"
#include <stdio.h>
#include <string.h>

/* The layers to which children are passed: one with as many channels, and one with half as many,
 * each from two channels.  The first channel goes nowhere. */
enum { TARGETS = 2 };

/* A layer and its questions on the host, with ref's answers, and their memory on the device. */
typedef struct layer_case {
    cfp_back_step ref, device;
    int questions, rows, words;
    float *kernel_mean, *kernel_scale, *input, *pair;
    double *theta, *contrast;
    cfp_demand *demand, *child, *reached[TARGETS];
    int32_t *map;
    cfp_demand_target target[TARGETS], there[TARGETS];
    int32_t *n_edges;
    uint32_t *edges;
    cfp_row *row;
    struct lent on[11 + TARGETS + 2];
    int n_lent;
} layer_case;

/* Few different numbers, so that ties and zeros are common. */
static float coarse(uint64_t *seed)
{
    return (float)random_int(seed, -6, 6) * 0.125f;
}

static void choose(layer_case *c, bool large, uint64_t *seed)
{
    static const int tops[] = {0, 0, 1, 2, 5, 33};
    const int groups = random_int(seed, 0, 1) ? 1 : random_int(seed, 2, 4);
    cfp_back_step *s = &c->ref;
    *c = (layer_case){0};
    s->groups = groups;
    s->kernels = groups * random_int(seed, 1, 9);
    s->channels = groups * random_int(seed, 1, random_int(seed, 0, 2) ? 24 : 90);
    s->rule = (cfp_rule)random_int(seed, 0, CFP_RULE_COUNT - 1);
    s->classifier = groups == 1 && random_int(seed, 0, 2) == 0;
    s->propagate = (cfp_propagate)random_int(seed, 0, 2);
    if (s->rule == CFP_RULE_GRAD && s->propagate == CFP_PROPAGATE_PATH)
        s->propagate = CFP_PROPAGATE_EDGE;
    s->normalise = (cfp_normalise)(s->rule == CFP_RULE_CFP && random_int(seed, 0, 1));
    s->class_relevance =
        (cfp_class_relevance)(s->rule == CFP_RULE_GRAD ? 0 : random_int(seed, 0, 2));
    s->top = tops[random_int(seed, 0, 5)];
    s->clips = random_int(seed, 1, 2);
    s->thetas = random_int(seed, 1, 3);
    if (large) { /* worth sharing out among threads */
        s->kernels = 150 * groups;
        s->channels = 500 * groups;
        s->clips = 2;
        s->thetas = 2;
        s->top = 0;
    }
    c->questions = s->clips * s->thetas;
    c->rows = c->questions * s->kernels;
    c->words = cfp_span_words(s);
}

static cfp_status take_memory(check *k, layer_case *c)
{
    cfp_back_step *s = &c->ref;
    CFP_TRY_ALLOC(&k->ctx, c->kernel_mean, s->kernels * (s->channels / s->groups));
    CFP_TRY_ALLOC(&k->ctx, c->kernel_scale, s->kernels);
    CFP_TRY_ALLOC(&k->ctx, c->input, s->clips * s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->theta, s->thetas);
    CFP_TRY_ALLOC(&k->ctx, c->contrast, s->clips * s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->pair, s->clips * s->kernels * (s->channels / s->groups));
    CFP_TRY_ALLOC(&k->ctx, c->demand, c->rows);
    CFP_TRY_ALLOC(&k->ctx, c->child, c->questions * s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->n_edges, c->rows);
    for (int t = 0; t < TARGETS; t++)
        CFP_TRY_ALLOC(&k->ctx, c->reached[t], c->questions * s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->map, s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->edges, c->rows * c->words);
    CFP_TRY_ALLOC(&k->ctx, c->row, c->rows);
    return CFP_OK;
}

/* A theta that a relevance of the first clip just reaches, or just does not. */
static double theta_at_an_edge(const cfp_back_step *s, uint64_t *seed)
{
    const int o = random_int(seed, 0, s->kernels - 1), n = cfp_span_length(s);
    const double v = cfp_value(s, 0, o, random_int(seed, 0, n - 1));
    double low = v, high = v;
    for (int j = 0; j < n; j++) {
        low = fmin(low, cfp_value(s, 0, o, j));
        high = fmax(high, cfp_value(s, 0, o, j));
    }
    const double r = (double)cfp_min_max(v, low, high);
    const double aside[] = {r, nextafter(r, 0), nextafter(r, 1)};
    return aside[random_int(seed, 0, 2)];
}

/* Depth-wise: all values of a row are one. */
static void choose_alone(layer_case *c)
{
    c->ref.groups = 4;
    c->ref.kernels = 8;
    c->ref.channels = 4;
    c->rows = c->questions * 8;
    c->words = 1;
}

/* Rows whose middle is 0, so that values close to theta are much smaller than the extremes. */
static void choose_cancelling(layer_case *c)
{
    cfp_back_step *s = &c->ref;
    *c = (layer_case){.questions = 2, .rows = 4, .words = 1};
    *s = (cfp_back_step){
        .kernels = 2, .channels = 2, .groups = 1, .rule = CFP_RULE_CFP, .clips = 1, .thetas = 2};
}

static void fill_cancelling(layer_case *c)
{
    static const float weights[] = {-31, 33, -1, 1}, inputs[] = {1082401, 1016801};
    memcpy(c->kernel_mean, weights, sizeof weights);
    memcpy(c->input, inputs, sizeof inputs);
    c->theta[0] = 0.5;
    c->theta[1] = 0.6;
    c->ref.kernel_scale = NULL;
    for (int i = 0; i < c->rows; i++)
        c->demand[i] = cfp_demand_of(1.0);
}

/* Values of -0 in rows whose minimum is 0: a negative weight times a channel that is 0. */
static void choose_signed_zero(layer_case *c)
{
    *c = (layer_case){.questions = 2, .rows = 4, .words = 1};
    c->ref = (cfp_back_step){
        .kernels = 2, .channels = 6, .groups = 1, .rule = CFP_RULE_CFP, .clips = 1, .thetas = 2};
}

static void fill_signed_zero(layer_case *c)
{
    static const float weights[] = {1, -1, 1, .5F, .25F, .75F, 1, 1, 1, .5F, .25F, .75F};
    static const float inputs[] = {0, 0, 1, 1, 1, 1};
    memcpy(c->kernel_mean, weights, sizeof weights);
    memcpy(c->input, inputs, sizeof inputs);
    c->theta[0] = 0;
    c->theta[1] = 0.6;
    c->ref.kernel_scale = NULL;
    for (int i = 0; i < c->rows; i++)
        c->demand[i] = cfp_demand_of(1.0);
    for (int i = 0; i < c->questions * c->ref.channels; i++)
        c->child[i] = CFP_NOT_DEMANDED;
}

static void fill_in(layer_case *c, uint64_t *seed)
{
    cfp_back_step *s = &c->ref;
    const int weights = s->kernels * (s->channels / s->groups);
    const bool fine = random_int(seed, 0, 1);
    random_values(c->kernel_mean, weights, ANY, seed);
    random_values(c->kernel_scale, s->kernels, ANY, seed);
    random_values(c->input, s->clips * s->channels, ANY, seed);
    for (int i = 0; !fine && i < weights; i++)
        c->kernel_mean[i] = coarse(seed);
    for (int i = 0; !fine && i < s->clips * s->channels; i++)
        c->input[i] = coarse(seed);
    s->weight_min = s->weight_max = (double)c->kernel_mean[0];
    for (int i = 1; i < weights; i++) {
        const double w = (double)c->kernel_mean[i];
        s->weight_min = w < s->weight_min ? w : s->weight_min;
        s->weight_max = w > s->weight_max ? w : s->weight_max;
    }
    for (int i = 0; i < c->rows; i++)
        c->demand[i] = random_int(seed, 0, 2) == 0
                           ? CFP_NOT_DEMANDED
                           : cfp_demand_of((double)random_int(seed, 4, 16) / 16);
    for (int i = 0; i < c->questions * s->channels; i++) /* another layer asked for it before */
        c->child[i] = random_int(seed, 0, 4) == 0 ? cfp_demand_of(0.5) : CFP_NOT_DEMANDED;
    s->kernel_mean = c->kernel_mean;
    s->kernel_scale = random_int(seed, 0, 1) ? c->kernel_scale : NULL;
    s->input = c->input;
    for (int i = 0; i < s->clips * s->channels; i++)
        c->contrast[i] = (double)coarse(seed);
    for (int i = 0; i < s->clips * s->kernels * (s->channels / s->groups); i++)
        c->pair[i] = coarse(seed);
    s->contrast = c->contrast;
    s->pair = s->rule == CFP_RULE_GRAD && !s->classifier ? c->pair : NULL;
    for (int i = 0; i < s->thetas; i++)
        c->theta[i] =
            random_int(seed, 0, 1) ? (double)random_int(seed, 0, 8) / 8 : theta_at_an_edge(s, seed);
    for (int i = 0; i < c->rows && s->propagate == CFP_PROPAGATE_WIDEST; i++) {
        const double theta = c->theta[i / s->kernels % s->thetas];
        const float least = nextafterf((float)theta, 2);
        if (c->demand[i] >= 0 && cfp_demanded_relevance(c->demand[i]) < (double)least)
            c->demand[i] = cfp_demand_of((double)least);
    }
    s->theta = c->theta;
    s->demand = c->demand;
    s->child = c->child;
    s->n_edges = c->n_edges;
    s->edges = c->edges;
    s->row = c->row;
}

/* What has been demanded before has come to the targets, too. */
static void fill_targets(layer_case *c)
{
    cfp_back_step *s = &c->ref;
    const int n_to[TARGETS] = {s->channels, s->channels / 2 + 1};
    for (int j = 0; j < s->channels; j++)
        c->map[j] = j == 0 ? -1 : j / 2;
    for (int t = 0; t < TARGETS; t++) {
        memset(c->reached[t], 0xff, (size_t)(c->questions * n_to[t]) * sizeof(cfp_demand));
        c->target[t] = (cfp_demand_target){c->reached[t], t == 0 ? NULL : c->map, n_to[t]};
        const cfp_demand_route route = {s->child,     c->reached[t], c->target[t].map,
                                        c->questions, s->channels,   n_to[t]};
        (void)cfp_backend_ref.route(NULL, &route);
    }
    s->target = c->target;
    s->n_targets = TARGETS;
}

static cfp_status on_device(check *k, layer_case *c, void *field, const void *from, size_t bytes)
{
    struct lent *lent = &c->on[c->n_lent];
    CFP_TRY(lend(k, lent, from, bytes));
    c->n_lent++;
    memcpy(field, &lent->memory, sizeof lent->memory);
    return CFP_OK;
}

static cfp_status copy_to_device(check *k, layer_case *c)
{
    const cfp_back_step *s = &c->ref;
    cfp_back_step *d = &c->device;
    const size_t weights = (size_t)s->kernels * (size_t)(s->channels / s->groups);
    const size_t rows = (size_t)c->rows, words = (size_t)c->words;
    *d = *s;
    CFP_TRY(on_device(k, c, &d->kernel_mean, s->kernel_mean, weights * sizeof(float)));
    CFP_TRY(on_device(k, c, &d->input, s->input, (size_t)(s->clips * s->channels) * sizeof(float)));
    CFP_TRY(on_device(k, c, &d->theta, s->theta, (size_t)s->thetas * sizeof(double)));
    CFP_TRY(on_device(k, c, &d->demand, s->demand, rows * sizeof(cfp_demand)));
    CFP_TRY(on_device(k, c, &d->child, s->child,
                      (size_t)(c->questions * s->channels) * sizeof(cfp_demand)));
    if (s->kernel_scale != NULL)
        CFP_TRY(
            on_device(k, c, &d->kernel_scale, s->kernel_scale, (size_t)s->kernels * sizeof(float)));
    CFP_TRY(on_device(k, c, &d->contrast, s->contrast,
                      (size_t)(s->clips * s->channels) * sizeof(double)));
    if (s->pair != NULL)
        CFP_TRY(on_device(k, c, &d->pair, s->pair, (size_t)s->clips * weights * sizeof(float)));
    int32_t *map;
    CFP_TRY(on_device(k, c, &map, c->map, (size_t)s->channels * sizeof(int32_t)));
    for (int t = 0; t < TARGETS; t++) {
        c->there[t] = c->target[t];
        c->there[t].map = t == 0 ? NULL : map;
        CFP_TRY(on_device(k, c, &c->there[t].to, c->reached[t],
                          (size_t)(c->questions * c->target[t].n_to) * sizeof(cfp_demand)));
    }
    CFP_TRY(on_device(k, c, &d->target, c->there, sizeof c->there));
    CFP_TRY(on_device(k, c, &d->n_edges, NULL, rows * sizeof(int32_t)));
    CFP_TRY(on_device(k, c, &d->edges, NULL, rows * words * sizeof(uint32_t)));
    return on_device(k, c, &d->row, NULL, rows * sizeof(cfp_row));
}

/* Bytes that came from the device against ref's. */
static void same_bytes(check *k, const char *what, const void *got, const void *right, size_t bytes)
{
    k->compared++;
    if (memcmp(got, right, bytes) != 0)
        check_failed(k, what);
}

static cfp_status compare(check *k, const char *what, const void *device, const void *right,
                          size_t bytes)
{
    void *got = cfp_alloc(&k->ctx, bytes > 0 ? bytes : 1, 1);
    if (got == NULL)
        return CFP_NOMEM;
    const cfp_status status = k->device.api->fetch(k->device.backend, got, device, bytes);
    if (status == CFP_OK)
        same_bytes(k, what, got, right, bytes);
    cfp_free(got);
    return status;
}

static cfp_status compare_edges(check *k, layer_case *c, int question)
{
    const cfp_back_step *s = &c->ref;
    int64_t n = 0;
    cfp_edge *right;
    struct lent edge;
    for (int o = 0; o < s->kernels; o++)
        n += s->n_edges[(int64_t)question * s->kernels + o];
    if (n == 0)
        return CFP_OK;
    CFP_TRY_ALLOC(&k->ctx, right, n);
    CFP_TRY(cfp_backend_ref.list_edges(NULL, s, question, right));
    CFP_TRY(lend(k, &edge, NULL, (size_t)n * sizeof *right));
    CFP_TRY(k->device.api->list_edges(k->device.backend, &c->device, question, edge.memory));
    CFP_TRY(compare(k, "list_edges", edge.memory, right, edge.bytes));
    cfp_free(right);
    return give_back(k, &edge, NULL);
}

static cfp_status check_back_step(check *k, layer_case *c)
{
    const cfp_back_step *s = &c->ref;
    fill_targets(c);
    CFP_TRY(copy_to_device(k, c));
    CFP_TRY(cfp_backend_ref.back_step(NULL, s));
    CFP_TRY(k->device.api->back_step(k->device.backend, &c->device));
    CFP_TRY(compare(k, "back_step: children", c->device.child, s->child,
                    (size_t)(c->questions * s->channels) * sizeof(cfp_demand)));
    for (int t = 0; t < TARGETS; t++)
        CFP_TRY(compare(k, "back_step: targets", c->there[t].to, c->reached[t],
                        (size_t)(c->questions * c->target[t].n_to) * sizeof(cfp_demand)));
    if (s->rule == CFP_RULE_GRAD) {
        CFP_TRY(cfp_backend_ref.pick_edges(NULL, s));
        CFP_TRY(k->device.api->pick_edges(k->device.backend, &c->device));
    }
    CFP_TRY(compare(k, "back_step: counts", c->device.n_edges, s->n_edges,
                    (size_t)c->rows * sizeof(int32_t)));
    for (int row = 0; row < c->rows; row++)
        if (s->demand[row] >= 0)
            CFP_TRY(compare(k, "back_step: edges", c->device.edges + row * c->words,
                            s->edges + row * c->words, (size_t)c->words * sizeof(uint32_t)));
    for (int q = 0; q < c->questions; q++)
        CFP_TRY(compare_edges(k, c, q));
    return CFP_OK;
}

static void close_case(check *k, layer_case *c)
{
    for (int i = 0; i < c->n_lent; i++)
        k->device.api->release(k->device.backend, c->on[i].memory);
    cfp_free(c->kernel_mean);
    cfp_free(c->kernel_scale);
    cfp_free(c->input);
    cfp_free(c->pair);
    cfp_free(c->contrast);
    cfp_free(c->theta);
    cfp_free(c->demand);
    cfp_free(c->child);
    cfp_free(c->map);
    for (int t = 0; t < TARGETS; t++)
        cfp_free(c->reached[t]);
    cfp_free(c->n_edges);
    cfp_free(c->edges);
    cfp_free(c->row);
}

/* Many channels onto few, as flatten does; some nowhere. */
static cfp_status check_route(check *k, uint64_t *seed)
{
    enum { QUESTIONS = 3, FROM = 150, TO = 40 };
    cfp_demand from[QUESTIONS * FROM], to[QUESTIONS * TO];
    int32_t map[FROM];
    struct lent on_from, on_to, on_map;
    for (int i = 0; i < QUESTIONS * FROM; i++)
        from[i] = random_int(seed, 0, 1) ? CFP_NOT_DEMANDED
                                         : cfp_demand_of((double)random_int(seed, 0, 9) / 9);
    for (int identity = 0; identity < 2; identity++) {
        for (int i = 0; i < QUESTIONS * TO; i++)
            to[i] = random_int(seed, 0, 1) ? CFP_NOT_DEMANDED : cfp_demand_of(0.3);
        for (int j = 0; j < FROM; j++)
            map[j] = random_int(seed, -1, TO - 1);
        const int n_from = identity ? TO : FROM;
        CFP_TRY(lend(k, &on_from, from, (size_t)(QUESTIONS * n_from) * sizeof *from));
        CFP_TRY(lend(k, &on_to, to, sizeof to));
        CFP_TRY(lend(k, &on_map, map, sizeof map));
        const cfp_demand_route right = {from, to, identity ? NULL : map, QUESTIONS, n_from, TO};
        const cfp_demand_route device = {
            on_from.memory, on_to.memory, identity ? NULL : on_map.memory, QUESTIONS, n_from, TO};
        CFP_TRY(cfp_backend_ref.route(NULL, &right));
        CFP_TRY(k->device.api->route(k->device.backend, &device));
        CFP_TRY(compare(k, "route", on_to.memory, to, sizeof to));
        CFP_TRY(give_back(k, &on_from, NULL));
        CFP_TRY(give_back(k, &on_to, NULL));
        CFP_TRY(give_back(k, &on_map, NULL));
    }
    return CFP_OK;
}

void check_relevance(check *k, int cases)
{
    const int compared = k->compared, failed = k->failed;
    uint64_t seed = 20191023;
    snprintf(k->where, sizeof k->where, "route");
    if (check_route(k, &seed) != CFP_OK)
        check_failed(k, k->ctx.message);
    for (int i = 0; i < cases; i++) {
        layer_case c;
        const bool cancelling = i == 1, signed_zero = i == 2;
        choose(&c, i % 40 == 39 || i % 40 == 36, &seed);
        if (i % 20 == 12)
            choose_alone(&c);
        if (cancelling)
            choose_cancelling(&c);
        if (signed_zero)
            choose_signed_zero(&c);
        cfp_back_step *s = &c.ref;
        if (i % 4 == 0 && (s->rule == CFP_RULE_CFP || i % 40 == 36)) { /* what most ask for */
            s->rule = CFP_RULE_CFP;
            s->classifier = false;
            s->propagate = CFP_PROPAGATE_EDGE;
            s->normalise = CFP_NORMALISE_MINMAX;
            s->top = 0;
            c.words = cfp_span_words(s);
        }
        snprintf(
            k->where, sizeof k->where,
            "relevance %d: %d x %d / %d, rule %d%s, path %d, max %d, class relevance %d, top %d", i,
            s->kernels, s->channels, s->groups, s->rule, s->classifier ? " at the classifier" : "",
            s->propagate, s->normalise, s->class_relevance, s->top);
        cfp_status status = take_memory(k, &c);
        if (status == CFP_OK) {
            fill_in(&c, &seed);
            if (cancelling)
                fill_cancelling(&c);
            if (signed_zero)
                fill_signed_zero(&c);
            status = check_back_step(k, &c);
        }
        if (status != CFP_OK)
            check_failed(k, k->ctx.message);
        close_case(k, &c);
    }
    printf("%-16s %9s %5d comparisons%s\n", "relevance", "", k->compared - compared,
           k->failed > failed ? "  FAILED" : "");
}
