/* evaluate.c - see evaluate.h. */
#include "evaluate.h"
#include "../method/entries.h"
#include "../method/target.h"
#include "statistics.h"
#include <math.h>
#include <string.h>

struct cfp_evaluation {
    cfp_ctx *ctx;
    const cfp_model *model;
    const cfp_device *device;
    cfp_eval_request request; /* its target is one that the model has */
    cfp_replay *replay;       /* NULL: nothing is ablated */
    cfp_analyser *analyser;   /* without a replay: finds the most probable classes; or NULL */
    cfp_ablations *ablations;
    cfp_volume_evaluation *volumes; /* NULL: none is asked for */
    double pass;                    /* cost of one input through the network */
    cfp_analyser **method;          /* [methods] each method's network; NULL: not open now */
    uint8_t *noted;                 /* [n_nodes] */
    float *input, *fill;
    bool filled; /* the fill is the same for every clip, and the replay has it */
    float *logits;
    /* Progress, in the replay's cost. */
    int clips_done;
    double clip_cost; /* of this clip; the others are assumed to cost as much */
    double before;    /* parts of it that are done */
    double part, within;
};

/* --- progress --- */

static void show_progress(const cfp_evaluation *e)
{
    enum { UNITS = 1000000 }; /* of a clip */
    const double within = e->within < e->part ? e->within : e->part;
    const double fraction = e->clip_cost > 0 ? fmin(1, (e->before + within) / e->clip_cost) : 0;
    cfp_progress(e->ctx, "evaluate", (int64_t)((e->clips_done + fraction) * UNITS),
                 (int64_t)e->request.n_clips * UNITS);
}

static void begin_part(void *cookie, double cost)
{
    cfp_evaluation *e = cookie;
    e->before += e->part;
    e->part = cost;
    e->within = 0;
    show_progress(e);
}

static void ran(void *cookie, double cost)
{
    cfp_evaluation *e = cookie;
    e->within += cost;
    show_progress(e);
}

static void ran_inputs(void *cookie, int64_t inputs)
{
    const cfp_evaluation *e = cookie;
    ran(cookie, (double)inputs * e->pass);
}

void cfp_evaluation_skip(cfp_evaluation *e)
{
    e->clips_done++;
    e->clip_cost = e->before = e->part = e->within = 0;
    show_progress(e);
}

/* --- the run --- */

static int64_t values_in(const cfp_model *model)
{
    const cfp_input_spec *in = &model->input;
    return (int64_t)in->channels * in->frames * in->height * in->width;
}

/* Resolves the target once, for all methods. */
static cfp_status resolve_target(cfp_evaluation *e)
{
    cfp_query query = cfp_query_default();
    query.target = e->request.kernels.target;
    CFP_TRY(cfp_resolve_target(&query, e->ctx, e->model));
    e->request.kernels.target = query.target;
    return CFP_OK;
}

static bool any(const uint8_t *flag, int n)
{
    for (int i = 0; i < n; i++)
        if (flag[i])
            return true;
    return false;
}

/* True: a metric or a method ablates kernels. */
static bool ablates(const cfp_kernel_request *r)
{
    bool exact = false;
    for (int m = 0; m < r->n_methods; m++)
        exact |= r->method[m].kind == CFP_SCORE_EXACT;
    return any(r->metrics, CFP_KERNEL_RANK + 1) ||
           (exact && any(r->metrics, CFP_KERNEL_METRIC_COUNT));
}

static cfp_status open_volumes(cfp_evaluation *e)
{
    cfp_volume_metric_settings settings = e->request.volumes;
    settings.methods.target = e->request.kernels.target;
    if (!any(e->request.volume_metrics, CFP_METRIC_COUNT))
        return CFP_OK;
    return cfp_volume_evaluation_open(&e->volumes, e->ctx, e->model, e->device, &settings,
                                      e->request.volume, e->request.n_volumes, ran_inputs, e);
}

static cfp_status open_network(cfp_evaluation *e)
{
    if (!ablates(&e->request.kernels))
        return cfp_analyser_open(&e->analyser, e->ctx, e->model, e->device, NULL, NULL);
    CFP_TRY(cfp_replay_open(&e->replay, e->ctx, e->model, e->device, 0));
    cfp_replay_watch(e->replay, ran, e);
    return CFP_OK;
}

