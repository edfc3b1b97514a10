/* test_memory.c - checks the planner of the arena: live tensors never overlap, and tensors that can
 * use the same memory do. */
#include "../host/network/memory.h"
#include "test.h"

static uint64_t state = 88172645463325252ULL;

static int random_below(int n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)(state % (uint64_t)n);
}

static void a_chain_needs_two_buffers(void)
{
    /* 0 lives in [0, 1], 1 in [1, 2], 2 in [2, 3] ...: never more than two at once */
    cfp_lifetime life[10];
    size_t arena;
    cfp_ctx ctx = {0};
    for (int i = 0; i < 10; i++)
        life[i] = (cfp_lifetime){1024, i, i + 1, 0};
    CHECK_EQ(cfp_memory_plan(&arena, &ctx, life, 10), CFP_OK);
    CHECK_EQ(arena, 2048);
}

static void what_lives_apart_shares_the_same_place(void)
{
    cfp_lifetime life[2] = {{1000, 0, 3, 0}, {500, 4, 9, 0}};
    size_t arena;
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_memory_plan(&arena, &ctx, life, 2), CFP_OK);
    CHECK_EQ(life[0].offset, life[1].offset);
    CHECK_EQ(arena, 1024); /* rounded up to the alignment */
}

static void nothing_that_is_live_together_overlaps(void)
{
    enum { N = 60 };
    cfp_ctx ctx = {0};
    for (int round = 0; round < 200; round++) {
        cfp_lifetime life[N];
        size_t arena, at_once = 0, total = 0;
        for (int i = 0; i < N; i++) {
            const int first = random_below(50);
            life[i] =
                (cfp_lifetime){(size_t)random_below(5000), first, first + random_below(12), 0};
            total += life[i].bytes + CFP_ARENA_ALIGNMENT;
        }
        CHECK_EQ(cfp_memory_plan(&arena, &ctx, life, N), CFP_OK);
        for (int now = 0; now < 62; now++) {
            size_t live = 0;
            for (int i = 0; i < N; i++)
                live += life[i].first <= now && now <= life[i].last ? life[i].bytes : 0;
            at_once = live > at_once ? live : at_once;
        }
        int overlaps = 0;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < i; j++) {
                const cfp_lifetime *a = &life[i], *b = &life[j];
                const bool together = a->first <= b->last && b->first <= a->last;
                const bool apart =
                    a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
                overlaps += together && !apart;
            }
        CHECK_EQ(overlaps, 0);
        CHECK(arena >= at_once);
        CHECK(arena <= total);
    }
}

int main(void)
{
    a_chain_needs_two_buffers();
    what_lives_apart_shares_the_same_place();
    nothing_that_is_live_together_overlaps();
    return test_result();
}
