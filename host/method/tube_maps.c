/* tube_maps.c - see tube_maps.h. */
#include "tube_maps.h"
#include "combine_entries.h"
#include <string.h>

/* Takes the map of layer m apart.  The host can read it, and the demands on the layer. */
static cfp_status take_apart(cfp_analyser *a, int m, const cfp_tensor *map,
                             const cfp_tensor *gradient)
{
    const cfp_demand *demand = a->ledger->node[m].demand;
    double *relevance;
    CFP_TRY_ALLOC(a->ctx, relevance, map->shape.c);
    for (int c = 0; c < map->shape.c; c++)
        relevance[c] = demand[c] >= 0 ? cfp_demanded_relevance(demand[c]) : -1;
    const cfp_status status =
        cfp_apart_add(&a->apart, a->ctx, m, map, gradient, relevance, a->apart_side);
    cfp_free(relevance);
    return status;
}

/* Enqueues the maps of layer m: sums over its selected kernels, which are those that are demanded.
 */
static cfp_status sum_layer(cfp_analyser *a, int m, const cfp_tensor *g)
{
    const cfp_ledger *l = a->ledger;
    const cfp_backend_api *api = a->device.api;
    cfp_tensor map, gradient = {.block = 1};
    a->map_made[m] = true;
    CFP_TRY(cfp_blend_value(&map, a, cfp_map_node(a->model, m)));
    if (g != NULL)
        CFP_TRY(cfp_blend_gradient(&gradient, a, g));
    /* Maps of parts are added up before values below 0 become 0, which the host does. */
    const bool adds = g != NULL && !a->part.first;
    const cfp_shape flat = {1, 1, 1, 1, (int)(l->questions * cfp_positions(map.shape))};
    cfp_tensor sum = {.shape = flat, .block = 1, .data = l->node[m].map};
    const cfp_tensor part = {.shape = flat, .block = 1, .data = l->part_map};
    CFP_TRY(api->channel_sum(a->device.backend, adds ? part.data : sum.data, &map,
                             g != NULL ? &gradient : NULL, l->node[m].demand, l->questions,
                             l->thetas, g != NULL && !l->in_parts));
    if (adds)
        CFP_TRY(api->accumulate(a->device.backend, &sum, &part));
    return a->apart_side > 0 ? take_apart(a, m, &map, g != NULL ? &gradient : NULL) : CFP_OK;
}

cfp_status cfp_tube_maps_at(cfp_analyser *a, int node)
{
    if (cfp_trace_value(a->trace, node) == NULL)
        return CFP_OK;
    for (int m = 1; m <= node; m++) {
        const cfp_tensor *g;
        if (a->ledger->node[m].map == NULL || a->map_made[m] || cfp_map_node(a->model, m) != node ||
            !cfp_may_be_demanded(a->ledger, m))
            continue;
        CFP_TRY(cfp_trace_gradient(&g, a->trace, node));
        if (g != NULL)
            CFP_TRY(sum_layer(a, m, g));
    }
    return CFP_OK;
}

static cfp_status sum_each_layer(cfp_analyser *a)
{
    const bool grad = a->query.rule == CFP_RULE_GRAD;
    for (int m = 1; m < a->model->n_nodes; m++)
        if (a->ledger->node[m].map != NULL && !(grad && a->map_made[m]) &&
            cfp_may_be_demanded(a->ledger, m))
            CFP_TRY(sum_layer(a, m, NULL));
    return CFP_OK;
}

/* Enqueues the maps that the walk has not made. */
static cfp_status sum_layers(void *cookie)
{
    cfp_analyser *a = cookie;
    cfp_range_begin(a->device.api, a->device.backend, CFP_RANGE_TUBES, "maps", 0);
    const cfp_status status = sum_each_layer(a);
    cfp_range_end(a->device.api, a->device.backend);
    return status;
}

/* The tube takes raw over. */
static void set_tube(cfp_tube *tube, int node, int kernel, cfp_shape s, float *raw)
{
    *tube = (cfp_tube){node, kernel, s.t, s.h, s.w, raw, raw[0], raw[0], NULL};
    for (int64_t p = 1; p < cfp_positions(s); p++) {
        tube->min = raw[p] < tube->min ? raw[p] : tube->min;
        tube->max = raw[p] > tube->max ? raw[p] : tube->max;
    }
}

static cfp_status layer_tube(cfp_tubes_list *list, cfp_analyser *a, const cfp_layer *layer,
                             int question)
{
    const cfp_shape s = a->model->node[cfp_map_node(a->model, layer->node)].shape;
    const float *seen = cfp_ledger_seen(a->ledger, a->ledger->node[layer->node].map);
    float *raw;
    CFP_TRY_ALLOC(a->ctx, raw, cfp_positions(s));
    memcpy(raw, seen + question * cfp_positions(s), (size_t)cfp_positions(s) * sizeof *raw);
    for (int64_t p = 0; p < cfp_positions(s) && a->ledger->in_parts; p++)
        raw[p] = raw[p] < 0 ? 0 : raw[p];
    set_tube(&list->tube[list->n++], layer->node, -1, s, raw);
    return CFP_OK;
}

