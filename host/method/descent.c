/* descent.c - the method: one walk backwards over the graph, each kernel layer met once.
 *
 * A demand is a number R per channel of a node's output.  Nodes stand in topological order, so
 * walking backwards every consumer has spoken before its producer is asked: demands that meet are
 * merged by their maximum, however many branches lead there, and no path is ever walked twice.
 *
 *     not a kernel layer   each demanded channel goes to the input channel it came from: composed
 *                          beforehand, from kernel layer to kernel layer (targets.h)
 *     a kernel layer       its demanded kernels are selected; each back-steps to the channels that
 *                          are relevant to it, which become the demand on what it reads
 *
 * All questions walk together, and the walk only enqueues: the demands are in the backend's memory
 * (ledger.h) and nothing is asked of it until the class has reached the clip. */
#include "descent.h"
#include "rules.h"
#include "target.h"
#include "tube_maps.h"
#include <stdlib.h>
#include <string.h>

static cfp_ledger_node *kept(cfp_trace *trace, int node)
{
    return &trace->ledger->node[node];
}

bool cfp_may_be_demanded(const cfp_trace *trace, int node)
{
    const cfp_ledger *l = trace->ledger;
    const int64_t count = (int64_t)l->questions * trace->model->node[node].shape.c;
    if (!trace->device.api->host_memory)
        return true;
    for (int64_t i = 0; i < count; i++)
        if (l->node[node].demand[i] >= 0)
            return true;
    return false;
}

/* The demand that the walk starts from comes to the first kernel layers. */
static cfp_status demand_classes(cfp_trace *trace)
{
    const cfp_ledger *l = trace->ledger;
    for (int k = 0; k < l->targets[0].n; k++) {
        const cfp_destination *target = &l->targets[0].target[k];
        const cfp_demand_route route = {.from = l->start,
                                        .to = kept(trace, target->node)->demand,
                                        .map = target->there,
                                        .questions = l->questions,
                                        .n_from = trace->model->n_classes,
                                        .n_to = trace->model->node[target->node].shape.c};
        CFP_TRY(trace->device.api->route(trace->device.backend, &route));
    }
    return CFP_OK;
}

cfp_back_step cfp_back_step_of(cfp_trace *trace, int index)
{
    const cfp_ledger *l = trace->ledger;
    const cfp_ledger_node *mine = kept(trace, index);
    const cfp_node *node = &trace->model->node[index];
    cfp_back_step step = trace->rule_step[index];
    if (mine->kernel_mean != NULL) {
        step.kernel_mean = mine->kernel_mean;
        step.kernel_scale = mine->kernel_scale;
    }
    step.input = step.rule == CFP_RULE_GRAD ? mine->product : cfp_trace_mean(trace, node->input[0]);
    step.contrast = mine->contrast;
    step.pair = mine->pair;
    step.clips = l->clips;
    step.thetas = l->thetas;
    step.theta = l->theta;
    step.demand = mine->demand;
    step.child = mine->child;
    step.target = mine->target;
    step.n_targets = l->targets[index].n;
    step.n_edges = mine->n_edges;
    step.edges = mine->edges;
    step.row = mine->row;
    return step;
}

/* The kernels whose gradient goes on; NULL: all.  The classifier's rivals always pass. */
static const cfp_demand *mask_of(cfp_trace *trace, int index)
{
    const bool all = trace->query.mask == CFP_MASK_NONE || trace->model->node[index].depth == 0;
    return all ? NULL : kept(trace, index)->demand;
}

/* Rule grad: the gradient through kernel layer `index`, and what its channels have to do with the
 * target, which is added up where the points come in parts. */