static cfp_status open_evaluation(cfp_evaluation *e)
{
    for (int i = 0; i < e->model->n_nodes; i++)
        e->pass += e->model->node[i].flop;
    CFP_TRY(resolve_target(e));
    if (any(e->request.kernels.metrics, CFP_KERNEL_METRIC_COUNT))
        CFP_TRY(cfp_kernel_request_check(e->ctx, e->model, &e->request.kernels));
    CFP_TRY_ALLOC(e->ctx, e->method, e->request.kernels.n_methods);
    CFP_TRY_ALLOC(e->ctx, e->noted, e->model->n_nodes);
    CFP_TRY_ALLOC(e->ctx, e->logits, e->model->n_classes);
    CFP_TRY_ALLOC(e->ctx, e->input, values_in(e->model));
    CFP_TRY_ALLOC(e->ctx, e->fill, values_in(e->model));
    CFP_TRY(open_network(e));
    CFP_TRY(open_volumes(e));
    return cfp_ablations_open(&e->ablations, e->ctx, e->model, e->replay,
                              e->request.kernels.target);
}

cfp_status cfp_evaluation_open(cfp_evaluation **out, cfp_ctx *ctx, const cfp_model *model,
                               const cfp_device *device, const cfp_eval_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_evaluation){.ctx = ctx, .model = model, .device = device, .request = *request};
    const cfp_status status = open_evaluation(*out);
    if (status != CFP_OK)
        cfp_evaluation_close(out);
    return status;
}

static void close_methods(cfp_evaluation *e)
{
    for (int m = 0; e->method != NULL && m < e->request.kernels.n_methods; m++)
        cfp_analyser_close(&e->method[m]);
}

void cfp_evaluation_close(cfp_evaluation **evaluation)
{
    cfp_evaluation *e = *evaluation;
    if (e == NULL)
        return;
    close_methods(e);
    cfp_free(e->method);
    cfp_ablations_close(&e->ablations);
    cfp_replay_close(&e->replay);
    cfp_analyser_close(&e->analyser);
    cfp_volume_evaluation_close(&e->volumes);
    cfp_free(e->noted);
    cfp_free(e->input);
    cfp_free(e->fill);
    cfp_free(e->logits);
    cfp_free(e);
    *evaluation = NULL;
}

cfp_status cfp_evaluation_gather(cfp_evaluation *e, const cfp_clip *clip)
{
    if (e->replay == NULL)
        return CFP_OK; /* nothing will be filled */
    cfp_clip_normalise(e->input, clip, &e->model->input);
    return cfp_replay_gather(e->replay, e->input);
}

/* --- one clip --- */

/* Chooses what fills ablated channels.  A fill that is the same for every clip runs once. */
static cfp_status choose_fill(const float **fill, cfp_evaluation *e)
{
    static const cfp_baseline kind[] = {[CFP_FILL_BLANK] = CFP_BASELINE_BLANK,
                                        [CFP_FILL_FREEZE] = CFP_BASELINE_FREEZE,
                                        [CFP_FILL_REVERSE] = CFP_BASELINE_REVERSE,
                                        [CFP_FILL_SHUFFLE] = CFP_BASELINE_SHUFFLE};
    const cfp_fill want = e->request.fill;
    const bool same = want == CFP_FILL_BLANK || want == CFP_FILL_CLIP;
    *fill = e->fill;
    if (want == CFP_FILL_ZERO)
        *fill = NULL;
    else if (want == CFP_FILL_CLIPS)
        *fill = cfp_fill_gathered;
    else if (same && e->filled)
        *fill = cfp_fill_as_before;
    else if (want == CFP_FILL_CLIP)
        cfp_clip_normalise(e->fill, e->request.fill_clip, &e->model->input);
    else
        CFP_TRY(cfp_baseline_clip(e->fill, e->ctx, &e->model->input, kind[want],
                                  e->request.kernels.seed, e->input));
    e->filled = same;
    return CFP_OK;
}

/* The same clip gets the same random numbers, wherever its file lies. */
static cfp_random stream_of(const cfp_evaluation *e, const cfp_clip *clip)
{
    const size_t bytes = (size_t)clip->frames * (size_t)clip->height * (size_t)clip->width * 3;
    return cfp_random_of_bytes(cfp_random_seed(e->request.kernels.seed), clip->rgb, bytes);
}

