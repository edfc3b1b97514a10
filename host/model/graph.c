/* graph.c - makes a model of a list of nodes: topological order, consumers, shapes, folded batch
 * norms, kernel means, depths.  It does not depend on a file format. */
#include "model.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

cfp_status cfp_fail_node(cfp_ctx *ctx, cfp_status status, const cfp_model *model,
                         const cfp_node *node, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cfp_fail(ctx, status, "%s: node '%s': %s", model->path != NULL ? model->path : "model",
                    node->name, text);
}

int cfp_model_find(const cfp_model *model, const char *name)
{
    for (int i = 0; i < model->n_nodes; i++)
        if (strcmp(model->node[i].name, name) == 0)
            return i;
    return -1;
}

static void node_free(cfp_node *node)
{
    cfp_free(node->name);
    cfp_free(node->input);
    cfp_free(node->consumer);
    cfp_free(node->weight);
    cfp_free(node->bias);
    cfp_free(node->scale);
    cfp_free(node->shift);
    cfp_free(node->slope);
    cfp_free(node->kernel_mean);
    cfp_free(node->kernel_scale);
}

void cfp_model_free(cfp_model *model)
{
    for (int i = 0; i < model->n_nodes; i++)
        node_free(&model->node[i]);
    for (int i = 0; model->n_heads == 0 && model->class_name != NULL && i < model->n_classes; i++)
        cfp_free(model->class_name[i]); /* with heads, the views own the names */
    cfp_heads_free(model);
    cfp_free(model->head_name);
    cfp_free(model->node);
    cfp_free(model->class_name);
    cfp_free(model->input.mean);
    cfp_free(model->input.std);
    cfp_free(model->path);
    cfp_free(model->name);
    cfp_free(model->source);
    cfp_free(model->licence);
    *model = (cfp_model){0};
}

/* Finds a node on a cycle, when no node is ready.  Each waiting node has another waiting node
 * upstream, so n steps upstream end on a cycle. */
static int find_cycle(const cfp_model *model, const int *waits)
{
    int at = 0;
    while (waits[at] <= 0)
        at++;
    for (int step = 0; step < model->n_nodes; step++) {
        const cfp_node *node = &model->node[at];
        for (int k = 0; k < node->n_inputs; k++)
            if (waits[node->input[k]] > 0)
                at = node->input[k];
    }
    return at;
}

/* Kahn's algorithm.  Of the ready nodes it takes the one that came first, so the same file always
 * gives the same order, and sorted files keep theirs. */
static cfp_status order_nodes(cfp_model *model, cfp_ctx *ctx, int *order, int *waits)
{
    const int n = model->n_nodes;
    for (int i = 0; i < n; i++)
        waits[i] = model->node[i].n_inputs;
    for (int placed = 0; placed < n; placed++) {
        int next = -1;
        for (int i = 0; i < n && next < 0; i++)
            if (waits[i] == 0)
                next = i;
        if (next < 0)
            return cfp_fail_node(ctx, CFP_FORMAT, model, &model->node[find_cycle(model, waits)],
                                 "stands on a cycle");
        order[placed] = next;
        waits[next] = -1;
        for (int i = 0; i < n; i++)
            for (int k = 0; waits[i] > 0 && k < model->node[i].n_inputs; k++)
                if (model->node[i].input[k] == next)
                    waits[i]--;
    }
    return CFP_OK;
}

static cfp_status sort_nodes(cfp_model *model, cfp_ctx *ctx, int *order, int *place)
{
    CFP_TRY(order_nodes(model, ctx, order, place));
    cfp_node *sorted;
    CFP_TRY_ALLOC(ctx, sorted, model->n_nodes + 1); /* room for the node that joins heads */
    for (int i = 0; i < model->n_nodes; i++) {
        sorted[i] = model->node[order[i]];
        place[order[i]] = i;
    }
    cfp_free(model->node);
    model->node = sorted;
    for (int i = 0; i < model->n_nodes; i++)
        for (int k = 0; k < sorted[i].n_inputs; k++)
            sorted[i].input[k] = place[sorted[i].input[k]];
    return CFP_OK;
}

static cfp_status topological(cfp_model *model, cfp_ctx *ctx)
{
    int *order, *place = NULL;
    CFP_TRY_ALLOC(ctx, order, 2 * (size_t)model->n_nodes);
    place = order + model->n_nodes;
    const cfp_status status = sort_nodes(model, ctx, order, place);
    cfp_free(order);
    return status;
}

static bool reads(const cfp_node *node, int input)
{
    for (int k = 0; k < node->n_inputs; k++)
        if (node->input[k] == input)
            return true;
    return false;
}

static cfp_status find_consumers(cfp_model *model, cfp_ctx *ctx)
{
    for (int i = 0; i < model->n_nodes; i++) {
        cfp_node *node = &model->node[i];
        int n = 0;
        for (int j = i + 1; j < model->n_nodes; j++)
            n += reads(&model->node[j], i);
        CFP_TRY_ALLOC(ctx, node->consumer, n);
        for (int j = i + 1; j < model->n_nodes; j++)
            if (reads(&model->node[j], i))
                node->consumer[node->n_consumers++] = j;
    }
    return CFP_OK;
}

