/* apart.h - the raw map of a layer, taken apart into the maps of its kernels.
 *
 * The raw map of a layer's tube is a sum over the selected kernels (under rule grad, values below 0
 * then become 0).  A page that lets the reader raise theta needs the sum over fewer kernels.  There
 * are too many kernels for a map of each.  So the CFP_APART_SINGLE kernels of the highest relevance
 * have a map of their own, and the weaker ones come in groups, each twice as large as the one
 * before, which have one map each.  All maps together are the sum.
 *
 * If they are large, maps are reduced: a value is the mean of a square of positions. */
#pragma once
#include "../base/tensor.h"
#include "../model/model.h"
#include "query.h"

enum {
    CFP_APART_SINGLE = 12,
    CFP_APART_VALUES = 3000000 /* at most, in the maps of all layers */
};

typedef struct cfp_apart { /* one layer */
    int node;
    int n_kernels;
    int32_t *kernel; /* [n_kernels] the selected kernels, by falling relevance */
    int n;
    int32_t *end; /* [n] map k is the sum over kernel[end[k - 1]] ... kernel[end[k] - 1] */
    int t, h, w;  /* of each map */
    int reduced;  /* the side of the squares; 1: the maps are not reduced */
    float *map;   /* [n][t x h x w] */
} cfp_apart;

typedef struct cfp_apart_list {
    int n;
    cfp_apart *layer; /* [n] in the order in which the walk made them */
} cfp_apart_list;

void cfp_apart_free(cfp_apart_list *list);

/* The longest side that maps may have, so that those of all layers with a tube fit. */
int cfp_apart_side(const cfp_model *model, const cfp_query *query);

/* Takes the map of layer `node` apart and adds it to the list.  x: the tensor whose channels are
 * summed, of one clip, in host memory.  g: its gradient, or NULL.  relevance: [channels] below 0: a
 * kernel is not selected. */
CFP_CHECKED cfp_status cfp_apart_add(cfp_apart_list *list, cfp_ctx *ctx, int node,
                                     const cfp_tensor *x, const cfp_tensor *g,
                                     const double *relevance, int side);
