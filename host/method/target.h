/* target.h - the number that is explained (SPEC 1, --target) and its gradient by the logits. */
#pragma once
#include "../model/model.h"
#include "query.h"

/* What CFP_TARGET_BY_HEAD is for this model goes into the query; a target that the model lacks is
 * refused (CFP_USAGE, the message starts with the option). */
CFP_CHECKED cfp_status cfp_resolve_target(cfp_query *query, cfp_ctx *ctx, const cfp_model *model);

/* The target of class c, from n logits; exact for logits of any size. */
double cfp_target_value(const float *logits, int n, int c, cfp_target target);
/* gradient[n]: the derivative of the target of class c by each of n logits.  It is exact for logits
 * of any size: no probability is ever formed that could round to 0 or 1. */
void cfp_target_gradient(double *gradient, const float *logits, int n, int c, cfp_target target);

/* CFP_CLASS_CONTRAST: weight[C], over the channels that kernel layer `classifier` reads, is the sum
 * over its kernels k of g_k * kernel_mean(k, i), where gradient[n_classes] is the target's and g_k
 * that of the classes that come from kernel k.  only_first_add: rule reference. */
CFP_CHECKED cfp_status cfp_contrast(double *weight, cfp_ctx *ctx, const cfp_model *model,
                                    int classifier, const double *gradient, bool only_first_add);
