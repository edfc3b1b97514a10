/* descent.c - the method: one walk backwards over the graph, which visits each kernel layer once.
 *
 * A demand is a number R for each channel of a node's output.  Nodes are in topological order.  So
 * when the walk comes to a node, all its consumers have made their demands.  Demands that meet are
 * merged by their maximum, however many branches lead there, and no path is walked twice.
 *
 *     not a kernel layer   A demand on a channel goes to the input channel that it came from. These
 *                          routes are composed beforehand, from kernel layer to kernel layer
 *                          (destinations.h).
 *     a kernel layer       Its demanded kernels are selected.  Each demands the channels that are
 *                          relevant to it, of the tensor that the layer reads: the back-step.
 *
 * All questions walk together.  The walk only enqueues: the demands lie in the backend's memory
 * (ledger.h), and the host waits for them once, after the walk. */
#include "descent.h"
#include "combine_entries.h"
#include "rules.h"
#include "target.h"
#include "tube_maps.h"
#include <stdlib.h>
#include <string.h>

static cfp_ledger_node *kept(cfp_analyser *a, int node)
{
    return &a->ledger->node[node];
}

/* Passes the demand on the class to the first kernel layers. */
static cfp_status demand_classes(cfp_analyser *a)
{
    const cfp_ledger *l = a->ledger;
    for (int k = 0; k < l->destinations[0].n; k++) {
        const cfp_destination *target = &l->destinations[0].target[k];
        const cfp_demand_route route = {.from = l->start,
                                        .to = kept(a, target->node)->demand,
                                        .map = target->there,
                                        .questions = l->questions,
                                        .n_from = a->model->n_classes,
                                        .n_to = a->model->node[target->node].shape.c};
        CFP_TRY(a->device.api->route(a->device.backend, &route));
    }
    return CFP_OK;
}

cfp_back_step cfp_back_step_of(cfp_analyser *a, int index)
{
    const cfp_ledger *l = a->ledger;
    const cfp_ledger_node *mine = kept(a, index);
    const cfp_node *node = &a->model->node[index];
    cfp_back_step step = a->rule_step[index];
    if (mine->kernel_mean != NULL) {
        step.kernel_mean = mine->kernel_mean;
        step.kernel_scale = mine->kernel_scale;
    }
    step.input =
        step.rule == CFP_RULE_GRAD ? mine->product : cfp_trace_mean(a->trace, node->input[0]);
    step.contrast = mine->contrast;
    step.pair = mine->pair;
    step.clips = l->clips;
    step.thetas = l->thetas;
    step.theta = l->theta;
    step.demand = mine->demand;
    step.child = mine->child;
    step.target = mine->target;
    step.n_targets = l->destinations[index].n;
    step.n_edges = mine->n_edges;
    step.edges = mine->edges;
    step.row = mine->row;
    return step;
}

/* The kernels that pass the gradient on; NULL: all do.  At the classifier the rivals do, too. */
static const cfp_demand *mask_of(cfp_analyser *a, int index)
{
    const bool all = a->query.mask == CFP_MASK_NONE || a->model->node[index].depth == 0;
    return all ? NULL : kept(a, index)->demand;
}

/* Takes the gradient back through the tail of node i's step.  When the walk comes to it, the
 * demands on the step's kernels are complete: they come only from nodes after the tail. */
static cfp_status backward_tail(cfp_analyser *a, int i)
{
    const int s = a->trace->step_of[i];
    const cfp_demand *mask = s >= 0 ? mask_of(a, a->trace->step[s].head) : NULL;
    return cfp_backward_tail(a->trace, i, mask);
}

/* Rule grad: takes v(i) = mean over T, H, W of x(i) * G(i) of a kernel layer. */
typedef struct weighing {
    const cfp_analyser *a;
    float *product; /* [clips][C] */
    int node;       /* whose output the layer reads */
    cfp_tensor x;   /* of that output: the value minus the baseline's; data NULL: not made */
} weighing;

static cfp_status weigh_channels(void *cookie, const cfp_tensor *x, const cfp_tensor *g)
{
    weighing *w = cookie;
    cfp_tensor gradient;
    (void)x;
    CFP_TRY(cfp_blend_value(&w->x, w->a, w->node));
    CFP_TRY(cfp_blend_gradient(&gradient, w->a, g));
    return w->a->device.api->channel_mean(w->a->device.backend, w->product, &w->x, &gradient);
}

