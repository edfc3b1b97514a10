/* judge.c - see judge.h. */
#include "judge.h"
#include <stdlib.h>
#include "../host/backend/ref/ref.h"
#include "make_node.h"

/* --- networks --- */

static uint64_t weights_seed;

/* A convolution of k x k x k taps with as much padding as keeps the size. */
static cfp_node *add_conv(struct toy *t, const char *name, const char *in, int kernels,
                          int per_group, int groups, int k)
{
    cfp_node *node = toy_node(t, name, CFP_OP_CONV3D, in, NULL);
    for (int a = 0; a < 3; a++) {
        node->window.kernel[a] = k;
        node->window.pad_begin[a] = node->window.pad_end[a] = k / 2;
    }
    node->shape.c = kernels;
    node->groups = groups;
    const cfp_shape source = {.c = per_group * groups};
    if (make_parameters(&t->ctx, node, source, true, &weights_seed) != CFP_OK)
        abort();
    return node;
}

static void add_linear(struct toy *t, const char *name, const char *in, int kernels, int channels)
{
    add_conv(t, name, in, kernels, channels, 1, 1)->op = CFP_OP_LINEAR;
}

static void add_norm(struct toy *t, const char *name, const char *in, int channels)
{
    float scale[64], shift[64];
    random_values(scale, channels, ANY, &weights_seed);
    random_values(shift, channels, ANY, &weights_seed);
    toy_batchnorm(t, name, in, channels, scale, shift);
}

const char *judge_residual(struct toy *t)
{
    weights_seed = 77;
    toy_begin(t, (cfp_shape){1, 3, 4, 6, 5});
    add_conv(t, "stem", "input", 18, 3, 1, 3);
    add_norm(t, "stem.bn", "stem", 18);
    toy_node(t, "stem.relu", CFP_OP_RELU, "stem.bn", NULL);
    add_conv(t, "a1", "stem.relu", 20, 18, 1, 1);
    toy_node(t, "a1.relu", CFP_OP_RELU, "a1", NULL);
    add_conv(t, "a2", "a1.relu", 20, 20, 1, 3);
    add_norm(t, "a2.bn", "a2", 20);
    add_conv(t, "down", "stem.relu", 20, 18, 1, 1);
    toy_node(t, "a.sum", CFP_OP_ADD, "a2.bn", "down");
    toy_node(t, "a.relu", CFP_OP_RELU, "a.sum", NULL);
    add_conv(t, "b1", "a.relu", 17, 20, 1, 1);
    toy_node(t, "b1.relu", CFP_OP_RELU, "b1", NULL);
    add_conv(t, "b2", "b1.relu", 20, 17, 1, 1);
    toy_node(t, "b.sum", CFP_OP_ADD, "b2", "a.relu");
    toy_node(t, "b.relu", CFP_OP_RELU, "b.sum", NULL);
    add_conv(t, "c1", "b.relu", 20, 20, 1, 1);
    toy_node(t, "c.id", CFP_OP_IDENTITY, "b.relu", NULL);
    toy_node(t, "c.sum", CFP_OP_ADD, "c.id", "c1");
    toy_node(t, "gap", CFP_OP_GLOBALAVGPOOL, "c.sum", NULL);
    add_linear(t, "fc", "gap", 5, 20);
    toy_node(t, "soft", CFP_OP_SOFTMAX, "fc", NULL)->shape.c = 5;
    return "soft";
}

const char *judge_branches(struct toy *t)
{
    weights_seed = 77;
    toy_begin(t, (cfp_shape){1, 2, 3, 6, 6});
    add_conv(t, "stem", "input", 8, 2, 1, 1);
    toy_node(t, "stem.act", CFP_OP_SILU, "stem", NULL);
    add_conv(t, "left", "stem.act", 6, 8, 1, 3);
    add_norm(t, "left.bn", "left", 6);
    toy_node(t, "left.act", CFP_OP_LEAKYRELU, "left.bn", NULL)->parameter[0] = 0.25f;
    cfp_node *pool = toy_node(t, "pool", CFP_OP_MAXPOOL3D, "stem.act", NULL);
    for (int a = 0; a < 3; a++) {
        pool->window.kernel[a] = 3;
        pool->window.pad_begin[a] = pool->window.pad_end[a] = 1;
    }
    add_conv(t, "right", "pool", 10, 4, 2, 1);
    toy_node(t, "shuffle", CFP_OP_CHANNEL_SHUFFLE, "right", NULL)->groups = 2;
    toy_node(t, "both", CFP_OP_CONCAT, "left.act", "shuffle");
    add_conv(t, "mix", "both", 12, 4, 4, 1);
    cfp_node *half = toy_node(t, "half", CFP_OP_SLICE, "mix", NULL);
    half->axis = 1;
    half->start = 1;
    half->stop = 12;
    half->step = 2;
    toy_node(t, "again", CFP_OP_CONCAT, "half", "left.act"); /* read long after it was made */
    cfp_node *pad = toy_node(t, "pad", CFP_OP_PAD, "stem.act", NULL);
    pad->channels_begin = 1;
    pad->channels_end = 3;
    pad->value = 0.5f;
    toy_node(t, "sum", CFP_OP_ADD, "again", "pad");
    toy_node(t, "flat", CFP_OP_FLATTEN, "sum", NULL);
    add_linear(t, "fc1", "flat", 19, 12 * 3 * 6 * 6);
    toy_node(t, "fc1.act", CFP_OP_RELU, "fc1", NULL);
    add_linear(t, "fc2", "fc1.act", 4, 19);
    return "fc2";
}

