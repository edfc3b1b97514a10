/* steps.c - makes steps of nodes: nodes that can be computed in one go are fused.
 *
 *     conv3d | linear  [folded batchnorm]  [+ residual]  [activation]
 *     batchnorm | add  [activation]
 *
 * A node is fused only with its single consumer.  So no tensor disappears that another node, a
 * kernel mean or a tube could need: the map of SPEC follows the same chain of single consumers. */
#include "trace.h"
#include <string.h>

/* The only consumer of a node's output; nodes that compute nothing are skipped.  -1: there is none
 * or there are several, or the output is the logits. */
static int sole_consumer(const cfp_model *model, int node)
{
    for (;;) {
        const cfp_node *n = &model->node[node];
        if (n->n_consumers != 1 || node == model->logits)
            return -1;
        node = n->consumer[0];
        if (model->node[node].alias == node)
            return node;
    }
}

/* Marks the nodes that the logits depend on, and the logits. */
static void mark_used(const cfp_model *model, bool *used)
{
    used[model->logits] = true;
    for (int i = model->n_nodes - 1; i > 0; i--)
        for (int k = 0; used[i] && k < model->node[i].n_inputs; k++)
            used[model->node[i].input[k]] = true;
}

static bool fusable_activation(const cfp_trace *trace, int node)
{
    return node >= 0 && cfp_can_end_step(&trace->model->node[node]) &&
           (!trace->request.backward || cfp_gate_from_output(trace->model->node[node].op));
}

/* The other operand of an add that can be fused with kernel layer `head`; -1: it cannot. */
static int residual_operand(const cfp_trace *trace, int head, int add)
{
    if (add < 0 || trace->step_of[add] >= 0)
        return -1; /* no consumer, or the add is fused with another kernel layer */
    const cfp_model *model = trace->model;
    const cfp_node *node = &model->node[add];
    if (node->op != CFP_OP_ADD || node->n_inputs != 2)
        return -1;
    const int first = model->node[node->input[0]].alias;
    const int second = model->node[node->input[1]].alias;
    const int other = first == head ? second : first;
    if (other == 0 && trace->request.clip_gradient)
        return -1; /* the clip has another layout, so gradients could not simply be copied */
    if (first == second || !cfp_shape_equal(model->node[first].shape, model->node[second].shape))
        return -1;
    return other;
}

/* Makes the step that starts at `head`, and marks its nodes in step_of. */
static cfp_status make_step(cfp_trace *trace, int head, int index)
{
    const cfp_model *model = trace->model;
    const cfp_node *node = &model->node[head];
    cfp_trace_step *s = &trace->step[index];
    int added = -1;

    *s = (cfp_trace_step){.head = head, .tail = head};
    s->step = (cfp_step){.model = model, .node = node, .backward = trace->request.backward};
    trace->step_of[head] = index;
    int next = sole_consumer(model, head);
    if (cfp_is_kernel_layer(node) && (added = residual_operand(trace, head, next)) >= 0) {
        s->step.adds = true;
        s->tail = next;
        trace->step_of[next] = index;
        next = sole_consumer(model, next);
    }
    if ((cfp_is_kernel_layer(node) || node->op == CFP_OP_BATCHNORM || node->op == CFP_OP_ADD) &&
        fusable_activation(trace, next)) {
        s->step.activation = &model->node[next];
        s->tail = next;
        trace->step_of[next] = index;
    }
    s->step.n_src = node->n_inputs + s->step.adds;
    CFP_TRY_ALLOC(trace->ctx, s->src, s->step.n_src);
    for (int k = 0; k < node->n_inputs; k++)
        s->src[k] = node->input[k]; /* a node; name_values makes a value of it */
    if (s->step.adds)
        s->src[node->n_inputs] = added;
    return CFP_OK;
}

/* Steps run in the order of their tails, so every residual is computed before it is added. */
static void order_by_tail(cfp_trace *trace)
{
    for (int i = 1; i < trace->n_steps; i++) {
        const cfp_trace_step moved = trace->step[i];
        int at = i;
        for (; at > 0 && trace->step[at - 1].tail > moved.tail; at--)
            trace->step[at] = trace->step[at - 1];
        trace->step[at] = moved;
    }
}

static void name_values(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    for (int i = 0; i < model->n_nodes; i++)
        trace->step_of[i] = trace->holder[i] = -1;
    trace->holder[0] = 0;
    for (int s = 0; s < trace->n_steps; s++) {
        const cfp_trace_step *step = &trace->step[s];
        trace->step_of[step->head] = trace->step_of[step->tail] = s;
        trace->holder[step->tail] = step->tail;
    }
    for (int i = 1; i < model->n_nodes; i++)
        if (model->node[i].alias != i) /* it computes nothing: its source holds its output */
            trace->holder[i] = trace->holder[model->node[i].alias];
    for (int s = 0; s < trace->n_steps; s++)
        for (int k = 0; k < trace->step[s].step.n_src; k++)
            trace->step[s].src[k] = trace->holder[trace->step[s].src[k]];
}

static cfp_status make_steps(cfp_trace *trace)
{
    mark_used(trace->model, trace->used);
    for (int i = 1; i < trace->model->n_nodes; i++) {
        if (!trace->used[i] || trace->model->node[i].alias != i || trace->step_of[i] >= 0)
            continue;
        trace->n_steps++;
        CFP_TRY(make_step(trace, i, trace->n_steps - 1));
    }
    order_by_tail(trace);
    name_values(trace);
    return CFP_OK;
}

/* The same steps as another trace has. */
static cfp_status copy_steps(cfp_trace *trace, const cfp_trace *like)
{
    const size_t n = (size_t)trace->model->n_nodes;
    memcpy(trace->holder, like->holder, n * sizeof *trace->holder);
    memcpy(trace->step_of, like->step_of, n * sizeof *trace->step_of);
    memcpy(trace->used, like->used, n * sizeof *trace->used);
    for (int s = 0; s < like->n_steps; s++) {
        const cfp_trace_step *from = &like->step[s];
        cfp_trace_step *to = &trace->step[s];
        *to = *from;
        to->src = NULL;
        to->step.plan = NULL;
        to->step.backward = to->active = false; /* trace.c marks its own */
        trace->n_steps++;
        CFP_TRY_ALLOC(trace->ctx, to->src, from->step.n_src);
        memcpy(to->src, from->src, (size_t)from->step.n_src * sizeof *to->src);
    }
    return CFP_OK;
}

cfp_status cfp_trace_fuse(cfp_trace *trace)
{
    const int n = trace->model->n_nodes;
    CFP_TRY_ALLOC(trace->ctx, trace->step, n);
    CFP_TRY_ALLOC(trace->ctx, trace->holder, n);
    CFP_TRY_ALLOC(trace->ctx, trace->step_of, n);
    CFP_TRY_ALLOC(trace->ctx, trace->used, n);
    for (int i = 0; i < n; i++)
        trace->step_of[i] = -1;
    if (trace->request.like != NULL)
        return copy_steps(trace, trace->request.like);
    return make_steps(trace);
}