/* Rule grad: takes the gradient back through kernel layer `index`, and computes v(i) for the
 * channels that it reads.  If the points come in parts, the v(i) of all parts are added up.  *x:
 * what the layer reads, as in weighing. */
static cfp_status gather_products(cfp_tensor *x, cfp_analyser *a, int index)
{
    const cfp_backend_api *api = a->device.api;
    const cfp_ledger *l = a->ledger;
    const int channels = a->rule_step[index].channels;
    const size_t bytes = (size_t)l->clips * (size_t)channels * sizeof(float);
    const cfp_shape vector = {l->clips, channels, 1, 1, 1};
    cfp_tensor sum = {.shape = vector, .block = 1, .data = kept(a, index)->product};
    cfp_tensor part = {.shape = vector, .block = 1, .data = l->part_product};
    const bool adds = a->part.walk == CFP_WALK_GATHER && !a->part.first;
    weighing w = {a, adds ? part.data : sum.data, a->model->node[index].input[0], {.data = NULL}};
    const cfp_gradient_watch watch = {weigh_channels, &w};
    x->data = NULL;
    if (a->part.walk == CFP_WALK_WEIGH)
        return cfp_backward_head(a->trace, index, mask_of(a, index), NULL);
    CFP_TRY(cfp_backward_head(a->trace, index, mask_of(a, index), &watch));
    *x = w.x;
    if (x->data == NULL) /* no gradient came: nothing is relevant */
        CFP_TRY(api->fill(a->device.backend, w.product, 0, bytes));
    return adds ? api->accumulate(a->device.backend, &sum, &part) : CFP_OK;
}

/* Rule grad: computes v(o, i) for each selected pair of a kernel and a channel.  made: what the
 * layer reads, if gather_products has made it. */
static cfp_status weigh_pairs(cfp_analyser *a, int index, const cfp_back_step *step,
                              const cfp_tensor *made)
{
    const cfp_backend_api *api = a->device.api;
    const cfp_ledger_node *mine = kept(a, index);
    const cfp_node *node = &a->model->node[index];
    const cfp_tensor *g = cfp_backward_output(a->trace, index);
    const size_t count =
        (size_t)step->clips * (size_t)step->kernels * (size_t)(step->channels / step->groups);
    cfp_tensor x = *made, dy;
    if (g == NULL && a->part.first) /* no gradient came */
        return api->fill(a->device.backend, mine->pair, 0, count * sizeof *mine->pair);
    if (g == NULL)
        return CFP_OK;
    if (x.data == NULL)
        CFP_TRY(cfp_blend_value(&x, a, node->input[0]));
    CFP_TRY(cfp_blend_gradient(&dy, a, g));
    const cfp_pairs pairs = {.step = step,
                             .node = node,
                             .weight = mine->weight != NULL ? mine->weight : node->weight,
                             .x = &x,
                             .dy = &dy,
                             .value = mine->pair,
                             .adds = !a->part.first};
    return api->weigh_pairs(a->device.backend, &pairs);
}

/* Rule grad: after the last part, picks the selected pairs that are edges. */
static cfp_status weigh_edges(cfp_analyser *a, int index, const cfp_back_step *step,
                              const cfp_tensor *x)
{
    if (a->edgeless)
        return CFP_OK;
    if (kept(a, index)->pair != NULL)
        CFP_TRY(weigh_pairs(a, index, step, x));
    return a->part.last ? a->device.api->pick_edges(a->device.backend, step) : CFP_OK;
}

/* Visits a kernel layer: its demanded kernels make their demands. */
static cfp_status visit(cfp_analyser *a, int index)
{
    const cfp_back_step step = cfp_back_step_of(a, index);
    cfp_tensor x = {.data = NULL};
    if (step.rule == CFP_RULE_GRAD)
        CFP_TRY(gather_products(&x, a, index));
    if (a->part.first)
        CFP_TRY(a->device.api->back_step(a->device.backend, &step));
    return step.rule == CFP_RULE_GRAD ? weigh_edges(a, index, &step, &x) : CFP_OK;
}

/* True: the whole gradient goes on, through layers without a demand, too. */
static bool passes_unasked(const cfp_analyser *a, const cfp_node *node)
{
    return a->query.mask == CFP_MASK_NONE || node->depth == 0;
}

