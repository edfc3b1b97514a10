/* memory.h - plans one arena for many buffers.  Buffers that are never live at the same time may
 * share memory.
 *
 * The plan depends on sizes and lifetimes alone.  This file knows no networks and no backends. */
#pragma once
#include "../base/base.h"

/* A buffer is live from time `first` to time `last`, both included. */
typedef struct cfp_lifetime {
    size_t bytes;
    int first, last;
    size_t offset; /* output: its place in the arena, a multiple of CFP_ARENA_ALIGNMENT */
} cfp_lifetime;

enum { CFP_ARENA_ALIGNMENT = 256 };

/* Sets the offsets of life[n] so that no two buffers overlap that are live at the same time.
 * *arena_bytes: the arena's size.  The largest buffer is placed first; each gets the lowest offset
 * that is free during its lifetime. */
CFP_CHECKED cfp_status cfp_memory_plan(size_t *arena_bytes, cfp_ctx *ctx, cfp_lifetime *life,
                                       int n);
