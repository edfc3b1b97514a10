/* explain.c - an explanation from beginning to end: forward pass, class, descent, tubes. */
#include "explain.h"
#include "descent.h"
#include "entries.h"
#include "target.h"
#include "tube_maps.h"
#include <string.h>

static int top_class(const float *logits, int n)
{
    int top = 0;
    for (int c = 1; c < n; c++)
        if (logits[c] > logits[top])
            top = c;
    return top;
}

/* The batch that is being explained.  Questions are by clip, then by theta. */
struct batch {
    cfp_analyser *a;
    const cfp_clip *const *clip;
    const float *given; /* the clips as numbers; NULL: `clip` has them */
    int clips, thetas;
    float *input;        /* [clips x entries], normalised; NULL: the frames are uploaded as bytes */
    const uint8_t **rgb; /* [clips] */
    bool later;          /* another class has been explained after this forward pass */
    float *logits;       /* [clips][classes] */
    int *class_index;    /* [clips] */
    cfp_pyramid *pyramid;
    cfp_tubes_list *tubes;
    cfp_timings ms;
};

/* Runs numbers forward.  Bytes will not do if the network reads more than three channels, or if a
 * clip has several entries.  first: the number of the first point of --steps. */
static cfp_status forward_numbers(struct batch *b, int first)
{
    const cfp_input_spec *in = &b->a->model->input;
    const int64_t count = (int64_t)in->channels * in->frames * in->height * in->width;
    if (b->input == NULL)
        CFP_TRY_ALLOC(b->a->ctx, b->input, b->clips * b->a->entries.n * count);
    CFP_TRY(cfp_entries_fill(b->input, b->a, b->clip, b->given, b->a->other, first));
    return cfp_trace_forward(b->a->trace, b->input, b->logits);
}

static cfp_status forward_frames(struct batch *b)
{
    CFP_TRY_ALLOC(b->a->ctx, b->rgb, b->clips);
    for (int n = 0; n < b->clips; n++)
        b->rgb[n] = b->clip[n]->rgb;
    return cfp_trace_forward_frames(b->a->trace, b->rgb, b->logits);
}

static cfp_status run_forward(struct batch *b, const int *class_index)
{
    const cfp_model *model = b->a->model;
    CFP_TRY_ALLOC(b->a->ctx, b->logits, (int64_t)b->clips * model->n_classes);
    CFP_TRY_ALLOC(b->a->ctx, b->class_index, b->clips);
    const double start = cfp_now_ms();
    const bool numbers = b->given != NULL || model->input.numbers ||
                         model->input.channels > CFP_FRAME_CHANNELS || b->a->entries.n > 1;
    CFP_TRY(numbers ? forward_numbers(b, 0) : forward_frames(b));
    b->ms.forward = cfp_now_ms() - start;
    for (int n = 0; n < b->clips; n++)
        b->class_index[n] =
            class_index[n] >= 0
                ? class_index[n]
                : top_class(b->logits + (int64_t)n * model->n_classes, model->n_classes);
    return CFP_OK;
}

/* One walk over all points of --steps, part by part.  Each part runs forward before it is walked.
 */
static cfp_status walk_parts(struct batch *b, cfp_walk walk)
{
    cfp_analyser *a = b->a;
    const int steps = a->query.steps, max = a->entries.count;
    for (int first = 0; first < steps; first += max) {
        const double start = cfp_now_ms();
        if (walk != CFP_WALK_GATHER || first > 0 || b->later) /* the first part has already run */
            CFP_TRY(forward_numbers(b, first));
        b->ms.forward += cfp_now_ms() - start;
        a->part = (cfp_part){.walk = walk,
                             .count = cfp_min_int(max, steps - first),
                             .first = first == 0,
                             .last = first + max >= steps};
        CFP_TRY(cfp_descend_part(a, b->class_index));
    }
    return CFP_OK;
}

