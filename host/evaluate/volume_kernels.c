/* volume_kernels.c - the tubes of the kernel methods: a volume for every layer that has one. */
#include "volume_maker.h"
#include <stdio.h>

/* Choices that the rule does not have are set to their defaults (cfp_query_check). */
void cfp_volume_query(cfp_query *query, cfp_volume_method method)
{
    const cfp_query plain = cfp_query_default();
    if (method > CFP_VOLUME_GRAD_MASKED)
        return;
    query->tubes = CFP_TUBES_LAYERS;
    query->rule = method == CFP_VOLUME_REFERENCE ? CFP_RULE_REFERENCE
                  : method >= CFP_VOLUME_GRAD    ? CFP_RULE_GRAD
                                                 : CFP_RULE_CFP;
    query->propagate = method == CFP_VOLUME_CFP_PATH ? CFP_PROPAGATE_PATH : CFP_PROPAGATE_EDGE;
    query->mask = method == CFP_VOLUME_GRAD ? CFP_MASK_NONE : CFP_MASK_SELECTED;
    if (query->rule != CFP_RULE_CFP)
        query->normalise = plain.normalise;
    if (query->rule == CFP_RULE_GRAD) {
        query->class_relevance = plain.class_relevance;
        return;
    }
    query->baseline = plain.baseline;
    query->steps = plain.steps;
    query->turn_down = plain.turn_down;
    if (query->class_relevance != CFP_CLASS_CONTRAST)
        query->target = plain.target;
}

static cfp_status open_method(cfp_analyser **analyser, cfp_volume_maker *maker,
                              const cfp_volume_ask *ask)
{
    if (*analyser != NULL)
        return CFP_OK;
    CFP_TRY(
        cfp_analyser_open(analyser, maker->ctx, maker->model, &maker->device, &ask->query, NULL));
    cfp_analyser_compare_with(*analyser, ask->other);
    return CFP_OK;
}

/* An analyser reports its own progress.  That is switched off: the user sees that of `evaluate`. */
static cfp_status explain(cfp_explanation *out, cfp_volume_maker *maker, const cfp_volume_ask *ask,
                          const cfp_volume_subject *subject)
{
    cfp_ctx *ctx = maker->ctx;
    void (*const progress)(void *, const char *, int64_t, int64_t) = ctx->progress;
    ctx->progress = NULL;
    cfp_analyser **const analyser = &maker->analyser[ask - maker->ask];
    cfp_status status = open_method(analyser, maker, ask);
    if (status == CFP_OK)
        status = cfp_explain_input(out, *analyser, subject->input, subject->class_index,
                                   maker->settings.interp);
    ctx->progress = progress;
    return status;
}

static void define(cfp_volume *volume, const cfp_query *q, cfp_interp interp)
{
    char *text = volume->definition;
    const size_t capacity = sizeof volume->definition;
    if (q->rule == CFP_RULE_GRAD)
        snprintf(text, capacity,
                 "tube: rule=grad mask=%s target=%s baseline=%.40s steps=%d interp=%s",
                 cfp_mask_names[q->mask], cfp_target_names[q->target], cfp_baseline_word(q),
                 q->steps, cfp_interp_names[interp]);
    else
        snprintf(text, capacity,
                 "tube: rule=%s propagate=%s normalise=%s class-relevance=%s interp=%s",
                 cfp_rule_names[q->rule], cfp_propagate_names[q->propagate],
                 cfp_normalise_names[q->normalise], cfp_class_relevance_names[q->class_relevance],
                 cfp_interp_names[interp]);
}

static cfp_status render_all(cfp_volume_list *out, cfp_volume_maker *maker,
                             const cfp_volume_ask *ask, cfp_explanation *e)
{
    const cfp_shape clip = cfp_maker_shape(maker);
    CFP_TRY(cfp_volumes_reserve(out, maker, e->tubes.n));
    for (int i = 0; i < e->tubes.n; i++) {
        cfp_volume *volume;
        const cfp_tube *tube = &e->tubes.tube[i];
        CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, tube->node));
        CFP_TRY(cfp_tube_render(volume->s, maker->ctx, tube, clip.t, clip.h, clip.w,
                                maker->settings.interp));
        volume->theta = e->query.theta;
        define(volume, &e->query, maker->settings.interp);
    }
    return CFP_OK;
}

cfp_status cfp_volumes_of_kernels(cfp_volume_list *out, cfp_volume_maker *maker,
                                  const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    cfp_explanation e = {0};
    CFP_TRY(explain(&e, maker, ask, subject));
    const cfp_status status = render_all(out, maker, ask, &e);
    cfp_explanation_free(&e);
    return status;
}
