/* tube_maps.h - the raw maps behind the tubes: which layers get one, and the sums over kernels. */
#pragma once
#include "trace.h"

/* Raw maps of layers by node, while they are being made. */
typedef struct cfp_tube_maps {
    const bool *wanted; /* [n_nodes] conv3d layers whose tube was asked for */
    float **raw;        /* [n_nodes] t x h x w of the layer's map; NULL: not made (yet) */
} cfp_tube_maps;

/* SPEC section 1, Tubes: true for conv3d layers within --depth whose name --layers matches. */
bool cfp_tube_wanted(const cfp_model *model, const cfp_query *query, int node);

/* Rule grad: the gradient at `node`'s output is complete; makes max(0, sum of map * G) of every
 * wanted layer whose map it is, over the channels with demand[c] >= 0.  maps may be NULL. */
CFP_CHECKED cfp_status cfp_tube_maps_at(cfp_tube_maps *maps, cfp_trace *trace, int node,
                                        const double *demand);

/* The tubes of the pyramid's layers: from `maps` where they were made on the way (grad), else by
 * summing the map over the selected kernels; and kernel tubes where the query asks for them.  On
 * failure *out is empty. */
CFP_CHECKED cfp_status cfp_tubes_make(cfp_tubes_list *out, cfp_trace *trace, const cfp_query *query,
                                      const cfp_pyramid *pyramid, cfp_tube_maps *maps);