static cfp_status find_pyramids(struct batch *b)
{
    if (!b->a->ledger->in_parts)
        return cfp_descend(b->pyramid, b->a, b->class_index);
    CFP_TRY(walk_parts(b, CFP_WALK_GATHER));
    CFP_TRY(walk_parts(b, CFP_WALK_WEIGH));
    return cfp_descend_read(b->pyramid, b->a, b->class_index);
}

static cfp_status descend(struct batch *b)
{
    const int questions = b->clips * b->thetas;
    CFP_TRY_ALLOC(b->a->ctx, b->pyramid, questions);
    CFP_TRY_ALLOC(b->a->ctx, b->tubes, questions);
    const double start = cfp_now_ms();
    const double forward = b->ms.forward;
    CFP_TRY(find_pyramids(b));
    const double middle = cfp_now_ms();
    CFP_TRY(cfp_tubes_make(b->tubes, b->a, b->pyramid));
    b->ms.descent = middle - start - (b->ms.forward - forward);
    b->ms.tubes = cfp_now_ms() - middle;
    return CFP_OK;
}

/* Makes the explanation of one question; it takes over the question's pyramid and tubes.  model:
 * the network, or the view of the head that the class is of. */
static cfp_status hand_out(cfp_explanation *e, struct batch *b, int question,
                           const cfp_model *model, cfp_interp interp)
{
    const int n = question / b->thetas;
    const int first = model == b->a->model ? 0 : model->first_class;
    const float *logits = b->logits + (int64_t)n * b->a->model->n_classes + first;
    *e = (cfp_explanation){.model = model,
                           .clip = b->clip != NULL ? b->clip[n] : NULL,
                           .query = b->a->query,
                           .interp = interp,
                           .class_index = b->class_index[n] - first,
                           .pyramid = b->pyramid[question],
                           .tubes = b->tubes[question],
                           .ms = b->ms};
    e->pyramid.class_index = e->class_index;
    b->pyramid[question] = (cfp_pyramid){0};
    b->tubes[question] = (cfp_tubes_list){0};
    e->query.theta = b->a->theta[question % b->thetas];
    CFP_TRY_ALLOC(b->a->ctx, e->logits, model->n_classes);
    CFP_TRY_ALLOC(b->a->ctx, e->probabilities, model->n_classes);
    memcpy(e->logits, logits, (size_t)model->n_classes * sizeof *logits);
    cfp_probabilities(e->probabilities, model, logits);
    return CFP_OK;
}

static void forget_answers(struct batch *b)
{
    for (int q = 0; q < b->clips * b->thetas; q++) {
        if (b->pyramid != NULL)
            cfp_pyramid_free(&b->pyramid[q]);
        if (b->tubes != NULL)
            cfp_tubes_free(&b->tubes[q]);
    }
    cfp_free(b->pyramid);
    cfp_free(b->tubes);
    b->pyramid = NULL;
    b->tubes = NULL;
}

static void close_batch(struct batch *b)
{
    forget_answers(b);
    cfp_free(b->input);
    cfp_free(b->rgb);
    cfp_free(b->logits);
    cfp_free(b->class_index);
}

static cfp_status explain(cfp_explanation *out, cfp_analyser *analyser, const cfp_clip *const *clip,
                          const float *given, const int *class_index, cfp_interp interp)
{
    struct batch b = {.a = analyser,
                      .clip = clip,
                      .given = given,
                      .clips = analyser->clips,
                      .thetas = analyser->thetas};
    const int questions = b.clips * b.thetas;
    for (int q = 0; q < questions; q++)
        out[q] = (cfp_explanation){0};
    cfp_status status = run_forward(&b, class_index);
    if (status == CFP_OK)
        status = descend(&b);
    for (int q = 0; q < questions && status == CFP_OK; q++)
        status = hand_out(&out[q], &b, q, analyser->model, interp);
    for (int q = 0; q < questions && status != CFP_OK; q++)
        cfp_explanation_free(&out[q]);
    close_batch(&b);
    return status;
}

