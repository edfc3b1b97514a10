/* test_apart.c - checks how a layer's map is taken apart: which kernels come first, that all maps
 * together are the sum, what reducing does, and that the maps of a large network stay small. */
#include "../host/method/apart.h"
#include "test.h"
#include "toy.h"
#include <stdlib.h>

enum { C = 100, T = 2, H = 5, W = 3 };

static float value_of(int c, int p)
{
    return (float)((c * 7 + p * 3) % 11) - 4;
}

/* A tensor of 100 channels in blocks; what lies behind the last channel must not be read. */
static cfp_tensor make(int block, int seed)
{
    cfp_tensor x = {.shape = {1, C, T, H, W}, .block = block};
    x.data = calloc((size_t)cfp_stored(&x), sizeof *x.data);
    for (int c = 0; c < C; c++)
        for (int p = 0; p < T * H * W; p++)
            cfp_put(&x, 0, c, p / (H * W), p / W % H, p % W, value_of(c + seed, p));
    return x;
}

static void all_maps_together_are_the_sum(int block, bool grad)
{
    cfp_ctx ctx = {0};
    cfp_apart_list list = {0};
    cfp_tensor x = make(block, 0), g = make(block, 5);
    double relevance[C];
    for (int c = 0; c < C; c++)
        relevance[c] = c % 4 == 1 ? -1 : (double)(c * 37 % 101) / 101; /* 75 are selected */
    CHECK_EQ(cfp_apart_add(&list, &ctx, 7, &x, grad ? &g : NULL, relevance, W + H), CFP_OK);
    const cfp_apart *a = &list.layer[0];
    CHECK_EQ(a->node, 7);
    CHECK_EQ(a->n_kernels, 75);
    for (int k = 1; k < a->n_kernels; k++)
        CHECK(relevance[a->kernel[k - 1]] >= relevance[a->kernel[k]]);
    for (int k = 0; k < CFP_APART_SINGLE; k++)
        CHECK_EQ(a->end[k], k + 1);
    CHECK_EQ(a->end[12], 24);
    CHECK_EQ(a->end[13], 48);
    CHECK_EQ(a->end[14], 75);
    CHECK_EQ(a->n, 15);
    CHECK(a->reduced == 1 && a->t == T && a->h == H && a->w == W);
    for (int p = 0; p < T * H * W; p++) {
        double sum = 0, want = 0;
        for (int k = 0; k < a->n; k++)
            sum += (double)a->map[k * T * H * W + p];
        for (int c = 0; c < C; c++)
            want +=
                relevance[c] < 0 ? 0.0 : (double)(value_of(c, p) * (grad ? value_of(c + 5, p) : 1));
        CHECK_NEAR(sum, want, 1e-3);
    }
    cfp_apart_free(&list);
    free(x.data);
    free(g.data);
}

static void a_reduced_map_has_the_means_of_squares(void)
{
    cfp_ctx ctx = {0};
    cfp_apart_list list = {0};
    cfp_tensor x = make(8, 0);
    double relevance[C];
    for (int c = 0; c < C; c++)
        relevance[c] = c == 42 ? 0.5 : -1;
    CHECK_EQ(cfp_apart_add(&list, &ctx, 1, &x, NULL, relevance, 3), CFP_OK);
    const cfp_apart *a = &list.layer[0];
    CHECK(a->n == 1 && a->reduced == 2 && a->t == T && a->h == 3 && a->w == 2);
    /* the first square is whole; the last, at the lower right, is a single value */
    const float first =
        (value_of(42, 0) + value_of(42, 1) + value_of(42, W) + value_of(42, W + 1)) / 4;
    CHECK_NEAR(a->map[0], first, 1e-5);
    CHECK_NEAR(a->map[5], value_of(42, H * W - 1), 1e-5);
    cfp_apart_free(&list);
    free(x.data);
}

static void the_maps_of_any_network_stay_small(int side)
{
    struct toy t = {0};
    float *weight = calloc(512 * 512, sizeof *weight);
    toy_begin(&t, (cfp_shape){1, 512, 64, side, side});
    toy_conv(&t, "a", "input", 512, 512, 1, weight);
    toy_conv(&t, "b", "a", 512, 512, 1, weight);
    toy_node(&t, "pool", CFP_OP_GLOBALAVGPOOL, "b", NULL);
    toy_linear(&t, "fc", "pool", 2, 512, weight);
    CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
    const cfp_query query = cfp_query_default();
    const int most = cfp_apart_side(&t.model, &query), n = (side + most - 1) / most;
    const int64_t values = (int64_t)2 * 18 * 64 * ((side + n - 1) / n) * ((side + n - 1) / n);
    CHECK(values <= CFP_APART_VALUES);
    CHECK(side > 16 || n == 1);
    CHECK(values > CFP_APART_VALUES / 8 || n == 1);
    toy_end(&t);
    free(weight);
}

int main(void)
{
    all_maps_together_are_the_sum(1, false);
    all_maps_together_are_the_sum(8, true);
    all_maps_together_are_the_sum(128, true);
    a_reduced_map_has_the_means_of_squares();
    the_maps_of_any_network_stay_small(16);
    the_maps_of_any_network_stay_small(112);
    the_maps_of_any_network_stay_small(700);
    return test_result();
}
