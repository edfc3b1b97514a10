/* test_ref.c - checks ref, the backend that defines every op, in two independent ways: small cases
 * computed by hand, and finite differences of forward for every backward.  (tests/oracle compares
 * it with PyTorch.) */
#include "../host/backend/ref/ref.h"
#include "op_cases.h"
#include "test.h"
#include <stdlib.h>

enum { MOST = 4 + 1 };

/* One op on ref: sources, output, and the gradients of both, all plain. */
typedef struct rig {
    cfp_ctx ctx;
    cfp_model model;
    cfp_step step;
    cfp_tensor src[MOST], diff_src[MOST], dst, diff_dst;
} rig;

static cfp_status tensor_open(cfp_tensor *x, cfp_ctx *ctx, cfp_shape shape)
{
    *x = (cfp_tensor){.shape = shape, .block = 1};
    CFP_TRY_ALLOC(ctx, x->data, cfp_stored(x));
    return CFP_OK;
}

static cfp_status rig_open(rig *b, const op_case *c, uint64_t seed)
{
    *b = (rig){0};
    CFP_TRY(make_model(&b->model, &b->ctx, c, &seed));
    b->step = make_step(&b->model, c);
    cfp_shape out = b->step.node->shape;
    out.n = c->src[0].n;
    for (int k = 0; k < b->step.n_src; k++) {
        const cfp_shape shape = k < case_inputs(c) ? c->src[k] : out;
        CFP_TRY(tensor_open(&b->src[k], &b->ctx, shape));
        CFP_TRY(tensor_open(&b->diff_src[k], &b->ctx, shape));
        random_values(b->src[k].data, cfp_count(shape), c->values, &seed);
    }
    CFP_TRY(tensor_open(&b->dst, &b->ctx, out));
    CFP_TRY(tensor_open(&b->diff_dst, &b->ctx, out));
    random_values(b->diff_dst.data, cfp_count(out), ANY, &seed);
    return CFP_OK;
}

static void rig_close(rig *b)
{
    for (int k = 0; k < MOST; k++) {
        cfp_free(b->src[k].data);
        cfp_free(b->diff_src[k].data);
    }
    cfp_free(b->dst.data);
    cfp_free(b->diff_dst.data);
    cfp_model_free(&b->model);
}

static void forward(rig *b)
{
    const cfp_tensor *src[MOST];
    for (int k = 0; k < MOST; k++)
        src[k] = &b->src[k];
    CHECK_EQ(ref_step_forward(NULL, &b->step, src, &b->dst, NULL), CFP_OK);
}

/* Values that the op says it does not read are not given. */
static void backward(rig *b)
{
    const cfp_backward_reads reads = cfp_op_backward_reads(b->step.node->op);
    const cfp_tensor *src[MOST];
    cfp_tensor *diff_src[MOST];
    for (int k = 0; k < MOST; k++) {
        src[k] = reads.src ? &b->src[k] : NULL;
        diff_src[k] = &b->diff_src[k];
    }
    CHECK_EQ(ref_step_backward(NULL, &b->step, src, reads.dst ? &b->dst : NULL, &b->diff_dst,
                               diff_src, NULL),
             CFP_OK);
}

/* Runs `c` on the given values, and checks the output and, where given, the gradient of the first
 * source for the gradient `slope` of the output. */
typedef struct expected {
    const float *dst, *slope, *diff_src;
} expected;

static void check_values(const char *what, const cfp_tensor *x, const float *right)
{
    for (int64_t i = 0; i < cfp_count(x->shape); i++) {
        if (!(fabs((double)x->data[i] - right[i]) <= 1e-6))
            fprintf(stderr, "%s, element %lld:\n", what, (long long)i);
        CHECK_NEAR(x->data[i], right[i], 1e-6);
    }
}

