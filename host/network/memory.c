/* memory.c - see memory.h. */
#include "memory.h"
#include <stdlib.h>

static int larger_first(const void *a, const void *b)
{
    const cfp_lifetime *x = *(cfp_lifetime *const *)a, *y = *(cfp_lifetime *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* so that the plan is the same every time */
}

static size_t aligned(size_t bytes)
{
    return (bytes + CFP_ARENA_ALIGNMENT - 1) / CFP_ARENA_ALIGNMENT * CFP_ARENA_ALIGNMENT;
}

/* Inserts into the list of placed buffers, which is sorted by offset. */
static void insert(cfp_lifetime **placed, int n, cfp_lifetime *life)
{
    int at = n;
    for (; at > 0 && placed[at - 1]->offset > life->offset; at--)
        placed[at] = placed[at - 1];
    placed[at] = life;
}

cfp_status cfp_memory_plan(size_t *arena_bytes, cfp_ctx *ctx, cfp_lifetime *life, int n)
{
    cfp_lifetime **order, **placed;
    CFP_TRY_ALLOC(ctx, order, 2 * (size_t)n);
    placed = order + n;
    for (int i = 0; i < n; i++)
        order[i] = &life[i];
    qsort(order, (size_t)n, sizeof *order, larger_first);

    *arena_bytes = 0;
    for (int i = 0; i < n; i++) {
        cfp_lifetime *now = order[i];
        size_t at = 0;
        for (int k = 0; k < i; k++) { /* looks for the first gap that is wide enough */
            const cfp_lifetime *other = placed[k];
            if (other->last < now->first || other->first > now->last)
                continue;
            if (at + now->bytes <= other->offset)
                break;
            const size_t end = other->offset + aligned(other->bytes);
            at = end > at ? end : at;
        }
        now->offset = at;
        insert(placed, i, now);
        if (at + aligned(now->bytes) > *arena_bytes)
            *arena_bytes = at + aligned(now->bytes);
    }
    cfp_free(order);
    return CFP_OK;
}
