/* sets.h - the sets of kernels that metrics ablate: those that a method picks, and random ones. */
#pragma once
#include "kernel_metrics.h"

typedef struct cfp_sets { /* of one layer, or of several one behind the other */
    cfp_ctx *ctx;
    int kernels;   /* in each set */
    uint8_t *flag; /* [n][kernels] */
    int n, capacity;
} cfp_sets;

/* Adds a set, or all kernels but those in it. */
CFP_CHECKED cfp_status cfp_sets_add(cfp_sets *sets, const uint8_t *set, bool others);
void cfp_sets_free(cfp_sets *sets);

/* Picks kernels of a layer: those that the method selects at its theta, or the max(1, round(share *
 * O)) of the highest score; among equal scores the lower index.  set[O]: 1 if the kernel is picked.
 * *size: how many are. */
CFP_CHECKED cfp_status cfp_pick_kernels(uint8_t *set, int *size, cfp_ctx *ctx,
                                        const cfp_scores *scores, int node, int kernels,
                                        double share);

/* Adds --draws random sets of `size` kernels of a layer, or of all kernels but these.  The same
 * clip, seed, layer, metric and size always give the same sets. */
CFP_CHECKED cfp_status cfp_draw_sets(cfp_sets *sets, const cfp_kernel_subject *subject, int layer,
                                     cfp_kernel_metric metric, int size);