/* One node of a walk that only gathers v(i). */
static cfp_status gather_at(cfp_analyser *a, int i)
{
    const cfp_node *node = &a->model->node[i];
    cfp_tensor x;
    CFP_TRY(backward_tail(a, i));
    if (cfp_is_kernel_layer(node))
        return kept(a, i)->product != NULL ? gather_products(&x, a, i) : CFP_OK;
    return cfp_backward_head(a->trace, i, NULL, NULL);
}

/* One node of the walk. */
static cfp_status step_back(cfp_analyser *a, int i)
{
    const cfp_node *node = &a->model->node[i];
    const bool grad = a->query.rule == CFP_RULE_GRAD;
    if (a->part.walk == CFP_WALK_GATHER)
        return gather_at(a, i);
    const bool demanded = kept(a, i)->demand != NULL && cfp_may_be_demanded(a->ledger, i);
    if (grad) {
        CFP_TRY(cfp_tube_maps_at(a, i));
        CFP_TRY(backward_tail(a, i));
    }
    /* only kernel layers mask: every other node passes its gradient on, demanded or not */
    if (grad && !cfp_is_kernel_layer(node))
        CFP_TRY(cfp_backward_head(a->trace, i, NULL, NULL));
    if (demanded)
        return visit(a, i);
    if (grad && cfp_is_kernel_layer(node) && passes_unasked(a, node))
        return cfp_backward_head(a->trace, i, NULL, NULL);
    return CFP_OK;
}

/* The walk, from the logits to the clip. */
static cfp_status walk(void *cookie)
{
    cfp_analyser *a = cookie;
    const cfp_model *model = a->model;
    const cfp_backend_api *api = a->device.api;
    const cfp_ledger *l = a->ledger;
    memset(a->map_made, 0, (size_t)model->n_nodes * sizeof *a->map_made);
    if (a->part.first && a->part.walk != CFP_WALK_GATHER) {
        CFP_TRY(api->fill(a->device.backend, l->memory, 0xff, l->demand_bytes));
        CFP_TRY(demand_classes(a));
    }
    if (a->query.rule == CFP_RULE_GRAD)
        CFP_TRY(cfp_backward_start(a->trace, l->seed));

    for (int i = model->logits; i > 0; i--) {
        cfp_range_begin(api, a->device.backend, CFP_RANGE_DESCENT, model->node[i].name, 0);
        const cfp_status status = step_back(a, i);
        cfp_range_end(api, a->device.backend);
        CFP_TRY(status);
        CFP_TRY(cfp_check_interrupt(a->ctx));
        cfp_progress(a->ctx, "descent", model->logits - i + 1, model->logits);
    }
    return CFP_OK;
}

/* Writes the demand that the walk starts from: the class, with R = 1 (SPEC). */
static cfp_status put_classes(cfp_analyser *a, const int *class_index)
{
    const cfp_ledger *l = a->ledger;
    const cfp_backend_api *api = a->device.api;
    const int n_classes = a->model->n_classes;
    const int64_t count = (int64_t)l->questions * n_classes;
    cfp_demand *start;
    CFP_TRY_ALLOC(a->ctx, start, count);
    for (int64_t i = 0; i < count; i++)
        start[i] = i % n_classes == class_index[i / n_classes / l->thetas] ? cfp_demand_of(1.0)
                                                                           : CFP_NOT_DEMANDED;
    const cfp_status status =
        api->put(a->device.backend, l->start, start, (size_t)count * sizeof *start);
    cfp_free(start);
    return status;
}

/* The logits of one point of a clip. */
static const float *logits_of(const cfp_analyser *a, int clip, int point)
{
    return a->trace->logits + ((int64_t)clip * a->entries.points + point) * a->model->n_classes;
}

/* Rule grad: writes the gradients that the backward pass starts from.  Each point has the target's
 * gradient at its own logits.  Points beyond the last one of a part start from 0. */
static cfp_status put_seeds(cfp_analyser *a, const int *class_index, double *gradient)
{
    const cfp_ledger *l = a->ledger;
    const int points = a->entries.points, classes = a->model->n_classes;
    const int64_t count = (int64_t)l->clips * points * classes;
    float *seed;
    CFP_TRY_ALLOC(a->ctx, seed, count); /* zeros */
    for (int n = 0; n < l->clips; n++)
        for (int k = 0; k < a->part.count; k++) {
            cfp_model_target_gradient(gradient, a->model, logits_of(a, n, k), class_index[n],
                                      a->query.target);
            for (int c = 0; c < classes; c++)
                seed[((int64_t)n * points + k) * classes + c] = (float)gradient[c];
        }
    const cfp_status status =
        a->device.api->put(a->device.backend, l->seed, seed, (size_t)count * sizeof *seed);
    cfp_free(seed);
    return status;
}

