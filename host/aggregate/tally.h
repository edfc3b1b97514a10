/* tally.h - explanations of one class, added up clip by clip: how often and how strongly each
 * kernel and each edge is selected, where it is strongest, and how well the clips agree.
 *
 * Memory does not grow with the number of clips, but for the edges, of which there are more kinds
 * the more clips there are.  Consistency is the mean Jaccard index of all pairs of clips.  Pairs
 * are quadratic in clips, so the kernel sets of at most CFP_TALLY_SETS clips are kept, drawn at
 * random, each clip with the same chance (reservoir sampling): up to that number the mean is
 * exact, above it an unbiased estimate. */
#pragma once
#include "explained.h"

enum { CFP_TALLY_SETS = 512 };

typedef struct cfp_tally_top { /* a clip in which something is relevant */
    int32_t clip;
    float relevance;
} cfp_tally_top;

typedef struct cfp_tally_edge {
    int32_t kernel, channel;
    int32_t clips;
    double sum; /* of its relevance over the clips */
} cfp_tally_edge;

typedef struct cfp_tally_layer {
    char *name, *op;
    int depth, n_kernels;
    int clips;          /* that reached the layer */
    int32_t *count;     /* [n_kernels] clips that select it */
    double *sum;        /* [n_kernels] of R, over the clips */
    cfp_tally_top *top; /* [n_kernels][most], the strongest first; relevance 0: none */
    int64_t n_edges, room;
    cfp_tally_edge *edge;    /* [n_edges], by kernel, then channel, once cfp_tally_finish ran */
    cfp_tally_top *edge_top; /* [n_edges][most] */
    int64_t n_slots;
    int32_t *slot; /* [n_slots] where an edge is: 1 + its place, found by a hash; 0: free */
    int words;     /* of a set */
    uint64_t *set; /* [CFP_TALLY_SETS][words] selected kernels */
    double consistency, random; /* NaN where there are less than two clips */
} cfp_tally_layer;

typedef struct cfp_tally {
    cfp_ctx *ctx;
    int most;        /* strongest clips that are kept of each kernel and edge */
    int n_clips;     /* that were added */
    uint64_t random; /* state of the draws */
    int n, room;
    cfp_tally_layer *layer; /* [n]; by depth, then name, once cfp_tally_finish ran */
} cfp_tally;

void cfp_tally_open(cfp_tally *out, cfp_ctx *ctx, int most, uint64_t seed);
void cfp_tally_close(cfp_tally *tally); /* accepts {0} */

/* The next clip, number tally->n_clips.  CFP_FORMAT, with `where` in front, where a layer has
 * another number of kernels than in the clips before; then nothing was added. */
CFP_CHECKED cfp_status cfp_tally_add(cfp_tally *tally, const cfp_explained_layers *layers,
                                     const char *where);
/* After the last: sorts, and computes consistencies. */
CFP_CHECKED cfp_status cfp_tally_finish(cfp_tally *tally);

/* The number of clips whose sets decide on consistency. */
int cfp_tally_sets(const cfp_tally *tally);

/* Mean Jaccard index of two random sets of a and b out of n; 1 where both are empty. */
double cfp_random_jaccard(int n, int a, int b);
