/* op_facts.c - facts about each op on which all backends and the memory planner rely.
 *
 * A tensor is kept for the backward pass only if the backward pass of an op reads it. */
#include "backend.h"

cfp_backward_reads cfp_op_backward_reads(cfp_op op)
{
    switch (op) {
    case CFP_OP_SILU: /* not monotonic: the derivative cannot be computed from the output */
    case CFP_OP_HARDSWISH:
    case CFP_OP_GELU:
    case CFP_OP_GELU_TANH:
    case CFP_OP_MISH:
    case CFP_OP_PRELU: /* a slope may be below 0, and so may the scale of an elu */
    case CFP_OP_ELU:
    case CFP_OP_SOFTPLUS:     /* of a large x the output does not tell the slope */
    case CFP_OP_INSTANCENORM: /* its mean and variance */
    case CFP_OP_GROUPNORM:
    case CFP_OP_LAYERNORM:
    case CFP_OP_MAXPOOL3D: /* where the maximum was */
    case CFP_OP_MUL:       /* the other factors */
        return (cfp_backward_reads){.src = true};
    case CFP_OP_SOFTMAX:
        return (cfp_backward_reads){.dst = true};
    default: /* the rest is linear in its input, or an activation */
        return (cfp_backward_reads){.dst = cfp_gate_from_output(op)};
    }
}

bool cfp_gate_from_output(cfp_op op)
{
    return op == CFP_OP_RELU || op == CFP_OP_RELU6 || op == CFP_OP_LEAKYRELU ||
           op == CFP_OP_SIGMOID || op == CFP_OP_HARDSIGMOID || op == CFP_OP_TANH ||
           op == CFP_OP_CLIP;
}

bool cfp_repeats(const cfp_node *node)
{
    return node->op == CFP_OP_UPSAMPLE ||
           (node->op == CFP_OP_PAD && node->pad_mode != CFP_PAD_CONSTANT);
}

int cfp_repeated_place(const cfp_node *node, int axis, int extent, int i)
{
    if (node->op == CFP_OP_UPSAMPLE)
        return i / node->factor[axis];
    const int at = i - node->window.pad_begin[axis], last = extent - 1;
    if (node->pad_mode == CFP_PAD_REFLECT)
        return at < 0 ? -at : at > last ? 2 * last - at : at;
    return at < 0 ? 0 : at > last ? last : at;
}

const cfp_window *cfp_kernel_window(const cfp_node *node)
{
    static const cfp_window one = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
    return node->op == CFP_OP_LINEAR ? &one : &node->window;
}
