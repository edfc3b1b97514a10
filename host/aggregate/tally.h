/* tally.h - adds up the explanations of one class: how often and how strongly each kernel and edge
 * is selected, in which clips most strongly, and how consistent the clips are.
 *
 * Memory does not grow with the number of clips, except for edges: more clips have more different
 * edges.  Consistency is the mean Jaccard index over all pairs of clips.  The number of pairs grows
 * with the square of the number of clips, so only the kernel sets of at most CFP_TALLY_SETS clips
 * are kept.  They are drawn at random, each clip with the same probability (reservoir sampling).
 * With up to CFP_TALLY_SETS clips the mean is exact, with more it is an unbiased estimate. */
#pragma once
#include "explained.h"

enum { CFP_TALLY_SETS = 512 };

typedef struct cfp_tally_top { /* a clip, and a relevance in it */
    int32_t clip;
    float relevance;
} cfp_tally_top;

typedef struct cfp_tally_edge {
    int32_t kernel, channel;
    int32_t clips;
    double sum; /* sum of its relevance over the clips */
} cfp_tally_edge;

typedef struct cfp_tally_layer {
    char *name, *op;
    int depth, n_kernels;
    int clips;          /* number of clips that reached the layer */
    int32_t *count;     /* [n_kernels] number of clips that select it */
    double *sum;        /* [n_kernels] sum of R over the clips */
    cfp_tally_top *top; /* [n_kernels][max_top], the strongest clip first; relevance 0: no clip */
    int64_t n_edges, capacity;
    cfp_tally_edge *edge;    /* [n_edges], after cfp_tally_finish sorted by kernel, then channel */
    cfp_tally_top *edge_top; /* [n_edges][max_top] */
    int64_t n_slots;
    int32_t *slot;              /* [n_slots] a hash table of edges: 1 + index in edge[]; 0: free */
    int words;                  /* words per set */
    uint64_t *set;              /* [CFP_TALLY_SETS][words] sets of selected kernels, as bits */
    double consistency, random; /* NaN for fewer than two clips */
} cfp_tally_layer;

typedef struct cfp_tally {
    cfp_ctx *ctx;
    int max_top;     /* how many of the strongest clips are kept for each kernel and edge */
    int n_clips;     /* clips added so far */
    uint64_t random; /* state of the random numbers */
    int n, capacity;
    cfp_tally_layer *layer; /* [n]; after cfp_tally_finish sorted by depth, then name */
} cfp_tally;

void cfp_tally_open(cfp_tally *out, cfp_ctx *ctx, int max_top, uint64_t seed);
void cfp_tally_close(cfp_tally *tally); /* accepts {0} */

/* Adds the next clip, which gets number tally->n_clips.  CFP_FORMAT, in a message that starts
 * with `where`, if the number of kernels of a layer differs from earlier clips; then nothing is
 * added. */
CFP_CHECKED cfp_status cfp_tally_add(cfp_tally *tally, const cfp_explained_layers *layers,
                                     const char *where);
/* Call this after the last clip: sorts, and computes the consistencies. */
CFP_CHECKED cfp_status cfp_tally_finish(cfp_tally *tally);

/* The number of clips whose sets give the consistency. */
int cfp_tally_sets(const cfp_tally *tally);

/* The mean Jaccard index of two random sets of sizes a and b out of n; 1 if both are empty. */
double cfp_random_jaccard(int n, int a, int b);
