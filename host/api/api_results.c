/* api_results.c - cfp.h: walking through an explanation, and drawing its tubes. */
#include "../draw/colormap.h"
#include "../draw/renderer.h"
#include "api.h"
#include <string.h>

_Static_assert(sizeof(cfp_kernel_edge) == sizeof(cfp_edge) &&
                   offsetof(cfp_kernel_edge, kernel) == offsetof(cfp_edge, o) &&
                   offsetof(cfp_kernel_edge, channel) == offsetof(cfp_edge, i) &&
                   offsetof(cfp_kernel_edge, relevance) == offsetof(cfp_edge, relevance),
               "an edge is the same inside and outside");

void cfp_describe_explanation(cfp_explanation_facts *out, const cfp_explanation *explanation)
{
    *out = (cfp_explanation_facts){.class_index = explanation->class_index,
                                   .logits = explanation->logits,
                                   .probabilities = explanation->probabilities,
                                   .classes = explanation->model->n_classes,
                                   .theta = explanation->query.theta,
                                   .layers = explanation->pyramid.n_layers,
                                   .tubes = explanation->tubes.n,
                                   .forward_ms = explanation->ms.forward,
                                   .descent_ms = explanation->ms.descent,
                                   .tubes_ms = explanation->ms.tubes};
}

bool cfp_get_layer(cfp_layer_facts *out, const cfp_explanation *explanation, int i)
{
    *out = (cfp_layer_facts){0};
    if (i < 0 || i >= explanation->pyramid.n_layers)
        return false;
    const cfp_layer *layer = &explanation->pyramid.layer[i];
    *out = (cfp_layer_facts){.node = layer->node,
                             .name = explanation->model->node[layer->node].name,
                             .depth = layer->depth,
                             .kernels = layer->n_kernels,
                             .relevance = layer->relevance,
                             .selected = layer->n_selected,
                             .selected_kernel = layer->selected,
                             .edges = layer->n_edges,
                             .edge = (const cfp_kernel_edge *)(const void *)layer->edge};
    return true;
}

static cfp_status copy_origins(cfp_kernel_place *place, int capacity, int *n, cfp_ctx *ctx,
                               const cfp_explanation *e, int input, int channel)
{
    cfp_origin *origin;
    CFP_TRY(cfp_origins(&origin, n, ctx, e->model, input, channel,
                        e->query.rule == CFP_RULE_REFERENCE));
    for (int i = 0; i < *n && i < capacity; i++)
        place[i] = (cfp_kernel_place){.node = origin[i].node, .kernel = origin[i].kernel};
    cfp_free(origin);
    return CFP_OK;
}

cfp_status cfp_find_origins(cfp_kernel_place *place, int capacity, int *n, cfp_context *context,
                            const cfp_explanation *explanation, int layer, int channel)
{
    const cfp_model *model = explanation->model;
    const cfp_pyramid *pyramid = &explanation->pyramid;
    *n = 0;
    if (layer < 0 || layer >= pyramid->n_layers)
        return cfp_fail(&context->ctx, CFP_USAGE, "layer: %d: there are %d, from 0", layer,
                        pyramid->n_layers);
    const cfp_node *node = &model->node[pyramid->layer[layer].node];
    const int channels = cfp_channels_in(model, node);
    if (channel < 0 || channel >= channels)
        return cfp_fail(&context->ctx, CFP_USAGE, "channel: %d: '%s' reads %d channels, from 0",
                        channel, node->name, channels);
    return copy_origins(place, capacity, n, &context->ctx, explanation, node->input[0], channel);
}

bool cfp_get_tube(cfp_tube_facts *out, const cfp_explanation *explanation, int i)
{
    *out = (cfp_tube_facts){.kernel = -1};
    if (i < 0 || i >= explanation->tubes.n)
        return false;
    const cfp_tube *tube = &explanation->tubes.tube[i];
    *out = (cfp_tube_facts){.node = tube->node,
                            .name = explanation->model->node[tube->node].name,
                            .kernel = tube->kernel,
                            .t = tube->t,
                            .h = tube->h,
                            .w = tube->w,
                            .raw = tube->raw,
                            .min = tube->min,
                            .max = tube->max};
    return true;
}

