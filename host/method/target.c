/* target.c - see target.h. */
#include "target.h"
#include "pyramid.h"
#include <math.h>

/* False: only the logit can be explained.  Under a sigmoid each class has an answer by itself, and
 * a single class has no rivals. */
static bool classes_compete(const cfp_model *model)
{
    return model->head != CFP_HEAD_SIGMOID && model->n_classes > 1;
}

cfp_status cfp_resolve_target(cfp_query *query, cfp_ctx *ctx, const cfp_model *model)
{
    if (model->n_heads > 0)
        model = &model->view[0]; /* heads that are explained together have one kind of target */
    const bool compete = classes_compete(model);
    if (query->target == CFP_TARGET_BY_HEAD)
        query->target = compete ? CFP_TARGET_ODDS : CFP_TARGET_LOGIT;
    if (compete || query->target == CFP_TARGET_LOGIT)
        return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE, "--target: %s %s: logit is its only target",
                    model->path != NULL ? model->path : "the model",
                    model->n_classes > 1 ? "ends in a sigmoid, where no class has rivals"
                                         : "has one class, which has no rivals");
}

/* z_c - log(sum over the rivals of exp z_k). */
static double log_odds(const float *logits, int n, int c)
{
    double highest = -INFINITY, sum = 0;
    for (int k = 0; k < n; k++)
        if (k != c && (double)logits[k] > highest)
            highest = (double)logits[k];
    for (int k = 0; k < n; k++)
        if (k != c)
            sum += exp((double)logits[k] - highest);
    return (double)logits[c] - highest - log(sum);
}

double cfp_target_value(const float *logits, int n, int c, cfp_target target)
{
    double mean = 0;
    if (target == CFP_TARGET_ODDS)
        return log_odds(logits, n, c);
    for (int k = 0; k < n && target == CFP_TARGET_MARGIN; k++)
        mean += (double)logits[k] / n;
    return (double)logits[c] - mean;
}

/* The derivative of z_c - log(sum over the rivals of exp z_k): 1, and minus the softmax of the
 * rivals among themselves. */
static void odds_gradient(double *gradient, const float *logits, int n, int c)
{
    double highest = -INFINITY, sum = 0;
    for (int k = 0; k < n; k++)
        if (k != c && (double)logits[k] > highest)
            highest = (double)logits[k];
    for (int k = 0; k < n; k++) {
        gradient[k] = k == c ? 0 : exp((double)logits[k] - highest);
        sum += gradient[k];
    }
    for (int k = 0; k < n; k++)
        gradient[k] = k == c ? 1 : -gradient[k] / sum;
}

void cfp_target_gradient(double *gradient, const float *logits, int n, int c, cfp_target target)
{
    if (target == CFP_TARGET_ODDS) {
        odds_gradient(gradient, logits, n, c);
        return;
    }
    for (int k = 0; k < n; k++)
        gradient[k] = (k == c) - (target == CFP_TARGET_MARGIN ? 1.0 / n : 0);
}

void cfp_model_target_gradient(double *gradient, const cfp_model *model, const float *logits, int c,
                               cfp_target target)
{
    int first = 0, n = model->n_classes;
    for (int h = 0; h < model->n_heads && model->view[h].first_class <= c; h++) {
        first = model->view[h].first_class;
        n = model->view[h].n_classes;
    }
    for (int k = 0; k < model->n_classes; k++)
        gradient[k] = 0;
    cfp_target_gradient(gradient + first, logits + first, n, c - first, target);
}

/* kernel[k]: g_k.  The routes of SPEC lead from each class to its kernels. */
static cfp_status kernel_gradients(double *kernel, cfp_ctx *ctx, const cfp_model *model,
                                   int classifier, const double *gradient, bool only_first_add)
{
    for (int k = 0; k < model->n_classes; k++) {
        cfp_origin *origin;
        int n;
        if (gradient[k] == 0)
            continue;
        CFP_TRY(cfp_origins(&origin, &n, ctx, model, model->logits, k, only_first_add));
        for (int i = 0; i < n; i++)
            if (origin[i].node == classifier)
                kernel[origin[i].kernel] += gradient[k];
        cfp_free(origin);
    }
    return CFP_OK;
}

cfp_status cfp_contrast(double *weight, cfp_ctx *ctx, const cfp_model *model, int classifier,
                        const double *gradient, bool only_first_add)
{
    const cfp_node *node = &model->node[classifier];
    const int span = cfp_channels_per_group(model, node);
    double *kernel;
    CFP_TRY_ALLOC(ctx, kernel, node->shape.c);
    const cfp_status status =
        kernel_gradients(kernel, ctx, model, classifier, gradient, only_first_add);
    for (int i = 0; i < cfp_channels_in(model, node); i++)
        weight[i] = 0;
    for (int o = 0; o < node->shape.c && status == CFP_OK; o++) {
        const float *mean = node->kernel_mean + (int64_t)o * span;
        double *to = weight + cfp_first_channel(model, node, o);
        for (int j = 0; kernel[o] != 0 && j < span; j++)
            to[j] += kernel[o] * (double)mean[j];
    }
    cfp_free(kernel);
    return status;
}