static void check_case(const op_case *c, const float *weight, const float *const *src,
                       const expected *right)
{
    rig b;
    CHECK_EQ(rig_open(&b, c, 1), CFP_OK);
    cfp_node *node = made_node(&b.model, c);
    for (int k = 0; k < b.step.n_src; k++)
        memcpy(b.src[k].data, src[k], (size_t)cfp_count(b.src[k].shape) * sizeof(float));
    if (weight != NULL)
        memcpy(
            node->weight, weight,
            (size_t)node->shape.c * (size_t)node->kernel_channels *
                (size_t)(node->window.kernel[0] * node->window.kernel[1] * node->window.kernel[2]) *
                sizeof(float));
    forward(&b);
    check_values(c->what, &b.dst, right->dst);
    if (right->diff_src != NULL) {
        memcpy(b.diff_dst.data, right->slope, (size_t)cfp_count(b.dst.shape) * sizeof(float));
        backward(&b);
        check_values(c->what, &b.diff_src[0], right->diff_src);
    }
    rig_close(&b);
}

static void conv_slides_its_kernel(void)
{
    /* a row 1 2 3 4 5 with one zero before, kernel 1 10 100, stride 2:
     *   0 + 10*1 + 100*2 = 210;  2 + 10*3 + 100*4 = 432;  the next would need a sixth: not there */
    const op_case c = {"a row", CONV(1, 1, {{1, 1, 3}, {1, 1, 2}, {0}, {0, 0, 1}, {0}}),
                       .src = {{1, 1, 1, 1, 5}}, .no_bias = true};
    const float row[5] = {1, 2, 3, 4, 5};
    /* what came back: 1*10; 1*100 + 2*1; 2*10; 2*100; nothing */
    check_case(&c, (const float[]){1, 10, 100}, (const float *const[]){row},
               &(expected){(const float[]){210, 432}, (const float[]){1, 2},
                           (const float[]){10, 102, 20, 200, 0}});
}

static void conv_groups_read_their_own_channels(void)
{
    /* 4 channels of one position, 2 groups, 1 kernel each: 1*1 + 2*2 and 3*3 + 4*4 */
    const op_case c = {"groups", CONV(2, 2, {{1, 1, 1}, {0}, {0}, {0}, {0}}),
                       .src = {{1, 4, 1, 1, 1}}, .no_bias = true};
    const float x[4] = {1, 2, 3, 4}, weight[4] = {1, 2, 3, 4};
    check_case(
        &c, weight, (const float *const[]){x},
        &(expected){(const float[]){5, 25}, (const float[]){10, 1}, (const float[]){10, 20, 3, 4}});
}

static void conv_adds_the_residual_before_the_activation(void)
{
    /* 2 * (1, 2, 3) + (-3, -4, -5) = (-1, 0, 1), then relu */
    const op_case c = {"adds",
                       CONV(1, 1, {{1, 1, 1}, {0}, {0}, {0}, {0}}),
                       .src = {{1, 1, 1, 1, 3}},
                       .no_bias = true,
                       .adds = true,
                       .activation = CFP_OP_RELU};
    const float x[3] = {1, 2, 3}, residual[3] = {-3, -4, -5};
    check_case(&c, (const float[]){2}, (const float *const[]){x, residual},
               &(expected){.dst = (const float[]){0, 0, 1}});
}

static void linear_multiplies_its_matrix(void)
{
    /* (1 2 3; 4 5 6) (1, 0, -1) = (-2, -2); backward by (1, 2): (1 + 8, 2 + 10, 3 + 12) */
    const op_case c = {"2 x 3", .node = {.op = CFP_OP_LINEAR, .shape.c = 2},
                       .src = {{1, 3, 1, 1, 1}}, .no_bias = true};
    const float x[3] = {1, 0, -1}, weight[6] = {1, 2, 3, 4, 5, 6};
    check_case(
        &c, weight, (const float *const[]){x},
        &(expected){(const float[]){-2, -2}, (const float[]){1, 2}, (const float[]){9, 12, 15}});
}

static void maxpool_sends_the_gradient_to_the_first_maximum(void)
{
    /* windows of 2, stride 1: (3 3) (3 1) (1 5) (5 5) */
    const op_case c = {"ties", POOL(MAXPOOL3D, .window = {{1, 1, 2}, {1, 1, 1}, {0}, {0}, {0}}),
                       .src = {{1, 1, 1, 1, 5}}};
    const float x[5] = {3, 3, 1, 5, 5};
    check_case(&c, NULL, (const float *const[]){x},
               &(expected){(const float[]){3, 3, 5, 5}, (const float[]){1, 10, 100, 1000},
                           (const float[]){1, 10, 0, 1100, 0}});
}

