/* tube_maps.c - see tube_maps.h. */
#include "tube_maps.h"
#include <fnmatch.h>
#include <string.h>

bool cfp_tube_wanted(const cfp_model *model, const cfp_query *query, int index)
{
    const cfp_node *node = &model->node[index];
    return query->tubes != CFP_TUBES_NONE && node->op == CFP_OP_CONV3D && node->depth >= 0 &&
           (query->depth == CFP_ALL_DEPTHS || node->depth <= query->depth) &&
           (query->layers == NULL || fnmatch(query->layers, node->name, 0) == 0);
}

static cfp_status sum_channels(float **raw, cfp_trace *trace, const cfp_tensor *x,
                               const cfp_tensor *g, const uint8_t *keep)
{
    CFP_TRY_ALLOC(trace->ctx, *raw, cfp_positions(x->shape));
    return trace->device.api->channel_sum(trace->device.backend, *raw, x, g, keep);
}

cfp_status cfp_tube_maps_at(cfp_tube_maps *maps, cfp_trace *trace, int node, const double *demand)
{
    const cfp_tensor *map = cfp_trace_value(trace, node);
    const cfp_tensor *g = cfp_trace_gradient(trace, node);
    if (maps == NULL || map == NULL || g == NULL)
        return CFP_OK;
    uint8_t *keep;
    CFP_TRY_ALLOC(trace->ctx, keep, map->shape.c);
    for (int c = 0; c < map->shape.c; c++)
        keep[c] = demand[c] >= 0;
    cfp_status status = CFP_OK;
    for (int m = 1; m <= node && status == CFP_OK; m++) {
        if (!maps->wanted[m] || maps->raw[m] != NULL || cfp_map_node(trace->model, m) != node)
            continue;
        status = sum_channels(&maps->raw[m], trace, map, g, keep);
        for (int64_t p = 0; p < cfp_positions(map->shape) && status == CFP_OK; p++)
            maps->raw[m][p] = maps->raw[m][p] > 0 ? maps->raw[m][p] : 0;
    }
    cfp_free(keep);
    return status;
}

/* The tube takes raw over. */
static void set_tube(cfp_tube *tube, int node, int kernel, cfp_shape s, float *raw)
{
    *tube = (cfp_tube){node, kernel, s.t, s.h, s.w, raw, raw[0], raw[0]};
    for (int64_t p = 1; p < cfp_positions(s); p++) {
        tube->min = raw[p] < tube->min ? raw[p] : tube->min;
        tube->max = raw[p] > tube->max ? raw[p] : tube->max;
    }
}

static cfp_status layer_tube(cfp_tubes_list *list, cfp_trace *trace, const cfp_layer *layer,
                             cfp_tube_maps *maps, uint8_t *keep)
{
    const cfp_tensor *map = cfp_trace_value(trace, cfp_map_node(trace->model, layer->node));
    float *raw = maps->raw[layer->node];
    maps->raw[layer->node] = NULL;
    if (raw == NULL) {
        memset(keep, 0, (size_t)map->shape.c);
        for (int s = 0; s < layer->n_selected; s++)
            keep[layer->selected[s]] = 1;
        const cfp_status status = sum_channels(&raw, trace, map, NULL, keep);
        if (status != CFP_OK) {
            cfp_free(raw);
            return status;
        }
    }
    set_tube(&list->tube[list->n++], layer->node, -1, map->shape, raw);
    return CFP_OK;
}

/* SPEC: the sum over the children i of o of the channels of the tensor that m reads. */
static cfp_status kernel_tube(cfp_tubes_list *list, cfp_trace *trace, const cfp_layer *layer, int o,
                              const uint8_t *keep)
{
    const cfp_node *node = &trace->model->node[layer->node];
    const cfp_tensor *x = cfp_trace_value(trace, node->input[0]);
    float *raw = NULL;
    const cfp_status status = sum_channels(&raw, trace, x, NULL, keep);
    if (status != CFP_OK) {
        cfp_free(raw);
        return status;
    }
    set_tube(&list->tube[list->n++], layer->node, o, x->shape, raw);
    return CFP_OK;
}

/* The children of one kernel: its edges; under grad, which keeps none, its group's channels among
 * the layer's children. */
static void mark_children(uint8_t *keep, const cfp_model *model, const cfp_layer *layer, int o,
                          bool edges_kept, int64_t *edge)
{
    const cfp_node *node = &model->node[layer->node];
    memset(keep, 0, (size_t)cfp_channels_in(model, node));
    if (edges_kept) {
        for (; *edge < layer->n_edges && layer->edge[*edge].o == o; ++*edge)
            keep[layer->edge[*edge].i] = 1;
        return;
    }
    const int first = cfp_first_channel(model, node, o);
    const int last = first + cfp_channels_per_group(model, node);
    for (int k = 0; k < layer->n_children; k++)
        if (layer->child[k] >= first && layer->child[k] < last)
            keep[layer->child[k]] = 1;
}

static cfp_status kernel_tubes(cfp_tubes_list *list, cfp_trace *trace, const cfp_query *query,
                               const cfp_layer *layer, uint8_t *keep)
{
    int64_t edge = 0;
    for (int s = 0; s < layer->n_selected; s++) {
        const int o = layer->selected[s];
        mark_children(keep, trace->model, layer, o, query->rule != CFP_RULE_GRAD, &edge);
        CFP_TRY(kernel_tube(list, trace, layer, o, keep));
        CFP_TRY(cfp_check_interrupt(trace->ctx));
    }
    return CFP_OK;
}

static cfp_status make_tubes(cfp_tubes_list *list, cfp_trace *trace, const cfp_query *query,
                             const cfp_pyramid *pyramid, cfp_tube_maps *maps)
{
    const cfp_model *model = trace->model;
    int n = 0, most = 1;
    for (int i = 0; i < model->n_nodes; i++)
        most = cfp_max_int(most, model->node[i].shape.c);
    for (int l = 0; l < pyramid->n_layers; l++)
        if (cfp_tube_wanted(model, query, pyramid->layer[l].node))
            n += 1 + (query->tubes == CFP_TUBES_KERNELS ? pyramid->layer[l].n_selected : 0);
    uint8_t *keep;
    CFP_TRY_ALLOC(trace->ctx, list->tube, n);
    CFP_TRY_ALLOC(trace->ctx, keep, most);
    cfp_status status = CFP_OK;
    for (int l = 0; l < pyramid->n_layers && status == CFP_OK; l++)
        if (cfp_tube_wanted(model, query, pyramid->layer[l].node))
            status = layer_tube(list, trace, &pyramid->layer[l], maps, keep);
    for (int l = 0; l < pyramid->n_layers && status == CFP_OK; l++)
        if (query->tubes == CFP_TUBES_KERNELS &&
            cfp_tube_wanted(model, query, pyramid->layer[l].node))
            status = kernel_tubes(list, trace, query, &pyramid->layer[l], keep);
    cfp_free(keep);
    return status;
}

cfp_status cfp_tubes_make(cfp_tubes_list *out, cfp_trace *trace, const cfp_query *query,
                          const cfp_pyramid *pyramid, cfp_tube_maps *maps)
{
    *out = (cfp_tubes_list){0};
    const cfp_status status = make_tubes(out, trace, query, pyramid, maps);
    if (status != CFP_OK)
        cfp_tubes_free(out);
    return status;
}
