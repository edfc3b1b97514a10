/* make_node.h - makes a model of one op with random parameters, for tests of backends.
 *
 * The first nodes of the model are the sources of the op, which compute nothing.  The op follows,
 * and then the activation that is fused into it, if there is one. */
#pragma once
#include "../host/backend/backend.h"
#include <string.h>

enum { MAX_SRC = 4 };

typedef enum value_kind {
    ANY,  /* uniform in [-1, 1) */
    WIDE, /* uniform in [-7, 7): beyond every kink of the activations */
    FEW,  /* multiples of 0.5 in [-1, 1]: ties, and many exact zeros */
} value_kind;

typedef struct op_case {
    const char *what;
    cfp_node node; /* op, attributes; kernel layers: shape.c = kernels, groups (0 means 1) */
    cfp_shape src[MAX_SRC];
    bool no_bias;
    bool one_slope;    /* prelu: one for all channels */
    cfp_op activation; /* fused into the op; CFP_OP_INPUT = 0: none */
    bool adds;         /* a residual is added */
    value_kind values; /* of the sources */
} op_case;

/* xorshift64*: the same numbers on every machine. */
static inline uint32_t random_bits(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545F4914F6CDD1DULL) >> 32);
}
static inline int random_int(uint64_t *state, int first, int last) /* both included */
{
    return first + (int)(random_bits(state) % (uint32_t)(last - first + 1));
}
static inline float random_float(uint64_t *state) /* [-1, 1) */
{
    return (float)(random_bits(state) >> 8) / (float)(1 << 23) - 1;
}
static inline void random_values(float *x, int64_t count, value_kind kind, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = kind == FEW    ? 0.5f * (float)random_int(state, -2, 2)
               : kind == WIDE ? 7 * random_float(state)
                              : random_float(state);
}

/* The number of inputs of the op, without the residual. */
static inline int case_inputs(const op_case *c)
{
    int n = 0;
    while (n < MAX_SRC && c->src[n].c > 0)
        n++;
    return n;
}

/* The parameters of a fused activation, such that none is a special case. */
static inline void set_parameters(cfp_node *activation)
{
    static const float negative_slope[] = {0.125f}, elu[] = {1.5f, 0.75f, 0.5f},
                       softplus[] = {2, 3, 0}, clip[] = {-0.5f, 0.75f};
    const float *from = activation->op == CFP_OP_ELU        ? elu
                        : activation->op == CFP_OP_SOFTPLUS ? softplus
                        : activation->op == CFP_OP_CLIP     ? clip
                                                            : negative_slope;
    for (int i = 0; i < CFP_PARAMETERS && cfp_op_parameters[activation->op][i].name != NULL; i++)
        activation->parameter[i] = from[i];
}

static inline cfp_status make_parameters(cfp_ctx *ctx, cfp_node *node, cfp_shape in, bool bias,
                                         uint64_t *state)
{
    if (node->op == CFP_OP_PRELU) {
        if (node->channels == 0)
            node->channels = in.c;
        CFP_TRY_ALLOC(ctx, node->slope, node->channels);
        random_values(node->slope, node->channels, ANY, state);
    }
    if (cfp_is_clip_norm(node->op))
        node->eps = 1e-2;
    if (node->op == CFP_OP_BATCHNORM || (cfp_is_clip_norm(node->op) && bias)) {
        node->channels = in.c;
        CFP_TRY_ALLOC(ctx, node->scale, in.c);
        CFP_TRY_ALLOC(ctx, node->shift, in.c);
        random_values(node->scale, in.c, ANY, state);
        random_values(node->shift, in.c, ANY, state);
    }
    if (!cfp_is_kernel_layer(node))
        return CFP_OK;
    if (node->groups == 0)
        node->groups = 1;
    int64_t taps = 1;
    for (int a = 0; a < 3; a++) {
        if (node->window.kernel[a] == 0)
            node->window.kernel[a] = 1;
        taps *= node->window.kernel[a];
    }
    node->kernel_channels = in.c / node->groups;
    const int64_t count = (int64_t)node->shape.c * node->kernel_channels * taps;
    CFP_TRY_ALLOC(ctx, node->weight, count);
    random_values(node->weight, count, ANY, state);
    if (bias) {
        CFP_TRY_ALLOC(ctx, node->bias, node->shape.c);
        random_values(node->bias, node->shape.c, ANY, state);
    }
    return CFP_OK;
}

/* The caller frees the model with cfp_model_free, after a failure, too. */
static inline cfp_status make_model(cfp_model *model, cfp_ctx *ctx, const op_case *c,
                                    uint64_t *state)
{
    const int inputs = case_inputs(c);
    *model = (cfp_model){0};
    CFP_TRY_ALLOC(ctx, model->node, inputs + 2);
    model->n_nodes = inputs + 1 + (c->activation != CFP_OP_INPUT);
    for (int k = 0; k < inputs; k++) {
        model->node[k].shape = c->src[k];
        model->node[k].shape.n = 1;
        model->node[k].alias = k;
    }
    cfp_node *node = &model->node[inputs];
    *node = c->node;
    for (int a = 0; a < 3; a++) { /* values that a table leaves out are 1 */
        cfp_window *w = &node->window;
        w->stride[a] += w->stride[a] == 0;
        w->dilation[a] += w->dilation[a] == 0;
    }
    node->channels = c->one_slope;
    node->alias = inputs;
    node->n_inputs = inputs;
    CFP_TRY_ALLOC(ctx, node->input, inputs);
    for (int k = 0; k < inputs; k++)
        node->input[k] = k;
    CFP_TRY(make_parameters(ctx, node, c->src[0], !c->no_bias, state));
    for (int i = 0; i < model->n_nodes; i++)
        if ((model->node[i].name = cfp_strdup(ctx, i == inputs ? c->what : "beside")) == NULL)
            return CFP_NOMEM;
    CFP_TRY(cfp_node_shape(ctx, model, node));
    if (c->activation != CFP_OP_INPUT) {
        cfp_node *activation = node + 1;
        activation->op = c->activation;
        set_parameters(activation);
        activation->shape = node->shape;
    }
    return CFP_OK;
}

static inline cfp_node *made_node(const cfp_model *model, const op_case *c)
{
    return &model->node[case_inputs(c)];
}

static inline cfp_step make_step(const cfp_model *model, const op_case *c)
{
    cfp_node *node = made_node(model, c);
    return (cfp_step){.model = model,
                      .node = node,
                      .activation = c->activation != CFP_OP_INPUT ? node + 1 : NULL,
                      .adds = c->adds,
                      .n_src = node->n_inputs + c->adds};
}