static void maxpool_padding_never_wins(void)
{
    /* pad 1, windows of 2, stride 2: (pad -3) (-2 -1) */
    const op_case c = {"negative",
                       POOL(MAXPOOL3D, .window = {{1, 1, 2}, {1, 1, 2}, {0}, {0, 0, 1}, {0}}),
                       .src = {{1, 1, 1, 1, 3}}};
    const float x[3] = {-3, -2, -1};
    check_case(&c, NULL, (const float *const[]){x}, &(expected){.dst = (const float[]){-3, -1}});
}

static void maxpool_ceil_mode_keeps_the_clipped_window(void)
{
    /* 5 elements, windows of 2, stride 2: (1 2) (3 4) (5 -) ; with floor the last is left out */
    const float x[5] = {1, 2, 3, 4, 5};
    op_case c = {
        "ceil", POOL(MAXPOOL3D, .window = {{1, 1, 2}, {1, 1, 2}, {0}, {0}, {0}}, .ceil_mode = true),
        .src = {{1, 1, 1, 1, 5}}};
    check_case(&c, NULL, (const float *const[]){x}, &(expected){.dst = (const float[]){2, 4, 5}});
    c.node.ceil_mode = false;
    check_case(&c, NULL, (const float *const[]){x}, &(expected){.dst = (const float[]){2, 4}});
}

static void avgpool_counts_as_pytorch_does(void)
{
    /* x = 1 2 3 4 5 6, windows of 3, stride 3, pad 1 at both ends, ceil_mode:
     * (p 1 2) (3 4 5) (6 p -): the third reaches one cell beyond the padding, which never counts.
     *   counting padding: 3/3, 12/3, 6/2;  not counting it: 3/2, 12/3, 6/1 */
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const float slope[3] = {6, 12, 18};
    op_case c = {"pads",
                 POOL(AVGPOOL3D, .window = {{1, 1, 3}, {1, 1, 3}, {0}, {0, 0, 1}, {0, 0, 1}},
                      .ceil_mode = true, .count_include_pad = true),
                 .src = {{1, 1, 1, 1, 6}}};
    check_case(&c, NULL, (const float *const[]){x},
               &(expected){(const float[]){1, 4, 3}, slope, (const float[]){2, 2, 4, 4, 4, 9}});
    c.node.count_include_pad = false;
    check_case(&c, NULL, (const float *const[]){x},
               &(expected){(const float[]){1.5f, 4, 6}, slope, (const float[]){3, 3, 4, 4, 4, 18}});
    /* without ceil_mode the third window is not there */
    c.node.ceil_mode = false;
    check_case(&c, NULL, (const float *const[]){x},
               &(expected){(const float[]){1.5f, 4}, slope, (const float[]){3, 3, 4, 4, 4, 0}});
}

static void avgpool_divisor_is_the_product_over_axes(void)
{
    /* 2 x 2 over 3 x 3 with ceil_mode, stride 2: (1 2 4 5)/4, (3 6)/2, (7 8)/2, 9/1; count or not,
     * the cells that only ceil_mode reaches do not count */
    const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    op_case c = {"corner",
                 POOL(AVGPOOL3D, .window = {{1, 2, 2}, {1, 2, 2}, {0}, {0}, {0}}, .ceil_mode = true,
                      .count_include_pad = true),
                 .src = {{1, 1, 1, 3, 3}}};
    const expected right = {.dst = (const float[]){3, 4.5f, 7.5f, 9}};
    check_case(&c, NULL, (const float *const[]){x}, &right);
    c.node.count_include_pad = false;
    check_case(&c, NULL, (const float *const[]){x}, &right);
}

static void softmax_is_over_channels(void)
{
    /* e^0 : e^ln3 = 1 : 3, at each of two positions; a large shift changes nothing */
    const op_case c = {"two", OF(SOFTMAX), .src = {{1, 2, 1, 1, 2}}};
    const float x[4] = {0, 1000, 1.0986123f, 1000};
    check_case(&c, NULL, (const float *const[]){x},
               &(expected){(const float[]){0.25f, 0.5f, 0.75f, 0.5f}, (const float[]){1, 1, 0, 0},
                           /* y (dy - sum): .25 * .75, .5 * .5, .75 * -.25, .5 * -.5 */
                           (const float[]){0.1875f, 0.25f, -0.1875f, -0.25f}});
}