static int64_t taps(const cfp_node *node)
{
    return (int64_t)node->window.kernel[0] * node->window.kernel[1] * node->window.kernel[2];
}

static cfp_status kernel_means(cfp_model *model, cfp_ctx *ctx, cfp_node *node)
{
    const int64_t n = (int64_t)node->shape.c * cfp_channels_per_group(model, node);
    const int64_t n_taps = taps(node);
    if (model->change != NULL)
        model->change->layer(model->change->cookie, node, node->weight, n * n_taps);
    CFP_TRY_ALLOC(ctx, node->kernel_mean, n);
    for (int64_t k = 0; k < n; k++) {
        double sum = 0;
        for (int64_t tap = 0; tap < n_taps; tap++)
            sum += (double)node->weight[k * n_taps + tap];
        node->kernel_mean[k] = (float)(sum / (double)n_taps);
    }
    node->flop = 2.0 * (double)n * (double)n_taps * (double)cfp_positions(node->shape);
    node->parameters = n * n_taps + (node->bias != NULL ? node->shape.c : 0);
    return CFP_OK;
}

static bool is_output(const cfp_model *model, int node)
{
    for (int h = 0; h < model->n_heads; h++)
        if (model->view[h].output == node)
            return true;
    return node == model->output;
}

/* SPEC: "K' is the kernel with a directly following batchnorm folded in".  A batch norm directly
 * follows if it is the only reader of the layer's output, and that is not the network's output. */
static cfp_status fold_batchnorm(cfp_model *model, cfp_ctx *ctx, int index)
{
    cfp_node *node = &model->node[index];
    if (node->n_consumers != 1 || is_output(model, index))
        return CFP_OK;
    cfp_node *bn = &model->node[node->consumer[0]];
    if (bn->op != CFP_OP_BATCHNORM)
        return CFP_OK;

    const int kernels = node->shape.c;
    const int64_t per_kernel = cfp_channels_per_group(model, node) * taps(node);
    CFP_TRY_ALLOC(ctx, node->kernel_scale, kernels);
    if (node->bias == NULL)
        CFP_TRY_ALLOC(ctx, node->bias, kernels);
    for (int o = 0; o < kernels; o++) {
        node->kernel_scale[o] = bn->scale[o];
        node->bias[o] = node->bias[o] * bn->scale[o] + bn->shift[o];
        for (int64_t k = 0; k < per_kernel; k++)
            node->weight[o * per_kernel + k] *= bn->scale[o];
    }
    bn->alias = index;
    return CFP_OK;
}

/* Depths: the longest routes from the output, counted in kernel layers, in one backward walk. */
cfp_status cfp_find_depths(cfp_model *model, cfp_ctx *ctx)
{
    int *level; /* kernel layers between this node's output and the network's; -1: no route */
    CFP_TRY_ALLOC(ctx, level, model->n_nodes);
    model->max_depth = 0;
    for (int i = 0; i < model->n_nodes; i++)
        model->node[i].depth = -1;
    for (int i = 0; i < model->n_nodes; i++)
        level[i] = i == model->output ? 0 : -1;
    for (int i = model->n_nodes - 1; i > 0; i--) {
        cfp_node *node = &model->node[i];
        if (level[i] < 0)
            continue;
        const bool kernel_layer = cfp_is_kernel_layer(node);
        if (kernel_layer) {
            node->depth = level[i];
            model->max_depth = cfp_max_int(model->max_depth, level[i]);
        }
        for (int k = 0; k < node->n_inputs; k++) {
            int *up = &level[node->input[k]];
            *up = cfp_max_int(*up, level[i] + kernel_layer);
        }
    }
    cfp_free(level);
    return CFP_OK;
}

/* True for identities, and for ops that are identities where T = H = W = 1. */
static bool gives_what_it_reads(const cfp_model *model, const cfp_node *node)
{
    const bool shrinks = node->op == CFP_OP_FLATTEN || node->op == CFP_OP_GLOBALAVGPOOL;
    return node->op == CFP_OP_IDENTITY ||
           (shrinks && cfp_positions(model->node[node->input[0]].shape) == 1);
}

const char *const cfp_head_names[] = {"softmax", "sigmoid"};

/* The head is the last node that computes anything, if that is a softmax or a sigmoid.  The logits
 * are what it reads, even if that is another softmax (SPEC "The class scores"). */
static void find_head(cfp_model *model)
{
    int last = model->output;
    while (gives_what_it_reads(model, &model->node[last]))
        last = model->node[last].input[0];
    const cfp_op op = model->node[last].op;
    model->own_head = op == CFP_OP_SOFTMAX || op == CFP_OP_SIGMOID;
    model->head = op == CFP_OP_SIGMOID ? CFP_HEAD_SIGMOID : CFP_HEAD_SOFTMAX;
    model->logits = model->own_head ? model->node[last].input[0] : model->output;
    while (model->node[model->logits].op == CFP_OP_IDENTITY)
        model->logits = model->node[model->logits].input[0];
}

