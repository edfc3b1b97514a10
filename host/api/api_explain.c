/* api_explain.c - cfp.h: questions, explainers, cfp_predict_clips and cfp_explain_clips. */
#include "api.h"
#include <fnmatch.h>
#include <string.h>

void cfp_default_question(cfp_question *out)
{
    const cfp_query best = cfp_query_recommended();
    *out = (cfp_question){.rule = cfp_rule_names[best.rule],
                          .theta = best.theta,
                          .depth = best.depth,
                          .mask = cfp_mask_names[best.mask],
                          .baseline = cfp_baseline_names[best.baseline],
                          .steps = best.steps,
                          .turn_down = best.turn_down};
}

void cfp_published_question(cfp_question *out)
{
    *out = (cfp_question){.rule = "cfp", .theta = 0.6, .depth = CFP_ALL_DEPTHS, .steps = 1};
}

/* The words of the command line, and then "clip", for which the command line takes a path. */
static const char *const baselines[] = {"zero",    "blank", "freeze", "reverse",
                                        "shuffle", "clip",  NULL};

static cfp_status read_words(cfp_query *q, cfp_interp *interp, cfp_ctx *ctx, const cfp_question *w)
{
    int rule, propagate, normalise, class_relevance, target, mask, baseline, tubes, how;
    CFP_TRY(cfp_api_word(&rule, ctx, "rule", w->rule, cfp_rule_names, CFP_RULE_CFP));
    CFP_TRY(cfp_api_word(&propagate, ctx, "propagate", w->propagate, cfp_propagate_names, 0));
    CFP_TRY(cfp_api_word(&normalise, ctx, "normalise", w->normalise, cfp_normalise_names, 0));
    CFP_TRY(cfp_api_word(&class_relevance, ctx, "class_relevance", w->class_relevance,
                         cfp_class_relevance_names, 0));
    CFP_TRY(cfp_api_word(&target, ctx, "target", w->target, cfp_target_names, CFP_TARGET_BY_HEAD));
    CFP_TRY(cfp_api_word(&mask, ctx, "mask", w->mask, cfp_mask_names, CFP_MASK_SELECTED));
    CFP_TRY(cfp_api_word(&baseline, ctx, "baseline", w->baseline, baselines, CFP_BASELINE_ZERO));
    CFP_TRY(cfp_api_word(&tubes, ctx, "tubes", w->tubes, cfp_tubes_names, CFP_TUBES_LAYERS));
    CFP_TRY(cfp_api_word(&how, ctx, "interp", w->interp, cfp_interp_names, CFP_INTERP_LINEAR));
    q->rule = (cfp_rule)rule;
    q->propagate = (cfp_propagate)propagate;
    q->normalise = (cfp_normalise)normalise;
    q->class_relevance = (cfp_class_relevance)class_relevance;
    q->target = (cfp_target)target;
    q->mask = (cfp_mask)mask;
    q->baseline = (cfp_baseline)baseline;
    q->tubes = (cfp_tubes)tubes;
    *interp = (cfp_interp)how;
    return CFP_OK;
}

static cfp_status check_layers(cfp_ctx *ctx, const cfp_model *model, const char *layers)
{
    if (layers == NULL)
        return CFP_OK;
    for (int i = 0; i < model->n_nodes; i++)
        if (model->node[i].op == CFP_OP_CONV3D && fnmatch(layers, model->node[i].name, 0) == 0)
            return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE, "layers: no conv3d layer of %s matches '%s'", model->path,
                    layers);
}

cfp_status cfp_api_query(cfp_query *query, cfp_interp *interp, cfp_ctx *ctx, const cfp_model *model,
                         const cfp_question *question)
{
    *query = cfp_query_default();
    CFP_TRY(read_words(query, interp, ctx, question));
    if (question->depth < CFP_ALL_DEPTHS)
        return cfp_fail(ctx, CFP_USAGE, "depth: %d is less than -1", question->depth);
    if (question->top < 0)
        return cfp_fail(ctx, CFP_USAGE, "top: %d is less than 0", question->top);
    query->theta = question->theta;
    query->depth = question->depth;
    query->top = question->top;
    query->steps = question->steps;
    query->turn_down = question->turn_down != 0 ? question->turn_down : 1;
    query->seed = question->seed;
    query->layers = question->layers;
    query->baseline_path = "clip";
    CFP_TRY(check_layers(ctx, model, question->layers));
    return cfp_query_check(ctx, query);
}

