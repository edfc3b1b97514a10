/* judge.h - what ablation is checked with: networks that have every kind of shortcut, and a judge.
 *
 * The judge computes every node by itself with ref's loops, in plain order, nothing fused, nothing
 * in place, and replaces the channels of a map as soon as the map is there. */
#pragma once
#include "toy.h"

/* Makes a network, always with the same random weights, and returns its output's name; toy_finish
 * is the caller's. */
typedef const char *judge_network(struct toy *t);

/* Residual blocks: one with a projection, whose two last layers share a map, and two that add the
 * value they read, in place. */
judge_network judge_residual;
/* Branches that rejoin in concats, groups, a shuffle, slices and pads of channels. */
judge_network judge_branches;
/* Depth-wise convolutions with squeeze-and-excite gates, one of them behind a residual sum; a
 * classifier that is a convolution, averaged afterwards. */
judge_network judge_gates;

typedef struct judged {
    float *value[TOY_MOST]; /* by node; NULL: another node's tensor (alias) */
} judged;

/* ablated[layer][O] of one set, or NULL; fill NULL: zero. */
void judge(judged *j, const cfp_model *model, const float *clip, const uint8_t *const *ablated,
           const judged *fill);
void judged_free(judged *j);
