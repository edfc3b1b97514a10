/* volume_maps.c - methods that look at the map of a convolution (SPEC section 1, Tubes): the family
 * of Grad-CAM, saliency tubes, and the sum of activations.
 *
 * A is the map, C x t x h x w, and G the gradient of the target there. */
#include "../method/pyramid.h"
#include "volume_maker.h"
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>

/* True where one frame of the layer's map has more than one position: behind a global pool there is
 * nothing to see. */
static bool has_extent(const cfp_model *model, int node)
{
    const cfp_shape s = model->node[cfp_map_node(model, node)].shape;
    return s.h * s.w > 1;
}

static bool is_candidate(const cfp_model *model, int node, int least_depth)
{
    return model->node[node].op == CFP_OP_CONV3D && model->node[node].depth >= least_depth;
}

/* The last convolution: that of the smallest depth below the classifier; of several, the one that
 * runs last.  -1: there is none. */
static int last_convolution(const cfp_model *model, bool extent)
{
    int last = -1;
    for (int i = 1; i < model->n_nodes; i++)
        if (is_candidate(model, i, 1) && (!extent || has_extent(model, i)) &&
            (last < 0 || model->node[i].depth <= model->node[last].depth))
            last = i;
    return last;
}

/* The layers to look at: those that --layers matches, else the last convolution. */
static cfp_status choose_layers(int *layer, int *n, const cfp_volume_maker *maker,
                                const cfp_volume_ask *ask)
{
    const cfp_model *model = maker->model;
    const char *glob = ask->query.layers;
    *n = 0;
    for (int i = model->n_nodes - 1; i > 0 && glob != NULL; i--)
        if (is_candidate(model, i, 0) && fnmatch(glob, model->node[i].name, 0) == 0)
            layer[(*n)++] = i;
    if (glob != NULL)
        return CFP_OK;
    layer[0] = last_convolution(model, true);
    if (layer[0] < 0)
        layer[0] = last_convolution(model, false);
    *n = 1;
    if (layer[0] >= 0)
        return CFP_OK;
    return cfp_fail(maker->ctx, CFP_UNSUPPORTED,
                    "--methods: %s: %s has no convolution below its classifier",
                    cfp_volume_names[ask->method], model->path != NULL ? model->path : "the model");
}

/* --- the formulas: raw[t x h x w] from A and G --- */

static void add_weighted(double *sum, const float *a, double weight, int64_t n)
{
    for (int64_t p = 0; p < n; p++)
        sum[p] += weight * (double)a[p];
}

static double sum_of(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t p = 0; p < n; p++)
        sum += (double)x[p];
    return sum;
}

/* Selvaraju 2017: the weight of a channel is the mean of its gradient, over the whole clip. */
static void gradcam(double *sum, const float *a, const float *g, cfp_shape s)
{
    const int64_t n = cfp_positions(s);
    for (int c = 0; c < s.c; c++)
        add_weighted(sum, a + c * n, sum_of(g + c * n, n) / (double)n, n);
}

/* PySlowFast, mmaction2: the same frame by frame. */
static void gradcam_frame(double *sum, const float *a, const float *g, cfp_shape s)
{
    const int64_t n = (int64_t)s.h * s.w;
    for (int c = 0; c < s.c; c++)
        for (int t = 0; t < s.t; t++) {
            const int64_t at = (c * (int64_t)s.t + t) * n;
            add_weighted(sum + t * n, a + at, sum_of(g + at, n) / (double)n, n);
        }
}

/* Chattopadhay 2018, with y = exp(target): the weight of a channel is the sum of alpha * max(G, 0),
 * where alpha = G^2 / (2 G^2 + G^3 * sum of A), and 0 where that is 0/0. */
static void gradcam_pp(double *sum, const float *a, const float *g, cfp_shape s)
{
    const int64_t n = cfp_positions(s);
    for (int c = 0; c < s.c; c++) {
        const double all = sum_of(a + c * n, n);
        double weight = 0;
        for (int64_t p = 0; p < n; p++) {
            const double d = (double)g[c * n + p];
            const double below = 2 + d * all; /* G^2 cancels */
            if (d > 0 && below != 0)
                weight += d / below;
        }
        add_weighted(sum, a + c * n, weight, n);
    }
}

/* Draelos 2020: element by element. */
static void hirescam(double *sum, const float *a, const float *g, cfp_shape s)
{
    const int64_t n = cfp_positions(s);
    for (int64_t i = 0; i < cfp_count(s); i++)
        sum[i % n] += (double)a[i] * (double)g[i];
}

static void activation(double *sum, const float *a, const float *g, cfp_shape s)
{
    const int64_t n = cfp_positions(s);
    (void)g;
    for (int64_t i = 0; i < cfp_count(s); i++)
        sum[i % n] += fabs((double)a[i]);
}

typedef struct formula {
    void (*sum)(double *sum, const float *a, const float *g, cfp_shape s);
    bool positive; /* what is below 0 becomes 0 */
    const char *words;
} formula;

static formula formula_of(cfp_volume_method method)
{
    switch (method) {
    case CFP_VOLUME_GRADCAM:
        return (formula){gradcam, true, "relu(sum_c mean_thw(G) A)"};
    case CFP_VOLUME_GRADCAM_FRAME:
        return (formula){gradcam_frame, true, "relu(sum_c mean_hw(G) A)"};
    case CFP_VOLUME_GRADCAM_PP:
        return (formula){gradcam_pp, true, "relu(sum_c sum(alpha relu(G)) A)"};
    case CFP_VOLUME_HIRESCAM:
        return (formula){hirescam, true, "relu(sum_c G A)"};
    case CFP_VOLUME_ACTIVATION:
        return (formula){activation, false, "sum_c |A|"};
    default:
        return (formula){NULL, false, "sum_c W A"};
    }
}