static cfp_status check_batch(cfp_ctx *ctx, int clips, const double *theta, int thetas)
{
    if (clips < 1)
        return cfp_fail(ctx, CFP_USAGE, "clips: %d is less than 1", clips);
    if (thetas < 0 || (thetas > 0) != (theta != NULL))
        return cfp_fail(ctx, CFP_USAGE, "thetas: %d, and the list is %s", thetas,
                        theta == NULL ? "NULL" : "there");
    for (int i = 0; i < thetas; i++)
        if (!(theta[i] >= 0 && theta[i] <= 1))
            return cfp_fail(ctx, CFP_USAGE, "theta: %g is not within 0 to 1", theta[i]);
    return CFP_OK;
}

static cfp_status open_explainer(cfp_explainer *e, const cfp_question *question,
                                 const double *theta)
{
    cfp_ctx *ctx = &e->device->context->ctx;
    const cfp_batch batch = {.clips = e->clips, .thetas = e->thetas, .theta = theta};
    cfp_query query;
    if (question != NULL) {
        CFP_TRY(cfp_api_query(&query, &e->interp, ctx, e->model, question));
        if (query.layers != NULL && (e->layers = cfp_strdup(ctx, query.layers)) == NULL)
            return CFP_NOMEM;
        query.layers = e->layers;
    }
    const int before = cfp_api_use_threads(e->device->threads);
    const cfp_status status = cfp_analyser_open(&e->analyser, ctx, e->model, &e->device->device,
                                                question != NULL ? &query : NULL, &batch);
    cfp_api_use_threads(before);
    return status;
}

cfp_status cfp_open_explainer(cfp_explainer **out, cfp_device *device, const cfp_model *model,
                              const cfp_question *question, int clips, const double *theta,
                              int thetas)
{
    api_device *on = (api_device *)device;
    cfp_ctx *ctx = &on->context->ctx;
    *out = NULL;
    CFP_TRY(check_batch(ctx, clips, theta, thetas));
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_explainer){.device = on,
                            .model = model,
                            .asks = question != NULL,
                            .clips = clips,
                            .thetas = cfp_max_int(1, thetas)};
    const cfp_status status = open_explainer(*out, question, theta);
    if (status != CFP_OK)
        cfp_close_explainer(out);
    return status;
}

void cfp_close_explainer(cfp_explainer **explainer)
{
    cfp_explainer *e = *explainer;
    *explainer = NULL;
    if (e == NULL)
        return;
    cfp_analyser_close(&e->analyser);
    cfp_free(e->layers);
    cfp_free(e);
}

void cfp_set_baseline(cfp_explainer *explainer, const cfp_clip *other)
{
    explainer->other = other;
    cfp_analyser_compare_with(explainer->analyser, other);
}

static cfp_status check_clips(const cfp_explainer *e, const cfp_clip *const *clip)
{
    for (int i = 0; i < e->clips; i++)
        CFP_TRY(cfp_api_check_clip(&e->device->context->ctx, e->model, clip[i]));
    return CFP_OK;
}

static cfp_status predict(float *logits, cfp_explainer *e, const cfp_clip *const *clip)
{
    const uint8_t **rgb;
    CFP_TRY_ALLOC(&e->device->context->ctx, rgb, e->clips);
    for (int i = 0; i < e->clips; i++)
        rgb[i] = clip[i]->rgb;
    const int before = cfp_api_use_threads(e->device->threads);
    const cfp_status status =
        cfp_trace_forward_frames(cfp_analyser_network(e->analyser), rgb, logits);
    cfp_api_use_threads(before);
    cfp_free(rgb);
    return status;
}

cfp_status cfp_predict_clips(float *logits, float *probabilities, cfp_explainer *explainer,
                             const cfp_clip *const *clip)
{
    const size_t classes = (size_t)explainer->model->n_classes;
    const cfp_query *query = cfp_analyser_query(explainer->analyser);
    if (explainer->asks && (query->baseline != CFP_BASELINE_ZERO || query->steps > 1))
        return cfp_fail(&explainer->device->context->ctx, CFP_UNSUPPORTED,
                        "an explainer with a baseline or with steps cannot predict: open another");
    CFP_TRY(check_clips(explainer, clip));
    CFP_TRY(predict(logits, explainer, clip));
    for (size_t i = 0; probabilities != NULL && i < (size_t)explainer->clips; i++)
        cfp_probabilities(probabilities + i * classes, explainer->model, logits + i * classes);
    return CFP_OK;
}

cfp_status cfp_api_check_class(cfp_ctx *ctx, const cfp_model *model, int class_index)
{
    if (class_index < -1 || class_index >= model->n_classes)
        return cfp_fail(ctx, CFP_USAGE, "class_index: %d: %s has %d classes, from 0", class_index,
                        model->path, model->n_classes);
    return CFP_OK;
}