static void broadcasting_sums_the_gradient(void)
{
    /* a gate of 2 channels on 2 x 3 positions */
    op_case c = {"gate", OF(MUL), .src = {{1, 2, 1, 1, 1}, {1, 2, 1, 1, 3}}};
    const float gate[2] = {2, 3}, x[6] = {1, 2, 3, 4, 5, 6}, slope[6] = {1, 1, 1, 1, 0, 1};
    check_case(&c, NULL, (const float *const[]){gate, x},
               &(expected){(const float[]){2, 4, 6, 12, 15, 18}, slope,
                           (const float[]){1 + 2 + 3, 4 + 6}});
    c.node.op = CFP_OP_ADD;
    check_case(&c, NULL, (const float *const[]){gate, x},
               &(expected){(const float[]){3, 4, 5, 7, 8, 9}, slope, (const float[]){3, 2}});
}

static void shuffle_is_pytorchs(void)
{
    /* view(2, 3).transpose: 0 1 2 | 3 4 5 -> 0 3 1 4 2 5 */
    const op_case c = {"6 in 2", .node = {.op = CFP_OP_CHANNEL_SHUFFLE, .groups = 2},
                       .src = {{1, 6, 1, 1, 1}}};
    const float x[6] = {0, 1, 2, 3, 4, 5};
    check_case(
        &c, NULL, (const float *const[]){x},
        &(expected){(const float[]){0, 3, 1, 4, 2, 5}, (const float[]){0, 3, 1, 4, 2, 5}, x});
}

static void moves_take_the_right_elements(void)
{
    const float x[6] = {1, 2, 3, 4, 5, 6}, two[2] = {7, 8};
    const op_case pad = {
        "pad",
        .node = {.op = CFP_OP_PAD, .channels_begin = 1, .value = 9, .window.pad_end = {0, 0, 1}},
        .src = {{1, 1, 1, 1, 2}}};
    check_case(&pad, NULL, (const float *const[]){x},
               &(expected){(const float[]){9, 9, 9, 1, 2, 9}, x, (const float[]){4, 5}});
    const op_case slice = {
        "slice", .node = {.op = CFP_OP_SLICE, .axis = 4, .start = 1, .stop = 6, .step = 2},
        .src = {{1, 1, 1, 1, 6}}};
    check_case(&slice, NULL, (const float *const[]){x},
               &(expected){(const float[]){2, 4, 6}, x, (const float[]){0, 1, 0, 2, 0, 3}});
    const op_case concat = {"concat", OF(CONCAT), .src = {{1, 1, 1, 1, 2}, {1, 2, 1, 1, 2}}};
    check_case(&concat, NULL, (const float *const[]){two, x},
               &(expected){(const float[]){7, 8, 1, 2, 3, 4}, x, (const float[]){1, 2}});
    const op_case flatten = {"flatten", OF(FLATTEN), .src = {{1, 2, 1, 1, 3}}};
    check_case(&flatten, NULL, (const float *const[]){x}, &(expected){x, x, x});
}

/* Values in random order.  None is closer than 0.05 to a kink of any op or, for a maximum, to
 * another value. */
static void spread_values(float *x, int64_t count, bool distinct, uint64_t *seed)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = 0.1f * (float)((distinct ? i : i % 140) - 70) + 0.05f;
    for (int64_t i = count - 1; i > 0; i--) {
        const int64_t j = random_int(seed, 0, (int)i);
        const float keep = x[i];
        x[i] = x[j], x[j] = keep;
    }
}

static double loss(rig *b) /* sum of dst * diff_dst: its gradient by dst is diff_dst */
{
    double sum = 0;
    forward(b);
    for (int64_t i = 0; i < cfp_count(b->dst.shape); i++)
        sum += (double)b->dst.data[i] * b->diff_dst.data[i];
    return sum;
}

/* Central differences at up to 30 elements of source k.  If the op is linear in its input (reads no
 * values), the span is wide, which keeps the rounding of float32 small. */
