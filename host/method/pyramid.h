/* pyramid.h - the class feature pyramid: which kernels, layer by layer, a class rests on.
 *
 * Plain host data, no backend pointers: the same clip, model and query give the same bytes on the
 * same device.  It outlives the trace it came from. */
#pragma once
#include "../model/model.h"
#include "query.h"

typedef struct cfp_layer { /* a visited kernel layer */
    int node;              /* in the model */
    int depth;
    int n_kernels;    /* O */
    float *relevance; /* [O] R of each kernel, 0 where not selected */
    int n_selected;
    int32_t *selected; /* [n_selected] ascending */
    int64_t n_edges;
    cfp_edge *edge; /* [n_edges] by o, then i, ascending; NULL where they were left unlisted
                     * (cfp_batch) */
    /* The channels i of the tensor that the layer reads which it demanded, with R(i): the union of
     * its edges; under grad, whose edges have values of their own, what selects. */
    int n_children;
    int32_t *child;         /* [n_children] ascending */
    float *child_relevance; /* [n_children] */
} cfp_layer;

typedef struct cfp_pyramid {
    int class_index;
    int n_layers;
    cfp_layer *layer; /* [n_layers] by depth, then from the output upwards: the classifier first */
} cfp_pyramid;

void cfp_pyramid_free(cfp_pyramid *pyramid);

/* Does the pyramid tell kernels apart?  Layers count that lie below the classifier and have more
 * than one kernel; a layer is saturated where at least 90 % of its kernels are selected. */
typedef struct cfp_saturation {
    int layers, saturated;
    bool most; /* more than half of the layers are saturated */
} cfp_saturation;
cfp_saturation cfp_pyramid_saturation(const cfp_pyramid *pyramid);

/* Where a channel of a tensor comes from: the kernels that a demand for channel `channel` of
 * node's output ends at (SPEC "Routing"), each once, by node then kernel; an add gives several, the
 * clip itself none.  `only_first_add`: rule reference. */
typedef struct cfp_origin {
    int32_t node, kernel;
} cfp_origin;
/* The count goes to *n, the array (the caller's to cfp_free) to *out. */
CFP_CHECKED cfp_status cfp_origins(cfp_origin **out, int *n, cfp_ctx *ctx, const cfp_model *model,
                                   int node, int channel, bool only_first_add);
