/* rules.c - see rules.h. */
#include "rules.h"

/* The classifier's weights are scaled over the whole matrix (SPEC "At the classifier"). */
static void weight_range(cfp_back_step *step)
{
    const int64_t n = (int64_t)step->kernels * (step->channels / step->groups);
    step->weight_min = step->weight_max = (double)step->kernel_mean[0];
    for (int64_t k = 1; k < n; k++) {
        const double w = (double)step->kernel_mean[k];
        step->weight_min = w < step->weight_min ? w : step->weight_min;
        step->weight_max = w > step->weight_max ? w : step->weight_max;
    }
}

cfp_back_step cfp_rule_step(const cfp_model *model, const cfp_node *node, const cfp_query *query)
{
    const int channels = cfp_channels_in(model, node);
    cfp_back_step step = {.kernels = node->shape.c,
                          .channels = channels,
                          .groups = channels / cfp_channels_per_group(model, node),
                          .classifier = node->depth == 0,
                          .kernel_mean = node->kernel_mean,
                          .kernel_scale = node->kernel_scale,
                          .rule = query->rule,
                          .propagate = query->propagate,
                          .normalise = query->normalise,
                          .class_relevance = query->class_relevance,
                          .top = query->top};
    if (step.classifier && query->rule != CFP_RULE_GRAD)
        weight_range(&step);
    return step;
}

/* A sigmoid gives each class its own answer, and a lone class has no rivals: there the logit is all
 * that there is to explain. */
static bool classes_compete(const cfp_model *model)
{
    int node = model->output;
    while (model->node[node].op == CFP_OP_IDENTITY)
        node = model->node[node].input[0];
    return model->node[node].op != CFP_OP_SIGMOID && model->n_classes > 1;
}

cfp_status cfp_resolve_target(cfp_query *query, cfp_ctx *ctx, const cfp_model *model)
{
    const bool compete = classes_compete(model);
    if (query->target == CFP_TARGET_BY_HEAD)
        query->target = compete ? CFP_TARGET_ODDS : CFP_TARGET_LOGIT;
    if (compete || query->target == CFP_TARGET_LOGIT)
        return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE, "--target: %s %s: its only target is logit",
                    model->path != NULL ? model->path : "the model",
                    model->n_classes > 1 ? "ends in a sigmoid, where no class has rivals"
                                         : "has one class, which has no rivals");
}
