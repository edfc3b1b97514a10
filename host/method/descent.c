/* descent.c - the method: one walk backwards over the graph, each kernel layer met once.
 *
 * A demand is a number R per channel of a node's output.  Nodes stand in topological order, so
 * walking backwards every consumer has spoken before its producer is asked: demands that meet are
 * merged by their maximum, however many branches lead there, and no path is ever walked twice.
 *
 *     not a kernel layer   route: each demanded channel goes to the input channel it came from
 *     a kernel layer       its demanded kernels are selected; each back-steps to the channels that
 *                          are relevant to it, which become the demand on its input
 */
#include "descent.h"
#include "rules.h"
#include "tube_maps.h"
#include <stdlib.h>
#include <string.h>

enum { UNSELECTED = -1 }; /* R of a channel that nobody demands; R itself is never negative */

struct candidate { /* a channel whose relevance reached theta */
    int channel;
    float relevance;
};

struct descent {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_trace *trace;
    const cfp_query *query;
    cfp_tube_maps *maps;
    cfp_pyramid *pyramid;
    double **demand; /* [n_nodes] [C] R of every channel of a node's output; NULL: none demanded */
    /* Working space for one layer, [most channels of any tensor]: */
    float *relevance, *product;
    double *value;
    double *child; /* R(i) of the channels that the layer at hand selected */
    struct candidate *candidate;
    uint8_t *keep;
};

static cfp_status demand_on(struct descent *d, double **out, int node)
{
    if (d->demand[node] == NULL) {
        const int channels = d->model->node[node].shape.c;
        CFP_TRY_ALLOC(d->ctx, d->demand[node], channels);
        for (int c = 0; c < channels; c++)
            d->demand[node][c] = UNSELECTED;
    }
    *out = d->demand[node];
    return CFP_OK;
}

static cfp_status route(struct descent *d, int index)
{
    const cfp_node *node = &d->model->node[index];
    const double *from = d->demand[index];
    const int n_followed =
        node->op == CFP_OP_ADD && d->query->rule == CFP_RULE_REFERENCE ? 1 : node->n_inputs;
    for (int k = 0; k < n_followed; k++) {
        double *to = NULL;
        for (int j = 0; j < node->shape.c; j++) {
            const int i = from[j] < 0 ? -1 : cfp_route(d->model, index, k, j);
            if (i < 0)
                continue;
            if (to == NULL)
                CFP_TRY(demand_on(d, &to, node->input[k]));
            to[i] = from[j] > to[i] ? from[j] : to[i];
        }
    }
    return CFP_OK;
}

