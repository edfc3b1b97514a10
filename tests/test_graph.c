/* test_graph.c - checks that a list of nodes in any order becomes a model, or is refused by a
 * message that names the node. */
#include "test.h"
#include "toy.h"

static void refused(struct toy *t, const char *output, const char *says)
{
    const cfp_status status = toy_finish(t, output);
    CHECK(status == CFP_FORMAT || status == CFP_SHAPE);
    CHECK_HAS(t->ctx.message, says);
    toy_end(t);
}

static void nodes_are_sorted_whatever_their_order(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 3, 4, 5});
    toy_linear(&t, "fc", "gap", 2, 2, (float[]){1, 2, 3, 4});
    toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "r", NULL);
    toy_node(&t, "r", CFP_OP_RELU, "input", NULL);
    CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
    CHECK_STR(t.model.node[1].name, "r");
    CHECK_STR(t.model.node[2].name, "gap");
    CHECK_STR(t.model.node[3].name, "fc");
    CHECK_EQ(t.model.node[3].flop, 2 * 2 * 2);
    CHECK_EQ(t.model.node[3].parameters, 4);
    toy_end(&t);
}

static void cycles_and_dead_ends_are_refused(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_node(&t, "a", CFP_OP_ADD, "input", "b");
    toy_node(&t, "b", CFP_OP_RELU, "a", NULL);
    toy_linear(&t, "fc", "b", 2, 2, (float[]){1, 2, 3, 4});
    refused(&t, "fc", "cycle");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_node(&t, "r", CFP_OP_RELU, "input", NULL);
    t.model.node[1].shape.c = 2; /* as many classes as channels: all that is wrong is no kernel */
    refused(&t, "r", "nothing to explain");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 1, 2, 1, 1});
    toy_conv(&t, "a", "input", 2, 1, 1, (float[]){1, 2});
    refused(&t, "a", "globalavgpool");
}

static void shapes_that_do_not_fit_are_refused_by_node(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 3, 1, 1, 1});
    toy_conv(&t, "eins", "input", 2, 2, 1, (float[]){1, 2, 3, 4});
    refused(&t, "eins", "node 'eins': a kernel reads 2 channels, its input has 3");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 4, 1, 1, 1});
    toy_conv(&t, "c", "input", 2, 1, 3, (float[]){1, 2});
    refused(&t, "c", "3 groups do not divide 4 channels");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 1, 2, 2, 2});
    toy_conv(&t, "c", "input", 1, 1, 1, (float[]){1, 2, 3});
    t.model.node[1].window.kernel[0] = 3;
    refused(&t, "c", "does not fit on T = 2");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 1, 2, 2, 2});
    cfp_node *pool = toy_node(&t, "p", CFP_OP_MAXPOOL3D, "input", NULL);
    pool->window.pad_begin[1] = 1;
    refused(&t, "p", "padding 1, 0 along H is not smaller than the kernel 1");

    t = (struct toy){0};
    toy_begin(&t, (cfp_shape){1, 1, 2, 2, 2});
    cfp_node *slice = toy_node(&t, "s", CFP_OP_SLICE, "input", NULL);
    slice->axis = 2;
    slice->start = slice->stop = 1;
    refused(&t, "s", "takes nothing");
}

static void extents_follow_pytorch(void)
{
    /* {in, kernel, stride, pad, ceil} -> extent, as torch.nn.MaxPool1d gives it */
    const int rows[][6] = {{7, 3, 2, 1, 0, 4}, {8, 3, 2, 0, 0, 3}, {8, 3, 2, 0, 1, 4},
                           {7, 2, 2, 0, 1, 4}, {5, 2, 3, 1, 1, 2}, {6, 2, 3, 1, 1, 3},
                           {2, 3, 3, 0, 1, 1}, {1, 4, 4, 0, 1, 1}, {3, 5, 3, 0, 1, 1},
                           {1, 5, 3, 1, 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct toy t = {0};
        toy_begin(&t, (cfp_shape){1, 1, rows[i][0], 1, 1});
        toy_conv(&t, "c", "input", 1, 1, 1, (float[]){1});
        cfp_node *pool = toy_node(&t, "p", CFP_OP_MAXPOOL3D, "c", NULL);
        pool->window.kernel[0] = rows[i][1];
        pool->window.stride[0] = rows[i][2];
        pool->window.pad_begin[0] = pool->window.pad_end[0] = rows[i][3];
        pool->ceil_mode = rows[i][4];
        toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "p", NULL);
        t.model.node[t.model.n_nodes - 1].shape.c = 1;
        CHECK_EQ(toy_finish(&t, "gap"), CFP_OK);
        CHECK_EQ(t.model.node[2].shape.t, rows[i][5]);
        toy_end(&t);
    }
}

