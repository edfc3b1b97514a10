/* rules.c - see rules.h. */
#include "rules.h"
#include <fnmatch.h>

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

bool cfp_tube_wanted(const cfp_model *model, const cfp_query *query, int index)
{
    const cfp_node *node = &model->node[index];
    return query->tubes != CFP_TUBES_NONE && node->op == CFP_OP_CONV3D && node->depth >= 0 &&
           (query->depth == CFP_ALL_DEPTHS || node->depth <= query->depth) &&
           (query->layers == NULL || fnmatch(query->layers, node->name, 0) == 0);
}
