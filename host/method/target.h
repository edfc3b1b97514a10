/* target.h - the number that is explained (SPEC section 1, --target), and its gradient by the
 * logits. */
#pragma once
#include "../model/model.h"
#include "query.h"

/* Replaces CFP_TARGET_BY_HEAD by the target that suits the model.  CFP_USAGE: the model does not
 * have the target that is asked for; the message starts with the option. */
CFP_CHECKED cfp_status cfp_resolve_target(cfp_query *query, cfp_ctx *ctx, const cfp_model *model);

/* The target of class c, from n logits.  Logits of any size are handled exactly. */
double cfp_target_value(const float *logits, int n, int c, cfp_target target);
/* gradient[n]: the derivative of the target of class c by each of n logits.  It never computes a
 * probability, which could round to 0 or 1; so logits of any size are handled exactly. */
void cfp_target_gradient(double *gradient, const float *logits, int n, int c, cfp_target target);

/* The same from all logits of a model.  The rivals of a class are the classes of its own head; of
 * other heads the gradient is 0. */
void cfp_model_target_gradient(double *gradient, const cfp_model *model, const float *logits, int c,
                               cfp_target target);

/* For CFP_CLASS_CONTRAST: weight[C], one for each channel i that kernel layer `classifier` reads,
 * is the sum over its kernels k of g_k * kernel_mean(k, i).  g_k is the sum of gradient[n_classes],
 * the target's, over the classes that come from kernel k.  only_first_add: only the first input of
 * an add counts, as in rule reference. */
CFP_CHECKED cfp_status cfp_contrast(double *weight, cfp_ctx *ctx, const cfp_model *model,
                                    int classifier, const double *gradient, bool only_first_add);
