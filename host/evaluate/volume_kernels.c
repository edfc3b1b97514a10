/* volume_kernels.c - the tubes of the kernel methods: a volume for every layer that has one. */
#include "volume_maker.h"
#include <stdio.h>

/* The query of a method: the caller's, with what makes the method what it is, and without what it
 * does not know (cfp_query_check). */
static cfp_query query_of(const cfp_volume_maker *maker, cfp_volume_method method)
{
    const cfp_query plain = cfp_query_default();
    cfp_query q = maker->settings.query;
    q.tubes = CFP_TUBES_LAYERS;
    q.rule = method == CFP_VOLUME_REFERENCE                                       ? CFP_RULE_REFERENCE
             : method == CFP_VOLUME_GRAD || method == CFP_VOLUME_GRAD_MASKED ? CFP_RULE_GRAD
                                                                                  : CFP_RULE_CFP;
    q.propagate = method == CFP_VOLUME_CFP_PATH ? CFP_PROPAGATE_PATH : CFP_PROPAGATE_EDGE;
    q.mask = method == CFP_VOLUME_GRAD ? CFP_MASK_NONE : CFP_MASK_SELECTED;
    if (q.rule != CFP_RULE_CFP)
        q.normalise = plain.normalise;
    if (q.rule == CFP_RULE_GRAD) {
        q.class_relevance = plain.class_relevance;
    } else {
        q.baseline = plain.baseline;
        q.steps = plain.steps;
        if (q.class_relevance != CFP_CLASS_CONTRAST)
            q.target = plain.target;
    }
    return q;
}

static cfp_status open_method(cfp_volume_maker *maker, cfp_volume_method method)
{
    if (maker->trace[method] != NULL)
        return CFP_OK;
    const cfp_query query = query_of(maker, method);
    return cfp_trace_open(&maker->trace[method], maker->ctx, maker->model, &maker->device, &query,
                          NULL);
}

/* A trace tells of its own steps, while the user is shown what `evaluate` has done. */
static cfp_status explain(cfp_explanation *out, cfp_volume_maker *maker, cfp_volume_method method,
                          const cfp_volume_subject *subject)
{
    cfp_ctx *ctx = maker->ctx;
    void (*const progress)(void *, const char *, int64_t, int64_t) = ctx->progress;
    ctx->progress = NULL;
    cfp_status status = open_method(maker, method);
    if (status == CFP_OK)
        status = cfp_explain_input(out, maker->trace[method], subject->input, subject->class_index,
                                   maker->settings.interp);
    ctx->progress = progress;
    return status;
}

static void define(cfp_volume *volume, const cfp_query *q, cfp_interp interp)
{
    char *text = volume->definition;
    const size_t room = sizeof volume->definition;
    if (q->rule == CFP_RULE_GRAD)
        snprintf(text, room, "tube: rule=grad mask=%s target=%s baseline=%.40s steps=%d interp=%s",
                 cfp_mask_names[q->mask], cfp_target_names[q->target], cfp_baseline_word(q),
                 q->steps, cfp_interp_names[interp]);
    else
        snprintf(text, room, "tube: rule=%s propagate=%s normalise=%s class-relevance=%s interp=%s",
                 cfp_rule_names[q->rule], cfp_propagate_names[q->propagate],
                 cfp_normalise_names[q->normalise], cfp_class_relevance_names[q->class_relevance],
                 cfp_interp_names[interp]);
}

static cfp_status render_all(cfp_volume_list *out, cfp_volume_maker *maker,
                             cfp_volume_method method, cfp_explanation *e)
{
    const cfp_shape clip = cfp_maker_shape(maker);
    CFP_TRY(cfp_volumes_room(out, maker, e->tubes.n));
    for (int i = 0; i < e->tubes.n; i++) {
        cfp_volume *volume;
        const cfp_tube *tube = &e->tubes.tube[i];
        CFP_TRY(cfp_volumes_add(&volume, out, maker, method, tube->node));
        CFP_TRY(cfp_tube_render(volume->s, maker->ctx, tube, clip.t, clip.h, clip.w,
                                maker->settings.interp));
        volume->theta = e->query.theta;
        define(volume, &e->query, maker->settings.interp);
    }
    return CFP_OK;
}

cfp_status cfp_volumes_of_kernels(cfp_volume_list *out, cfp_volume_maker *maker,
                                  cfp_volume_method method, const cfp_volume_subject *subject)
{
    cfp_explanation e = {0};
    CFP_TRY(explain(&e, maker, method, subject));
    const cfp_status status = render_all(out, maker, method, &e);
    cfp_explanation_free(&e);
    return status;
}
