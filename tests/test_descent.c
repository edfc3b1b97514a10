/* test_descent.c - checks the method on networks that are small enough to compute by hand.  The
 * arithmetic is written beside each expectation.  All kernels are 1 x 1 x 1, so a kernel's mean
 * over its taps is its weight. */
#include "test.h"
#include "toy.h"
#include <stdlib.h>

#define EDGES(...)                                                                                 \
    (const cfp_edge[]){__VA_ARGS__}, sizeof((cfp_edge[]){__VA_ARGS__}) / sizeof(cfp_edge)

static void check_edges(const char *what, const cfp_layer *layer, const cfp_edge *want, size_t n)
{
    CHECK(layer != NULL);
    if (layer == NULL)
        return;
    if (layer->n_edges != (int64_t)n)
        fprintf(stderr, "%s: another number of edges\n", what);
    CHECK_EQ(layer->n_edges, n);
    for (size_t e = 0; e < n && e < (size_t)layer->n_edges; e++) {
        CHECK_EQ(layer->edge[e].o, want[e].o);
        CHECK_EQ(layer->edge[e].i, want[e].i);
        CHECK_NEAR(layer->edge[e].relevance, want[e].relevance, 1e-6);
    }
}

static cfp_pyramid descend(struct toy *t, const char *output, cfp_query q, int class_index,
                           const float *clip)
{
    cfp_pyramid p = {0};
    cfp_status status = toy_finish(t, output);
    if (status == CFP_OK)
        status = toy_descend(t, &p, &q, class_index, clip);
    if (status != CFP_OK)
        fprintf(stderr, "%s\n", t->ctx.message);
    CHECK_EQ(status, CFP_OK);
    return p;
}

/* clip: channel means 2 and 2.  a: kernels (1, 0.5), (-1, 2), (0, 0), so the means of a's channels
 * are 3, 2, 0 (all positive: relu changes nothing). */
static const float chain_clip[] = {1, 3, 2, 2};

static void make_chain(struct toy *t)
{
    toy_begin(t, (cfp_shape){1, 2, 1, 1, 2});
    toy_conv(t, "a", "input", 3, 2, 1, (float[]){1, 0.5f, -1, 2, 0, 0});
    toy_node(t, "r", CFP_OP_RELU, "a", NULL);
    toy_node(t, "gap", CFP_OP_GLOBALAVGPOOL, "r", NULL);
    toy_linear(t, "fc", "gap", 2, 3, (float[]){4, 0, 2, 1, -1, 3});
}

