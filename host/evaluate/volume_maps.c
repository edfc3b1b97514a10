/* volume_maps.c - methods that look at the map of a convolution (SPEC section 1, Tubes): the family
 * of Grad-CAM, saliency tubes, and the sum of activations.
 *
 * A is the map, C x t x h x w, and G the gradient of the target there. */
#include "../method/pyramid.h"
#include "volume_maker.h"
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>

/* *out: the kernel of the classifier that gives the class its logit; node -1: there is none. */
static cfp_status find_classifier(cfp_origin *out, cfp_volume_maker *maker, int class_index)
{
    cfp_origin *origin;
    int n;
    CFP_TRY(cfp_origins(&origin, &n, maker->ctx, maker->model, maker->model->logits, class_index,
                        false));
    *out = n > 0 ? origin[0] : (cfp_origin){-1, -1};
    cfp_free(origin);
    return CFP_OK;
}

/* The input of a node that has the most channels. */
static int widest_input(const cfp_model *model, int node)
{
    const cfp_node *n = &model->node[node];
    int widest = n->input[0];
    for (int k = 1; k < n->n_inputs; k++)
        if (model->node[n->input[k]].shape.c > model->node[widest].shape.c)
            widest = n->input[k];
    return widest;
}

static bool is_pool(const cfp_node *node)
{
    return node->op == CFP_OP_MAXPOOL3D || node->op == CFP_OP_AVGPOOL3D ||
           node->op == CFP_OP_GLOBALAVGPOOL;
}

/* The last map: upstream of the classifier the first tensor whose frames have more than one
 * position, pools aside.  0: there is none but the clip. */
static int last_map(const cfp_model *model, int classifier)
{
    int node = classifier < 0 ? 0 : model->node[classifier].input[0];
    while (node > 0 && (model->node[node].shape.h * model->node[node].shape.w == 1 ||
                        is_pool(&model->node[node])))
        node = widest_input(model, node);
    return node;
}

/* The node that a map is named by: the last convolution whose map it is, else the map itself. */
static int layer_of(const cfp_model *model, int map)
{
    for (int m = map; m > 0; m--)
        if (model->node[m].op == CFP_OP_CONV3D && cfp_map_node(model, m) == map)
            return m;
    return map;
}

/* Chooses the layers that --layers matches and the nodes of their maps; without --layers, the last
 * map. */