static cfp_status check_baseline(const cfp_explainer *e, const cfp_clip *clip)
{
    cfp_ctx *ctx = &e->device->context->ctx;
    const cfp_clip *other = e->other;
    if (cfp_analyser_query(e->analyser)->baseline != CFP_BASELINE_CLIP)
        return CFP_OK;
    if (other == NULL)
        return cfp_fail(ctx, CFP_USAGE, "baseline: clip: cfp_set_baseline has named no clip");
    CFP_TRY(cfp_api_check_clip(ctx, e->model, other));
    if (other->source_frames != clip->source_frames)
        return cfp_fail(ctx, CFP_FORMAT,
                        "baseline: %s has %lld frames, %s has %lld: they are compared frame by "
                        "frame",
                        other->path, (long long)other->source_frames, clip->path,
                        (long long)clip->source_frames);
    return CFP_OK;
}

static cfp_status check_request(const cfp_explainer *e, const cfp_clip *const *clip,
                                const int *class_index)
{
    cfp_ctx *ctx = &e->device->context->ctx;
    if (!e->asks)
        return cfp_fail(ctx, CFP_USAGE, "question: the explainer was opened without one");
    CFP_TRY(check_clips(e, clip));
    for (int i = 0; i < e->clips; i++) {
        CFP_TRY(check_baseline(e, clip[i]));
        CFP_TRY(cfp_api_check_class(ctx, e->model, class_index == NULL ? -1 : class_index[i]));
    }
    return CFP_OK;
}

/* Moves the explanation *from into a new handle, with copies of the strings that it points to. */
static cfp_status hand_out(cfp_explanation **out, cfp_explanation *from, const cfp_explainer *e)
{
    cfp_ctx *ctx = &e->device->context->ctx;
    api_explanation *made;
    CFP_TRY_ALLOC(ctx, made, 1);
    made->explanation = *from;
    *from = (cfp_explanation){0};
    *out = &made->explanation;
    cfp_query *query = &made->explanation.query;
    made->ran_on = *e->device;
    made->ran_on.device = (cfp_device){0};
    if (query->layers != NULL && (made->layers = cfp_strdup(ctx, query->layers)) == NULL)
        return CFP_NOMEM;
    query->layers = made->layers;
    if (e->other != NULL && (made->baseline = cfp_strdup(ctx, e->other->path)) == NULL)
        return CFP_NOMEM;
    query->baseline_path = made->baseline;
    return CFP_OK;
}

static cfp_status explain(cfp_explanation **out, cfp_explainer *e, const cfp_clip *const *clip,
                          const int *class_index, cfp_explanation *answer)
{
    const int n = e->clips * e->thetas;
    const int before = cfp_api_use_threads(e->device->threads);
    cfp_status status = cfp_explain_batch(answer, e->analyser, clip, class_index, e->interp);
    cfp_api_use_threads(before);
    for (int i = 0; i < n && status == CFP_OK; i++)
        status = hand_out(&out[i], &answer[i], e);
    for (int i = 0; i < n && status != CFP_OK; i++) {
        cfp_explanation_free(&answer[i]);
        cfp_close_explanation(&out[i]);
    }
    return status;
}

cfp_status cfp_explain_clips(cfp_explanation **out, cfp_explainer *explainer,
                             const cfp_clip *const *clip, const int *class_index)
{
    cfp_ctx *ctx = &explainer->device->context->ctx;
    const int n = explainer->clips * explainer->thetas;
    cfp_explanation *answer = NULL;
    int *wanted = NULL;
    for (int i = 0; i < n; i++)
        out[i] = NULL;
    CFP_TRY(check_request(explainer, clip, class_index));
    cfp_status status = CFP_NOMEM;
    if ((answer = cfp_alloc(ctx, (size_t)n, sizeof *answer)) != NULL &&
        (wanted = cfp_alloc(ctx, (size_t)explainer->clips, sizeof *wanted)) != NULL) {
        for (int i = 0; i < explainer->clips; i++)
            wanted[i] = class_index == NULL ? -1 : class_index[i];
        status = explain(out, explainer, clip, wanted, answer);
    }
    cfp_free(wanted);
    cfp_free(answer);
    return status;
}

void cfp_close_explanation(cfp_explanation **explanation)
{
    api_explanation *made = (api_explanation *)*explanation;
    *explanation = NULL;
    if (made == NULL)
        return;
    cfp_explanation_free(&made->explanation);
    cfp_free(made->layers);
    cfp_free(made->baseline);
    cfp_free(made);
}
