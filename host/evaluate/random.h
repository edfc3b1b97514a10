/* random.h - random numbers that are the same on every machine, whatever the order of the work.
 *
 * A stream is made from its purpose: the seed of the call, the clip, the layer, the metric.  So its
 * numbers do not depend on what else is computed, nor on what was computed before. */
#pragma once
#include "../base/base.h"

typedef struct cfp_random {
    uint64_t state;
} cfp_random;

/* The stream of --seed.  Mix the purpose into it: each word, number or piece of memory makes
 * another stream.  Their order matters. */
cfp_random cfp_random_seed(uint64_t seed);
cfp_random cfp_random_of_number(cfp_random stream, uint64_t number);
cfp_random cfp_random_of_text(cfp_random stream, const char *text);
cfp_random cfp_random_of_bytes(cfp_random stream, const void *data, size_t bytes);

uint64_t cfp_random_next(cfp_random *stream);                  /* splitmix64 */
uint64_t cfp_random_below(cfp_random *stream, uint64_t limit); /* uniform over 0 .. limit - 1 */
double cfp_random_unit(cfp_random *stream);                    /* [0, 1), 53 bits */

/* Draws k different numbers of 0 .. n - 1; all sets are equally likely.  set[n]: 1 for the numbers
 * drawn, else 0.  order has the capacity for n numbers; its first k are the numbers drawn. */
void cfp_random_set(uint8_t *set, int *order, int n, int k, cfp_random *stream);
/* order[n]: 0 .. n - 1 in a random order; all orders are equally likely. */
void cfp_random_order(int *order, int n, cfp_random *stream);
