/* channel_scores.c - see channel_scores.h.
 *
 * Maps and gradients are copied to the host, layer by layer, because the forms need every position.
 * A GPU may hold gradients times a power of two (backend.h).  The scores then have this factor,
 * too; it is the same for all kernels, so their order stays. */
#include "channel_scores.h"
#include "../method/combine_entries.h"
#include "../method/entries.h"
#include "../method/target.h"
#include <math.h>
#include <string.h>

/* What the scores of one layer are made of. */
typedef struct layer_sum {
    float *value; /* [C x T x H x W] */
    int channels;
    int64_t positions;
} layer_sum;

typedef struct scoring {
    cfp_ctx *ctx;
    const cfp_model *model;
    const cfp_score_method *method;
    cfp_analyser *analyser;
    cfp_scores *out;
    layer_sum *layer; /* [n_nodes] */
    float *buffer;    /* for one map */
    float *input;     /* [2][C x T x H x W] the clip and its baseline */
    float *logits;
} scoring;

static int64_t values_in(const cfp_input_spec *in)
{
    return (int64_t)in->channels * in->frames * in->height * in->width;
}

static cfp_status download(scoring *s, float *plain, const cfp_tensor *x)
{
    return s->analyser->device.api->download(s->analyser->device.backend, plain, x);
}

/* Adds to the sum of layer m: sign * map, or sign * map * g unless g is NULL. */
static cfp_status add_map(scoring *s, int m, const cfp_tensor *map, const cfp_tensor *g, int sign)
{
    layer_sum *layer = &s->layer[m];
    layer->channels = map->shape.c;
    layer->positions = cfp_positions(map->shape);
    const int64_t n = layer->channels * layer->positions;
    float *value;
    cfp_free(s->buffer);
    CFP_TRY_ALLOC(s->ctx, s->buffer, 2 * n);
    value = s->buffer + n;
    if (layer->value == NULL)
        CFP_TRY_ALLOC(s->ctx, layer->value, n);
    CFP_TRY(download(s, value, map));
    if (g != NULL)
        CFP_TRY(download(s, s->buffer, g));
    for (int64_t i = 0; i < n; i++)
        layer->value[i] += (float)sign * value[i] * (g != NULL ? s->buffer[i] : 1);
    return CFP_OK;
}

static double of_channel(const float *value, int64_t n, cfp_score_form form)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += form == CFP_FORM_POSITIONS ? fabs((double)value[i]) : (double)value[i];
    return (form == CFP_FORM_ABSOLUTE ? fabs(sum) : sum) / (double)n;
}

/* Makes the scores of all layers that have a sum, and frees the sums. */
static void give_scores(scoring *s, cfp_scores *out, cfp_score_form form)
{
    for (int m = 1; m < s->model->n_nodes; m++) {
        layer_sum *layer = &s->layer[m];
        for (int o = 0; layer->value != NULL && o < layer->channels; o++)
            out->score[m][o] =
                of_channel(layer->value + o * layer->positions, layer->positions, form);
        if (layer->value != NULL)
            cfp_scores_select(out, m, layer->channels, s->method->query.theta);
        cfp_free(layer->value);
        *layer = (layer_sum){0};
    }
}

/* --- activation --- */

static cfp_status add_maps(scoring *s, int sign)
{
    for (int m = 1; m < s->model->n_nodes; m++)
        if (s->out->score[m] != NULL)
            CFP_TRY(add_map(s, m, cfp_trace_value(s->analyser->trace, cfp_map_node(s->model, m)),
                            NULL, sign));
    return CFP_OK;
}

static cfp_status add_activations(scoring *s, const cfp_clip *clip)
{
    const cfp_input_spec *in = &s->model->input;
    const cfp_query *query = &s->method->query;
    CFP_TRY_ALLOC(s->ctx, s->input, 2 * values_in(in));
    float *const other = s->input + values_in(in);
    cfp_clip_normalise(s->input, clip, in);
    CFP_TRY(cfp_trace_forward(s->analyser->trace, s->input, s->logits));
    CFP_TRY(add_maps(s, 1));
    if (query->baseline == CFP_BASELINE_ZERO)
        return CFP_OK;
    if (query->baseline == CFP_BASELINE_CLIP)
        cfp_clip_normalise(other, s->method->other, in);
    else
        CFP_TRY(cfp_baseline_clip(other, s->ctx, in, query->baseline, query->seed, s->input));
    CFP_TRY(cfp_trace_forward(s->analyser->trace, other, s->logits));
    return add_maps(s, -1);
}

/* These scores are the same for every class. */
static cfp_status score_activations(scoring *s, const cfp_clip *clip, int n_classes)
{
    CFP_TRY(add_activations(s, clip));
    give_scores(s, s->out, CFP_FORM_POSITIONS);
    for (int k = 1; k < n_classes; k++)
        for (int m = 1; m < s->model->n_nodes; m++) {
            const size_t kernels = (size_t)s->model->node[m].shape.c;
            if (s->out[0].score[m] == NULL)
                continue;
            memcpy(s->out[k].score[m], s->out[0].score[m], kernels * sizeof(double));
            memcpy(s->out[k].selected[m], s->out[0].selected[m], kernels);
            s->out[k].n_selected[m] = s->out[0].n_selected[m];
        }
    return CFP_OK;
}

/* --- gradient-activation --- */

