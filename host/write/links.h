/* links.h - edges as links from kernel to kernel: what pyramid.json and tree.json both draw.
 *
 * An edge (o, i) names a channel of the tensor that a layer reads; the kernels behind it are its
 * origins (pyramid.h), found once a channel and layer.  Demands that meet are merged: where several
 * channels lead kernel o to the same kernel (flatten), that is one link of the highest relevance.
 *
 * Under rule grad it is not an edge's value that selects a channel: every selected kernel of a
 * layer asks for the same channels of its group.  Who wants to select again asks for all these
 * pairs. */
#pragma once
#include "writer.h"

typedef struct cfp_link {
    int32_t node, kernel; /* the demanded kernel; node 0: a channel of the clip */
    int32_t layer;        /* of the pyramid; -1: not visited, or the kernel not selected */
    float value;          /* r(o, i) of the edge; below 0: of a pair that is none */
    float asked;          /* what is held against theta: r(o, i), under rule grad r(i) */
} cfp_link;

typedef struct cfp_links {
    cfp_ctx *ctx;
    const cfp_model *model;
    const cfp_pyramid *pyramid;
    bool only_first_add; /* rule reference */
    bool grad;           /* rule grad */
    bool pairs;          /* under which pairs without an edge are links, too; the caller's choice */
    int32_t *base;       /* [n_nodes] number of the first kernel of kernel layers and the clip */
    int32_t *layer_of;   /* [n_nodes] in the pyramid, or -1 */
    uint8_t *is_selected; /* [n_kernels] */
    int32_t *link_of;     /* [n_kernels] 1 + its place in link[], 0: none */
    int32_t n_kernels;    /* of all kernel layers, the clip's channels included */

    /* Of the layer at hand: */
    const cfp_layer *layer;
    cfp_origin *origin;
    int64_t n_origins, room_origins;
    int64_t *first_origin; /* [channels in + 1] into origin, empty where not demanded */
    int64_t *first_edge;   /* [kernels + 1] into layer->edge */

    /* Of the kernel at hand: */
    cfp_link *link; /* [n] in the order of i, then of the origins */
    int n, room;
} cfp_links;

CFP_CHECKED cfp_status cfp_links_open(cfp_links *out, cfp_ctx *ctx,
                                      const cfp_explanation *explanation);
void cfp_links_close(cfp_links *links);

/* Turns to a layer of the pyramid, then to one selected kernel of it. */
CFP_CHECKED cfp_status cfp_links_layer(cfp_links *links, int layer);
CFP_CHECKED cfp_status cfp_links_kernel(cfp_links *links, int o);
