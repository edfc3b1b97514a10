/* kernel_metrics.c - see kernel_metrics.h: names, layers, and the order of the work. */
#include "kernel_metrics.h"
#include "metrics_inside.h"
#include <fnmatch.h>

const char *const cfp_kernel_metric_names[] = {"kernel-drop",    "kernel-keep", "pyramid-keep",
                                               "pyramid-drop",   "kernel-rank", "class-jaccard",
                                               "weight-jaccard", NULL};
const char *const cfp_fill_names[] = {"blank",   "zero",  "freeze", "reverse",
                                      "shuffle", "clips", NULL};

cfp_eval_row cfp_kernel_row(const cfp_kernel_subject *s, int k, int method,
                            cfp_kernel_metric metric, double share)
{
    const cfp_score_method *m = &s->request->method[method];
    cfp_eval_row row = cfp_eval_row_empty();
    row.clip = s->clip->path;
    row.class_index = s->class_index[k];
    row.class_name = s->model->class_name[row.class_index];
    row.method = m->word;
    row.metric = cfp_kernel_metric_names[metric];
    if (share == CFP_SHARE_SELECTED || m->kind == CFP_SCORE_GRAD_MASKED)
        row.theta = m->query.theta;
    if (share != CFP_SHARE_SELECTED)
        row.share = share;
    return row;
}

const char *cfp_share_words(double share)
{
    return share == CFP_SHARE_SELECTED ? "selected at theta" : "of the highest scores";
}

/* --- layers --- */

static bool matches(const cfp_model *model, const cfp_kernel_request *request, int node)
{
    return cfp_is_scored(model, node, request->depth) &&
           (request->layers == NULL || fnmatch(request->layers, model->node[node].name, 0) == 0);
}

/* The order of a pyramid: by depth, then from the output to the input. */
int cfp_kernel_layers(int *layer, const cfp_model *model, const cfp_kernel_request *request)
{
    int n = 0;
    for (int depth = 1; depth <= model->max_depth; depth++)
        for (int i = model->n_nodes - 1; i > 0; i--)
            if (model->node[i].depth == depth && matches(model, request, i))
                layer[n++] = i;
    return n;
}

typedef struct scored { /* the layers that a request scores, whatever their names are */
    const cfp_model *model;
    int depth;
} scored;

static bool is_scored(const void *cookie, int node)
{
    const scored *s = cookie;
    return node > 0 && cfp_is_scored(s->model, node, s->depth);
}

cfp_status cfp_kernel_request_check(cfp_ctx *ctx, const cfp_model *model,
                                    const cfp_kernel_request *request)
{
    for (int i = 1; i < model->n_nodes; i++)
        if (matches(model, request, i))
            return CFP_OK;
    const scored all = {model, request->depth};
    char near[512];
    if (request->layers != NULL) {
        cfp_model_near_layers(near, sizeof near, model, request->layers, is_scored, &all);
        return cfp_fail(ctx, CFP_USAGE,
                        "--layers: no kernel layer of %s below its classifier matches '%s'%s",
                        model->path, request->layers, near);
    }
    return cfp_fail(ctx, CFP_USAGE, "%s: has no kernel layer below its classifier%s",
                    model->path != NULL ? model->path : "model",
                    request->depth == CFP_ALL_DEPTHS ? "" : " within --depth");
}

/* --- all metrics --- */

static cfp_status each_layer(cfp_kernel_subject *s, int k, int n_asked, int *layer,
                             cfp_eval_emit emit)
{
    const int n = cfp_kernel_layers(layer, s->model, s->request);
    for (int i = 0; i < n; i++) {
        if (k == 0) /* the first class runs the ablations of all classes */
            s->part(s->cookie, cfp_layer_cost(s, n_asked, layer[i]));
        CFP_TRY(cfp_layer_metrics(s, k, n_asked, layer[i], emit));
    }
    return CFP_OK;
}

cfp_status cfp_kernel_metrics(cfp_kernel_subject *s, int k, int n_asked, cfp_eval_emit emit)
{
    int *layer;
    CFP_TRY_ALLOC(s->ctx, layer, s->model->n_nodes);
    const cfp_status status = each_layer(s, k, n_asked, layer, emit);
    cfp_free(layer);
    CFP_TRY(status);
    s->part(s->cookie, cfp_pyramid_cost(s));
    return cfp_pyramid_metrics(s, k, emit);
}

cfp_status cfp_kernel_cost(double *cost, const cfp_kernel_subject *s, int n_asked)
{
    int *layer;
    CFP_TRY_ALLOC(s->ctx, layer, s->model->n_nodes);
    const int n = cfp_kernel_layers(layer, s->model, s->request);
    *cost = n_asked * cfp_pyramid_cost(s);
    for (int i = 0; i < n; i++)
        *cost += cfp_layer_cost(s, n_asked, layer[i]);
    cfp_free(layer);
    return CFP_OK;
}