static cfp_status gather_products(cfp_trace *trace, int index)
{
    const cfp_backend_api *api = trace->device.api;
    const cfp_ledger *l = trace->ledger;
    const int channels = trace->rule_step[index].channels;
    const size_t bytes = (size_t)l->clips * (size_t)channels * sizeof(float);
    const cfp_shape vector = {l->clips, channels, 1, 1, 1};
    cfp_tensor sum = {.shape = vector, .block = 1, .data = kept(trace, index)->product};
    cfp_tensor part = {.shape = vector, .block = 1, .data = l->part_product};
    const bool adds = trace->part.walk == CFP_WALK_GATHER && !trace->part.first;
    float *const product = adds ? part.data : sum.data;
    if (trace->part.walk == CFP_WALK_WEIGH)
        return cfp_backward_through(trace, index, mask_of(trace, index), NULL);
    /* where no gradient came, nothing is relevant */
    CFP_TRY(api->fill(trace->device.backend, product, 0, bytes));
    CFP_TRY(cfp_backward_through(trace, index, mask_of(trace, index), product));
    return adds ? api->accumulate(trace->device.backend, &sum, &part) : CFP_OK;
}

/* Rule grad: which of the selected pairs are edges. */
static cfp_status weigh_edges(cfp_trace *trace, int index, const cfp_back_step *step)
{
    const cfp_ledger_node *mine = kept(trace, index);
    if (trace->ledger->edgeless)
        return CFP_OK;
    const float *const weight =
        mine->weight != NULL ? mine->weight : trace->model->node[index].weight;
    if (mine->pair != NULL)
        CFP_TRY(cfp_backward_weigh(trace, index, step, weight, mine->pair, !trace->part.first));
    return trace->part.last ? trace->device.api->pick_edges(trace->device.backend, step) : CFP_OK;
}

/* A kernel layer: what its demanded kernels rest on is demanded of what it reads. */
static cfp_status visit(cfp_trace *trace, int index)
{
    const cfp_back_step step = cfp_back_step_of(trace, index);
    if (step.rule == CFP_RULE_GRAD)
        CFP_TRY(gather_products(trace, index));
    if (trace->part.first)
        CFP_TRY(trace->device.api->back_step(trace->device.backend, &step));
    return step.rule == CFP_RULE_GRAD ? weigh_edges(trace, index, &step) : CFP_OK;
}

/* Where all of a gradient goes on, through layers that nobody demands, too. */
static bool passes_unasked(const cfp_trace *trace, const cfp_node *node)
{
    return trace->query.mask == CFP_MASK_NONE || node->depth == 0;
}

/* One node of a walk that only gathers what channels have to do with the target. */
static cfp_status gather_at(cfp_trace *trace, int i)
{
    const cfp_node *node = &trace->model->node[i];
    CFP_TRY(cfp_backward_leave(trace, i));
    if (cfp_is_kernel_layer(node))
        return kept(trace, i)->product != NULL ? gather_products(trace, i) : CFP_OK;
    return cfp_backward_through(trace, i, NULL, NULL);
}

/* One node of the walk. */
static cfp_status step_back(cfp_trace *trace, int i)
{
    const cfp_node *node = &trace->model->node[i];
    const bool grad = trace->query.rule == CFP_RULE_GRAD;
    if (trace->part.walk == CFP_WALK_GATHER)
        return gather_at(trace, i);
    const bool demanded = kept(trace, i)->demand != NULL && cfp_may_be_demanded(trace, i);
    if (grad) {
        CFP_TRY(cfp_tube_maps_at(trace, i));
        CFP_TRY(cfp_backward_leave(trace, i));
    }
    /* Only kernel layers mask: a gradient goes through every other node, demanded or not. */
    if (grad && !cfp_is_kernel_layer(node))
        CFP_TRY(cfp_backward_through(trace, i, NULL, NULL));
    if (demanded)
        return visit(trace, i);
    if (grad && cfp_is_kernel_layer(node) && passes_unasked(trace, node))
        return cfp_backward_through(trace, i, NULL, NULL);
    return CFP_OK;
}

