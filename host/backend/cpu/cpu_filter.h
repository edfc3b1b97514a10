/* cpu_filter.h - transforms weights for minimal filtering, F(2, 3) (lane_winograd.c): 3 taps become
 * 4 numbers. */
#pragma once
#include "lanes.h"

enum { FILTER_PLANES = 16 }; /* of a frame: 4 x 4, from 3 x 3 taps */

/* The weights of a layer for one direction.  Backward, kernels and channels are exchanged and the
 * taps are reversed. */
typedef struct cpu_taps {
    const cfp_node *node;
    int kernels, channels; /* of a group of the node's, as seen */
    int count;
    bool back;
} cpu_taps;

/* Tap k from channel i to kernel o of the same group.  i and o count over all groups. */
double cpu_tap(const cpu_taps *taps, int o, int i, int k);

/* True if filtering two frames at a time needs fewer multiplications along T than the plain sum. */
bool cpu_filter_pays_along_t(int frames, int taps, int pad_begin, int in_frames);

/* Transforms the weights of one channel and `lanes` kernels.  From tap[taps_t x 3 x 3][kernel]
 * (with `points`: [taps_t][kernel]) to to[layer][plane][lanes], planes `plane` floats apart.  There
 * is a layer for each tap of T, or 4 if `deep`; 16 planes, or 1 with `points`. */
void cpu_filter_weights(float *to, int64_t plane, double tap[][LANES_MAX], int lanes, int taps_t,
                        bool deep, bool points);