/* --- Stergiou 2019: each channel of the map times what the class's own weights give it --- */

/* Adds kernel o of the classifier `node` to the weights of layer m's kernels: each of its channels
 * goes to the kernels that it comes from. */
static cfp_status add_class_weights(double *weight, cfp_volume_maker *maker, int m, int node, int o)
{
    const cfp_model *model = maker->model;
    const cfp_node *classifier = &model->node[node];
    const int span = cfp_channels_per_group(model, classifier);
    const int first = cfp_first_channel(model, classifier, o);
    for (int k = 0; k < span; k++) {
        const double w = (double)classifier->kernel_mean[(int64_t)o * span + k];
        cfp_origin *origin;
        int n;
        CFP_TRY(
            cfp_origins(&origin, &n, maker->ctx, model, classifier->input[0], first + k, false));
        for (int i = 0; i < n; i++)
            if (origin[i].node == m)
                weight[origin[i].kernel] += w;
        cfp_free(origin);
    }
    return CFP_OK;
}

static cfp_status class_weights(double *weight, cfp_volume_maker *maker, int m, int class_index)
{
    const cfp_model *model = maker->model;
    cfp_origin *origin;
    int n;
    bool any = false;
    CFP_TRY(cfp_origins(&origin, &n, maker->ctx, model, model->logits, class_index, false));
    cfp_status status = CFP_OK;
    for (int i = 0; i < n && status == CFP_OK; i++)
        status = add_class_weights(weight, maker, m, origin[i].node, origin[i].kernel);
    cfp_free(origin);
    for (int o = 0; o < model->node[m].shape.c; o++)
        any |= weight[o] != 0;
    if (status != CFP_OK || any)
        return status;
    return cfp_fail(
        maker->ctx, CFP_UNSUPPORTED,
        "--methods: saliency-tubes: the classifier of %s does not read the map of '%s', "
        "so its weights say nothing of its channels",
        model->path != NULL ? model->path : "the model", model->node[m].name);
}

static cfp_status saliency_tubes(double *sum, cfp_volume_maker *maker, int m, const cfp_map *map,
                                 int class_index)
{
    const int64_t n = cfp_positions(map->shape);
    double *weight;
    CFP_TRY_ALLOC(maker->ctx, weight, map->shape.c);
    const cfp_status status = class_weights(weight, maker, m, class_index);
    for (int c = 0; c < map->shape.c && status == CFP_OK; c++)
        add_weighted(sum, map->value + c * n, weight[c], n);
    cfp_free(weight);
    return status;
}

/* --- one volume for each layer --- */

struct room { /* of one layer: what is summed, and that in float */
    double *sum;
    float *raw;
};

static cfp_status fill(cfp_volume *volume, struct room *r, cfp_volume_maker *maker,
                       const cfp_map *map, int class_index)
{
    const formula f = formula_of(volume->ask->method);
    const int64_t n = cfp_positions(map->shape);
    CFP_TRY_ALLOC(maker->ctx, r->sum, n);
    CFP_TRY_ALLOC(maker->ctx, r->raw, n);
    if (f.sum != NULL)
        f.sum(r->sum, map->value, map->gradient, map->shape);
    else
        CFP_TRY(saliency_tubes(r->sum, maker, volume->node, map, class_index));
    for (int64_t p = 0; p < n; p++)
        r->raw[p] = (float)(f.positive ? fmax(r->sum[p], 0) : r->sum[p]);
    snprintf(volume->definition, sizeof volume->definition, "map: %s target=%s interp=%s", f.words,
             cfp_target_names[maker->settings.target], cfp_interp_names[maker->settings.interp]);
    return cfp_volume_from_raw(volume, maker, r->raw, map->shape);
}

static cfp_status fill_all(cfp_volume_list *out, cfp_volume_maker *maker, const cfp_volume_ask *ask,
                           const int *layer, const cfp_map *map, int n, int class_index)
{
    for (int k = 0; k < n; k++) {
        cfp_volume *volume;
        struct room r = {0};
        CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, layer[k]));
        const cfp_status status = fill(volume, &r, maker, &map[k], class_index);
        cfp_free(r.sum);
        cfp_free(r.raw);
        CFP_TRY(status);
    }
    return CFP_OK;
}

struct layers {
    int *layer, *node; /* of the layers, and of their maps */
    cfp_map *map;
};

static cfp_status make(cfp_volume_list *out, struct layers *l, cfp_volume_maker *maker,
                       const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    int n;
    CFP_TRY_ALLOC(maker->ctx, l->layer, maker->model->n_nodes);
    CFP_TRY(choose_layers(l->layer, &n, maker, ask));
    CFP_TRY_ALLOC(maker->ctx, l->node, n);
    CFP_TRY_ALLOC(maker->ctx, l->map, n);
    for (int k = 0; k < n; k++)
        l->node[k] = cfp_map_node(maker->model, l->layer[k]);
    CFP_TRY(cfp_volumes_room(out, maker, n));
    CFP_TRY(
        cfp_network_maps(maker->network, l->map, l->node, n, subject->input, subject->class_index));
    const cfp_status status = fill_all(out, maker, ask, l->layer, l->map, n, subject->class_index);
    cfp_maps_free(l->map, n);
    return status;
}

cfp_status cfp_volumes_of_maps(cfp_volume_list *out, cfp_volume_maker *maker,
                               const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    struct layers l = {0};
    const cfp_status status = make(out, &l, maker, ask, subject);
    cfp_free(l.layer);
    cfp_free(l.node);
    cfp_free(l.map);
    return status;
}