static int place_of(const int *class_index, int n, int wanted)
{
    for (int k = 0; k < n; k++)
        if (class_index[k] == wanted)
            return k;
    return -1;
}

/* What belongs to one clip; freed in one place. */
typedef struct clip_work {
    cfp_kernel_subject s;
    int *class_index, *rival, *rank;
    int n_asked;
} clip_work;

/* Sorts the classes by their logits; among equal ones the lower number comes first. */
static cfp_status rank_classes(clip_work *w, const cfp_evaluation *e)
{
    const int n = e->model->n_classes;
    double *logit;
    CFP_TRY_ALLOC(e->ctx, w->rank, n);
    CFP_TRY_ALLOC(e->ctx, logit, n);
    for (int c = 0; c < n; c++)
        logit[c] = (double)e->logits[c];
    const cfp_status status = cfp_falling_order(w->rank, e->ctx, logit, n);
    cfp_free(logit);
    return status;
}

/* Lists the classes that are asked about, and after them, each once, those that they are compared
 * with: the second most probable class, and for that class the most probable one. */
static cfp_status choose_classes(clip_work *w, const cfp_evaluation *e)
{
    const cfp_eval_request *r = &e->request;
    const int n = e->model->n_classes;
    CFP_TRY(rank_classes(w, e));
    w->n_asked = r->n_classes > 0 ? r->n_classes : cfp_min_int(r->top_classes, n);
    CFP_TRY_ALLOC(e->ctx, w->class_index, (int64_t)w->n_asked + 2);
    CFP_TRY_ALLOC(e->ctx, w->rival, (int64_t)w->n_asked + 2);
    memcpy(w->class_index, r->n_classes > 0 ? r->class_index : w->rank,
           (size_t)w->n_asked * sizeof *w->class_index);
    w->s.n_classes = w->n_asked;
    for (int k = 0; k < w->n_asked; k++) {
        w->rival[k] = -1;
        if (!r->kernels.metrics[CFP_CLASS_JACCARD] || n < 2)
            continue;
        const int rival = w->rank[w->rank[1] == w->class_index[k] ? 0 : 1];
        if ((w->rival[k] = place_of(w->class_index, w->s.n_classes, rival)) >= 0)
            continue;
        w->rival[k] = w->s.n_classes;
        w->class_index[w->s.n_classes++] = rival;
    }
    w->s.class_index = w->class_index;
    w->s.rival = w->rival;
    return CFP_OK;
}

/* Makes the scores of a method.  The networks of methods stay open while there is memory for them.
 */
static cfp_status descend(cfp_scores *scores, const cfp_kernel_subject *s, cfp_evaluation *e,
                          int method)
{
    const cfp_score_method *m = &s->request->method[method];
    const cfp_status status =
        cfp_scores_make(scores, s->ctx, s->model, s->device, &e->method[method], m, s->clip,
                        s->class_index, s->n_classes);
    if (status != CFP_NOMEM)
        return status;
    close_methods(e);
    s->ctx->message[0] = '\0';
    return cfp_scores_make(scores, s->ctx, s->model, s->device, &e->method[method], m, s->clip,
                           s->class_index, s->n_classes);
}

static cfp_status score_method(clip_work *w, cfp_evaluation *e, int method)
{
    cfp_kernel_subject *s = &w->s;
    const cfp_score_method *m = &s->request->method[method];
    cfp_scores *scores = cfp_scores_of(s, method, 0);
    if (cfp_score_descends(m->kind))
        return descend(scores, s, e, method);
    for (int k = 0; k < s->n_classes; k++) {
        CFP_TRY(cfp_scores_open(&scores[k], s->ctx, s->model, s->request->depth));
        if (m->kind == CFP_SCORE_RANDOM)
            cfp_scores_draw(&scores[k], s->model, m->query.theta, s->stream);
    }
    return CFP_OK;
}

static cfp_status open_work(clip_work *w, const cfp_evaluation *e)
{
    cfp_kernel_subject *s = &w->s;
    const int64_t answers = (int64_t)s->request->n_methods * s->n_classes;
    CFP_TRY_ALLOC(e->ctx, s->scores, answers);
    CFP_TRY_ALLOC(e->ctx, s->weight_jaccard, answers * e->model->n_nodes);
    CFP_TRY_ALLOC(e->ctx, s->permuted_count, answers * e->model->n_nodes);
    CFP_TRY_ALLOC(e->ctx, s->exact, e->model->n_nodes);
    for (int64_t i = 0; i < answers * e->model->n_nodes; i++)
        s->weight_jaccard[i] = NAN;
    return CFP_OK;
}