static cfp_status check_output(cfp_model *model, cfp_ctx *ctx)
{
    const cfp_node *output = &model->node[model->output];
    if (cfp_positions(output->shape) != 1)
        return cfp_fail_node(ctx, CFP_SHAPE, model, output,
                             "is the output, but has %d x %d x %d positions; one score a class is "
                             "wanted (globalavgpool)",
                             output->shape.t, output->shape.h, output->shape.w);
    if (output->shape.c != model->n_classes)
        return cfp_fail_node(
            ctx, CFP_SHAPE, model, output, "gives %d scores for %d classes%s%s%s", output->shape.c,
            model->n_classes, model->head_name != NULL ? " of head '" : "",
            model->head_name != NULL ? model->head_name : "", model->head_name != NULL ? "'" : "");
    find_head(model);
    return CFP_OK;
}

/* Checks the output of each head, and joins their logits. */
static cfp_status check_heads(cfp_model *model, cfp_ctx *ctx)
{
    for (int h = 0; h < model->n_heads; h++) {
        cfp_model *view = &model->view[h];
        view->path = model->path;
        view->n_nodes = model->n_nodes;
        view->node = model->node; /* until the views get nodes of their own */
        const cfp_status status = check_output(view, ctx);
        view->node = NULL;
        CFP_TRY(status);
    }
    return cfp_heads_join(model, ctx);
}

static cfp_status finish_nodes(cfp_model *model, cfp_ctx *ctx)
{
    CFP_TRY(find_consumers(model, ctx));
    for (int i = 1; i < model->n_nodes; i++) {
        cfp_node *node = &model->node[i];
        CFP_TRY(cfp_node_shape(ctx, model, node));
        if (cfp_is_kernel_layer(node))
            CFP_TRY(kernel_means(model, ctx, node));
        else if (node->op == CFP_OP_BATCHNORM)
            node->parameters = 2 * (int64_t)node->shape.c; /* gamma and beta are learned */
        else if (node->op == CFP_OP_PRELU)
            node->parameters = node->channels;
        else if (cfp_is_clip_norm(node->op))
            node->parameters = 2 * (int64_t)node->channels;
    }
    CFP_TRY(model->n_heads > 0 ? check_heads(model, ctx) : check_output(model, ctx));
    for (int i = 1; i < model->n_nodes; i++) {
        if (cfp_is_kernel_layer(&model->node[i]))
            CFP_TRY(fold_batchnorm(model, ctx, i));
        else if (model->node[i].op == CFP_OP_IDENTITY)
            model->node[i].alias = model->node[model->node[i].input[0]].alias;
    }
    CFP_TRY(cfp_find_depths(model, ctx));
    return model->n_heads > 0 ? cfp_heads_make_views(model, ctx) : CFP_OK;
}

static cfp_status find_output(int *out, cfp_ctx *ctx, const cfp_model *model, const char *attribute,
                              const char *name)
{
    *out = cfp_model_find(model, name);
    if (*out > 0)
        return CFP_OK;
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s: no node '%s'",
                    model->path != NULL ? model->path : "model", attribute, name);
}

static cfp_status check_explainable(cfp_ctx *ctx, const cfp_model *model)
{
    for (int i = 1; i < model->n_nodes; i++)
        if (model->node[i].depth == 0)
            return CFP_OK;
    return cfp_fail(
        ctx, CFP_FORMAT,
        "%s: no conv3d or linear leads to the output%s%s%s: nothing to "
        "explain",
        model->path != NULL ? model->path : "model", model->head_name != NULL ? " of head '" : "",
        model->head_name != NULL ? model->head_name : "", model->head_name != NULL ? "'" : "");
}

/* After the outputs are known. */
static cfp_status finish_sorted(cfp_model *model, cfp_ctx *ctx)
{
    for (int i = 0; i < model->n_nodes; i++)
        model->node[i].alias = i;
    CFP_TRY(finish_nodes(model, ctx));
    for (int h = 0; h < model->n_heads; h++)
        CFP_TRY(check_explainable(ctx, &model->view[h]));
    return model->n_heads > 0 ? CFP_OK : check_explainable(ctx, model);
}

cfp_status cfp_model_finish(cfp_model *model, cfp_ctx *ctx, const char *output)
{
    CFP_TRY(topological(model, ctx));
    CFP_TRY(find_output(&model->output, ctx, model, "output", output));
    return finish_sorted(model, ctx);
}

cfp_status cfp_model_finish_heads(cfp_model *model, cfp_ctx *ctx, char *const *output)
{
    CFP_TRY(topological(model, ctx));
    for (int h = 0; h < model->n_heads; h++)
        CFP_TRY(find_output(&model->view[h].output, ctx, model, "outputs", output[h]));
    return finish_sorted(model, ctx);
}