static cfp_status choose_layers(int *layer, int *map, int *n, cfp_volume_maker *maker,
                                const cfp_volume_ask *ask, int class_index)
{
    const cfp_model *model = maker->model;
    const char *glob = ask->query.layers;
    cfp_origin classifier;
    *n = 0;
    for (int i = model->n_nodes - 1; i > 0 && glob != NULL; i--)
        if (model->node[i].op == CFP_OP_CONV3D && model->node[i].depth >= 0 &&
            fnmatch(glob, model->node[i].name, 0) == 0) {
            layer[*n] = i;
            map[(*n)++] = cfp_map_node(model, i);
        }
    if (glob != NULL)
        return CFP_OK;
    CFP_TRY(find_classifier(&classifier, maker, class_index));
    map[0] = last_map(model, classifier.node);
    layer[0] = layer_of(model, map[0]);
    *n = 1;
    if (map[0] > 0)
        return CFP_OK;
    return cfp_fail(maker->ctx, CFP_UNSUPPORTED,
                    "--methods: %s: %s has no map below its classifier whose frames have more than "
                    "one position",
                    ask->word, model->path != NULL ? model->path : "the model");
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

/* --- Stergiou 2019: each channel of the map times its weight for the class --- */

/* Channel j of a node's output has weight w.  Adds it to the channel of the map that this channel
 * comes from.  The search ends at other kernel layers. */
static void add_weight(double *weight, const cfp_model *model, int map, int node, int j, double w)
{
    const cfp_node *n = &model->node[node];
    if (node == map)
        weight[j] += w;
    if (node <= map || cfp_is_kernel_layer(n)) /* the map is not upstream of it */
        return;
    for (int k = 0; k < n->n_inputs; k++) {
        const int from = cfp_route(model, node, k, j);
        if (from >= 0)
            add_weight(weight, model, map, n->input[k], from, w);
    }
}

/* weight[C] of the map's channels.  The caller has made sure that there is a classifier. */
static cfp_status class_weights(double *weight, cfp_volume_maker *maker, int map, int class_index)
{
    const cfp_model *model = maker->model;
    cfp_origin origin;
    bool any = false;
    CFP_TRY(find_classifier(&origin, maker, class_index));
    const cfp_node *classifier = &model->node[origin.node];
    const int span = cfp_channels_per_group(model, classifier);
    const int first = cfp_first_channel(model, classifier, origin.kernel);
    for (int k = 0; k < span; k++)
        add_weight(weight, model, map, classifier->input[0], first + k,
                   (double)classifier->kernel_mean[(int64_t)origin.kernel * span + k]);
    for (int c = 0; c < model->node[map].shape.c; c++)
        any |= weight[c] != 0;
    if (any)
        return CFP_OK;
    return cfp_fail(
        maker->ctx, CFP_UNSUPPORTED,
        "--methods: saliency-tubes: the classifier of %s does not read the map of '%s', "
        "so its weights say nothing of its channels",
        model->path != NULL ? model->path : "the model", model->node[map].name);
}

static cfp_status saliency_tubes(double *sum, cfp_volume_maker *maker, const cfp_map *map, int node,
                                 int class_index)
{
    const int64_t n = cfp_positions(map->shape);
    double *weight;
    CFP_TRY_ALLOC(maker->ctx, weight, map->shape.c);
    const cfp_status status = class_weights(weight, maker, node, class_index);
    for (int c = 0; c < map->shape.c && status == CFP_OK; c++)
        add_weighted(sum, map->value + c * n, weight[c], n);
    cfp_free(weight);
    return status;
}

/* --- one volume for each layer --- */

struct buffers { /* of one layer: the sum, and the sum in float */
    double *sum;
    float *raw;
};

static cfp_status fill(cfp_volume *volume, struct buffers *r, cfp_volume_maker *maker,
                       const cfp_map *map, int node, int class_index)
{
    const formula f = formula_of(volume->ask->method);
    const int64_t n = cfp_positions(map->shape);
    CFP_TRY_ALLOC(maker->ctx, r->sum, n);
    CFP_TRY_ALLOC(maker->ctx, r->raw, n);
    if (f.sum != NULL)
        f.sum(r->sum, map->value, map->gradient, map->shape);
    else
        CFP_TRY(saliency_tubes(r->sum, maker, map, node, class_index));
    for (int64_t p = 0; p < n; p++)
        r->raw[p] = (float)(f.positive ? fmax(r->sum[p], 0) : r->sum[p]);
    snprintf(volume->definition, sizeof volume->definition, "map: %s target=%s interp=%s", f.words,
             cfp_target_names[maker->settings.target], cfp_interp_names[maker->settings.interp]);
    return cfp_volume_from_raw(volume, maker, r->raw, map->shape);
}

struct layers {
    int *layer, *node; /* of the layers, and of their maps */
    cfp_map *map;
    int n;
};

static cfp_status fill_all(cfp_volume_list *out, cfp_volume_maker *maker, const cfp_volume_ask *ask,
                           const struct layers *l, int class_index)
{
    for (int k = 0; k < l->n; k++) {
        cfp_volume *volume;
        struct buffers r = {0};
        CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, l->layer[k]));
        const cfp_status status = fill(volume, &r, maker, &l->map[k], l->node[k], class_index);
        cfp_free(r.sum);
        cfp_free(r.raw);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status make(cfp_volume_list *out, struct layers *l, cfp_volume_maker *maker,
                       const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    CFP_TRY_ALLOC(maker->ctx, l->layer, maker->model->n_nodes);
    CFP_TRY_ALLOC(maker->ctx, l->node, maker->model->n_nodes);
    CFP_TRY(choose_layers(l->layer, l->node, &l->n, maker, ask, subject->class_index));
    CFP_TRY_ALLOC(maker->ctx, l->map, l->n);
    CFP_TRY(cfp_volumes_reserve(out, maker, l->n));
    CFP_TRY(
        cfp_probe_maps(maker->probe, l->map, l->node, l->n, subject->input, subject->class_index));
    const cfp_status status = fill_all(out, maker, ask, l, subject->class_index);
    cfp_maps_free(l->map, l->n);
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
