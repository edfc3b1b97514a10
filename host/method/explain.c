/* explain.c - the straight line: forward pass -> class -> descent -> tubes. */
#include "explain.h"
#include "descent.h"
#include "tube_maps.h"
#include <string.h>

/* Which tensors must outlive the forward pass for a query's tubes. */
static void keep_for_tubes(uint8_t *keep, const cfp_model *model, const cfp_query *query)
{
    for (int m = 1; m < model->n_nodes; m++) {
        if (!cfp_tube_wanted(model, query, m))
            continue;
        if (query->rule != CFP_RULE_GRAD) /* grad takes its maps on the way */
            keep[cfp_map_node(model, m)] = 1;
        if (query->tubes == CFP_TUBES_KERNELS)
            keep[model->node[m].input[0]] = 1;
    }
}

/* Rule grad takes the gradient on to the clip only where someone asks for channels of it. */
static bool wants_clip_gradient(const cfp_model *model, const cfp_query *query)
{
    for (int m = 1; m < model->n_nodes; m++)
        if (query->tubes == CFP_TUBES_KERNELS && cfp_tube_wanted(model, query, m) &&
            model->node[model->node[m].input[0]].alias == 0)
            return true;
    return false;
}

cfp_status cfp_trace_open(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                          const cfp_device *device, const cfp_query *query)
{
    cfp_trace_request request = {.depth = CFP_ALL_DEPTHS};
    uint8_t *keep = NULL;
    *out = NULL;
    if (query != NULL) {
        CFP_TRY(cfp_query_check(ctx, query));
        CFP_TRY_ALLOC(ctx, keep, model->n_nodes);
        keep_for_tubes(keep, model, query);
        request.depth = query->depth;
        request.keep = keep;
        request.backward = query->rule == CFP_RULE_GRAD;
        request.means = !request.backward;
        request.clip_gradient = request.backward && wants_clip_gradient(model, query);
    }
    const cfp_status status = cfp_trace_open_request(out, ctx, model, device, &request);
    cfp_free(keep);
    CFP_TRY(status);
    if (query != NULL)
        (*out)->query = *query;
    return CFP_OK;
}

static cfp_status run_forward(cfp_explanation *e, cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    const cfp_input_spec *in = &model->input;
    float *input;
    CFP_TRY_ALLOC(trace->ctx, e->logits, model->n_classes);
    CFP_TRY_ALLOC(trace->ctx, e->probabilities, model->n_classes);
    CFP_TRY_ALLOC(trace->ctx, input, (size_t)in->channels * in->frames * in->height * in->width);
    cfp_clip_normalise(input, e->clip, in);
    const double start = cfp_now_ms();
    const cfp_status status = cfp_trace_forward(trace, input, e->logits);
    e->ms.forward = cfp_now_ms() - start;
    cfp_free(input);
    CFP_TRY(status);
    cfp_softmax(e->probabilities, e->logits, model->n_classes);
    return CFP_OK;
}

static int top_class(const float *logits, int n)
{
    int top = 0;
    for (int c = 1; c < n; c++)
        if (logits[c] > logits[top])
            top = c;
    return top;
}

static cfp_status descend_and_render(cfp_explanation *e, cfp_trace *trace, cfp_tube_maps *maps,
                                     bool *wanted)
{
    for (int m = 1; m < trace->model->n_nodes; m++)
        wanted[m] = cfp_tube_wanted(trace->model, &e->query, m);
    maps->wanted = wanted;
    const double start = cfp_now_ms();
    CFP_TRY(cfp_descend(&e->pyramid, trace, &e->query, e->class_index, maps));
    const double middle = cfp_now_ms();
    CFP_TRY(cfp_tubes_make(&e->tubes, trace, &e->query, &e->pyramid, maps));
    e->ms.descent = middle - start;
    e->ms.tubes = cfp_now_ms() - middle;
    return CFP_OK;
}

static cfp_status explain(cfp_explanation *e, cfp_trace *trace, int class_index)
{
    const int n = trace->model->n_nodes;
    CFP_TRY(run_forward(e, trace));
    e->class_index = class_index >= 0 ? class_index : top_class(e->logits, trace->model->n_classes);
    bool *wanted;
    cfp_tube_maps maps = {0};
    CFP_TRY_ALLOC(trace->ctx, wanted, n);
    maps.raw = cfp_alloc(trace->ctx, (size_t)n, sizeof *maps.raw);
    const cfp_status status =
        maps.raw == NULL ? CFP_NOMEM : descend_and_render(e, trace, &maps, wanted);
    for (int m = 0; maps.raw != NULL && m < n; m++)
        cfp_free(maps.raw[m]);
    cfp_free(maps.raw);
    cfp_free(wanted);
    return status;
}

cfp_status cfp_explain(cfp_explanation *out, cfp_trace *trace, const cfp_clip *clip,
                       int class_index, cfp_interp interp)
{
    *out = (cfp_explanation){
        .model = trace->model, .clip = clip, .query = trace->query, .interp = interp};
    const cfp_status status = explain(out, trace, class_index);
    if (status != CFP_OK)
        cfp_explanation_free(out);
    return status;
}

void cfp_explanation_free(cfp_explanation *explanation)
{
    cfp_free(explanation->logits);
    cfp_free(explanation->probabilities);
    cfp_pyramid_free(&explanation->pyramid);
    cfp_tubes_free(&explanation->tubes);
    *explanation = (cfp_explanation){0};
}