/* SPEC: the sum over the children i of o of the channels of the tensor that m reads. */
static cfp_status kernel_tube(cfp_tubes_list *list, cfp_analyser *a, const cfp_layer *layer,
                              int question, int o, const cfp_demand *keep)
{
    const cfp_backend_api *api = a->device.api;
    const cfp_ledger *l = a->ledger;
    const cfp_trace *shows_clip = a->entries.plain ? a->plain : a->trace;
    const cfp_tensor *all = cfp_trace_value(shows_clip, a->model->node[layer->node].input[0]);
    const cfp_tensor x = cfp_clip_of(all, question / l->thetas);
    const size_t bytes = (size_t)cfp_positions(x.shape) * sizeof(float);
    CFP_TRY(api->put(a->device.backend, l->one_demand, keep, (size_t)x.shape.c * sizeof *keep));
    CFP_TRY(api->channel_sum(a->device.backend, l->one_map, &x, NULL, l->one_demand, 1, 1, false));
    float *raw;
    CFP_TRY_ALLOC(a->ctx, raw, cfp_positions(x.shape));
    const cfp_status status = api->fetch(a->device.backend, raw, l->one_map, bytes);
    if (status != CFP_OK) {
        cfp_free(raw);
        return status;
    }
    set_tube(&list->tube[list->n++], layer->node, o, x.shape, raw);
    return CFP_OK;
}

/* keep: the channels that kernel o has an edge to.  *edge moves on to the next kernel's edges. */
static void mark_children(cfp_demand *keep, const cfp_model *model, const cfp_layer *layer, int o,
                          int64_t *edge)
{
    const cfp_node *node = &model->node[layer->node];
    memset(keep, 0xff, (size_t)cfp_channels_in(model, node) * sizeof *keep);
    for (; *edge < layer->n_edges && layer->edge[*edge].o == o; ++*edge)
        keep[layer->edge[*edge].i] = 0;
}

static cfp_status kernel_tubes(cfp_tubes_list *list, cfp_analyser *a, const cfp_layer *layer,
                               int question, cfp_demand *keep)
{
    int64_t edge = 0;
    for (int s = 0; s < layer->n_selected; s++) {
        const int o = layer->selected[s];
        mark_children(keep, a->model, layer, o, &edge);
        CFP_TRY(kernel_tube(list, a, layer, question, o, keep));
        CFP_TRY(cfp_check_interrupt(a->ctx));
    }
    return CFP_OK;
}

static bool has_tube(const cfp_analyser *a, const cfp_layer *layer)
{
    return a->ledger->node[layer->node].map != NULL;
}

static cfp_status make_tubes(cfp_tubes_list *list, cfp_analyser *a, const cfp_pyramid *pyramid,
                             int question)
{
    const bool kernels = a->query.tubes == CFP_TUBES_KERNELS;
    int n = 0, max = 1;
    for (int i = 0; i < a->model->n_nodes; i++)
        max = cfp_max_int(max, a->model->node[i].shape.c);
    for (int l = 0; l < pyramid->n_layers; l++)
        if (has_tube(a, &pyramid->layer[l]))
            n += 1 + (kernels ? pyramid->layer[l].n_selected : 0);
    cfp_demand *keep;
    CFP_TRY_ALLOC(a->ctx, list->tube, n);
    CFP_TRY_ALLOC(a->ctx, keep, max);
    cfp_status status = CFP_OK;
    for (int l = 0; l < pyramid->n_layers && status == CFP_OK; l++)
        if (has_tube(a, &pyramid->layer[l]))
            status = layer_tube(list, a, &pyramid->layer[l], question);
    for (int l = 0; l < pyramid->n_layers && status == CFP_OK; l++)
        if (kernels && has_tube(a, &pyramid->layer[l])) {
            status = kernel_tubes(list, a, &pyramid->layer[l], question, keep);
            cfp_progress(a->ctx, "tubes", list->n, n);
        }
    cfp_free(keep);
    return status;
}

cfp_status cfp_tubes_make(cfp_tubes_list *out, cfp_analyser *a, const cfp_pyramid *pyramid)
{
    const int questions = a->ledger->questions;
    for (int q = 0; q < questions; q++)
        out[q] = (cfp_tubes_list){0};
    cfp_status status = cfp_trace_enqueue(a->trace, &a->maps, sum_layers, a);
    if (status == CFP_OK)
        status = cfp_ledger_fetch_maps(a->ledger);
    for (int q = 0; q < questions && status == CFP_OK; q++)
        status = make_tubes(&out[q], a, &pyramid[q], q);
    for (int q = 0; q < questions && status != CFP_OK; q++)
        cfp_tubes_free(&out[q]);
    return status;
}
