/* links.h - turns edges into links from kernel to kernel, for pyramid.json and tree.json.
 *
 * An edge (o, i) names a channel of the tensor that a layer reads.  The kernels that produce this
 * channel are its origins (pyramid.h); they are found once for each channel and layer.  If several
 * channels lead from kernel o to the same kernel (flatten), they become one link with the highest
 * relevance.
 *
 * Under rule grad the value of an edge does not select a channel: every selected kernel of a layer
 * asks for the same channels of its group.  A reader that wants to select again at another theta
 * needs all these pairs. */
#pragma once
#include "writer.h"

typedef struct cfp_link {
    int32_t node, kernel; /* the demanded kernel; node 0: a channel of the clip */
    int32_t layer; /* its layer in the pyramid; -1: not visited, or the kernel is not selected */
    float value;   /* r(o, i) of the edge; negative for a pair without an edge */
    float asked;   /* what is compared with theta: r(o, i), under rule grad r(i) */
} cfp_link;

typedef struct cfp_links {
    cfp_ctx *ctx;
    const cfp_model *model;
    const cfp_pyramid *pyramid;
    bool only_first_add; /* true for rule reference */
    bool grad;           /* true for rule grad */
    bool pairs;    /* set by the caller: under rule grad, pairs without an edge are links, too */
    int32_t *base; /* [n_nodes] number of a node's first kernel, for kernel layers and the clip */
    int32_t *layer_of;    /* [n_nodes] index of the node's layer in the pyramid, or -1 */
    uint8_t *is_selected; /* [n_kernels] */
    int32_t *link_of;     /* [n_kernels] 1 + index in link[]; 0: none */
    int32_t n_kernels;    /* number of kernels of all kernel layers and of channels of the clip */

    /* The current layer: */
    const cfp_layer *layer;
    cfp_origin *origin;
    int64_t n_origins, origin_capacity;
    int64_t *first_origin; /* [input channels + 1] where a channel's origins start; none if it is
                              not demanded */
    int64_t *first_edge;   /* [kernels + 1] where a kernel's edges start in layer->edge */

    /* The current kernel: */
    cfp_link *link; /* [n] its links, in the order of i, then of the origins */
    int n, capacity;
} cfp_links;

CFP_CHECKED cfp_status cfp_links_open(cfp_links *out, cfp_ctx *ctx,
                                      const cfp_explanation *explanation);
void cfp_links_close(cfp_links *links);

/* Makes a layer of the pyramid the current layer, or one of its selected kernels the current
 * kernel. */
CFP_CHECKED cfp_status cfp_links_layer(cfp_links *links, int layer);
CFP_CHECKED cfp_status cfp_links_kernel(cfp_links *links, int o);