static void windows_that_do_not_fit_are_refused(void)
{
    /* {in, kernel, stride, pad, ceil}: nn.MaxPool1d says that the output size is too small */
    const int rows[][5] = {{2, 3, 3, 0, 0}, {1, 4, 3, 0, 1}, {2, 5, 3, 0, 1}, {1, 3, 1, 0, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct toy t = {0};
        toy_begin(&t, (cfp_shape){1, 1, rows[i][0], 1, 1});
        cfp_node *pool = toy_node(&t, "p", CFP_OP_MAXPOOL3D, "input", NULL);
        pool->window.kernel[0] = rows[i][1];
        pool->window.stride[0] = rows[i][2];
        pool->window.pad_begin[0] = pool->window.pad_end[0] = rows[i][3];
        pool->ceil_mode = rows[i][4];
        refused(&t, "p", "does not fit on T");
    }
}

static void only_a_batchnorm_that_follows_alone_is_folded(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 1, 1, 1, 1});
    toy_conv(&t, "a", "input", 1, 1, 1, (float[]){3});
    toy_batchnorm(&t, "bn", "a", 1, (float[]){2}, (float[]){5});
    toy_node(&t, "sum", CFP_OP_ADD, "bn", "a"); /* a second reader of the raw output */
    toy_conv(&t, "b", "sum", 1, 1, 1, (float[]){1});
    toy_batchnorm(&t, "bn2", "b", 1, (float[]){4}, (float[]){1});
    CHECK_EQ(toy_finish(&t, "bn2"), CFP_OK);
    const cfp_node *a = &t.model.node[cfp_model_find(&t.model, "a")];
    const cfp_node *b = &t.model.node[cfp_model_find(&t.model, "b")];
    CHECK(a->kernel_scale == NULL);
    CHECK_NEAR(a->weight[0], 3, 0);
    CHECK(b->kernel_scale != NULL);
    CHECK_NEAR(b->kernel_mean[0], 1, 0); /* as trained */
    CHECK_NEAR(b->weight[0], 4, 0);      /* as computed */
    CHECK_NEAR(b->bias[0], 1, 0);
    CHECK_EQ(t.model.node[cfp_model_find(&t.model, "bn2")].alias, cfp_model_find(&t.model, "b"));
    toy_end(&t);
}

static void routes_invert_what_the_ops_do(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 6, 1, 2, 1});
    cfp_node *shuffle = toy_node(&t, "shuffle", CFP_OP_CHANNEL_SHUFFLE, "input", NULL);
    shuffle->groups = 2;
    cfp_node *pad = toy_node(&t, "pad", CFP_OP_PAD, "shuffle", NULL);
    pad->channels_begin = 1;
    pad->channels_end = 2;
    cfp_node *slice = toy_node(&t, "slice", CFP_OP_SLICE, "pad", NULL);
    slice->axis = 1;
    slice->start = 1;
    slice->stop = 7;
    slice->step = 2;
    toy_node(&t, "flat", CFP_OP_FLATTEN, "slice", NULL);
    toy_linear(&t, "fc", "flat", 1, 6, (float[]){1, 1, 1, 1, 1, 1});
    CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
    /* shuffle: (2, 3) transposed: outputs are inputs 0 3 1 4 2 5 */
    const int source[6] = {0, 3, 1, 4, 2, 5};
    for (int j = 0; j < 6; j++)
        CHECK_EQ(cfp_route(&t.model, 1, 0, j), source[j]);
    /* pad: 9 channels, of which 1..6 are the input's */
    CHECK_EQ(cfp_route(&t.model, 2, 0, 0), -1);
    CHECK_EQ(cfp_route(&t.model, 2, 0, 1), 0);
    CHECK_EQ(cfp_route(&t.model, 2, 0, 6), 5);
    CHECK_EQ(cfp_route(&t.model, 2, 0, 7), -1);
    /* slice: 1, 3, 5 */
    CHECK_EQ(t.model.node[3].shape.c, 3);
    CHECK_EQ(cfp_route(&t.model, 3, 0, 2), 5);
    /* flatten: two positions a channel */
    CHECK_EQ(cfp_route(&t.model, 4, 0, 5), 2);
    toy_end(&t);
}

static void the_map_follows_norm_activation_and_add(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 1, 1, 2, 2});
    toy_conv(&t, "a", "input", 1, 1, 1, (float[]){1});
    toy_batchnorm(&t, "bn", "a", 1, (float[]){1}, (float[]){0});
    toy_conv(&t, "b", "input", 1, 1, 1, (float[]){1});
    toy_node(&t, "sum", CFP_OP_ADD, "bn", "b");
    toy_node(&t, "act", CFP_OP_SILU, "sum", NULL);
    toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "act", NULL);
    toy_linear(&t, "fc", "gap", 1, 1, (float[]){1});
    CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
    const int act = cfp_model_find(&t.model, "act");
    CHECK_EQ(cfp_map_node(&t.model, cfp_model_find(&t.model, "a")), act);
    CHECK_EQ(cfp_map_node(&t.model, cfp_model_find(&t.model, "b")), act);
    toy_end(&t);
}