static cfp_status check_tube(cfp_ctx *ctx, const cfp_explanation *explanation, int i)
{
    if (i >= 0 && i < explanation->tubes.n)
        return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE, "tube: %d: there are %d, from 0", i, explanation->tubes.n);
}

cfp_status cfp_render_tube(float *volume, cfp_context *context, const cfp_explanation *explanation,
                           int i)
{
    const cfp_clip *clip = explanation->clip;
    CFP_TRY(check_tube(&context->ctx, explanation, i));
    const int before = cfp_api_use_threads(((const api_explanation *)explanation)->ran_on.threads);
    const cfp_status status =
        cfp_tube_render(volume, &context->ctx, &explanation->tubes.tube[i], clip->frames,
                        clip->height, clip->width, explanation->interp);
    cfp_api_use_threads(before);
    return status;
}

void cfp_default_drawing(cfp_drawing *out)
{
    *out = (cfp_drawing){.colormap = "inferno", .alpha = 0.5, .canvas = "model"};
}

cfp_status cfp_api_colormap(int *out, cfp_ctx *ctx, const cfp_drawing *drawing)
{
    CFP_TRY(cfp_api_word(out, ctx, "colormap", drawing->colormap, cfp_colormap_names,
                         CFP_COLORMAP_INFERNO));
    if (!(drawing->alpha >= 0 && drawing->alpha <= 1) && drawing->alpha != CFP_ALPHA_SALIENCY)
        return cfp_fail(ctx, CFP_USAGE, "alpha: %g is not within 0 to 1", drawing->alpha);
    return CFP_OK;
}

static cfp_status draw(uint8_t *rgb, cfp_ctx *ctx, const cfp_explanation *e, const cfp_tube *tube,
                       const cfp_overlay *overlay)
{
    const cfp_clip *clip = e->clip;
    const int size[3] = {clip->frames, clip->height, clip->width};
    const size_t frame = (size_t)clip->height * (size_t)clip->width * 3;
    cfp_renderer renderer;
    CFP_TRY(cfp_renderer_open(&renderer, ctx, NULL, size, e->interp, overlay));
    memcpy(rgb, clip->rgb, frame * (size_t)clip->frames);
    cfp_status status = cfp_renderer_tube(&renderer, tube);
    for (int t = 0; t < clip->frames && status == CFP_OK; t++)
        status = cfp_renderer_overlay(&renderer, rgb + frame * (size_t)t, t);
    cfp_renderer_close(&renderer);
    return status;
}

cfp_status cfp_draw_overlay(uint8_t *rgb, cfp_context *context, const cfp_explanation *explanation,
                            int i, const cfp_drawing *drawing)
{
    cfp_ctx *ctx = &context->ctx;
    const cfp_clip *clip = explanation->clip;
    cfp_drawing how;
    int colormap;
    cfp_default_drawing(&how);
    if (drawing != NULL)
        how = *drawing;
    CFP_TRY(check_tube(ctx, explanation, i));
    CFP_TRY(cfp_api_colormap(&colormap, ctx, &how));
    cfp_overlay overlay = {.height = clip->height,
                           .width = clip->width,
                           .seen_height = clip->height,
                           .seen_width = clip->width,
                           .alpha = how.alpha};
    cfp_colormap_table(overlay.colour, (cfp_colormap)colormap);
    const int before = cfp_api_use_threads(((const api_explanation *)explanation)->ran_on.threads);
    const cfp_status status = draw(rgb, ctx, explanation, &explanation->tubes.tube[i], &overlay);
    cfp_api_use_threads(before);
    return status;
}