cfp_status cfp_explain_batch(cfp_explanation *out, cfp_analyser *analyser,
                             const cfp_clip *const *clip, const int *class_index, cfp_interp interp)
{
    return explain(out, analyser, clip, NULL, class_index, interp);
}

cfp_status cfp_predict_batch(float *logits, cfp_analyser *analyser, const cfp_clip *const *clip)
{
    struct batch b = {.a = analyser, .clip = clip, .clips = analyser->clips};
    int *given;
    CFP_TRY_ALLOC(analyser->ctx, given, b.clips);
    const cfp_status status = run_forward(&b, given);
    if (status == CFP_OK)
        memcpy(logits, b.logits,
               (size_t)b.clips * (size_t)analyser->model->n_classes * sizeof *logits);
    cfp_free(given);
    close_batch(&b);
    return status;
}

cfp_status cfp_explain_input(cfp_explanation *out, cfp_analyser *analyser, const float *input,
                             int class_index, cfp_interp interp)
{
    return explain(out, analyser, NULL, input, &class_index, interp);
}

cfp_status cfp_explain(cfp_explanation *out, cfp_analyser *analyser, const cfp_clip *clip,
                       int class_index, cfp_interp interp)
{
    return cfp_explain_batch(out, analyser, &clip, &class_index, interp);
}

/* Explains n classes, each of class_index[n] >= 0, after one forward pass that has been done. view:
 * [n] the views of their heads; NULL: the model has no heads. */
static cfp_status explain_each(cfp_explanation *out, struct batch *b, const int *class_index, int n,
                               const cfp_model *view, cfp_interp interp)
{
    for (int k = 0; k < n; k++) {
        b->class_index[0] = class_index[k];
        b->later = k > 0;
        cfp_status status = descend(b);
        if (status == CFP_OK)
            status = hand_out(&out[k], b, 0, view != NULL ? &view[k] : b->a->model, interp);
        forget_answers(b);
        CFP_TRY(status);
    }
    return CFP_OK;
}

cfp_status cfp_explain_classes(cfp_explanation *out, cfp_analyser *analyser, const cfp_clip *clip,
                               const int *class_index, int n, cfp_interp interp)
{
    struct batch b = {.a = analyser, .clip = &clip, .clips = 1, .thetas = 1};
    for (int k = 0; k < n; k++)
        out[k] = (cfp_explanation){0};
    cfp_status status = run_forward(&b, class_index);
    if (status == CFP_OK)
        status = explain_each(out, &b, class_index, n, NULL, interp);
    for (int k = 0; k < n && status != CFP_OK; k++)
        cfp_explanation_free(&out[k]);
    close_batch(&b);
    return status;
}

/* Turns classes that are counted within their heads into classes of the model.  -1: the top class
 * of that head. */
static void place_classes(int *place, const struct batch *b, const int *class_index)
{
    const cfp_model *model = b->a->model;
    for (int h = 0; h < model->n_heads; h++) {
        const cfp_model *view = &model->view[h];
        const float *logits = b->logits + view->first_class;
        place[h] = view->first_class +
                   (class_index[h] >= 0 ? class_index[h] : top_class(logits, view->n_classes));
    }
}

cfp_status cfp_explain_heads(cfp_explanation *out, cfp_analyser *analyser, const cfp_clip *clip,
                             const int *class_index, cfp_interp interp)
{
    const cfp_model *model = analyser->model;
    struct batch b = {.a = analyser, .clip = &clip, .clips = 1, .thetas = 1};
    int *place;
    for (int h = 0; h < model->n_heads; h++)
        out[h] = (cfp_explanation){0};
    CFP_TRY_ALLOC(analyser->ctx, place, model->n_heads);
    cfp_status status = run_forward(&b, place);
    if (status == CFP_OK) {
        place_classes(place, &b, class_index);
        status = explain_each(out, &b, place, model->n_heads, model->view, interp);
    }
    for (int h = 0; h < model->n_heads && status != CFP_OK; h++)
        cfp_explanation_free(&out[h]);
    close_batch(&b);
    cfp_free(place);
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