/* CFP_CLASS_CONTRAST: writes the weights of the means at classifier `index`, for every clip. */
static cfp_status put_contrast(cfp_analyser *a, const int *class_index, int index, double *gradient)
{
    const cfp_ledger *l = a->ledger;
    const int channels = a->rule_step[index].channels;
    double *weight;
    cfp_status status = CFP_OK;
    CFP_TRY_ALLOC(a->ctx, weight, (int64_t)l->clips * channels);
    for (int n = 0; n < l->clips && status == CFP_OK; n++) {
        cfp_model_target_gradient(gradient, a->model, logits_of(a, n, 0), class_index[n],
                                  a->query.target);
        status = cfp_contrast(weight + (int64_t)n * channels, a->ctx, a->model, index, gradient,
                              a->query.rule == CFP_RULE_REFERENCE);
    }
    if (status == CFP_OK)
        status = a->device.api->put(a->device.backend, kept(a, index)->contrast, weight,
                                    (size_t)l->clips * (size_t)channels * sizeof *weight);
    cfp_free(weight);
    return status;
}

/* Writes everything that depends on the target's gradient. */
static cfp_status put_target(cfp_analyser *a, const int *class_index)
{
    double *gradient;
    CFP_TRY_ALLOC(a->ctx, gradient, a->model->n_classes);
    cfp_status status = CFP_OK;
    if (a->query.rule == CFP_RULE_GRAD)
        status = put_seeds(a, class_index, gradient);
    for (int i = 1; i < a->model->n_nodes && status == CFP_OK; i++)
        if (kept(a, i)->contrast != NULL)
            status = put_contrast(a, class_index, i, gradient);
    cfp_free(gradient);
    return status;
}

/* --- reading what was found --- */

/* The demanded kernels are the layer's selected ones (SPEC "Routing"). */
static cfp_status select_kernels(cfp_layer *layer, cfp_analyser *a, int index,
                                 const cfp_demand *demanded)
{
    const cfp_node *node = &a->model->node[index];
    layer->node = index;
    layer->depth = node->depth;
    layer->n_kernels = node->shape.c;
    CFP_TRY_ALLOC(a->ctx, layer->relevance, node->shape.c);
    CFP_TRY_ALLOC(a->ctx, layer->selected, node->shape.c);
    for (int o = 0; o < node->shape.c; o++) {
        if (demanded[o] < 0)
            continue;
        layer->relevance[o] = (float)cfp_demanded_relevance(demanded[o]);
        layer->selected[layer->n_selected++] = o;
    }
    return CFP_OK;
}

/* The channels that at least one of its kernels selected. */
static cfp_status name_children(cfp_layer *layer, cfp_analyser *a, const cfp_demand *child,
                                int channels)
{
    for (int i = 0; i < channels; i++)
        layer->n_children += child[i] >= 0;
    CFP_TRY_ALLOC(a->ctx, layer->child, layer->n_children);
    CFP_TRY_ALLOC(a->ctx, layer->child_relevance, layer->n_children);
    for (int i = 0, n = 0; i < channels; i++) {
        if (child[i] < 0)
            continue;
        layer->child[n] = i;
        layer->child_relevance[n++] = (float)cfp_demanded_relevance(child[i]);
    }
    return CFP_OK;
}

static cfp_status read_layer(cfp_pyramid *out, cfp_analyser *a, int question, int index)
{
    const cfp_ledger *l = a->ledger;
    const int kernels = a->model->node[index].shape.c;
    const int channels = a->rule_step[index].channels;
    const cfp_demand *demanded =
        (const cfp_demand *)cfp_ledger_seen(l, l->node[index].demand) + (int64_t)question * kernels;
    const cfp_demand *child =
        (const cfp_demand *)cfp_ledger_seen(l, l->node[index].child) + (int64_t)question * channels;
    bool any = false;
    for (int o = 0; o < kernels; o++)
        any |= demanded[o] >= 0;
    if (!any)
        return CFP_OK; /* not visited in this question */
    cfp_layer *layer = &out->layer[out->n_layers++];
    CFP_TRY(select_kernels(layer, a, index, demanded));
    return name_children(layer, a, child, channels);
}

