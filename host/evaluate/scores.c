/* scores.c - see scores.h.  Has the selection of all methods, and the scores of those that descend.
 */
#include "scores.h"
#include "../method/analyser.h"
#include "channel_scores.h"
#include <math.h>
#include <string.h>

const char *const cfp_score_names[] = {"cfp",         "cfp-path",   "reference",           "grad",
                                       "grad-masked", "activation", "gradient-activation", "exact",
                                       "random",      NULL};
const char *const cfp_score_form_names[] = {"signed", "absolute", "positions", NULL};

void cfp_score_query(cfp_query *query, cfp_score_kind kind)
{
    const bool gradient = kind == CFP_SCORE_GRAD || kind == CFP_SCORE_GRAD_MASKED ||
                          kind == CFP_SCORE_GRADIENT_ACTIVATION || kind == CFP_SCORE_ACTIVATION;
    const cfp_query usual = cfp_query_default();
    query->rule = gradient                      ? CFP_RULE_GRAD
                  : kind == CFP_SCORE_REFERENCE ? CFP_RULE_REFERENCE
                                                : CFP_RULE_CFP;
    query->mask = gradient && kind != CFP_SCORE_GRAD_MASKED ? CFP_MASK_NONE : CFP_MASK_SELECTED;
    query->propagate = kind == CFP_SCORE_CFP_PATH ? CFP_PROPAGATE_PATH : CFP_PROPAGATE_EDGE;
    query->tubes = CFP_TUBES_NONE;
    query->top = 0;
    if (kind == CFP_SCORE_ACTIVATION)
        query->steps = 1;
    if (gradient) {
        query->class_relevance = usual.class_relevance;
    } else {
        query->baseline = usual.baseline;
        query->steps = usual.steps;
        query->turn_down = usual.turn_down;
    }
    if (query->rule != CFP_RULE_CFP)
        query->normalise = usual.normalise;
    if (!gradient && query->class_relevance != CFP_CLASS_CONTRAST)
        query->target = CFP_TARGET_BY_HEAD;
}

bool cfp_score_descends(cfp_score_kind kind)
{
    return kind != CFP_SCORE_EXACT && kind != CFP_SCORE_RANDOM;
}

/* --- scores of all layers --- */

bool cfp_is_scored(const cfp_model *model, int node, int depth)
{
    const cfp_node *n = &model->node[node];
    return cfp_is_kernel_layer(n) && n->depth > 0 && (depth == CFP_ALL_DEPTHS || n->depth <= depth);
}

static cfp_status open_layers(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model, int depth)
{
    out->n_nodes = model->n_nodes;
    CFP_TRY_ALLOC(ctx, out->score, model->n_nodes);
    CFP_TRY_ALLOC(ctx, out->selected, model->n_nodes);
    CFP_TRY_ALLOC(ctx, out->n_selected, model->n_nodes);
    for (int i = 1; i < model->n_nodes; i++) {
        if (!cfp_is_scored(model, i, depth))
            continue;
        const int kernels = model->node[i].shape.c;
        CFP_TRY_ALLOC(ctx, out->score[i], kernels);
        CFP_TRY_ALLOC(ctx, out->selected[i], kernels);
        for (int o = 0; o < kernels; o++)
            out->score[i][o] = -INFINITY;
    }
    return CFP_OK;
}

cfp_status cfp_scores_open(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model, int depth)
{
    *out = (cfp_scores){0};
    const cfp_status status = open_layers(out, ctx, model, depth);
    if (status != CFP_OK)
        cfp_scores_free(out);
    return status;
}

void cfp_scores_free(cfp_scores *scores)
{
    for (int i = 0; i < scores->n_nodes; i++) {
        if (scores->score != NULL)
            cfp_free(scores->score[i]);
        if (scores->selected != NULL)
            cfp_free(scores->selected[i]);
    }
    cfp_free(scores->score);
    cfp_free(scores->selected);
    cfp_free(scores->n_selected);
    *scores = (cfp_scores){0};
}