/* The walk, from the logits to the clip. */
static cfp_status walk(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    const cfp_backend_api *api = trace->device.api;
    const cfp_ledger *l = trace->ledger;
    memset(trace->map_made, 0, (size_t)model->n_nodes * sizeof *trace->map_made);
    if (trace->part.first && trace->part.walk != CFP_WALK_GATHER) {
        CFP_TRY(api->fill(trace->device.backend, l->memory, 0xff, l->demand_bytes));
        CFP_TRY(demand_classes(trace));
    }
    if (trace->query.rule == CFP_RULE_GRAD)
        CFP_TRY(cfp_backward_start(trace, l->seed));

    for (int i = model->logits; i > 0; i--) {
        cfp_range_begin(api, trace->device.backend, CFP_RANGE_DESCENT, model->node[i].name, 0);
        const cfp_status status = step_back(trace, i);
        cfp_range_end(api, trace->device.backend);
        CFP_TRY(status);
        CFP_TRY(cfp_check_interrupt(trace->ctx));
        cfp_progress(trace->ctx, "descent", model->logits - i + 1, model->logits);
    }
    return CFP_OK;
}

/* What the walk starts from: the class, with R = 1 (SPEC). */
static cfp_status put_classes(cfp_trace *trace, const int *class_index)
{
    const cfp_ledger *l = trace->ledger;
    const cfp_backend_api *api = trace->device.api;
    const int n_classes = trace->model->n_classes;
    const int64_t count = (int64_t)l->questions * n_classes;
    cfp_demand *start;
    CFP_TRY_ALLOC(trace->ctx, start, count);
    for (int64_t i = 0; i < count; i++)
        start[i] = i % n_classes == class_index[i / n_classes / l->thetas] ? cfp_demand_of(1.0)
                                                                           : CFP_NOT_DEMANDED;
    const cfp_status status =
        api->put(trace->device.backend, l->start, start, (size_t)count * sizeof *start);
    cfp_free(start);
    return status;
}

/* The logits of an entry of a clip. */
static const float *logits_of(const cfp_trace *trace, int clip, int entry)
{
    return trace->logits + ((int64_t)clip * trace->entries.n + entry) * trace->model->n_classes;
}

/* Rule grad: each point's backward pass starts from the target's gradient at that point; what the
 * other entries give is not looked at, and starts from 0. */
static cfp_status put_seeds(cfp_trace *trace, const int *class_index, double *gradient)
{
    const cfp_ledger *l = trace->ledger;
    const cfp_entries *e = &trace->entries;
    const int classes = trace->model->n_classes;
    const int64_t count = (int64_t)l->clips * e->n * classes;
    float *seed;
    CFP_TRY_ALLOC(trace->ctx, seed, count); /* of zeros */
    for (int n = 0; n < l->clips; n++)
        for (int k = e->first; k < e->first + trace->part.count; k++) {
            cfp_target_gradient(gradient, logits_of(trace, n, k), classes, class_index[n],
                                trace->query.target);
            for (int c = 0; c < classes; c++)
                seed[((int64_t)n * e->n + k) * classes + c] = (float)gradient[c];
        }
    const cfp_status status =
        trace->device.api->put(trace->device.backend, l->seed, seed, (size_t)count * sizeof *seed);
    cfp_free(seed);
    return status;
}

/* CFP_CLASS_CONTRAST: what weighs the means at classifier `index`, of every clip. */
static cfp_status put_contrast(cfp_trace *trace, const int *class_index, int index,
                               double *gradient)
{
    const cfp_ledger *l = trace->ledger;
    const int channels = trace->rule_step[index].channels, classes = trace->model->n_classes;
    double *weight;
    cfp_status status = CFP_OK;
    CFP_TRY_ALLOC(trace->ctx, weight, (int64_t)l->clips * channels);
    for (int n = 0; n < l->clips && status == CFP_OK; n++) {
        cfp_target_gradient(gradient, logits_of(trace, n, 0), classes, class_index[n],
                            trace->query.target);
        status = cfp_contrast(weight + (int64_t)n * channels, trace->ctx, trace->model, index,
                              gradient, trace->query.rule == CFP_RULE_REFERENCE);
    }
    if (status == CFP_OK)
        status = trace->device.api->put(trace->device.backend, kept(trace, index)->contrast, weight,
                                        (size_t)l->clips * (size_t)channels * sizeof *weight);
    cfp_free(weight);
    return status;
}

