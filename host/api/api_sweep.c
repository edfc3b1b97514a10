/* api_sweep.c - cfp.h: cfp_sweep_clip, which counts the kernels that each threshold selects. */
#include "../method/sweep.h"
#include "api.h"

static int count_rows(const cfp_series *series, int thetas)
{
    return series->n_layers * thetas;
}

static void fill(cfp_theta_counts *out, const cfp_series *series, const cfp_model *model,
                 const double *theta, int thetas)
{
    for (int k = 0; k < thetas; k++)
        for (int l = 0; l < series->n_layers; l++) {
            const cfp_swept_layer *layer = &series->layer[l];
            out->row[out->n++] = (cfp_theta_count){.node = layer->node,
                                                   .name = model->node[layer->node].name,
                                                   .depth = layer->depth,
                                                   .theta = theta[k],
                                                   .kernels = layer->kernels,
                                                   .selected = layer->selected[k],
                                                   .edges = layer->edges[k],
                                                   .jaccard = layer->jaccard[k]};
        }
}

/* The state of one cfp_sweep_clip. */
struct sweeping {
    const cfp_model *model;
    cfp_analyser *analyser;
    float *logits; /* [classes] */
    cfp_series series;
};

static int top_class(const float *logits, int n)
{
    int top = 0;
    for (int c = 1; c < n; c++)
        if (logits[c] > logits[top])
            top = c;
    return top;
}

static cfp_status sweep(struct sweeping *s, const api_device *device, const cfp_query *query,
                        const cfp_clip *clip, int class_index, const double *theta, int thetas)
{
    cfp_ctx *ctx = &device->context->ctx;
    const uint8_t *const rgb = clip->rgb;
    CFP_TRY_ALLOC(ctx, s->logits, s->model->n_classes);
    CFP_TRY(cfp_analyser_open_sweep(&s->analyser, ctx, s->model, &device->device, query, 1));
    CFP_TRY(cfp_trace_forward_frames(cfp_analyser_network(s->analyser), &rgb, s->logits));
    if (class_index < 0)
        class_index = top_class(s->logits, s->model->n_classes);
    return cfp_sweep(&s->series, s->analyser, query, class_index, theta, thetas);
}

static cfp_status check(cfp_query *query, cfp_ctx *ctx, const cfp_model *model,
                        const cfp_question *question, const double *theta, int thetas)
{
    cfp_interp unused;
    CFP_TRY(cfp_api_query(query, &unused, ctx, model, question));
    if (query->baseline != CFP_BASELINE_ZERO)
        return cfp_fail(ctx, CFP_USAGE, "baseline: a sweep knows zero alone");
    if (query->steps != 1)
        return cfp_fail(ctx, CFP_USAGE, "steps: a sweep takes the gradient at the clip alone");
    query->tubes = CFP_TUBES_NONE;
    if (thetas < 1)
        return cfp_fail(ctx, CFP_USAGE, "thetas: %d is less than 1", thetas);
    for (int k = 0; k < thetas; k++)
        if (!(theta[k] >= 0 && theta[k] <= 1))
            return cfp_fail(ctx, CFP_USAGE, "theta: %g is not within 0 to 1", theta[k]);
    return CFP_OK;
}

cfp_status cfp_sweep_clip(cfp_theta_counts *out, cfp_device *device, const cfp_model *model,
                          const cfp_question *question, const cfp_clip *clip, int class_index,
                          const double *theta, int thetas)
{
    const api_device *on = (const api_device *)device;
    cfp_ctx *ctx = &on->context->ctx;
    struct sweeping s = {.model = model};
    cfp_query query;
    *out = (cfp_theta_counts){0};
    CFP_TRY(check(&query, ctx, model, question, theta, thetas));
    CFP_TRY(cfp_api_check_clip(ctx, model, clip));
    CFP_TRY(cfp_api_check_class(ctx, model, class_index));
    const int before = cfp_api_use_threads(on->threads);
    cfp_status status = sweep(&s, on, &query, clip, class_index, theta, thetas);
    cfp_api_use_threads(before);
    if (status == CFP_OK) {
        out->row = cfp_alloc(ctx, (size_t)count_rows(&s.series, thetas), sizeof *out->row);
        status = out->row != NULL ? CFP_OK : CFP_NOMEM;
    }
    if (status == CFP_OK)
        fill(out, &s.series, model, theta, thetas);
    cfp_series_free(&s.series);
    cfp_analyser_close(&s.analyser);
    cfp_free(s.logits);
    return status;
}

void cfp_free_counts(cfp_theta_counts *counts)
{
    cfp_free(counts->row);
    *counts = (cfp_theta_counts){0};
}
