/* random_case.h - makes random cases of an op from a seed. */
#pragma once
#include "op_cases.h"

static inline cfp_shape random_shape(uint64_t *s, int most_channels)
{
    static const int channels[] = {1,  2,  3,  4,  7,  8,  12, 15, 16,
                                   17, 24, 31, 32, 33, 48, 54, 64, 80};
    cfp_shape shape = {.n = random_int(s, 1, 2)};
    do
        shape.c = channels[random_int(s, 0, 17)];
    while (shape.c > most_channels);
    shape.t = random_int(s, 1, 6);
    shape.h = random_int(s, 1, 12);
    shape.w = random_int(s, 1, 20);
    return shape;
}

static inline void random_window(cfp_window *w, uint64_t *s, bool pool)
{
    for (int a = 0; a < 3; a++) {
        w->kernel[a] = random_int(s, 1, 4);
        w->stride[a] = random_int(s, 1, 3);
        w->dilation[a] = pool ? 1 : random_int(s, 1, 2);
        const int most = pool ? w->kernel[a] - 1 : 3;
        w->pad_begin[a] = random_int(s, 0, most);
        w->pad_end[a] = random_int(s, 0, 1) ? w->pad_begin[a] : random_int(s, 0, most);
    }
}

static inline void random_conv(op_case *c, uint64_t *s)
{
    static const cfp_op fused[] = {CFP_OP_INPUT, CFP_OP_INPUT,   CFP_OP_RELU,      CFP_OP_SILU,
                                   CFP_OP_RELU6, CFP_OP_SIGMOID, CFP_OP_LEAKYRELU, CFP_OP_ELU,
                                   CFP_OP_TANH,  CFP_OP_CLIP};
    const int kind = random_int(s, 0, 3);
    if (kind == 0) { /* depthwise */
        c->node.groups = c->src[0].c;
        c->node.shape.c = c->src[0].c * random_int(s, 1, 2);
    } else if (kind == 1) { /* groups of any size */
        c->node.groups = random_int(s, 2, 5);
        c->node.shape.c = c->node.groups * random_int(s, 1, 18);
        c->src[0].c = c->node.groups * random_int(s, 1, 18);
    } else {
        c->node.groups = 1;
        c->node.shape.c = random_shape(s, 80).c;
    }
    random_window(&c->node.window, s, false);
    c->activation = fused[random_int(s, 0, 9)];
    c->adds = random_int(s, 0, 3) == 0;
    c->no_bias = random_int(s, 0, 2) == 0;
}

static inline void random_slice(op_case *c, uint64_t *s)
{
    const cfp_shape x = c->src[0];
    const int extent[5] = {0, x.c, x.t, x.h, x.w};
    c->node.axis = random_int(s, 1, 4);
    c->node.start = random_int(s, 0, extent[c->node.axis] - 1);
    c->node.stop = random_int(s, c->node.start + 1, extent[c->node.axis]);
    c->node.step = random_int(s, 1, 3);
}

static inline void random_pad(op_case *c, uint64_t *s)
{
    for (int a = 0; a < 3; a++) {
        c->node.window.pad_begin[a] = random_int(s, 0, 2);
        c->node.window.pad_end[a] = random_int(s, 0, 2);
    }
    c->node.pad_mode = (cfp_pad_mode)random_int(s, 0, 2); /* refused if it reflects too much */
    if (c->node.pad_mode != CFP_PAD_CONSTANT)
        return;
    c->node.channels_begin = random_int(s, 0, 1) * random_int(s, 0, 20);
    c->node.channels_end = random_int(s, 0, 1) * random_int(s, 0, 20);
    c->node.value = random_float(s);
}

/* Chooses the shapes of inputs 1, 2, ... of add, mul (axes of 1 are broadcast) and concat. */
static inline void random_inputs(op_case *c, uint64_t *s)
{
    const int n = random_int(s, 2, MAX_SRC);
    for (int k = 1; k < n; k++) {
        cfp_shape x = c->src[0];
        if (c->node.op == CFP_OP_CONCAT) {
            *(int *const[]){&x.c, &x.c, &x.t, &x.h, &x.w}[c->node.axis] =
                c->node.axis < 2 ? random_int(s, 1, 40) : random_int(s, 1, 5);
        } else {
            int *const axis[] = {&x.c, &x.t, &x.h, &x.w};
            for (int a = 0; a < 4; a++)
                if (random_int(s, 0, 4) == 0)
                    *axis[a] = 1;
        }
        c->src[k] = x;
    }
}

/* The window may not fit into the input.  cfp_node_shape then fails; take the next seed. */
static inline op_case random_case(cfp_op op, uint64_t *s)
{
    op_case c = {.what = "random", .node = {.op = op}, .src = {random_shape(s, 80)}};
    switch (op) {
    case CFP_OP_CONV3D:
        random_conv(&c, s);
        break;
    case CFP_OP_LINEAR:
        c.src[0] = (cfp_shape){c.src[0].n, random_int(s, 1, 600), 1, 1, 1};
        c.node.shape.c = random_int(s, 1, 200);
        break;
    case CFP_OP_MAXPOOL3D:
    case CFP_OP_AVGPOOL3D:
        random_window(&c.node.window, s, true);
        c.node.ceil_mode = random_int(s, 0, 1) != 0;
        c.node.count_include_pad = random_int(s, 0, 1) != 0;
        c.values = random_int(s, 0, 1) ? FEW : ANY;
        break;
    case CFP_OP_UPSAMPLE:
        for (int a = 0; a < 3; a++)
            c.node.factor[a] = random_int(s, 1, 3);
        break;
    case CFP_OP_CONCAT:
        c.node.axis = random_int(s, 0, 1) ? 1 : random_int(s, 2, 4);
        random_inputs(&c, s);
        break;
    case CFP_OP_ADD:
    case CFP_OP_MUL:
        random_inputs(&c, s);
        break;
    case CFP_OP_PAD:
        random_pad(&c, s);
        break;
    case CFP_OP_SLICE:
        random_slice(&c, s);
        break;
    case CFP_OP_GROUPNORM:
    case CFP_OP_CHANNEL_SHUFFLE:
        c.node.groups = random_int(s, 1, 6);
        c.src[0].c = c.node.groups * random_int(s, 1, 20);
        break;
    case CFP_OP_PRELU:
        c.one_slope = random_int(s, 0, 3) == 0;
        c.values = WIDE;
        break;
    default: /* any shape will do */
        set_parameters(&c.node);
        c.values =
            cfp_op_table[op].class == CFP_CLASS_POINTWISE && random_int(s, 0, 1) ? WIDE : ANY;
        break;
    }
    return c;
}
