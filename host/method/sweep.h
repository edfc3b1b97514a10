/* sweep.h - what every theta of a list selects, from one forward pass.
 *
 * A SERIES is the answer to one query about one class, at every theta of the list. */
#pragma once
#include "explain.h"

typedef struct cfp_swept_layer { /* a kernel layer that at least one theta visits */
    int node, depth, kernels;
    int32_t *selected; /* [thetas] kernels */
    int64_t *edges;    /* [thetas] */
    double *jaccard;   /* [thetas] of the selected kernels with those at the theta before; 1 where
                        * both are empty; that of the first theta is 1 and means nothing */
} cfp_swept_layer;

typedef struct cfp_series {
    int n_layers;
    cfp_swept_layer *layer; /* in the order of a pyramid: by depth, the classifier first */
    int room;
} cfp_series;

/* True where a query is asked of more than the clip: rule grad with --baseline, --steps or
 * --turn-down. */
bool cfp_sweep_compares(const cfp_query *query);
/* Opens a trace that cfp_sweep can ask any of these queries, at any theta.  Where they compare, all
 * do, with the same. */
CFP_CHECKED cfp_status cfp_trace_open_sweep(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                            const cfp_device *device, const cfp_query *query,
                                            int n_queries);
/* Runs the clip forward, with what it is compared with.  other: the clip of CFP_BASELINE_CLIP. */
CFP_CHECKED cfp_status cfp_sweep_forward(cfp_trace *trace, const cfp_clip *clip,
                                         const cfp_clip *other, float *logits);
/* About the clip that the trace last ran forward; query->theta is not read.  On failure *out is
 * empty. */
CFP_CHECKED cfp_status cfp_sweep(cfp_series *out, cfp_trace *trace, const cfp_query *query,
                                 int class_index, const double *theta, int n_thetas);
void cfp_series_free(cfp_series *series); /* accepts {0} */

/* How many times the descent runs for a series: the unit in which progress is counted. */
int cfp_sweep_descents(const cfp_query *query, int n_thetas);