static void close_work(clip_work *w)
{
    cfp_kernel_subject *s = &w->s;
    for (int i = 0; s->scores != NULL && i < s->request->n_methods * s->n_classes; i++)
        cfp_scores_free(&s->scores[i]);
    cfp_free(s->scores);
    cfp_free(s->weight_jaccard);
    cfp_free(s->permuted_count);
    cfp_free(s->exact);
    cfp_free(w->class_index);
    cfp_free(w->rival);
    cfp_free(w->rank);
}

/* Runs the clip, and what fills its ablated channels. */
static cfp_status run_clip(clip_work *w, cfp_evaluation *e)
{
    cfp_kernel_subject *s = &w->s;
    cfp_clip_normalise(e->input, s->clip, &e->model->input);
    if (e->replay == NULL)
        return cfp_trace_forward(cfp_analyser_network(e->analyser), e->input, e->logits);
    CFP_TRY(choose_fill(&s->fill, e));
    const cfp_status status = cfp_replay_clip(e->replay, e->input, s->fill, e->logits);
    e->filled &= status == CFP_OK;
    if (s->fill == cfp_fill_as_before)
        s->fill = e->fill;
    return status;
}

/* Makes the scores of all methods, if a metric is about kernels. */
static cfp_status score_kernels(clip_work *w, cfp_evaluation *e)
{
    cfp_kernel_subject *s = &w->s;
    if (!any(s->request->metrics, CFP_KERNEL_METRIC_COUNT))
        return CFP_OK;
    CFP_TRY(open_work(w, e));
    CFP_TRY(cfp_ablations_clip(e->ablations, e->logits, s->class_index, s->n_classes));
    for (int m = 0; m < s->request->n_methods; m++)
        CFP_TRY(score_method(w, e, m));
    return CFP_OK;
}

static cfp_status evaluate_class(clip_work *w, cfp_evaluation *e, int k, double volumes_cost,
                                 cfp_eval_emit emit)
{
    if (any(w->s.request->metrics, CFP_KERNEL_METRIC_COUNT))
        CFP_TRY(cfp_kernel_metrics(&w->s, k, w->n_asked, emit));
    if (e->volumes == NULL)
        return CFP_OK;
    begin_part(e, volumes_cost);
    return cfp_eval_volumes(e->volumes, w->s.clip, w->class_index[k], e->request.volume_metrics,
                            emit);
}

static cfp_status evaluate(clip_work *w, cfp_evaluation *e, cfp_eval_emit emit)
{
    double volumes = 0, kernels = 0;
    CFP_TRY(run_clip(w, e));
    CFP_TRY(choose_classes(w, e));
    if (any(w->s.request->metrics, CFP_KERNEL_METRIC_COUNT))
        CFP_TRY(cfp_kernel_cost(&kernels, &w->s, w->n_asked));
    if (e->volumes != NULL)
        volumes = (double)cfp_eval_volumes_cost(e->volumes, e->request.volume_metrics) * e->pass;
    e->clip_cost = kernels + volumes * w->n_asked;
    CFP_TRY(score_kernels(w, e));
    for (int k = 0; k < w->n_asked; k++)
        CFP_TRY(evaluate_class(w, e, k, volumes, emit));
    return CFP_OK;
}

cfp_status cfp_evaluate_clip(cfp_evaluation *e, const cfp_clip *clip, cfp_eval_emit emit)
{
    clip_work w = {.s = {.ctx = e->ctx,
                         .model = e->model,
                         .device = e->device,
                         .request = &e->request.kernels,
                         .clip = clip,
                         .input = e->input,
                         .stream = stream_of(e, clip),
                         .ablations = e->ablations,
                         .noted = e->noted,
                         .replay = e->replay,
                         .part = begin_part,
                         .cookie = e}};
    show_progress(e);
    const cfp_status status = evaluate(&w, e, emit);
    close_work(&w);
    cfp_evaluation_skip(e);
    return status;
}