static void check_slopes(rig *b, const op_case *c, int k, uint64_t *seed)
{
    const int64_t count = cfp_count(b->src[k].shape);
    const cfp_backward_reads reads = cfp_op_backward_reads(c->node.op);
    const float h = reads.src || reads.dst ? 0.01f : 8;
    for (int trial = 0; trial < 30; trial++) {
        const int64_t i = count <= 30 ? trial % count : random_int(seed, 0, (int)count - 1);
        float *x = &b->src[k].data[i];
        const float at = *x;
        *x = at + h;
        const float up = *x;
        const double above = loss(b);
        *x = at - h;
        const double slope = (above - loss(b)) / ((double)up - *x);
        *x = at;
        const double told = b->diff_src[k].data[i];
        const double tolerance = 1e-3 * (1 + fabs(slope));
        if (!(fabs(told - slope) <= tolerance))
            fprintf(stderr, "%s, '%s', source %d, element %lld:\n", cfp_op_table[c->node.op].name,
                    c->what, k, (long long)i);
        CHECK_NEAR(told, slope, tolerance);
    }
}

static void backward_is_the_slope_of_forward(void)
{
    bool seen[CFP_OP_COUNT] = {false};
    seen[CFP_OP_INPUT] = true;
    for (int i = 0; i < OP_CASES; i++) {
        op_case c = op_cases[i];
        uint64_t seed = 77 + (uint64_t)i;
        rig b;
        seen[c.node.op] = true;
        c.activation = CFP_OP_INPUT; /* backward is that of the op alone */
        CHECK_EQ(rig_open(&b, &c, seed), CFP_OK);
        for (int k = 0; k < b.step.n_src; k++)
            spread_values(b.src[k].data, cfp_count(b.src[k].shape), c.node.op == CFP_OP_MAXPOOL3D,
                          &seed);
        forward(&b);
        backward(&b);
        for (int k = 0; k < case_inputs(&c); k++)
            check_slopes(&b, &c, k, &seed);
        rig_close(&b);
    }
    for (int op = 0; op < CFP_OP_COUNT; op++)
        CHECK(seen[op]);
}

static void slope_from_output_is_the_slope_from_input(void)
{
    for (int op = 0; op < CFP_OP_COUNT; op++) {
        const cfp_node node = {.op = (cfp_op)op, .parameter = {0.1f, 1}};
        for (int i = -160; i < 160 && cfp_gate_from_output((cfp_op)op); i++) {
            const float x = 0.05f * (float)i + 0.025f;
            CHECK_NEAR(ref_gate(&node, ref_activation(&node, x)), ref_activation_slope(&node, x),
                       1e-6);
        }
    }
}

static void activations_are_pytorchs(void)
{
    const cfp_node leaky = {.op = CFP_OP_LEAKYRELU, .parameter = {0.1f, 1}};
    const cfp_node silu = {.op = CFP_OP_SILU}, relu6 = {.op = CFP_OP_RELU6};
    const cfp_node swish = {.op = CFP_OP_HARDSWISH}, hard = {.op = CFP_OP_HARDSIGMOID};
    const cfp_node sigmoid = {.op = CFP_OP_SIGMOID}, relu = {.op = CFP_OP_RELU};
    CHECK_NEAR(ref_activation(&leaky, -2), -0.2, 1e-7);
    CHECK_NEAR(ref_activation(&sigmoid, 1.0986123f), 0.75, 1e-7); /* 1 / (1 + 1/3) */
    CHECK_NEAR(ref_activation(&silu, 1.0986123f), 0.75 * 1.0986123, 1e-6);
    CHECK_NEAR(ref_activation(&relu6, 7), 6, 0);
    CHECK_NEAR(ref_activation(&hard, 1.5f), 0.75, 1e-7);   /* 4.5 / 6 */
    CHECK_NEAR(ref_activation(&swish, 1.5f), 1.125, 1e-6); /* 1.5 * 0.75 */
    CHECK_NEAR(ref_activation(&swish, -4), 0, 0);
    CHECK_NEAR(ref_activation_slope(&relu, 0), 0, 0);
    CHECK_NEAR(ref_activation_slope(&leaky, 0), 0.1, 1e-7);
    CHECK(isnan(ref_activation(&relu, NAN))); /* a broken network is not to look healthy */
    CHECK(isnan(ref_activation(&relu6, NAN)));
}

