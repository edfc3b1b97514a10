/* rules.h - relevance: how much kernel o of a layer rests on each channel that it reads. */
#pragma once
#include "pyramid.h"

/* A layer as a rule sees it. */
typedef struct cfp_rule_layer {
    const cfp_model *model;
    const cfp_node *node;          /* the kernel layer */
    bool classifier;               /* depth 0: SPEC "At the classifier" */
    const float *x_mean;           /* [C] channel means of the tensor it reads (cfp, reference) */
    const float *product;          /* [C] mean of x(i) * G(i) (grad) */
    double weight_min, weight_max; /* of all of the classifier's weights (set by rule_prepare) */
    double product_max;            /* highest max(v, 0) over the layer's channels (grad) */
} cfp_rule_layer;

/* Once a layer, before its kernels: what a rule needs of the whole layer. */
void cfp_rule_prepare(cfp_rule_layer *layer, const cfp_query *query);

/* r(o, i) for i in [first, first + n): the channels that kernel o is scored over, its group's, or
 * all of them under the published code's inflation.  relevance[0] is that of channel `first`.
 * relevance and the working space value have room for C.  NaN (rule reference) selects nothing. */
typedef struct cfp_span {
    int first, n;
} cfp_span;
cfp_span cfp_rule_score(float *relevance, double *value, const cfp_rule_layer *layer,
                        const cfp_query *query, int o);
