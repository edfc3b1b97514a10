/* links.c - see links.h. */
#include "links.h"
#include <string.h>

static cfp_status number_kernels(cfp_links *links)
{
    const cfp_model *model = links->model;
    const cfp_pyramid *pyramid = links->pyramid;
    CFP_TRY_ALLOC(links->ctx, links->base, model->n_nodes);
    CFP_TRY_ALLOC(links->ctx, links->layer_of, model->n_nodes);
    for (int node = 0; node < model->n_nodes; node++) {
        links->base[node] = links->n_kernels;
        links->layer_of[node] = -1;
        if (node == 0 || cfp_is_kernel_layer(&model->node[node]))
            links->n_kernels += model->node[node].shape.c;
    }
    CFP_TRY_ALLOC(links->ctx, links->is_selected, links->n_kernels);
    CFP_TRY_ALLOC(links->ctx, links->link_of, links->n_kernels);
    for (int l = 0; l < pyramid->n_layers; l++) {
        const cfp_layer *layer = &pyramid->layer[l];
        links->layer_of[layer->node] = l;
        for (int s = 0; s < layer->n_selected; s++)
            links->is_selected[links->base[layer->node] + layer->selected[s]] = 1;
    }
    return CFP_OK;
}

cfp_status cfp_links_open(cfp_links *out, cfp_ctx *ctx, const cfp_explanation *explanation)
{
    *out = (cfp_links){
        .ctx = ctx,
        .model = explanation->model,
        .pyramid = &explanation->pyramid,
        .only_first_add = explanation->query.rule == CFP_RULE_REFERENCE,
        .grad = explanation->query.rule == CFP_RULE_GRAD,
    };
    const cfp_status status = number_kernels(out);
    if (status != CFP_OK)
        cfp_links_close(out);
    return status;
}

void cfp_links_close(cfp_links *links)
{
    cfp_free(links->base);
    cfp_free(links->layer_of);
    cfp_free(links->is_selected);
    cfp_free(links->link_of);
    cfp_free(links->origin);
    cfp_free(links->first_origin);
    cfp_free(links->first_edge);
    cfp_free(links->link);
    *links = (cfp_links){0};
}

static cfp_status add_origins(cfp_links *links, int node, int channel)
{
    cfp_origin *found;
    int n;
    CFP_TRY(
        cfp_origins(&found, &n, links->ctx, links->model, node, channel, links->only_first_add));
    cfp_status status = CFP_OK;
    if (links->n_origins + n > links->origin_capacity) {
        const int64_t capacity = 2 * (links->n_origins + n) + 1024;
        cfp_origin *more = cfp_enlarge(links->ctx, links->origin, (size_t)links->n_origins,
                                       (size_t)capacity, sizeof *more);
        if (more == NULL) {
            status = CFP_NOMEM;
        } else {
            links->origin = more;
            links->origin_capacity = capacity;
        }
    }
    if (status == CFP_OK && n > 0) {
        memcpy(links->origin + links->n_origins, found, (size_t)n * sizeof *found);
        links->n_origins += n;
    }
    cfp_free(found);
    return status;
}

/* Fills origin and first_origin for the channels that the layer asks for.  Channels of the clip
 * have no origins: if no channel of the layer has one, each channel is its own origin.  (Otherwise
 * a channel without origins is padding.) */
static cfp_status resolve(cfp_links *links, const cfp_layer *layer, int input, int channels)
{
    links->n_origins = 0;
    int c = 0;
    for (int i = 0; i <= channels; i++) {
        links->first_origin[i] = links->n_origins;
        if (c < layer->n_children && layer->child[c] == i) {
            CFP_TRY(add_origins(links, input, i));
            c++;
        }
    }
    if (links->n_origins > 0 || layer->n_children == 0)
        return CFP_OK;
    cfp_free(links->origin);
    links->origin_capacity = links->n_origins = layer->n_children;
    CFP_TRY_ALLOC(links->ctx, links->origin, layer->n_children);
    c = 0;
    for (int i = 0; i <= channels; i++) {
        links->first_origin[i] = c;
        if (c < layer->n_children && layer->child[c] == i) {
            links->origin[c] = (cfp_origin){.node = 0, .kernel = i};
            c++;
        }
    }
    return CFP_OK;
}

cfp_status cfp_links_layer(cfp_links *links, int index)
{
    const cfp_layer *layer = &links->pyramid->layer[index];
    const cfp_node *node = &links->model->node[layer->node];
    const int channels = cfp_channels_in(links->model, node);
    links->layer = layer;
    cfp_free(links->first_origin);
    cfp_free(links->first_edge);
    links->first_edge = NULL;
    CFP_TRY_ALLOC(links->ctx, links->first_origin, channels + 1);
    CFP_TRY_ALLOC(links->ctx, links->first_edge, layer->n_kernels + 1);
    int64_t e = 0;
    for (int o = 0; o <= layer->n_kernels; o++) {
        while (e < layer->n_edges && layer->edge[e].o < o)
            e++;
        links->first_edge[o] = e;
    }
    return resolve(links, layer, node->input[0], channels);
}

static cfp_status add_edge(cfp_links *links, int i, float value, float asked)
{
    for (int64_t k = links->first_origin[i]; k < links->first_origin[i + 1]; k++) {
        const cfp_origin from = links->origin[k];
        const int32_t number = links->base[from.node] + from.kernel;
        if (links->link_of[number] != 0) {
            cfp_link *link = &links->link[links->link_of[number] - 1];
            link->value = value > link->value ? value : link->value;
            link->asked = asked > link->asked ? asked : link->asked;
            continue;
        }
        CFP_TRY_ROOM(links->ctx, links->link, links->n, links->capacity);
        links->link[links->n++] = (cfp_link){
            .node = from.node,
            .kernel = from.kernel,
            .layer = links->is_selected[number] ? links->layer_of[from.node] : -1,
            .value = value,
            .asked = asked,
        };
        links->link_of[number] = links->n;
    }
    return CFP_OK;
}

/* Rule grad: all channels of o's group that the layer asks for, with the edges among them. */
static cfp_status add_pairs(cfp_links *links, int o)
{
    const cfp_layer *layer = links->layer;
    const cfp_node *node = &links->model->node[layer->node];
    const int first = cfp_first_channel(links->model, node, o);
    const int behind = first + cfp_channels_per_group(links->model, node);
    int64_t e = links->first_edge[o];
    for (int c = 0; c < layer->n_children; c++) {
        const int i = layer->child[c];
        if (i < first || i >= behind)
            continue;
        while (e < links->first_edge[o + 1] && layer->edge[e].i < i)
            e++;
        const bool edge = e < links->first_edge[o + 1] && layer->edge[e].i == i;
        if (edge || links->pairs)
            CFP_TRY(add_edge(links, i, edge ? layer->edge[e].relevance : -1,
                             layer->child_relevance[c]));
    }
    return CFP_OK;
}

cfp_status cfp_links_kernel(cfp_links *links, int o)
{
    const cfp_layer *layer = links->layer;
    links->n = 0;
    cfp_status status = links->grad ? add_pairs(links, o) : CFP_OK;
    for (int64_t e = links->first_edge[o];
         !links->grad && e < links->first_edge[o + 1] && status == CFP_OK; e++)
        status =
            add_edge(links, layer->edge[e].i, layer->edge[e].relevance, layer->edge[e].relevance);
    for (int k = 0; k < links->n; k++)
        links->link_of[links->base[links->link[k].node] + links->link[k].kernel] = 0;
    return status;
}