void cfp_scores_select(cfp_scores *scores, int node, int kernels, double theta)
{
    const double *score = scores->score[node];
    double highest = 0;
    for (int o = 0; o < kernels; o++)
        highest = score[o] > highest ? score[o] : highest;
    scores->n_selected[node] = 0;
    for (int o = 0; o < kernels; o++) {
        const double relevance = highest > 0 && score[o] > 0 ? score[o] / highest : 0;
        scores->selected[node][o] = highest > 0 && relevance >= theta;
        scores->n_selected[node] += scores->selected[node][o];
    }
}

void cfp_scores_draw(cfp_scores *scores, const cfp_model *model, double theta, cfp_random stream)
{
    for (int i = 1; i < scores->n_nodes; i++) {
        if (scores->score[i] == NULL)
            continue;
        const int kernels = model->node[i].shape.c;
        cfp_random mine =
            cfp_random_of_text(cfp_random_of_text(stream, "score"), model->node[i].name);
        for (int o = 0; o < kernels; o++)
            scores->score[i][o] = cfp_random_unit(&mine);
        cfp_scores_select(scores, i, kernels, theta);
    }
}

/* --- from a descent --- */

static void take_selection(cfp_scores *out, const cfp_pyramid *pyramid)
{
    for (int k = 0; k < pyramid->n_layers; k++) {
        const cfp_layer *layer = &pyramid->layer[k];
        if (out->score[layer->node] == NULL)
            continue;
        out->n_selected[layer->node] = layer->n_selected;
        for (int j = 0; j < layer->n_selected; j++)
            out->selected[layer->node][layer->selected[j]] = 1;
    }
}

/* The score is R at a theta of 0, which selects every kernel that can be reached; of others 0. */
static void take_relevance(cfp_scores *out, const cfp_model *model, const cfp_pyramid *pyramid)
{
    for (int i = 1; i < out->n_nodes; i++)
        for (int o = 0; out->score[i] != NULL && o < model->node[i].shape.c; o++)
            out->score[i][o] = 0;
    for (int k = 0; k < pyramid->n_layers; k++) {
        const cfp_layer *layer = &pyramid->layer[k];
        for (int o = 0; out->score[layer->node] != NULL && o < layer->n_kernels; o++)
            out->score[layer->node][o] = (double)layer->relevance[o];
    }
}

/* Raises the scores of the kernels that a channel comes from.  The highest of all layers counts. */
static cfp_status raise_kernels(cfp_scores *out, const cfp_analyser *analyser, int node,
                                int channel, double score)
{
    cfp_origin *origin;
    int n;
    CFP_TRY(cfp_origins(&origin, &n, analyser->ctx, analyser->model, node, channel, false));
    for (int k = 0; k < n; k++) {
        double *to = out->score[origin[k].node];
        if (to != NULL && score > to[origin[k].kernel])
            to[origin[k].kernel] = score;
    }
    cfp_free(origin);
    return CFP_OK;
}

/* The score is v(i) over the highest v of the layer, and may be below 0: kernels that speak against
 * the class come last.  If no v is above 0, it is v(i) over the largest |v|. */
static cfp_status score_channels(cfp_scores *out, cfp_analyser *analyser, int node, const float *v,
                                 int n)
{
    double highest = 0, largest = 0;
    for (int i = 0; i < n; i++) {
        highest = (double)v[i] > highest ? (double)v[i] : highest;
        largest = fabs((double)v[i]) > largest ? fabs((double)v[i]) : largest;
    }
    const double scale = highest > 0 ? highest : largest > 0 ? largest : 1;
    for (int i = 0; i < n; i++)
        CFP_TRY(raise_kernels(out, analyser, analyser->model->node[node].input[0], i,
                              (double)v[i] / scale));
    return CFP_OK;
}

