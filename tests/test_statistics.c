/* test_statistics.c - checks the random numbers, ranks, sets and curves of `evaluate` against
 * values that were computed by hand. */
#include "../host/evaluate/random.h"
#include "../host/evaluate/row.h"
#include "../host/evaluate/statistics.h"
#include "test.h"

static cfp_ctx ctx;

static void the_generator_is_splitmix64(void)
{
    cfp_random stream = {1234567};
    CHECK(cfp_random_next(&stream) == 6457827717110365317u); /* published test values */
    CHECK(cfp_random_next(&stream) == 3203168211198807973u);
    CHECK(cfp_random_next(&stream) == 9817491932198370423u);
    stream = cfp_random_seed(3);
    for (int i = 0; i < 1000; i++) {
        const double u = cfp_random_unit(&stream);
        CHECK(u >= 0 && u < 1);
    }
}

static void streams_differ_by_every_word(void)
{
    const cfp_random seed = cfp_random_seed(0);
    const cfp_random two = cfp_random_of_text(cfp_random_of_text(seed, "a"), "bc");
    CHECK(two.state == cfp_random_of_text(cfp_random_of_text(seed, "a"), "bc").state);
    CHECK(two.state != cfp_random_of_text(cfp_random_of_text(seed, "ab"), "c").state);
    CHECK(two.state != cfp_random_of_text(cfp_random_of_text(seed, "bc"), "a").state);
    CHECK(two.state != cfp_random_of_text(seed, "abc").state);
    CHECK(cfp_random_of_number(seed, 1).state != cfp_random_of_number(seed, 2).state);
    CHECK(cfp_random_seed(1).state != seed.state);
}

/* 4 of 6 have 15 sets: each comes up 1000 of 15000 times, within five standard deviations. */
static void every_set_is_as_likely(void)
{
    cfp_random stream = cfp_random_seed(5);
    int seen[64] = {0}, order[6];
    uint8_t set[6];
    for (int i = 0; i < 15000; i++) {
        cfp_random_set(set, order, 6, 4, &stream);
        int bits = 0, size = 0;
        for (int j = 0; j < 6; j++) {
            bits |= set[j] << j;
            size += set[j];
        }
        CHECK(size == 4 && set[order[0]] && set[order[3]] && !set[order[4]]);
        seen[bits]++;
    }
    int sets = 0;
    for (int bits = 0; bits < 64; bits++)
        if (seen[bits] > 0) {
            sets++;
            CHECK_NEAR(seen[bits], 1000, 155);
        }
    CHECK_EQ(sets, 15);
    cfp_random_set(set, order, 6, 0, &stream);
    CHECK(!set[0] && !set[5]);
    cfp_random_set(set, order, 6, 6, &stream);
    CHECK(set[0] && set[1] && set[2] && set[3] && set[4] && set[5]);
}

static void every_order_is_as_likely(void)
{
    cfp_random stream = cfp_random_seed(6);
    int seen[27] = {0}, order[3], orders = 0;
    for (int i = 0; i < 6000; i++) {
        cfp_random_order(order, 3, &stream);
        seen[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    for (int i = 0; i < 27; i++)
        if (seen[i] > 0) {
            orders++;
            CHECK_NEAR(seen[i], 1000, 155);
        }
    CHECK_EQ(orders, 6);
}

static void a_tie_counts_half(void)
{
    const double draws[] = {1, 2, 2, 3};
    CHECK_NEAR(cfp_percentile(2, draws, 4), 0.5, 0);
    CHECK_NEAR(cfp_percentile(0, draws, 4), 0, 0);
    CHECK_NEAR(cfp_percentile(3, draws, 4), 0.875, 0);
    CHECK_NEAR(cfp_percentile(9, draws, 4), 1, 0);
    CHECK(isnan(cfp_percentile(9, draws, 0)));
    CHECK_NEAR(cfp_mean_of(draws, 4), 2, 0);
    CHECK(isnan(cfp_mean_of(draws, 0)));
}

static void equal_numbers_share_a_rank(void)
{
    const double x[] = {3, 1, 3, 2, 3}, y[] = {5, 1, 4, 2, 3};
    double rank[5], rho = 9;
    int order[5];
    CHECK(cfp_mid_ranks(rank, &ctx, x, 5) == CFP_OK);
    CHECK(rank[0] == 4 && rank[1] == 1 && rank[2] == 4 && rank[3] == 2 && rank[4] == 4);
    CHECK(cfp_falling_order(order, &ctx, x, 5) == CFP_OK); /* ties: the lower index first */
    CHECK(order[0] == 0 && order[1] == 2 && order[2] == 4 && order[3] == 3 && order[4] == 1);
    CHECK(cfp_spearman(&rho, &ctx, x, y, 5) == CFP_OK);
    CHECK_NEAR(rho, 8 / sqrt(8 * 10), 1e-15);
    CHECK(cfp_spearman(&rho, &ctx, y, y, 5) == CFP_OK);
    CHECK_NEAR(rho, 1, 0);
    const double constant[] = {7, 7, 7, 7, 7};
    CHECK(cfp_spearman(&rho, &ctx, constant, y, 5) == CFP_OK);
    CHECK(isnan(rho));
}

static void what_two_sets_share(void)
{
    const uint8_t a[] = {1, 1, 0, 0}, b[] = {0, 1, 1, 0}, none[4] = {0};
    CHECK_NEAR(cfp_jaccard(a, b, 4), 1.0 / 3, 1e-15);
    CHECK_NEAR(cfp_jaccard(a, a, 4), 1, 0);
    CHECK_NEAR(cfp_jaccard(a, none, 4), 0, 0);
    CHECK_NEAR(cfp_jaccard(none, none, 4), 1, 0);
    CHECK_NEAR(cfp_jaccard_by_chance(2, 2, 4), 1.0 / 3, 1e-15);
    CHECK_NEAR(cfp_jaccard_by_chance(4, 4, 4), 1, 0);
    CHECK_NEAR(cfp_jaccard_by_chance(0, 0, 4), 1, 0);
    CHECK_NEAR(cfp_jaccard_by_chance(0, 3, 4), 0, 0);
}

static void the_area_under_a_line(void)
{
    const double x[] = {0, 0.5, 0.75, 1}, y[] = {1, 1, 0, 2};
    CHECK_NEAR(cfp_trapezoid(x, y, 4), 0.5 + 0.125 + 0.25, 1e-15);
    CHECK_NEAR(cfp_trapezoid(x, y, 1), 0, 0);
}

static void an_empty_row_knows_nothing(void)
{
    const cfp_eval_row row = cfp_eval_row_empty();
    CHECK(row.clip == NULL && row.layer == NULL && row.definition == NULL);
    CHECK(row.class_index == -1 && row.depth == -1 && row.ablated == -1 && row.draws == -1);
    CHECK(isnan(row.theta) && isnan(row.value) && isnan(row.chance) && isnan(row.percentile));
}

int main(void)
{
    the_generator_is_splitmix64();
    streams_differ_by_every_word();
    every_set_is_as_likely();
    every_order_is_as_likely();
    a_tie_counts_half();
    equal_numbers_share_a_rank();
    what_two_sets_share();
    the_area_under_a_line();
    an_empty_row_knows_nothing();
    return test_result();
}