/* What the target's gradient is asked for. */
static cfp_status put_target(cfp_trace *trace, const int *class_index)
{
    double *gradient;
    CFP_TRY_ALLOC(trace->ctx, gradient, trace->model->n_classes);
    cfp_status status = CFP_OK;
    if (trace->query.rule == CFP_RULE_GRAD)
        status = put_seeds(trace, class_index, gradient);
    for (int i = 1; i < trace->model->n_nodes && status == CFP_OK; i++)
        if (kept(trace, i)->contrast != NULL)
            status = put_contrast(trace, class_index, i, gradient);
    cfp_free(gradient);
    return status;
}

/* --- what was found, as the host keeps it --- */

/* The demanded kernels are the layer's selected ones (SPEC "Routing"). */
static cfp_status select_kernels(cfp_layer *layer, cfp_trace *trace, int index,
                                 const cfp_demand *demanded)
{
    const cfp_node *node = &trace->model->node[index];
    layer->node = index;
    layer->depth = node->depth;
    layer->n_kernels = node->shape.c;
    CFP_TRY_ALLOC(trace->ctx, layer->relevance, node->shape.c);
    CFP_TRY_ALLOC(trace->ctx, layer->selected, node->shape.c);
    for (int o = 0; o < node->shape.c; o++) {
        if (demanded[o] < 0)
            continue;
        layer->relevance[o] = (float)cfp_demanded_relevance(demanded[o]);
        layer->selected[layer->n_selected++] = o;
    }
    return CFP_OK;
}

/* The union of what its kernels selected. */
static cfp_status name_children(cfp_layer *layer, cfp_trace *trace, const cfp_demand *child,
                                int channels)
{
    for (int i = 0; i < channels; i++)
        layer->n_children += child[i] >= 0;
    CFP_TRY_ALLOC(trace->ctx, layer->child, layer->n_children);
    CFP_TRY_ALLOC(trace->ctx, layer->child_relevance, layer->n_children);
    for (int i = 0, n = 0; i < channels; i++) {
        if (child[i] < 0)
            continue;
        layer->child[n] = i;
        layer->child_relevance[n++] = (float)cfp_demanded_relevance(child[i]);
    }
    return CFP_OK;
}

static cfp_status read_layer(cfp_pyramid *out, cfp_trace *trace, int question, int index)
{
    const cfp_ledger *l = trace->ledger;
    const int kernels = trace->model->node[index].shape.c;
    const int channels = trace->rule_step[index].channels;
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
    CFP_TRY(select_kernels(layer, trace, index, demanded));
    return name_children(layer, trace, child, channels);
}

/* How many edges each layer has in this question; room for them in the layers; all of them. */
static cfp_status count_edges(int64_t *total, cfp_pyramid *out, cfp_trace *trace, int question)
{
    *total = 0;
    for (int k = 0; k < out->n_layers; k++) {
        cfp_layer *layer = &out->layer[k];
        const int32_t *counts = kept(trace, layer->node)->n_edges;
        const int32_t *n = (const int32_t *)cfp_ledger_seen(trace->ledger, counts) +
                           (int64_t)question * layer->n_kernels;
        for (int o = 0; o < layer->n_kernels; o++)
            layer->n_edges += n[o];
        if (!trace->request.batch.unlisted)
            CFP_TRY_ALLOC(trace->ctx, layer->edge, layer->n_edges);
        *total += layer->n_edges;
    }
    return CFP_OK;
}

