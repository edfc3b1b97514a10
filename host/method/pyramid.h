/* pyramid.h - the class feature pyramid: the kernels that a class rests on, layer by layer.
 *
 * It is plain data in host memory and does not need the analyser that made it.  The same clip,
 * model and query give the same bytes on the same device. */
#pragma once
#include "../model/model.h"
#include "query.h"

typedef struct cfp_layer { /* a visited kernel layer */
    int node;              /* in the model */
    int depth;
    int n_kernels;    /* O */
    float *relevance; /* [O] R of each kernel; 0: not selected */
    int n_selected;
    int32_t *selected; /* [n_selected] ascending */
    int64_t n_edges;
    cfp_edge *edge; /* [n_edges] ascending by o, then i; NULL: they were not listed (cfp_batch) */
    /* The channels i that the layer demands of the tensor that it reads, and their R(i).  They are
     * the channels of its edges; under rule grad, R(i) is what selected them. */
    int n_children;
    int32_t *child;         /* [n_children] ascending */
    float *child_relevance; /* [n_children] */
} cfp_layer;

typedef struct cfp_pyramid {
    int class_index;
    int n_layers;
    cfp_layer *layer; /* [n_layers] by depth, then from the output to the input */
} cfp_pyramid;

void cfp_pyramid_free(cfp_pyramid *pyramid);

/* Whether the pyramid tells kernels apart.  A layer is saturated if at least 90 % of its kernels
 * are selected.  The classifier does not count, nor do layers with a single kernel. */
typedef struct cfp_saturation {
    int layers, saturated;
    bool most; /* more than half of the layers are saturated */
} cfp_saturation;
cfp_saturation cfp_pyramid_saturation(const cfp_pyramid *pyramid);

/* The kernels that a channel of a node's output comes from (SPEC "Routing"), each once, by node,
 * then kernel.  A channel behind an add comes from several; a channel of the clip comes from none.
 * only_first_add: only the first input of an add counts, as in rule reference. */
typedef struct cfp_origin {
    int32_t node, kernel;
} cfp_origin;
/* out[n]; the caller frees *out (cfp_free). */
CFP_CHECKED cfp_status cfp_origins(cfp_origin **out, int *n, cfp_ctx *ctx, const cfp_model *model,
                                   int node, int channel, bool only_first_add);
