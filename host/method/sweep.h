/* sweep.h - finds what each theta of a list selects, from one forward pass.
 *
 * A SERIES is the answer to one query about one class, at every theta of the list. */
#pragma once
#include "explain.h"

typedef struct cfp_swept_layer { /* a kernel layer that at least one theta visits */
    int node, depth, kernels;
    int32_t *selected; /* [thetas] kernels */
    int64_t *edges;    /* [thetas] */
    double *jaccard;   /* [thetas] of the kernels selected here and at the theta before; 1 if both
                        * select none; 1 for the first theta, which has none before it */
} cfp_swept_layer;

typedef struct cfp_series {
    int n_layers;
    cfp_swept_layer *layer; /* in the order of a pyramid: by depth, the classifier first */
    int capacity;           /* of layer */
} cfp_series;

/* True: a query is about more than the clip: rule grad with --baseline, --steps or --turn-down. */
bool cfp_sweep_compares(const cfp_query *query);
/* Opens an analyser that cfp_sweep can ask any of these queries, at any theta.  Either no query
 * compares, or all do, with the same baseline, steps and turn_down. */
CFP_CHECKED cfp_status cfp_analyser_open_sweep(cfp_analyser **out, cfp_ctx *ctx,
                                               const cfp_model *model, const cfp_device *device,
                                               const cfp_query *query, int n_queries);
/* Runs the clip forward, with what it is compared with.  other: the clip of CFP_BASELINE_CLIP, or
 * NULL.  Writes the clip's logits. */
CFP_CHECKED cfp_status cfp_sweep_forward(cfp_analyser *analyser, const cfp_clip *clip,
                                         const cfp_clip *other, float *logits);
/* Answers one query about the clip of the last forward pass.  query->theta is not read.  The caller
 * frees *out.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_sweep(cfp_series *out, cfp_analyser *analyser, const cfp_query *query,
                                 int class_index, const double *theta, int n_thetas);
void cfp_series_free(cfp_series *series); /* accepts {0} */

/* How many times the descent runs for a series.  Progress is counted in this unit. */
int cfp_sweep_descents(const cfp_query *query, int n_thetas);