/* In the backend's memory edges are bits; they are listed there, then fetched in one piece. */
static cfp_status read_edges(cfp_pyramid *out, cfp_trace *trace, int question)
{
    const cfp_backend_api *api = trace->device.api;
    const bool direct = api->host_memory;
    cfp_edge *there = NULL, *here = NULL;
    int64_t total, at = 0;
    if (trace->ledger->edgeless)
        return CFP_OK;
    CFP_TRY(count_edges(&total, out, trace, question));
    if (trace->request.batch.unlisted)
        return CFP_OK;
    if (!direct)
        CFP_TRY(cfp_ledger_edge_room(trace->ledger, trace->ctx, total, &there, &here));
    for (int k = 0; k < out->n_layers; k++) {
        cfp_layer *layer = &out->layer[k];
        if (layer->n_edges == 0)
            continue;
        const cfp_back_step step = cfp_back_step_of(trace, layer->node);
        CFP_TRY(api->list_edges(trace->device.backend, &step, question,
                                direct ? layer->edge : there + at));
        at += layer->n_edges;
    }
    if (direct || total == 0)
        return CFP_OK;
    CFP_TRY(api->fetch(trace->device.backend, here, there, (size_t)total * sizeof *here));
    for (int k = 0; k < out->n_layers; here += out->layer[k++].n_edges)
        if (out->layer[k].n_edges > 0)
            memcpy(out->layer[k].edge, here, (size_t)out->layer[k].n_edges * sizeof *here);
    return CFP_OK;
}

/* By depth; within a depth from the output upwards, as they were met. */
static int by_depth(const void *a, const void *b)
{
    const cfp_layer *x = a, *y = b;
    return x->depth != y->depth ? x->depth - y->depth : y->node - x->node;
}

static cfp_status read_pyramid(cfp_pyramid *out, cfp_trace *trace, int question)
{
    int n_layers = 0;
    for (int i = 0; i < trace->model->n_nodes; i++)
        n_layers += kept(trace, i)->child != NULL;
    CFP_TRY_ALLOC(trace->ctx, out->layer, n_layers);
    for (int i = trace->model->logits; i > 0; i--)
        if (kept(trace, i)->child != NULL)
            CFP_TRY(read_layer(out, trace, question, i));
    CFP_TRY(read_edges(out, trace, question));
    qsort(out->layer, (size_t)out->n_layers, sizeof *out->layer, by_depth);
    return CFP_OK;
}

cfp_status cfp_descend_part(cfp_trace *trace, const int *class_index)
{
    CFP_TRY(put_classes(trace, class_index));
    CFP_TRY(put_target(trace, class_index));
    return cfp_trace_enqueue(trace, CFP_WORK_DESCENT, walk);
}

static cfp_status read_pyramids(cfp_pyramid *out, cfp_trace *trace)
{
    CFP_TRY(cfp_ledger_fetch_results(trace->ledger));
    for (int q = 0; q < trace->ledger->questions; q++)
        CFP_TRY(read_pyramid(&out[q], trace, q));
    return CFP_OK;
}

cfp_status cfp_descend(cfp_pyramid *out, cfp_trace *trace, const int *class_index)
{
    for (int q = 0; q < trace->ledger->questions; q++)
        out[q] = (cfp_pyramid){0};
    CFP_TRY(cfp_descend_part(trace, class_index));
    return cfp_descend_read(out, trace, class_index);
}

cfp_status cfp_descend_read(cfp_pyramid *out, cfp_trace *trace, const int *class_index)
{
    const int questions = trace->ledger->questions;
    for (int q = 0; q < questions; q++)
        out[q] = (cfp_pyramid){.class_index = class_index[q / trace->ledger->thetas]};
    const cfp_status status = read_pyramids(out, trace);
    for (int q = 0; q < questions && status != CFP_OK; q++)
        cfp_pyramid_free(&out[q]);
    return status;
}