static void chain_scores_weights_over_the_whole_matrix(void)
{
    struct toy t = {0};
    make_chain(&t);
    cfp_pyramid p = descend(&t, "fc", cfp_query_default(), 0, chain_clip);
    /* logits: 4*3 + 0*2 + 2*0 = 12 and 3 - 2 + 0 = 1 */
    CHECK_NEAR(t.logits[0], 12, 1e-6);
    CHECK_NEAR(t.logits[1], 1, 1e-6);
    /* W from -1 to 4, so class 0 has (4+1)/5, (0+1)/5, (2+1)/5 = 1, 0.2, 0.6 */
    check_edges("fc", toy_layer(&t, &p, "fc"), EDGES({0, 0, 1}, {0, 2, 0.6f}));
    /* kernel 0: v = 1*2, 0.5*2 = 2, 1 -> 1, 0; kernel 2: v = 0, 0, nothing above 0 */
    const cfp_layer *a = toy_layer(&t, &p, "a");
    check_edges("a", a, EDGES({0, 0, 1}));
    CHECK_EQ(p.n_layers, 2);
    CHECK_EQ(p.layer[0].depth, 0);
    CHECK_EQ(a->depth, 1);
    CHECK_EQ(a->n_selected, 2);
    CHECK_EQ(a->selected[0], 0);
    CHECK_EQ(a->selected[1], 2);
    CHECK_NEAR(a->relevance[0], 1, 0);
    CHECK_NEAR(a->relevance[1], 0, 0);
    CHECK_NEAR(a->relevance[2], 0.6f, 0);
    CHECK_EQ(a->n_children, 1);
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void chain_contribution_top_depth_and_path(void)
{
    cfp_query q = cfp_query_default();
    q.class_relevance = CFP_CLASS_CONTRIBUTION;
    struct toy t = {0};
    make_chain(&t);
    cfp_pyramid p = descend(&t, "fc", q, 1, chain_clip);
    /* class 1: W*x = 1*3, -1*2, 3*0 = 3, -2, 0 -> 1, 0, 0.4 */
    check_edges("contribution", toy_layer(&t, &p, "fc"), EDGES({1, 0, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);

    t = (struct toy){0};
    make_chain(&t);
    q = cfp_query_default();
    q.theta = 0;
    q.top = 2;
    q.depth = 0;
    p = descend(&t, "fc", q, 0, chain_clip);
    /* of 1, 0.2, 0.6 the two highest, in order of channels; and nothing below depth 0 */
    check_edges("top 2", toy_layer(&t, &p, "fc"), EDGES({0, 0, 1}, {0, 2, 0.6f}));
    CHECK_EQ(p.n_layers, 1);
    cfp_pyramid_free(&p);
    toy_end(&t);

    t = (struct toy){0};
    make_chain(&t);
    q = cfp_query_default();
    q.propagate = CFP_PROPAGATE_PATH;
    q.theta = 0.5;
    p = descend(&t, "fc", q, 1, chain_clip);
    /* class 1: (1+1)/5, 0, (3+1)/5 = 0.4, 0, 0.8, divided by the highest: 0.5, 0, 1 */
    check_edges("path, fc", toy_layer(&t, &p, "fc"), EDGES({1, 0, 0.5f}, {1, 2, 1}));
    /* kernel 0 has R = 0.5, so 0.5 * 1 reaches theta exactly; kernel 2 has r = 0 */
    check_edges("path, a", toy_layer(&t, &p, "a"), EDGES({0, 0, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void top_takes_the_lower_channel_among_equals(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 4, 1, 1, 1});
    toy_conv(&t, "a", "input", 1, 4, 1, (float[]){1, 3, 3, 3});
    toy_linear(&t, "fc", "a", 1, 1, (float[]){1});
    cfp_query q = cfp_query_default();
    q.top = 2;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 1, 1, 1});
    /* fc: max = min and W != 0, so r = 1; a: 0, 1, 1, 1 */
    check_edges("fc", toy_layer(&t, &p, "fc"), EDGES({0, 0, 1}));
    check_edges("a", toy_layer(&t, &p, "a"), EDGES({0, 1, 1}, {0, 2, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

/* clip means 1, 2.  c1 = identity matrix: means 1, 2.  c2: (1, 0), (0, 3): means 1, 6. */
static void make_residual(struct toy *t)
{
    toy_begin(t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(t, "c1", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_node(t, "r1", CFP_OP_RELU, "c1", NULL);
    toy_conv(t, "c2", "r1", 2, 2, 1, (float[]){1, 0, 0, 3});
    toy_node(t, "sum", CFP_OP_ADD, "c2", "r1");
    toy_linear(t, "fc", "sum", 1, 2, (float[]){0, 5});
}

static void residual_demands_meet_and_depth_is_the_longest_route(void)
{
    struct toy t = {0};
    make_residual(&t);
    cfp_pyramid p = descend(&t, "fc", cfp_query_default(), 0, (float[]){1, 2});
    check_edges("fc", toy_layer(&t, &p, "fc"), EDGES({0, 1, 1}));
    /* channel 1 of the sum asks kernel 1 of c2 and, by the shortcut, kernel 1 of c1 */
    check_edges("c2", toy_layer(&t, &p, "c2"), EDGES({1, 1, 1}));
    check_edges("c1", toy_layer(&t, &p, "c1"), EDGES({1, 1, 1}));
    CHECK_EQ(toy_layer(&t, &p, "c2")->depth, 1);
    CHECK_EQ(toy_layer(&t, &p, "c1")->depth, 2);

    cfp_origin *origin;
    int n;
    CHECK_EQ(cfp_origins(&origin, &n, &t.ctx, &t.model, cfp_model_find(&t.model, "sum"), 1, false),
             CFP_OK);
    CHECK_EQ(n, 2);
    CHECK_EQ(origin[0].node, cfp_model_find(&t.model, "c1"));
    CHECK_EQ(origin[1].node, cfp_model_find(&t.model, "c2"));
    cfp_free(origin);
    CHECK_EQ(cfp_origins(&origin, &n, &t.ctx, &t.model, cfp_model_find(&t.model, "sum"), 1, true),
             CFP_OK);
    CHECK_EQ(n, 1); /* the published code follows the first input alone */
    cfp_free(origin);
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void concat_and_groups_shift_channels(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(&t, "b0", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_conv(&t, "b1", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_node(&t, "cat", CFP_OP_CONCAT, "b0", "b1");
    /* 4 channels in 2 groups: kernels 0, 1 read channels 0, 1; kernels 2, 3 read 2, 3 */
    toy_conv(&t, "g", "cat", 4, 2, 2, (float[]){1, 0, 0, 1, 1, 0, 0, 1});
    toy_linear(&t, "fc", "g", 1, 4, (float[]){0, 0, 0, 1});
    cfp_pyramid p = descend(&t, "fc", cfp_query_default(), 0, (float[]){1, 2});
    check_edges("g", toy_layer(&t, &p, "g"), EDGES({3, 3, 1}));
    CHECK(toy_layer(&t, &p, "b0") == NULL); /* channel 3 is b1's kernel 1 */
    check_edges("b1", toy_layer(&t, &p, "b1"), EDGES({1, 1, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void reference_inflates_groups_over_all_channels(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 4, 1, 1, 1});
    toy_conv(&t, "g", "input", 2, 2, 2, (float[]){1, 4, 1, 0});
    toy_linear(&t, "fc", "g", 1, 2, (float[]){1, 0});
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_REFERENCE;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){4, 1, 2, 1});
    /* kernel 0 inflated: 1, 1, 4, 4; v = 4, 1, 8, 4, min-max 3/7, 0, 1, 3/7 (the sum, 17, cancels).
     * The right answer, over channels 0 and 1 alone, would be v = 4, 4. */
    check_edges("g", toy_layer(&t, &p, "g"), EDGES({0, 2, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void reference_turns_round_where_the_sum_is_negative(void)
{
    const float weight[] = {1, -3, 0.5f, 0};
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 4, 1, 1, 1});
    toy_conv(&t, "a", "input", 1, 4, 1, weight);
    toy_linear(&t, "fc", "a", 2, 1, (float[]){1, 0});
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_REFERENCE;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 1, 1, 1});
    /* sum -1.5: v = -2/3, 2, -1/3, 0 -> the most negative contributor has r = 1 */
    check_edges("a", toy_layer(&t, &p, "a"), EDGES({0, 1, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(&t, "a", "input", 1, 2, 1, (float[]){1, -1});
    toy_linear(&t, "fc", "a", 2, 1, (float[]){1, 0});
    p = descend(&t, "fc", q, 0, (float[]){1, 1});
    CHECK_EQ(toy_layer(&t, &p, "a")->n_edges, 0); /* sum 0: nothing is selected */
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void reference_follows_the_first_operand_of_an_add(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(&t, "main", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_conv(&t, "side", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_node(&t, "sum", CFP_OP_ADD, "main", "side");
    toy_linear(&t, "fc", "sum", 1, 2, (float[]){0, 5});
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_REFERENCE;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 2});
    CHECK(toy_layer(&t, &p, "main") != NULL);
    CHECK(toy_layer(&t, &p, "side") == NULL);
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void a_folded_batchnorm_scales_the_kernel_and_only_under_cfp(void)
{
    for (int rule = CFP_RULE_CFP; rule <= CFP_RULE_REFERENCE; rule++) {
        struct toy t = {0};
        toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
        toy_conv(&t, "a", "input", 1, 2, 1, (float[]){1, 2});
        toy_batchnorm(&t, "bn", "a", 1, (float[]){-2}, (float[]){10});
        toy_linear(&t, "fc", "bn", 2, 1, (float[]){1, 0});
        cfp_query q = cfp_query_default();
        q.rule = (cfp_rule)rule;
        cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 1});
        CHECK_NEAR(t.logits[0], -2 * 3 + 10, 1e-5);
        /* K' = -2, -4: channel 0 is the higher; raw K = 1, 2: channel 1 */
        check_edges("a", toy_layer(&t, &p, "a"), EDGES({0, rule == CFP_RULE_CFP ? 0 : 1, 1}));
        cfp_pyramid_free(&p);
        toy_end(&t);
    }
}

static void depthwise_kernels_read_one_channel(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(&t, "dw", "input", 2, 1, 2, (float[]){3, 0});
    toy_linear(&t, "fc", "dw", 1, 2, (float[]){1, 1});
    cfp_query q = cfp_query_default();
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 1});
    /* fc: all weights the same and not 0: r = 1 for both.  dw: v = 3 -> 1, v = 0 -> 0 */
    check_edges("dw", toy_layer(&t, &p, "dw"), EDGES({0, 0, 1}));
    CHECK_EQ(toy_layer(&t, &p, "dw")->n_selected, 2);
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void grad_masks_unselected_kernels_on_the_way(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 1, 1, 1, 2});
    toy_conv(&t, "a", "input", 2, 1, 1, (float[]){1, 2});
    toy_conv(&t, "b", "a", 2, 2, 1, (float[]){1, 1, -9, 0});
    toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "b", NULL);
    toy_linear(&t, "fc", "gap", 1, 2, (float[]){2, 1});
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_GRAD;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 3});
    /* clip mean 2, so a: 2, 4; b: 6, -18.  fc: v = x * W = 12, -18 -> 1, 0: kernel 0 of b alone. */
    const cfp_layer *b = toy_layer(&t, &p, "b");
    CHECK_EQ(b->n_selected, 1);
    CHECK_EQ(b->selected[0], 0);
    check_edges("fc", toy_layer(&t, &p, "fc"), EDGES({0, 0, 1})); /* the class: v(c, i) = v(i) */
    /* b: gradient 2/2 a position on kernel 0, nothing from kernel 1 (its -9 would turn channel 0's
     * sign); G = 1, 1; v = mean(a * G) = 2, 4 -> 0.5, 1: channel 1 alone reaches 0.6 */
    CHECK_EQ(b->n_children, 1);
    CHECK_EQ(b->child[0], 1);
    const cfp_layer *a = toy_layer(&t, &p, "a");
    CHECK_EQ(a->n_selected, 1);
    CHECK_NEAR(a->relevance[1], 1, 0);
    /* through kernel 0 of b alone v(0, 1) = 4, of 4; through kernel 1 of a, 2 * mean of the clip */
    check_edges("b", b, EDGES({0, 1, 1}));
    check_edges("a", a, EDGES({1, 0, 1}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

/* The same network: the gradient of b's kernel 1, 1/2 a position, goes on though fc rejects it. */
static void grad_without_a_mask_lets_the_whole_gradient_through(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 1, 1, 1, 2});
    toy_conv(&t, "a", "input", 2, 1, 1, (float[]){1, 2});
    toy_conv(&t, "b", "a", 2, 2, 1, (float[]){1, 1, 5, -1});
    toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "b", NULL);
    toy_linear(&t, "fc", "gap", 1, 2, (float[]){2, 1});
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_GRAD;
    q.mask = CFP_MASK_NONE;
    cfp_pyramid p = descend(&t, "fc", q, 0, (float[]){1, 3});
    /* a: 2, 4; b: 6, 6; fc: v = 12, 6 -> 1, 0.5: kernel 0 alone.  G at a = 1 + 5/2, 1 - 1/2: v = 7,
     * 2
     * -> 1, 0.29.  Of the 7 kernel 0 of b gives 2: r(0, 0) = 2/7. */
    CHECK_EQ(toy_layer(&t, &p, "b")->n_selected, 1);
    const cfp_layer *b = toy_layer(&t, &p, "b");
    CHECK_EQ(b->n_children, 1);
    CHECK_NEAR(b->child_relevance[0], 1, 0);
    check_edges("b", b, EDGES({0, 0, 2.0f / 7}));
    cfp_pyramid_free(&p);
    toy_end(&t);
}

static void the_walk_is_over_the_graph_not_over_its_paths(void)
{
    enum { DOUBLINGS = 60 }; /* 2^60 paths */
    char name[DOUBLINGS][8];
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_conv(&t, "a", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    for (int i = 0; i < DOUBLINGS; i++) {
        const char *in = i == 0 ? "a" : name[i - 1];
        snprintf(name[i], sizeof name[i], "d%d", i);
        toy_node(&t, name[i], CFP_OP_ADD, in, in);
    }
    toy_linear(&t, "fc", name[DOUBLINGS - 1], 1, 2, (float[]){0, 1});
    for (int rule = 0; rule < CFP_RULE_COUNT; rule++) {
        cfp_query q = cfp_query_default();
        q.rule = (cfp_rule)rule;
        if (rule == 0)
            CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
        cfp_pyramid p = {0};
        CHECK_EQ(toy_descend(&t, &p, &q, 0, (float[]){1, 2}), CFP_OK);
        CHECK_NEAR(t.logits[0] / 0x1p61f, 1, 1e-6);
        CHECK_EQ(toy_layer(&t, &p, "a")->n_selected, 1);
        cfp_pyramid_free(&p);
        cfp_analyser_close(&t.analyser);
        cfp_device_close(&t.device);
        cfp_free(t.logits);
        t.logits = NULL;
    }
    toy_end(&t);
}

int main(void)
{
    chain_scores_weights_over_the_whole_matrix();
    chain_contribution_top_depth_and_path();
    top_takes_the_lower_channel_among_equals();
    residual_demands_meet_and_depth_is_the_longest_route();
    concat_and_groups_shift_channels();
    reference_inflates_groups_over_all_channels();
    reference_turns_round_where_the_sum_is_negative();
    reference_follows_the_first_operand_of_an_add();
    a_folded_batchnorm_scales_the_kernel_and_only_under_cfp();
    depthwise_kernels_read_one_channel();
    grad_masks_unselected_kernels_on_the_way();
    grad_without_a_mask_lets_the_whole_gradient_through();
    the_walk_is_over_the_graph_not_over_its_paths();
    return test_result();
}