static cfp_status gradient_layer(cfp_scores *out, cfp_analyser *analyser, int node)
{
    const int n = cfp_channels_in(analyser->model, &analyser->model->node[node]);
    const float *product = analyser->ledger->node[node].product;
    float *v;
    if (product == NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(analyser->ctx, v, n);
    cfp_status status =
        analyser->device.api->fetch(analyser->device.backend, v, product, (size_t)n * sizeof *v);
    if (status == CFP_OK)
        status = score_channels(out, analyser, node, v, n);
    cfp_free(v);
    return status;
}

/* Rule grad: scores of the layers that the descent at the lowest theta visited. */
static cfp_status gradient_scores(cfp_scores *out, cfp_analyser *analyser,
                                  const cfp_pyramid *pyramid)
{
    for (int k = 0; k < pyramid->n_layers; k++)
        CFP_TRY(gradient_layer(out, analyser, pyramid->layer[k].node));
    return CFP_OK;
}

/* One descent answers two thetas: that of the method, which selects, and 0, which scores.
 * grad-masked has only the first, because its gradient depends on theta.  So has a method of which
 * only the selection is wanted. */
static cfp_status score_class(cfp_scores *out, cfp_analyser *analyser, const cfp_clip *clip,
                              int class_index)
{
    const int thetas = analyser->thetas;
    cfp_explanation e[2];
    CFP_TRY(cfp_explain_batch(e, analyser, &clip, &class_index, CFP_INTERP_LINEAR));
    const cfp_pyramid *const lowest = &e[thetas - 1].pyramid;
    cfp_status status = CFP_OK;
    take_selection(out, &e[0].pyramid);
    if (analyser->query.rule == CFP_RULE_GRAD)
        status = gradient_scores(out, analyser, lowest);
    else
        take_relevance(out, analyser->model, lowest);
    for (int q = 0; q < thetas; q++)
        cfp_explanation_free(&e[q]);
    return status;
}

static cfp_status open_analyser(cfp_analyser **analyser, cfp_ctx *ctx, const cfp_model *model,
                                const cfp_device *device, const cfp_score_method *method)
{
    const cfp_query *query = &method->query;
    const double theta[2] = {query->theta, 0};
    const bool masked = query->rule == CFP_RULE_GRAD && query->mask == CFP_MASK_SELECTED;
    const cfp_batch batch = {
        .clips = 1, .thetas = method->selects || masked ? 1 : 2, .theta = theta, .edgeless = true};
    if (*analyser != NULL)
        return CFP_OK;
    CFP_TRY(cfp_analyser_open(analyser, ctx, model, device, query, &batch));
    cfp_analyser_compare_with(*analyser, method->other);
    return CFP_OK;
}

static cfp_status score_classes(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                                const cfp_device *device, cfp_analyser **analyser,
                                const cfp_score_method *method, const cfp_clip *clip,
                                const int *class_index, int n_classes)
{
    CFP_TRY(open_analyser(analyser, ctx, model, device, method));
    for (int k = 0; k < n_classes; k++)
        CFP_TRY(score_class(&out[k], *analyser, clip, class_index[k]));
    return CFP_OK;
}

/* True: the method scores kernels by their own channels of the map. */
static bool looks_at_maps(cfp_score_kind kind)
{
    return kind == CFP_SCORE_ACTIVATION || kind == CFP_SCORE_GRADIENT_ACTIVATION;
}

cfp_status cfp_scores_make(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                           const cfp_device *device, cfp_analyser **analyser,
                           const cfp_score_method *method, const cfp_clip *clip,
                           const int *class_index, int n_classes)
{
    cfp_status (*const make)(cfp_scores *, cfp_ctx *, const cfp_model *, const cfp_device *,
                             cfp_analyser **, const cfp_score_method *, const cfp_clip *,
                             const int *, int) =
        looks_at_maps(method->kind) ? cfp_channel_scores : score_classes;
    cfp_status status = CFP_OK;
    for (int k = 0; k < n_classes; k++)
        out[k] = (cfp_scores){0};
    for (int k = 0; k < n_classes && status == CFP_OK; k++)
        status = cfp_scores_open(&out[k], ctx, model, method->query.depth);
    if (status == CFP_OK)
        status = make(out, ctx, model, device, analyser, method, clip, class_index, n_classes);
    for (int k = 0; k < n_classes && status != CFP_OK; k++)
        cfp_scores_free(&out[k]);
    return status;
}