const char *judge_gates(struct toy *t)
{
    weights_seed = 77;
    toy_begin(t, (cfp_shape){1, 3, 3, 5, 6});
    add_conv(t, "expand", "input", 24, 3, 1, 1);
    toy_node(t, "expand.act", CFP_OP_HARDSWISH, "expand", NULL);
    add_conv(t, "depth", "expand.act", 24, 1, 24, 3);
    add_norm(t, "depth.bn", "depth", 24);
    toy_node(t, "squeeze", CFP_OP_GLOBALAVGPOOL, "depth.bn", NULL);
    add_conv(t, "se1", "squeeze", 6, 24, 1, 1);
    toy_node(t, "se1.act", CFP_OP_RELU6, "se1", NULL);
    add_conv(t, "se2", "se1.act", 24, 6, 1, 1);
    toy_node(t, "gate", CFP_OP_SIGMOID, "se2", NULL);
    toy_node(t, "gated", CFP_OP_MUL, "depth.bn", "gate");
    toy_node(t, "gated.act", CFP_OP_SILU, "gated", NULL);
    add_conv(t, "project", "gated.act", 24, 24, 1, 1);
    toy_node(t, "sum", CFP_OP_ADD, "project", "expand.act");
    add_conv(t, "one", "sum", 1, 24, 1, 1); /* a gate of one channel, over all of them */
    toy_node(t, "one.act", CFP_OP_HARDSIGMOID, "one", NULL);
    toy_node(t, "all", CFP_OP_MUL, "sum", "one.act");
    add_conv(t, "classes", "all", 3, 24, 1, 1);
    toy_node(t, "mean", CFP_OP_GLOBALAVGPOOL, "classes", NULL);
    toy_node(t, "out", CFP_OP_FLATTEN, "mean", NULL)->shape.c = 3;
    return "out";
}

/* --- the judge --- */

static cfp_tensor tensor_of(const cfp_model *model, const judged *j, int node)
{
    const int alias = model->node[node].alias;
    return (cfp_tensor){.shape = model->node[alias].shape, .block = 1, .data = j->value[alias]};
}

static void replace(const cfp_model *model, judged *j, int node, const uint8_t *ablated,
                    const judged *fill)
{
    const int64_t positions = cfp_positions(model->node[node].shape);
    for (int c = 0; c < model->node[node].shape.c; c++)
        for (int64_t p = 0; ablated[c] != 0 && p < positions; p++)
            j->value[node][c * positions + p] =
                fill == NULL ? 0 : fill->value[node][c * positions + p];
}

void judge(judged *j, const cfp_model *model, const float *clip, const uint8_t *const *ablated,
           const judged *fill)
{
    *j = (judged){0};
    for (int i = 0; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (node->alias != i)
            continue;
        j->value[i] = cfp_alloc(NULL, (size_t)cfp_count(node->shape), sizeof(float));
        cfp_tensor dst = tensor_of(model, j, i), src[4];
        const cfp_tensor *sources[4];
        for (int k = 0; k < node->n_inputs; k++) {
            src[k] = tensor_of(model, j, node->input[k]);
            sources[k] = &src[k];
        }
        const cfp_step step = {.model = model, .node = node, .n_src = node->n_inputs};
        if (i == 0)
            memcpy(dst.data, clip, (size_t)cfp_count(dst.shape) * sizeof *clip);
        else
            ref_op_table[node->op].forward(&step, sources, &dst);
        for (int m = 1; ablated != NULL && m < model->n_nodes; m++)
            if (cfp_is_kernel_layer(&model->node[m]) && ablated[m] != NULL &&
                model->node[cfp_map_node(model, m)].alias == i)
                replace(model, j, i, ablated[m], fill);
    }
}

void judged_free(judged *j)
{
    for (int i = 0; i < TOY_MOST; i++)
        cfp_free(j->value[i]);
}