/* A clip of 2 channels, two scores of it, then the ops (with their inputs) up to a 0. */
static void head_is(const cfp_op *op, const char *logits, cfp_head head, bool own)
{
    static const char *const name[] = {"n1", "n2", "n3", "n4"};
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 1});
    toy_linear(&t, "fc", "input", 2, 2, (float[]){1, 2, 3, 4});
    const char *last = "fc";
    for (int i = 0; op[i] != CFP_OP_INPUT; last = name[i++])
        toy_node(&t, name[i], op[i], last, NULL)->shape.c = 2; /* as many classes */
    CHECK_EQ(toy_finish(&t, last), CFP_OK);
    CHECK_STR(t.model.node[t.model.logits].name, logits);
    CHECK_EQ(t.model.head, head);
    CHECK_EQ(t.model.own_head, own);
    CHECK_EQ(t.model.node[cfp_model_find(&t.model, "fc")].depth, 0);
    toy_end(&t);
}

#define OPS(...)                                                                                   \
    (const cfp_op[])                                                                               \
    {                                                                                              \
        __VA_ARGS__, CFP_OP_INPUT                                                                  \
    }

static void the_head_is_the_softmax_or_sigmoid_at_the_end(void)
{
    const cfp_op SOFT = CFP_OP_SOFTMAX, SIGM = CFP_OP_SIGMOID, SAME = CFP_OP_IDENTITY;
    const cfp_op FLAT = CFP_OP_FLATTEN, MEAN = CFP_OP_GLOBALAVGPOOL, RELU = CFP_OP_RELU;
    head_is((const cfp_op[]){CFP_OP_INPUT}, "fc", CFP_HEAD_SOFTMAX, false);
    head_is(OPS(SAME), "fc", CFP_HEAD_SOFTMAX, false);
    head_is(OPS(SOFT), "fc", CFP_HEAD_SOFTMAX, true);
    head_is(OPS(SIGM), "fc", CFP_HEAD_SIGMOID, true);
    head_is(OPS(SAME, SIGM, SAME), "fc", CFP_HEAD_SIGMOID, true);
    /* of one position: they change nothing */
    head_is(OPS(FLAT, SIGM, MEAN, FLAT), "n1", CFP_HEAD_SIGMOID, true);
    head_is(OPS(SOFT, MEAN, FLAT), "fc", CFP_HEAD_SOFTMAX, true);
    /* two in a row: the last one is the head, and reads the output of the first */
    head_is(OPS(SOFT, SOFT), "n1", CFP_HEAD_SOFTMAX, true);
    head_is(OPS(SOFT, SIGM), "n1", CFP_HEAD_SIGMOID, true);
    head_is(OPS(SIGM, SAME, SOFT), "n1", CFP_HEAD_SOFTMAX, true);
    /* something is computed after it: no head */
    head_is(OPS(SIGM, RELU), "n2", CFP_HEAD_SOFTMAX, false);
}

static void classes_are_found_by_name_case_and_number(void)
{
    char *names[] = {"Wave", "wave", "Juggle Balls", "7"};
    cfp_model model = {.name = "m", .n_classes = 4, .class_name = names};
    cfp_ctx ctx = {0};
    int c = -1;
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "wave"), CFP_OK);
    CHECK_EQ(c, 1);
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "juggle balls"), CFP_OK);
    CHECK_EQ(c, 2);
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "2"), CFP_OK);
    CHECK_EQ(c, 2);
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "7"), CFP_OK); /* a name before a number */
    CHECK_EQ(c, 3);
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "WAVE"), CFP_USAGE);
    CHECK_HAS(ctx.message, "names 2 classes");
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "jugle ball"), CFP_USAGE);
    CHECK_HAS(ctx.message, "near: 'Juggle Balls'");
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "4"), CFP_USAGE);
    CHECK_HAS(ctx.message, "0 to 3");
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, "-1"), CFP_USAGE);
    CHECK_EQ(cfp_model_class(&c, &ctx, &model, ""), CFP_USAGE);
}

int main(void)
{
    nodes_are_sorted_whatever_their_order();
    cycles_and_dead_ends_are_refused();
    shapes_that_do_not_fit_are_refused_by_node();
    extents_follow_pytorch();
    windows_that_do_not_fit_are_refused();
    only_a_batchnorm_that_follows_alone_is_folded();
    routes_invert_what_the_ops_do();
    the_map_follows_norm_activation_and_add();
    the_head_is_the_softmax_or_sigmoid_at_the_end();
    classes_are_found_by_name_case_and_number();
    return test_result();
}
