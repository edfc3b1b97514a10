/* sets.h - sets of kernels that metrics ablate: those that a score picks, and random ones. */
#pragma once
#include "kernel_metrics.h"

typedef struct cfp_sets { /* of one layer, or of several one behind the other */
    cfp_ctx *ctx;
    int kernels;   /* in each set */
    uint8_t *flag; /* [n][kernels] */
    int n, room;
} cfp_sets;

/* Adds a set, or all kernels but those in it. */
CFP_CHECKED cfp_status cfp_sets_add(cfp_sets *sets, const uint8_t *set, bool others);
void cfp_sets_free(cfp_sets *sets);

/* The kernels of a layer that a method picks, into set[O]: max(1, round(share * O)) of the highest
 * score (ties: the lower index), or what it selects at its theta.  Their number goes to *size. */
CFP_CHECKED cfp_status cfp_pick_kernels(uint8_t *set, int *size, cfp_ctx *ctx,
                                        const cfp_scores *scores, int node, int kernels,
                                        double share);

/* Adds the random sets of `size` kernels of a layer, as many as --draws says, or the kernels
 * outside them.  The same clip, seed, layer, metric and size always give the same sets. */
CFP_CHECKED cfp_status cfp_draw_sets(cfp_sets *sets, const cfp_kernel_subject *subject, int layer,
                                     cfp_kernel_metric metric, int size);
