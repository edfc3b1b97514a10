/* cpu_filter.h - the weights of minimal filtering, F(2, 3) (lane_winograd.c): 3 taps become 4. */
#pragma once
#include "lanes.h"

enum { FILTER_PLANES = 16 }; /* of a frame: 4 x 4, from 3 x 3 taps */

/* The weights of a layer as one direction sees them: on the way back kernels and channels are
 * exchanged, and the taps in reverse. */
typedef struct cpu_taps {
    const cfp_node *node;
    int kernels, channels; /* of a group of the node's, as seen */
    int count;
    bool back;
} cpu_taps;

/* Tap k from channel i to kernel o of the same group, both counted over all groups. */
double cpu_tap(const cpu_taps *taps, int o, int i, int k);

/* True where frames two at a time take fewer multiplications along T than every tap that reads a
 * frame does. */
bool cpu_filter_pays_along_t(int frames, int taps, int pad_begin, int in_frames);

/* The weights of one channel and `lanes` kernels, transformed: tap[taps_t x 3 x 3, or taps_t where
 * `points`][kernel] becomes to[layer][plane], `plane` floats apart, of `lanes` each.  Layers are
 * the taps of T, `deep` 4; planes are 16, or 1 where `points`. */
void cpu_filter_weights(float *to, int64_t plane, double tap[][LANES_MAX], int lanes, int taps_t,
                        bool deep, bool points);