static cfp_status add_edge(struct descent *d, cfp_layer *layer, int64_t *room, int o, int i,
                           float relevance)
{
    if (layer->n_edges == *room) {
        const int64_t more = *room == 0 ? 256 : 2 * *room;
        cfp_edge *grown;
        CFP_TRY_ALLOC(d->ctx, grown, more);
        if (layer->n_edges > 0)
            memcpy(grown, layer->edge, (size_t)layer->n_edges * sizeof *grown);
        cfp_free(layer->edge);
        layer->edge = grown;
        *room = more;
    }
    layer->edge[layer->n_edges++] = (cfp_edge){o, i, relevance};
    return CFP_OK;
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
static int keep_top(struct candidate *candidate, int n, int top)
{
    if (top <= 0 || n <= top)
        return n;
    qsort(candidate, (size_t)n, sizeof *candidate, by_relevance);
    qsort(candidate, (size_t)top, sizeof *candidate, by_channel);
    return top;
}

/* One kernel's back-step: the channels that are relevant to it join the demand on the input. */
static cfp_status back_step(struct descent *d, cfp_layer *layer, const cfp_rule_layer *rule, int o,
                            int64_t *room)
{
    const cfp_query *q = d->query;
    const double gain = q->propagate == CFP_PROPAGATE_PATH ? d->demand[layer->node][o] : 1.0;
    const cfp_span span = cfp_rule_score(d->relevance, d->value, rule, q, o);
    int n = 0;
    for (int i = 0; i < span.n; i++) /* NaN compares false: not selected */
        if (gain * (double)d->relevance[i] >= q->theta)
            d->candidate[n++] = (struct candidate){span.first + i, d->relevance[i]};
    n = keep_top(d->candidate, n, q->top);
    for (int k = 0; k < n; k++) {
        const struct candidate *c = &d->candidate[k];
        const double reached = gain * (double)c->relevance;
        if (reached > d->child[c->channel])
            d->child[c->channel] = reached;
        if (q->rule != CFP_RULE_GRAD)
            CFP_TRY(add_edge(d, layer, room, o, c->channel, c->relevance));
    }
    return CFP_OK;
}

/* The union of what its kernels selected: the layer's children, and the demand on its input. */
static cfp_status pass_on(struct descent *d, cfp_layer *layer)
{
    const cfp_node *node = &d->model->node[layer->node];
    const int channels = cfp_channels_in(d->model, node);
    for (int i = 0; i < channels; i++)
        layer->n_children += d->child[i] >= 0;
    CFP_TRY_ALLOC(d->ctx, layer->child, layer->n_children);
    CFP_TRY_ALLOC(d->ctx, layer->child_relevance, layer->n_children);
    if (layer->n_children == 0)
        return CFP_OK;
    double *to;
    CFP_TRY(demand_on(d, &to, node->input[0]));
    for (int i = 0, n = 0; i < channels; i++) {
        if (d->child[i] < 0)
            continue;
        layer->child[n] = i;
        layer->child_relevance[n++] = (float)d->child[i];
        to[i] = d->child[i] > to[i] ? d->child[i] : to[i];
    }
    return CFP_OK;
}

/* The demanded kernels are the layer's selected ones (SPEC "Routing"). */
static cfp_status select_kernels(struct descent *d, cfp_layer *layer, int index)
{
    const cfp_node *node = &d->model->node[index];
    const double *demand = d->demand[index];
    layer->node = index;
    layer->depth = node->depth;
    layer->n_kernels = node->shape.c;
    CFP_TRY_ALLOC(d->ctx, layer->relevance, node->shape.c);
    CFP_TRY_ALLOC(d->ctx, layer->selected, node->shape.c);
    for (int o = 0; o < node->shape.c; o++) {
        d->keep[o] = demand[o] >= 0;
        if (!d->keep[o])
            continue;
        layer->relevance[o] = (float)demand[o];
        layer->selected[layer->n_selected++] = o;
    }
    return CFP_OK;
}

static cfp_status visit(struct descent *d, int index)
{
    const cfp_model *model = d->model;
    const cfp_node *node = &model->node[index];
    cfp_layer *layer = &d->pyramid->layer[d->pyramid->n_layers++];
    CFP_TRY(select_kernels(d, layer, index));

    const int channels = cfp_channels_in(model, node);
    cfp_rule_layer rule = {.model = model, .node = node, .classifier = node->depth == 0};
    if (d->query->rule == CFP_RULE_GRAD) {
        memset(d->product, 0, (size_t)channels * sizeof *d->product);
        CFP_TRY(cfp_backward_through(d->trace, index, d->keep, d->product));
        rule.product = d->product;
    } else {
        rule.x_mean = cfp_trace_mean(d->trace, node->input[0]);
    }
    cfp_rule_prepare(&rule, d->query);
    for (int i = 0; i < channels; i++)
        d->child[i] = UNSELECTED;
    int64_t room = 0;
    for (int s = 0; s < layer->n_selected; s++)
        CFP_TRY(back_step(d, layer, &rule, layer->selected[s], &room));
    return pass_on(d, layer);
}

static cfp_status walk(struct descent *d, int class_index)
{
    const bool grad = d->query->rule == CFP_RULE_GRAD;
    double *demand;
    CFP_TRY(demand_on(d, &demand, d->model->logits));
    demand[class_index] = 1.0; /* SPEC: the relevance R of the class kernel */
    if (grad)
        CFP_TRY(cfp_backward_start(d->trace, class_index));

    for (int i = d->model->logits; i > 0; i--) {
        const cfp_node *node = &d->model->node[i];
        const bool demanded = d->demand[i] != NULL;
        if (grad) {
            if (demanded)
                CFP_TRY(cfp_tube_maps_at(d->maps, d->trace, i, d->demand[i]));
            CFP_TRY(cfp_backward_leave(d->trace, i));
        }
        /* Only kernel layers mask: a gradient goes through every other node, demanded or not. */
        if (grad && !cfp_is_kernel_layer(node))
            CFP_TRY(cfp_backward_through(d->trace, i, NULL, NULL));
        if (demanded && !cfp_is_kernel_layer(node))
            CFP_TRY(route(d, i));
        else if (demanded && cfp_within_depth(d->trace, node)) /* else: below --depth */
            CFP_TRY(visit(d, i));
        CFP_TRY(cfp_check_interrupt(d->ctx));
    }
    return CFP_OK;
}

/* By depth; within a depth from the output upwards, as they were met. */
static int by_depth(const void *a, const void *b)
{
    const cfp_layer *x = a, *y = b;
    return x->depth != y->depth ? x->depth - y->depth : y->node - x->node;
}

static cfp_status open_descent(struct descent *d)
{
    int most = 1, n_layers = 0;
    for (int i = 0; i < d->model->n_nodes; i++) {
        most = cfp_max_int(most, d->model->node[i].shape.c);
        n_layers += cfp_is_kernel_layer(&d->model->node[i]);
    }
    CFP_TRY_ALLOC(d->ctx, d->demand, d->model->n_nodes);
    CFP_TRY_ALLOC(d->ctx, d->relevance, most);
    CFP_TRY_ALLOC(d->ctx, d->product, most);
    CFP_TRY_ALLOC(d->ctx, d->value, most);
    CFP_TRY_ALLOC(d->ctx, d->child, most);
    CFP_TRY_ALLOC(d->ctx, d->candidate, most);
    CFP_TRY_ALLOC(d->ctx, d->keep, most);
    CFP_TRY_ALLOC(d->ctx, d->pyramid->layer, n_layers);
    return CFP_OK;
}

static void close_descent(struct descent *d)
{
    for (int i = 0; d->demand != NULL && i < d->model->n_nodes; i++)
        cfp_free(d->demand[i]);
    cfp_free(d->demand);
    cfp_free(d->relevance);
    cfp_free(d->product);
    cfp_free(d->value);
    cfp_free(d->child);
    cfp_free(d->candidate);
    cfp_free(d->keep);
}

cfp_status cfp_descend(cfp_pyramid *out, cfp_trace *trace, const cfp_query *query, int class_index,
                       cfp_tube_maps *maps)
{
    struct descent d = {.ctx = trace->ctx,
                        .model = trace->model,
                        .trace = trace,
                        .query = query,
                        .maps = maps,
                        .pyramid = out};
    *out = (cfp_pyramid){.class_index = class_index};
    cfp_status status = open_descent(&d);
    if (status == CFP_OK)
        status = walk(&d, class_index);
    if (status == CFP_OK)
        qsort(out->layer, (size_t)out->n_layers, sizeof *out->layer, by_depth);
    close_descent(&d);
    if (status != CFP_OK)
        cfp_pyramid_free(out);
    return status;
}