/* The backward pass starts from the target's gradient at each point. */
static cfp_status put_seeds(scoring *s, int class_index)
{
    cfp_analyser *a = s->analyser;
    const int points = a->entries.points, classes = s->model->n_classes;
    double *gradient;
    float *seed;
    CFP_TRY_ALLOC(s->ctx, gradient, classes);
    seed = cfp_alloc(s->ctx, (size_t)points * (size_t)classes, sizeof *seed);
    cfp_status status = seed == NULL ? CFP_NOMEM : CFP_OK;
    for (int k = 0; status == CFP_OK && k < a->part.count; k++) {
        cfp_target_gradient(gradient, a->trace->logits + (int64_t)k * classes, classes, class_index,
                            a->query.target);
        for (int c = 0; c < classes; c++)
            seed[(int64_t)k * classes + c] = (float)gradient[c];
    }
    if (status == CFP_OK)
        status = a->device.api->put(a->device.backend, a->ledger->seed, seed,
                                    (size_t)points * (size_t)classes * sizeof *seed);
    cfp_free(seed);
    cfp_free(gradient);
    return status;
}

/* The gradient at a node's output is complete: adds the product of every layer whose map it is. */
static cfp_status add_products(scoring *s, int node)
{
    const cfp_tensor *value = cfp_trace_value(s->analyser->trace, node);
    const cfp_tensor *gradient;
    for (int m = 1; m <= node && value != NULL; m++) {
        cfp_tensor x, g;
        if (s->out->score[m] == NULL || cfp_map_node(s->model, m) != node)
            continue;
        CFP_TRY(cfp_trace_gradient(&gradient, s->analyser->trace, node));
        if (gradient == NULL)
            return CFP_OK;
        CFP_TRY(cfp_blend_value(&x, s->analyser, node));
        CFP_TRY(cfp_blend_gradient(&g, s->analyser, gradient));
        CFP_TRY(add_map(s, m, &x, &g, 1));
    }
    return CFP_OK;
}

static cfp_status walk_back(scoring *s)
{
    CFP_TRY(cfp_backward_start(s->analyser->trace, s->analyser->ledger->seed));
    for (int i = s->model->logits; i > 0; i--) {
        CFP_TRY(add_products(s, i));
        CFP_TRY(cfp_backward_tail(s->analyser->trace, i, NULL));
        CFP_TRY(cfp_backward_head(s->analyser->trace, i, NULL, NULL));
        CFP_TRY(cfp_check_interrupt(s->ctx));
    }
    return CFP_OK;
}

/* One class: all points of --steps, in parts if memory is short. */
static cfp_status score_gradient(scoring *s, cfp_scores *out, const cfp_clip *clip, int class_index)
{
    cfp_analyser *a = s->analyser;
    const int steps = a->query.steps, max = a->entries.points;
    const cfp_shown shown = {.clip = &clip};
    if (a->other != s->method->other)
        cfp_analyser_compare_with(a, s->method->other);
    for (int first = 0; first < steps; first += max) {
        a->part = (cfp_part){.count = cfp_min_int(max, steps - first),
                             .first = first == 0,
                             .last = first + max >= steps};
        CFP_TRY(first == 0 ? cfp_entries_forward(a, &shown, s->logits)
                           : cfp_entries_points(a, &shown, first));
        CFP_TRY(put_seeds(s, class_index));
        CFP_TRY(walk_back(s));
    }
    give_scores(s, out, s->method->form);
    return CFP_OK;
}

/* --- both --- */

/* Opens the network, unless it is open.  Without a gradient it only runs forward, and keeps every
 * map. */
static cfp_status open_analyser(cfp_analyser **analyser, scoring *s, const cfp_device *device)
{
    const cfp_batch batch = {.clips = 1, .thetas = 1, .edgeless = true};
    if (*analyser != NULL)
        return CFP_OK;
    if (s->method->kind == CFP_SCORE_GRADIENT_ACTIVATION)
        return cfp_analyser_open(analyser, s->ctx, s->model, device, &s->method->query, &batch);
    uint8_t *keep;
    CFP_TRY_ALLOC(s->ctx, keep, s->model->n_nodes);
    for (int m = 1; m < s->model->n_nodes; m++)
        if (s->out->score[m] != NULL)
            keep[cfp_map_node(s->model, m)] = 1;
    const cfp_analyser_request request = {.depth = CFP_ALL_DEPTHS, .keep = keep};
    const cfp_status status =
        cfp_analyser_open_request(analyser, s->ctx, s->model, device, &request);
    cfp_free(keep);
    return status;
}

static cfp_status make_scores(scoring *s, const cfp_clip *clip, const int *class_index,
                              int n_classes)
{
    CFP_TRY_ALLOC(s->ctx, s->layer, s->model->n_nodes);
    CFP_TRY_ALLOC(s->ctx, s->logits, s->model->n_classes);
    if (s->method->kind == CFP_SCORE_ACTIVATION)
        return score_activations(s, clip, n_classes);
    for (int k = 0; k < n_classes; k++)
        CFP_TRY(score_gradient(s, &s->out[k], clip, class_index[k]));
    return CFP_OK;
}

cfp_status cfp_channel_scores(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                              const cfp_device *device, cfp_analyser **analyser,
                              const cfp_score_method *method, const cfp_clip *clip,
                              const int *class_index, int n_classes)
{
    scoring s = {.ctx = ctx, .model = model, .method = method, .out = out};
    CFP_TRY(open_analyser(analyser, &s, device));
    s.analyser = *analyser;
    const cfp_status status = make_scores(&s, clip, class_index, n_classes);
    for (int m = 0; s.layer != NULL && m < model->n_nodes; m++)
        cfp_free(s.layer[m].value);
    cfp_free(s.layer);
    cfp_free(s.buffer);
    cfp_free(s.input);
    cfp_free(s.logits);
    return status;
}
