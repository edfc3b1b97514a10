/* explain.c - the straight line: forward pass -> class -> descent -> tubes. */
#include "explain.h"
#include "descent.h"
#include "entries.h"
#include "target.h"
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

/* Opens a trace for as many of --steps' points at once as there is memory for. */
static cfp_status open_parts(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                             const cfp_device *device, cfp_trace_request *request)
{
    const cfp_query *query = request->query;
    const bool parts = query != NULL && query->mask == CFP_MASK_NONE;
    int points = query == NULL ? 1 : query->steps;
    if (request->batch.points > 0 && request->batch.points < points)
        points = request->batch.points;
    for (;;) {
        request->batch.points = points;
        const cfp_status status = cfp_trace_open_request(out, ctx, model, device, request);
        if (status != CFP_NOMEM || !parts || points == 1)
            return status;
        points = (points + 1) / 2;
        cfp_log(ctx, CFP_LOG_INFO, "%s; now %d of the %d steps at a time", ctx->message, points,
                query->steps);
        ctx->message[0] = '\0';
    }
}

enum { MOST_QUESTIONS = 16384 }; /* what backends count with int, and GPUs take as a grid's side */

cfp_status cfp_trace_open(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                          const cfp_device *device, const cfp_query *query, const cfp_batch *batch)
{
    cfp_trace_request request = {.depth = CFP_ALL_DEPTHS};
    cfp_query resolved;
    uint8_t *keep = NULL;
    *out = NULL;
    if (batch != NULL)
        request.batch = *batch;
    if ((int64_t)request.batch.clips * request.batch.thetas > MOST_QUESTIONS)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "at most %d questions at once", MOST_QUESTIONS);
    if (query != NULL) {
        if (query->rule == CFP_RULE_GRAD && query->mask == CFP_MASK_SELECTED &&
            request.batch.thetas > 1)
            return cfp_fail(ctx, CFP_USAGE,
                            "--rule: grad takes one theta at a time, but with "
                            "--mask none");
        CFP_TRY(cfp_query_check(ctx, query));
        if (query->mask == CFP_MASK_SELECTED && request.batch.points > 0 &&
            request.batch.points < query->steps)
            return cfp_fail(ctx, CFP_USAGE, "--steps: come in parts only with --mask none");
        resolved = *query;
        CFP_TRY(cfp_resolve_target(&resolved, ctx, model));
        query = &resolved;
        CFP_TRY_ALLOC(ctx, keep, model->n_nodes);
        keep_for_tubes(keep, model, query);
        request.query = query;
        request.depth = query->depth;
        request.keep = keep;
        request.backward = query->rule == CFP_RULE_GRAD;
        request.means = !request.backward;
    }
    const cfp_status status = open_parts(out, ctx, model, device, &request);
    cfp_free(keep);
    return status;
}

static int top_class(const float *logits, int n)
{
    int top = 0;
    for (int c = 1; c < n; c++)
        if (logits[c] > logits[top])
            top = c;
    return top;
}

/* A batch on its way: by clip, then by question. */
struct batch {
    cfp_trace *trace;
    const cfp_clip *const *clip;
    const float *given; /* the clips' numbers, in the place of clip; or NULL */
    int clips, thetas;
    float *input;        /* [clips x entries], normalised; NULL where frames go up as they are */
    const uint8_t **rgb; /* [clips] */
    float *logits;       /* [clips][classes] */
    int *class_index;    /* [clips] */
    cfp_pyramid *pyramid;
    cfp_tubes_list *tubes;
    cfp_timings ms;
};

/* Frames of bytes have three channels; a network that reads more is given numbers, and so is one
 * that is shown more than the clip.  first: of --steps' points. */
static cfp_status forward_numbers(struct batch *b, int first)
{
    const cfp_input_spec *in = &b->trace->model->input;
    const int64_t count = (int64_t)in->channels * in->frames * in->height * in->width;
    if (b->input == NULL)
        CFP_TRY_ALLOC(b->trace->ctx, b->input, b->clips * b->trace->entries.n * count);
    CFP_TRY(cfp_entries_fill(b->input, b->trace, b->clip, b->given, b->trace->other, first));
    return cfp_trace_forward(b->trace, b->input, b->logits);
}

static cfp_status forward_frames(struct batch *b)
{
    CFP_TRY_ALLOC(b->trace->ctx, b->rgb, b->clips);
    for (int n = 0; n < b->clips; n++)
        b->rgb[n] = b->clip[n]->rgb;
    return cfp_trace_forward_frames(b->trace, b->rgb, b->logits);
}

static cfp_status run_forward(struct batch *b, const int *class_index)
{
    const cfp_model *model = b->trace->model;
    CFP_TRY_ALLOC(b->trace->ctx, b->logits, (int64_t)b->clips * model->n_classes);
    CFP_TRY_ALLOC(b->trace->ctx, b->class_index, b->clips);
    const double start = cfp_now_ms();
    const bool numbers =
        b->given != NULL || model->input.channels > CFP_FRAME_CHANNELS || b->trace->entries.n > 1;
    CFP_TRY(numbers ? forward_numbers(b, 0) : forward_frames(b));
    b->ms.forward = cfp_now_ms() - start;
    for (int n = 0; n < b->clips; n++)
        b->class_index[n] =
            class_index[n] >= 0
                ? class_index[n]
                : top_class(b->logits + (int64_t)n * model->n_classes, model->n_classes);
    return CFP_OK;
}

