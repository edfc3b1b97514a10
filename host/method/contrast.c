/* contrast.c - see contrast.h. */
#include "contrast.h"
#include <string.h>

const char *const cfp_side_names[] = {"both", "only_a", "only_b"};

const cfp_layer *cfp_pyramid_layer(const cfp_pyramid *pyramid, int node)
{
    for (int l = 0; l < pyramid->n_layers; l++)
        if (pyramid->layer[l].node == node)
            return &pyramid->layer[l];
    return NULL;
}

bool cfp_contrast_own_tube(const cfp_explanation *of, const cfp_tube *tube)
{
    const cfp_layer *layer = cfp_pyramid_layer(&of->pyramid, tube->node);
    if (layer == NULL || tube->kernel < 0)
        return layer != NULL;
    for (int s = 0; s < layer->n_selected; s++)
        if (layer->selected[s] == tube->kernel)
            return true;
    return false;
}

/* --- layers --- */

/* The order of a pyramid: by depth, then from the output to the input. */
static bool comes_before(const cfp_layer *x, const cfp_layer *y)
{
    return x->depth != y->depth ? x->depth < y->depth : x->node > y->node;
}

static bool selects(const cfp_layer *layer, int *at, int o)
{
    if (layer == NULL || *at == layer->n_selected || layer->selected[*at] != o)
        return false;
    ++*at;
    return true;
}

static cfp_status sort_kernels(cfp_contrast_layer *layer, cfp_ctx *ctx)
{
    for (int s = 0; s < CFP_SIDES; s++)
        CFP_TRY_ALLOC(ctx, layer->kernel[s], layer->n_kernels);
    for (int o = 0, a = 0, b = 0; o < layer->n_kernels; o++) {
        const bool in_a = selects(layer->a, &a, o), in_b = selects(layer->b, &b, o);
        const cfp_side side = in_a && in_b ? CFP_SIDE_BOTH : in_a ? CFP_SIDE_A : CFP_SIDE_B;
        if (in_a || in_b)
            layer->kernel[side][layer->n[side]++] = o;
    }
    return CFP_OK;
}

static cfp_status fill_layers(cfp_contrast_layers *out, cfp_ctx *ctx, const cfp_pyramid *a,
                              const cfp_pyramid *b)
{
    CFP_TRY_ALLOC(ctx, out->layer, a->n_layers + b->n_layers);
    for (int i = 0, k = 0; i < a->n_layers || k < b->n_layers;) {
        const cfp_layer *x = i < a->n_layers ? &a->layer[i] : NULL;
        const cfp_layer *y = k < b->n_layers ? &b->layer[k] : NULL;
        if (x != NULL && y != NULL && x->node != y->node) {
            const bool first = comes_before(x, y);
            x = first ? x : NULL;
            y = first ? NULL : y;
        }
        i += x != NULL;
        k += y != NULL;
        const cfp_layer *any = x != NULL ? x : y;
        cfp_contrast_layer *layer = &out->layer[out->n++];
        *layer = (cfp_contrast_layer){
            .node = any->node, .depth = any->depth, .n_kernels = any->n_kernels, .a = x, .b = y};
        CFP_TRY(sort_kernels(layer, ctx));
    }
    return CFP_OK;
}

cfp_status cfp_contrast_layers_open(cfp_contrast_layers *out, cfp_ctx *ctx,
                                    const cfp_explanation *a)
{
    *out = (cfp_contrast_layers){0};
    const cfp_status status = fill_layers(out, ctx, &a->pyramid, &a->against->pyramid);
    if (status != CFP_OK)
        cfp_contrast_layers_close(out);
    return status;
}

void cfp_contrast_layers_close(cfp_contrast_layers *layers)
{
    for (int l = 0; l < layers->n; l++)
        for (int s = 0; s < CFP_SIDES; s++)
            cfp_free(layers->layer[l].kernel[s]);
    cfp_free(layers->layer);
    *layers = (cfp_contrast_layers){0};
}

/* --- tubes --- */