/* Counts the edges of each layer in this question and allocates them.  *total: of all layers. */
static cfp_status count_edges(int64_t *total, cfp_pyramid *out, cfp_analyser *a, int question)
{
    *total = 0;
    for (int k = 0; k < out->n_layers; k++) {
        cfp_layer *layer = &out->layer[k];
        const int32_t *counts = kept(a, layer->node)->n_edges;
        const int32_t *n = (const int32_t *)cfp_ledger_seen(a->ledger, counts) +
                           (int64_t)question * layer->n_kernels;
        for (int o = 0; o < layer->n_kernels; o++)
            layer->n_edges += n[o];
        if (!a->unlisted)
            CFP_TRY_ALLOC(a->ctx, layer->edge, layer->n_edges);
        *total += layer->n_edges;
    }
    return CFP_OK;
}

/* Edges are bits in the backend's memory.  The backend lists them, then they are fetched at once.
 */
static cfp_status read_edges(cfp_pyramid *out, cfp_analyser *a, int question)
{
    const cfp_backend_api *api = a->device.api;
    const bool direct = api->host_memory;
    cfp_edge *there = NULL, *here = NULL;
    int64_t total, at = 0;
    if (a->edgeless)
        return CFP_OK;
    CFP_TRY(count_edges(&total, out, a, question));
    if (a->unlisted)
        return CFP_OK;
    if (!direct)
        CFP_TRY(cfp_ledger_edge_buffers(a->ledger, a->ctx, total, &there, &here));
    for (int k = 0; k < out->n_layers; k++) {
        cfp_layer *layer = &out->layer[k];
        if (layer->n_edges == 0)
            continue;
        const cfp_back_step step = cfp_back_step_of(a, layer->node);
        CFP_TRY(
            api->list_edges(a->device.backend, &step, question, direct ? layer->edge : there + at));
        at += layer->n_edges;
    }
    if (direct || total == 0)
        return CFP_OK;
    CFP_TRY(api->fetch(a->device.backend, here, there, (size_t)total * sizeof *here));
    for (int k = 0; k < out->n_layers; here += out->layer[k++].n_edges)
        if (out->layer[k].n_edges > 0)
            memcpy(out->layer[k].edge, here, (size_t)out->layer[k].n_edges * sizeof *here);
    return CFP_OK;
}

/* By depth, then from the output to the input. */
static int by_depth(const void *a, const void *b)
{
    const cfp_layer *x = a, *y = b;
    return x->depth != y->depth ? x->depth - y->depth : y->node - x->node;
}

static cfp_status read_pyramid(cfp_pyramid *out, cfp_analyser *a, int question)
{
    int n_layers = 0;
    for (int i = 0; i < a->model->n_nodes; i++)
        n_layers += kept(a, i)->child != NULL;
    CFP_TRY_ALLOC(a->ctx, out->layer, n_layers);
    for (int i = a->model->logits; i > 0; i--)
        if (kept(a, i)->child != NULL)
            CFP_TRY(read_layer(out, a, question, i));
    CFP_TRY(read_edges(out, a, question));
    qsort(out->layer, (size_t)out->n_layers, sizeof *out->layer, by_depth);
    return CFP_OK;
}

cfp_status cfp_descend_part(cfp_analyser *a, const int *class_index)
{
    CFP_TRY(put_classes(a, class_index));
    CFP_TRY(put_target(a, class_index));
    return cfp_trace_enqueue(a->trace, &a->descent, walk, a);
}

static cfp_status read_pyramids(cfp_pyramid *out, cfp_analyser *a)
{
    CFP_TRY(cfp_ledger_fetch_results(a->ledger));
    for (int q = 0; q < a->ledger->questions; q++)
        CFP_TRY(read_pyramid(&out[q], a, q));
    return CFP_OK;
}

cfp_status cfp_descend(cfp_pyramid *out, cfp_analyser *a, const int *class_index)
{
    for (int q = 0; q < a->ledger->questions; q++)
        out[q] = (cfp_pyramid){0};
    CFP_TRY(cfp_descend_part(a, class_index));
    return cfp_descend_read(out, a, class_index);
}

cfp_status cfp_descend_read(cfp_pyramid *out, cfp_analyser *a, const int *class_index)
{
    const int questions = a->ledger->questions;
    for (int q = 0; q < questions; q++)
        out[q] = (cfp_pyramid){.class_index = class_index[q / a->ledger->thetas]};
    const cfp_status status = read_pyramids(out, a);
    for (int q = 0; q < questions && status != CFP_OK; q++)
        cfp_pyramid_free(&out[q]);
    return status;
}