/* One walk over all of --steps' points, part by part; each part is run forward first. */
static cfp_status walk_parts(struct batch *b, cfp_walk walk)
{
    cfp_trace *trace = b->trace;
    const int steps = trace->query.steps, most = trace->entries.count;
    for (int first = 0; first < steps; first += most) {
        const double start = cfp_now_ms();
        if (walk != CFP_WALK_GATHER || first > 0) /* the first has been run */
            CFP_TRY(forward_numbers(b, first));
        b->ms.forward += cfp_now_ms() - start;
        trace->part = (cfp_part){.walk = walk,
                                 .count = cfp_min_int(most, steps - first),
                                 .first = first == 0,
                                 .last = first + most >= steps};
        CFP_TRY(cfp_descend_part(trace, b->class_index));
    }
    return CFP_OK;
}

static cfp_status find_pyramids(struct batch *b)
{
    if (!b->trace->ledger->in_parts)
        return cfp_descend(b->pyramid, b->trace, b->class_index);
    CFP_TRY(walk_parts(b, CFP_WALK_GATHER));
    CFP_TRY(walk_parts(b, CFP_WALK_WEIGH));
    return cfp_descend_read(b->pyramid, b->trace, b->class_index);
}

static cfp_status descend(struct batch *b)
{
    const int questions = b->clips * b->thetas;
    CFP_TRY_ALLOC(b->trace->ctx, b->pyramid, questions);
    CFP_TRY_ALLOC(b->trace->ctx, b->tubes, questions);
    const double start = cfp_now_ms();
    const double forward = b->ms.forward;
    CFP_TRY(find_pyramids(b));
    const double middle = cfp_now_ms();
    CFP_TRY(cfp_tubes_make(b->tubes, b->trace, b->pyramid));
    b->ms.descent = middle - start - (b->ms.forward - forward);
    b->ms.tubes = cfp_now_ms() - middle;
    return CFP_OK;
}

/* One question's explanation takes over what was found. */
static cfp_status hand_out(cfp_explanation *e, struct batch *b, int question, cfp_interp interp)
{
    const cfp_model *model = b->trace->model;
    const int n = question / b->thetas;
    const float *logits = b->logits + (int64_t)n * model->n_classes;
    *e = (cfp_explanation){.model = model,
                           .clip = b->clip != NULL ? b->clip[n] : NULL,
                           .query = b->trace->query,
                           .interp = interp,
                           .class_index = b->class_index[n],
                           .pyramid = b->pyramid[question],
                           .tubes = b->tubes[question],
                           .ms = b->ms};
    b->pyramid[question] = (cfp_pyramid){0};
    b->tubes[question] = (cfp_tubes_list){0};
    e->query.theta = b->trace->theta[question % b->thetas];
    CFP_TRY_ALLOC(b->trace->ctx, e->logits, model->n_classes);
    CFP_TRY_ALLOC(b->trace->ctx, e->probabilities, model->n_classes);
    memcpy(e->logits, logits, (size_t)model->n_classes * sizeof *logits);
    cfp_probabilities(e->probabilities, model, logits);
    return CFP_OK;
}

static void close_batch(struct batch *b)
{
    for (int q = 0; q < b->clips * b->thetas; q++) {
        if (b->pyramid != NULL)
            cfp_pyramid_free(&b->pyramid[q]);
        if (b->tubes != NULL)
            cfp_tubes_free(&b->tubes[q]);
    }
    cfp_free(b->input);
    cfp_free(b->rgb);
    cfp_free(b->logits);
    cfp_free(b->class_index);
    cfp_free(b->pyramid);
    cfp_free(b->tubes);
}

static cfp_status explain(cfp_explanation *out, cfp_trace *trace, const cfp_clip *const *clip,
                          const float *given, const int *class_index, cfp_interp interp)
{
    struct batch b = {.trace = trace,
                      .clip = clip,
                      .given = given,
                      .clips = trace->request.batch.clips,
                      .thetas = trace->request.batch.thetas};
    const int questions = b.clips * b.thetas;
    for (int q = 0; q < questions; q++)
        out[q] = (cfp_explanation){0};
    cfp_status status = run_forward(&b, class_index);
    if (status == CFP_OK)
        status = descend(&b);
    for (int q = 0; q < questions && status == CFP_OK; q++)
        status = hand_out(&out[q], &b, q, interp);
    for (int q = 0; q < questions && status != CFP_OK; q++)
        cfp_explanation_free(&out[q]);
    close_batch(&b);
    return status;
}

cfp_status cfp_explain_batch(cfp_explanation *out, cfp_trace *trace, const cfp_clip *const *clip,
                             const int *class_index, cfp_interp interp)
{
    return explain(out, trace, clip, NULL, class_index, interp);
}

cfp_status cfp_explain_input(cfp_explanation *out, cfp_trace *trace, const float *input,
                             int class_index, cfp_interp interp)
{
    return explain(out, trace, NULL, input, &class_index, interp);
}

cfp_status cfp_explain(cfp_explanation *out, cfp_trace *trace, const cfp_clip *clip,
                       int class_index, cfp_interp interp)
{
    return cfp_explain_batch(out, trace, &clip, &class_index, interp);
}

void cfp_explanation_free(cfp_explanation *explanation)
{
    cfp_free(explanation->logits);
    cfp_free(explanation->probabilities);
    cfp_pyramid_free(&explanation->pyramid);
    cfp_tubes_free(&explanation->tubes);
    *explanation = (cfp_explanation){0};
}
