/* memory.h - one arena for everything a trace holds: who lives when decides who may share.
 *
 * A pure function of lifetimes; knows neither networks nor backends. */
#pragma once
#include "../base/base.h"

/* A buffer is live from `first` to `last`, both included, on the trace's clock. */
typedef struct cfp_lifetime {
    size_t bytes;
    int first, last;
    size_t offset; /* out: where it lies in the arena, a multiple of CFP_ARENA_ALIGNMENT */
} cfp_lifetime;

enum { CFP_ARENA_ALIGNMENT = 256 };

/* Sets the offsets so that no two buffers that are live at the same time overlap; the arena's size
 * goes to *arena_bytes.  Largest first, each at the lowest place that is free in its lifetime. */
CFP_CHECKED cfp_status cfp_memory_plan(size_t *arena_bytes, cfp_ctx *ctx, cfp_lifetime *life,
                                       int n);