/* The tube of a class that has none there. */
static float zero_voxel[1];
static const cfp_tube zero_tube = {.t = 1, .h = 1, .w = 1, .raw = zero_voxel};

static int find_layer_tube(const cfp_tubes_list *tubes, int node)
{
    for (int i = 0; i < tubes->n; i++)
        if (tubes->tube[i].node == node && tubes->tube[i].kernel < 0)
            return i;
    return -1;
}

/* Adds a tube to the list, which takes over the map of a's tube.  If a has none, the map is one 0.
 */
static cfp_status add_tube(cfp_tubes_list *out, cfp_ctx *ctx, cfp_tube *a, const cfp_tube *b)
{
    cfp_tube *made = &out->tube[out->n];
    if (a != NULL) {
        *made = *a;
        a->raw = NULL;
    } else {
        *made = zero_tube;
        made->node = b->node;
        made->kernel = b->kernel;
        made->raw = NULL;
        CFP_TRY_ALLOC(ctx, made->raw, 1);
    }
    made->minus = b != NULL ? b : &zero_tube;
    out->n++;
    return CFP_OK;
}

static int first_kernel_tube(const cfp_tubes_list *tubes)
{
    int i = 0;
    while (i < tubes->n && tubes->tube[i].kernel < 0)
        i++;
    return i;
}

static cfp_status merge_layer_tubes(cfp_tubes_list *out, cfp_ctx *ctx,
                                    const cfp_contrast_layers *layers, cfp_tubes_list *a,
                                    const cfp_tubes_list *b)
{
    for (int l = 0; l < layers->n; l++) {
        const int i = find_layer_tube(a, layers->layer[l].node);
        const int k = find_layer_tube(b, layers->layer[l].node);
        if (i >= 0 || k >= 0)
            CFP_TRY(add_tube(out, ctx, i < 0 ? NULL : &a->tube[i], k < 0 ? NULL : &b->tube[k]));
    }
    return CFP_OK;
}

/* In both lists, kernel tubes come after layer tubes and are sorted by layer, then by kernel. */
static cfp_status merge_kernel_tubes(cfp_tubes_list *out, cfp_ctx *ctx,
                                     const cfp_contrast_layers *layers, cfp_tubes_list *a,
                                     const cfp_tubes_list *b)
{
    int i = first_kernel_tube(a), k = first_kernel_tube(b), l = 0;
    while (l < layers->n) {
        const int node = layers->layer[l].node;
        cfp_tube *x = i < a->n && a->tube[i].node == node ? &a->tube[i] : NULL;
        const cfp_tube *y = k < b->n && b->tube[k].node == node ? &b->tube[k] : NULL;
        if (x == NULL && y == NULL) {
            l++;
            continue;
        }
        if (x != NULL && y != NULL && x->kernel != y->kernel) {
            const bool first = x->kernel < y->kernel;
            x = first ? x : NULL;
            y = first ? NULL : y;
        }
        i += x != NULL;
        k += y != NULL;
        CFP_TRY(add_tube(out, ctx, x, y));
    }
    return CFP_OK;
}

static cfp_status merge_tubes(cfp_tubes_list *out, cfp_ctx *ctx, const cfp_contrast_layers *layers,
                              cfp_tubes_list *a, const cfp_tubes_list *b)
{
    CFP_TRY_ALLOC(ctx, out->tube, a->n + b->n);
    CFP_TRY(merge_layer_tubes(out, ctx, layers, a, b));
    return merge_kernel_tubes(out, ctx, layers, a, b);
}

cfp_status cfp_make_contrast(cfp_explanation *a, cfp_ctx *ctx, const cfp_explanation *b)
{
    cfp_contrast_layers layers;
    cfp_tubes_list tubes = {0};
    a->against = b;
    CFP_TRY(cfp_contrast_layers_open(&layers, ctx, a));
    const cfp_status status = merge_tubes(&tubes, ctx, &layers, &a->tubes, &b->tubes);
    cfp_contrast_layers_close(&layers);
    cfp_tubes_free(&a->tubes);
    a->tubes = tubes;
    return status;
}
