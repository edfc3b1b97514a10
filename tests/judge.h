/* judge.h - networks with every kind of shortcut, and a second implementation of ablation, the
 * judge.
 *
 * The judge computes the nodes one after the other with ref's loops.  It fuses nothing and computes
 * nothing in place.  It replaces the channels of a map as soon as the map is computed. */
#pragma once
#include "toy.h"

/* Makes a network, always with the same random weights, and returns the name of its output.  The
 * caller calls toy_finish. */
typedef const char *judge_network(struct toy *t);

/* Residual blocks: one has a projection, so that its two last layers share a map; two add the value
 * that they read, in place. */
judge_network judge_residual;
/* Branches that rejoin in concats, groups, a shuffle, slices and pads of channels. */
judge_network judge_branches;
/* Depth-wise convolutions with squeeze-and-excite gates, one of them after a residual sum.  The
 * classifier is a convolution, and its output is averaged. */
judge_network judge_gates;

typedef struct judged {
    float *value[TOY_MOST]; /* by node; NULL: another node's tensor (alias) */
} judged;

/* ablated[layer][O] are the ablated kernels of one set; NULL: none.  fill NULL: zeros. */
void judge(judged *j, const cfp_model *model, const float *clip, const uint8_t *const *ablated,
           const judged *fill);
void judged_free(judged *j);
