/* pyramid.c - frees a pyramid, measures its saturation, and finds where channels come from. */
#include "pyramid.h"
#include <string.h>

void cfp_pyramid_free(cfp_pyramid *pyramid)
{
    for (int l = 0; l < pyramid->n_layers; l++) {
        cfp_layer *layer = &pyramid->layer[l];
        cfp_free(layer->relevance);
        cfp_free(layer->selected);
        cfp_free(layer->edge);
        cfp_free(layer->child);
        cfp_free(layer->child_relevance);
    }
    cfp_free(pyramid->layer);
    *pyramid = (cfp_pyramid){0};
}

cfp_saturation cfp_pyramid_saturation(const cfp_pyramid *pyramid)
{
    cfp_saturation s = {0};
    for (int l = 0; l < pyramid->n_layers; l++) {
        const cfp_layer *layer = &pyramid->layer[l];
        if (layer->depth == 0 || layer->n_kernels < 2)
            continue;
        s.layers++;
        s.saturated += 10 * (int64_t)layer->n_selected >= 9 * (int64_t)layer->n_kernels;
    }
    s.most = 2 * s.saturated > s.layers;
    return s;
}

/* Pairs of a node and a channel: those still to be followed, and those that are kernels.  Each pair
 * is listed once. */
struct trail {
    cfp_origin *pair;
    int n, capacity;
};

static cfp_status reach(struct trail *trail, cfp_ctx *ctx, int node, int channel)
{
    for (int i = 0; i < trail->n; i++)
        if (trail->pair[i].node == node && trail->pair[i].kernel == channel)
            return CFP_OK;
    CFP_TRY_ROOM(ctx, trail->pair, trail->n, trail->capacity);
    trail->pair[trail->n++] = (cfp_origin){node, channel};
    return CFP_OK;
}

static cfp_status follow(struct trail *trail, cfp_ctx *ctx, const cfp_model *model,
                         bool only_first_add)
{
    for (int at = 0; at < trail->n; at++) {
        const cfp_origin here = trail->pair[at];
        const cfp_node *node = &model->node[here.node];
        if (cfp_is_kernel_layer(node))
            continue;
        const int n = only_first_add && node->op == CFP_OP_ADD ? 1 : node->n_inputs;
        for (int k = 0; k < n; k++) {
            const int channel = cfp_route(model, here.node, k, here.kernel);
            if (channel >= 0)
                CFP_TRY(reach(trail, ctx, node->input[k], channel));
        }
    }
    return CFP_OK;
}

cfp_status cfp_origins(cfp_origin **out, int *n, cfp_ctx *ctx, const cfp_model *model, int node,
                       int channel, bool only_first_add)
{
    struct trail trail = {0};
    *out = NULL;
    *n = 0;
    cfp_status status = reach(&trail, ctx, node, channel);
    if (status == CFP_OK)
        status = follow(&trail, ctx, model, only_first_add);
    if (status != CFP_OK) {
        cfp_free(trail.pair);
        return status;
    }
    for (int i = 0; i < trail.n; i++) /* keeps the kernels, sorted by insertion */
        if (cfp_is_kernel_layer(&model->node[trail.pair[i].node])) {
            const cfp_origin kernel = trail.pair[i];
            int at = (*n)++;
            for (; at > 0 && (trail.pair[at - 1].node > kernel.node ||
                              (trail.pair[at - 1].node == kernel.node &&
                               trail.pair[at - 1].kernel > kernel.kernel));
                 at--)
                trail.pair[at] = trail.pair[at - 1];
            trail.pair[at] = kernel;
        }
    *out = trail.pair;
    return CFP_OK;
}
