/* toy.c - see toy.h. */
#include "toy.h"
#include <stdlib.h>
#include <string.h>

static void *take(struct toy *t, size_t count, size_t size)
{
    void *memory = cfp_alloc(&t->ctx, count, size);
    if (memory == NULL)
        abort();
    return memory;
}

void toy_begin(struct toy *t, cfp_shape clip)
{
    t->model.node = take(t, TOY_MOST, sizeof *t->model.node);
    t->model.n_nodes = 1;
    t->model.node[0] =
        (cfp_node){.name = cfp_strdup(&t->ctx, "input"), .op = CFP_OP_INPUT, .shape = clip};
}

cfp_node *toy_node(struct toy *t, const char *name, cfp_op op, const char *in0, const char *in1)
{
    const int i = t->model.n_nodes++;
    cfp_node *node = &t->model.node[i];
    node->name = cfp_strdup(&t->ctx, name);
    node->op = op;
    node->n_inputs = in1 == NULL ? 1 : 2;
    node->input = take(t, (size_t)node->n_inputs, sizeof *node->input);
    t->input[i][0] = in0;
    t->input[i][1] = in1;
    for (int a = 0; a < 3; a++)
        node->window.kernel[a] = node->window.stride[a] = node->window.dilation[a] = 1;
    node->groups = node->step = 1;
    return node;
}

static float *copied(struct toy *t, const float *from, int n)
{
    return memcpy(take(t, (size_t)n, sizeof *from), from, (size_t)n * sizeof *from);
}

void toy_conv(struct toy *t, const char *name, const char *in, int kernels, int per_group,
              int groups, const float *weight)
{
    cfp_node *node = toy_node(t, name, CFP_OP_CONV3D, in, NULL);
    node->shape.c = kernels;
    node->kernel_channels = per_group;
    node->groups = groups;
    node->weight = copied(t, weight, kernels * per_group);
}

void toy_linear(struct toy *t, const char *name, const char *in, int kernels, int channels,
                const float *weight)
{
    toy_conv(t, name, in, kernels, channels, 1, weight);
    t->model.node[t->model.n_nodes - 1].op = CFP_OP_LINEAR;
}

void toy_batchnorm(struct toy *t, const char *name, const char *in, int channels,
                   const float *scale, const float *shift)
{
    cfp_node *node = toy_node(t, name, CFP_OP_BATCHNORM, in, NULL);
    node->channels = node->shape.c = channels;
    node->scale = copied(t, scale, channels);
    node->shift = copied(t, shift, channels);
}

static int number_of(const struct toy *t, const char *name)
{
    const int i = cfp_model_find(&t->model, name);
    if (i < 0)
        abort(); /* a typing error in a test */
    return i;
}

cfp_status toy_finish(struct toy *t, const char *output)
{
    for (int i = 1; i < t->model.n_nodes; i++)
        for (int k = 0; k < t->model.node[i].n_inputs; k++)
            t->model.node[i].input[k] = number_of(t, t->input[i][k]);
    /* as many classes as the output has channels */
    t->model.n_classes = t->model.node[number_of(t, output)].shape.c;
    t->model.class_name = NULL;
    return cfp_model_finish(&t->model, &t->ctx, output);
}

cfp_status toy_descend(struct toy *t, cfp_pyramid *out, const cfp_query *query, int class_index,
                       const float *clip)
{
    const cfp_device_request any = {0};
    t->logits = take(t, (size_t)t->model.n_classes, sizeof *t->logits);
    CFP_TRY(cfp_device_open(&t->device, &t->ctx, "ref", &any));
    CFP_TRY(cfp_analyser_open(&t->analyser, &t->ctx, &t->model, &t->device, query, NULL));
    CFP_TRY(cfp_trace_forward(t->analyser->trace, clip, t->logits));
    return cfp_descend(out, t->analyser, &class_index);
}

const cfp_layer *toy_layer(const struct toy *t, const cfp_pyramid *p, const char *name)
{
    for (int l = 0; l < p->n_layers; l++)
        if (strcmp(t->model.node[p->layer[l].node].name, name) == 0)
            return &p->layer[l];
    return NULL;
}

void toy_end(struct toy *t)
{
    cfp_analyser_close(&t->analyser);
    cfp_trace_close(&t->trace);
    cfp_device_close(&t->device);
    cfp_free(t->logits);
    cfp_model_free(&t->model);
}