static cfp_tensor reblocked(const cfp_tensor *x, int block)
{
    cfp_tensor y = {.shape = x->shape, .block = block};
    y.data = cfp_alloc(NULL, (size_t)cfp_stored(&y), sizeof *y.data);
    cfp_pack(&y, x->data);
    return y;
}

static void spoil(cfp_tensor *x) /* what is not written shows */
{
    memset(x->data, 0x7f, (size_t)cfp_stored(x) * sizeof *x->data);
}

/* Checks for equal numbers, and for zeros in the lanes after the last channel. */
static void check_same(const op_case *c, const cfp_tensor *got, const cfp_tensor *right)
{
    const cfp_shape s = got->shape;
    cfp_tensor lanes = *got; /* the same memory, all lanes taken for channels */
    lanes.shape.c = cfp_blocks(got) * got->block;
    int wrong = 0;
    for (int n = 0; n < s.n; n++)
        for (int ch = 0; ch < lanes.shape.c; ch++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++)
                        wrong += cfp_at(&lanes, n, ch, t, h, w) !=
                                 (ch < s.c ? cfp_at(right, n, ch, t, h, w) : 0);
    if (wrong > 0)
        fprintf(stderr, "%s, '%s', block %d:\n", cfp_op_table[c->node.op].name, c->what,
                got->block);
    CHECK_EQ(wrong, 0);
}

/* blocks of dst, of the even and of the odd sources */
static void run_blocked(rig *b, const op_case *c, const int blocks[3])
{
    cfp_tensor src[MOST] = {0}, diff_src[MOST] = {0};
    cfp_tensor dst = reblocked(&b->dst, blocks[0]), diff_dst = reblocked(&b->diff_dst, blocks[0]);
    const cfp_tensor *read[MOST];
    cfp_tensor *wanted[MOST];
    for (int k = 0; k < b->step.n_src; k++) {
        read[k] = &src[k], wanted[k] = &diff_src[k];
        src[k] = reblocked(&b->src[k], blocks[1 + k % 2]);
        diff_src[k] = reblocked(&b->diff_src[k], blocks[1 + k % 2]);
        spoil(&diff_src[k]);
    }
    spoil(&dst);
    CHECK_EQ(ref_step_forward(NULL, &b->step, read, &dst, NULL), CFP_OK);
    CHECK_EQ(ref_step_backward(NULL, &b->step, read, &dst, &diff_dst, wanted, NULL), CFP_OK);
    check_same(c, &dst, &b->dst);
    for (int k = 0; k < case_inputs(c); k++)
        check_same(c, &diff_src[k], &b->diff_src[k]);
    for (int k = 0; k < MOST; k++) {
        cfp_free(src[k].data);
        cfp_free(diff_src[k].data);
    }
    cfp_free(dst.data);
    cfp_free(diff_dst.data);
}

static void blocks_change_nothing(void)
{
    static const int blocks[][3] = {{8, 8, 8}, {16, 16, 16}, {1, 16, 8}, {4, 1, 1024}, {512, 3, 1}};
    for (int i = 0; i < OP_CASES; i++)
        for (size_t k = 0; k < sizeof blocks / sizeof blocks[0]; k++) {
            rig b;
            CHECK_EQ(rig_open(&b, &op_cases[i], 5 + (uint64_t)i), CFP_OK);
            forward(&b);
            backward(&b);
            run_blocked(&b, &op_cases[i], blocks[k]);
            rig_close(&b);
        }
}

int main(void)
{
    conv_slides_its_kernel();
    conv_groups_read_their_own_channels();
    conv_adds_the_residual_before_the_activation();
    linear_multiplies_its_matrix();
    maxpool_sends_the_gradient_to_the_first_maximum();
    maxpool_padding_never_wins();
    maxpool_ceil_mode_keeps_the_clipped_window();
    avgpool_counts_as_pytorch_does();
    avgpool_divisor_is_the_product_over_axes();
    softmax_is_over_channels();
    broadcasting_sums_the_gradient();
    shuffle_is_pytorchs();
    moves_take_the_right_elements();
    activations_are_pytorchs();
    slope_from_output_is_the_slope_from_input();
    backward_is_the_slope_of_forward();
    blocks_change_nothing();
    return test_result();
}
