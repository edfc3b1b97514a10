/* metrics_inside.h - what the files that implement kernel_metrics.h use of each other. */
#pragma once
#include "kernel_metrics.h"

static inline bool cfp_wants(const cfp_kernel_subject *s, cfp_kernel_metric metric)
{
    return s->request->metrics[metric] != 0;
}
/* A row of class k and a method.  theta is set if `share` is CFP_SHARE_SELECTED. */
cfp_eval_row cfp_kernel_row(const cfp_kernel_subject *s, int k, int method,
                            cfp_kernel_metric metric, double share);
/* "selected at theta" or "highest scores". */
const char *cfp_share_words(double share);

/* Ablates the kernels of a layer one by one, and makes the scores of `exact` of the answers. */
CFP_CHECKED cfp_status cfp_make_exact(cfp_kernel_subject *s, int layer);
/* True: `exact` is among the methods. */
bool cfp_wants_exact(const cfp_kernel_subject *s);

/* kernel-drop, kernel-keep, kernel-rank, class-jaccard, weight-jaccard of one layer. */
CFP_CHECKED cfp_status cfp_layer_metrics(cfp_kernel_subject *s, int k, int n_asked, int layer,
                                         cfp_eval_emit emit);
double cfp_layer_cost(const cfp_kernel_subject *s, int n_asked, int layer);
/* pyramid-keep, pyramid-drop. */
CFP_CHECKED cfp_status cfp_pyramid_metrics(cfp_kernel_subject *s, int k, cfp_eval_emit emit);
double cfp_pyramid_cost(const cfp_kernel_subject *s); /* of one class */
/* Computes weight-jaccard of a layer for every method and class, into s->weight_jaccard. */
CFP_CHECKED cfp_status cfp_find_weight_jaccard(cfp_kernel_subject *s, int layer);
