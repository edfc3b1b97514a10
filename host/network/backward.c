/* backward.c - the backward pass, node by node, from the logits to the input.
 *
 * The caller visits the nodes in falling order.  Between two nodes it can read the gradient that is
 * complete, and it says which kernels keep theirs (the mask).  A fused step is undone in two parts,
 * because other branches may run in between: activation and residual at its tail, the op at its
 * head. */
#include "trace.h"
#include <string.h>

cfp_status cfp_backward_start(cfp_trace *trace, const float *seed)
{
    const int v = trace->holder[trace->model->logits];
    memset(trace->diff_ready, 0, (size_t)trace->model->n_nodes * sizeof *trace->diff_ready);
    memset(trace->lies_aside, 0, (size_t)trace->model->n_nodes * sizeof *trace->lies_aside);
    if (trace->diff[v].data == NULL)
        return CFP_OK; /* no gradient is wanted */
    CFP_TRY(trace->device.api->seed(trace->device.backend, &trace->diff[v], seed));
    trace->diff_ready[v] = true;
    return CFP_OK;
}

/* Adds the contribution that lies aside, if there is one. */
static cfp_status join(cfp_trace *trace, int v)
{
    if (!trace->lies_aside[v])
        return CFP_OK;
    trace->lies_aside[v] = false;
    return trace->device.api->accumulate(trace->device.backend, &trace->diff[v], &trace->aside[v]);
}

/* The same for a caller that adds it in its own pass; NULL: there is none. */
static const cfp_tensor *take_aside(cfp_trace *trace, int v)
{
    const bool lies = trace->lies_aside[v];
    trace->lies_aside[v] = false;
    return lies ? &trace->aside[v] : NULL;
}

cfp_status cfp_trace_gradient(const cfp_tensor **out, cfp_trace *trace, int node)
{
    const int v = trace->holder[node];
    *out = NULL;
    if (v < 0 || !trace->diff_ready[v])
        return CFP_OK;
    *out = &trace->diff[v];
    return join(trace, v);
}

/* *out: where to write a contribution to the gradient of v.  The first goes into the gradient
 * itself, a further one aside.  NULL: the gradient of v is not wanted. */
static cfp_status place_for(cfp_tensor **out, cfp_trace *trace, int v)
{
    *out = NULL;
    if (trace->diff[v].data == NULL)
        return CFP_OK;
    *out = trace->diff_ready[v] ? &trace->aside[v] : &trace->diff[v];
    return join(trace, v);
}

/* The same for a step that is no kernel layer.  If the gradient of v does not go on, v has memory
 * only for the contributions of kernel layers, and only in their time (trace_memory.c). */
static cfp_status place_onward(cfp_tensor **out, cfp_trace *trace, int v)
{
    *out = NULL;
    return cfp_gradient_goes_on(trace, v) ? place_for(out, trace, v) : CFP_OK;
}

/* A contribution has been written.  What lies aside is added when the gradient is needed, in the
 * pass that needs it.  The gradient of the clip has no such pass. */
static cfp_status received(cfp_trace *trace, int v)
{
    if (!cfp_gradient_goes_on(trace, v))
        return CFP_OK; /* it was only shown to the watch; the next layer writes over it */
    trace->lies_aside[v] = trace->diff_ready[v];
    trace->diff_ready[v] = true;
    return trace->step_of[v] < 0 ? join(trace, v) : CFP_OK;
}

/* --- a network that is turned down: y becomes b + alpha * (y - b) --- */

static bool is_turned(const cfp_trace *trace, int value)
{
    return trace->turned != NULL && trace->turned[value];
}

static cfp_status turn(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *x, const cfp_tensor *to,
                       bool back)
{
    const cfp_turn how = {trace->entries, trace->request.alpha, back};
    return trace->device.api->turn(trace->device.backend, out, x, to, &how);
}

static const cfp_tensor *towards(const cfp_trace *trace, int value)
{
    return trace->towards != NULL ? &trace->towards->value[value] : NULL;
}

cfp_status cfp_turn_value(cfp_trace *trace, int value)
{
    cfp_tensor *x = &trace->value[value];
    if (!is_turned(trace, value))
        return CFP_OK;
    return turn(x, trace, x, towards(trace, value), false);
}

/* *out: the value as its step made it, before it was turned down. */
static cfp_status unturned_value(cfp_tensor *out, cfp_trace *trace, int value)
{
    *out = trace->value[value];
    if (!is_turned(trace, value))
        return CFP_OK;
    out->data = trace->unturned;
    return turn(out, trace, &trace->value[value], towards(trace, value), true);
}

/* The derivative of what y was turned to, by y, is alpha. */
static cfp_status turn_gradient(cfp_trace *trace, int value)
{
    cfp_tensor *g = &trace->diff[value];
    if (!is_turned(trace, value))
        return CFP_OK;
    CFP_TRY(join(trace, value));
    return turn(g, trace, g, NULL, false);
}

/* Enqueues a pass over a gradient, unless it does nothing. */
static cfp_status gate(const cfp_trace *trace, const cfp_gating *g)
{
    const bool nothing =
        g->more == NULL && g->activation == NULL && g->residual == NULL && g->demand == NULL;
    return nothing ? CFP_OK : trace->device.api->gate(trace->device.backend, g);
}

/* Where the residual's part of the gradient goes; NULL: there is none, or it is not wanted. */
static cfp_status residual_of(cfp_tensor **out, cfp_trace *trace, const cfp_trace_step *step)
{
    *out = NULL;
    if (!step->step.adds)
        return CFP_OK;
    const int added = step->src[step->step.n_src - 1];
    if (!cfp_gradient_goes_on(trace, added))
        return CFP_OK;
    *out = &trace->diff[added];
    return join(trace, added);
}

cfp_status cfp_backward_tail(cfp_trace *trace, int node, const cfp_demand *demand)
{
    const int s = trace->step_of[node];
    if (s < 0 || trace->step[s].tail != node || !trace->diff_ready[node] || !trace->step[s].active)
        return CFP_OK;
    const cfp_trace_step *step = &trace->step[s];
    cfp_tensor made, *residual;
    if (cfp_gated_at_head(trace, step))
        return CFP_OK;
    CFP_TRY(turn_gradient(trace, node));
    if (step->step.activation != NULL)
        CFP_TRY(unturned_value(&made, trace, node));
    CFP_TRY(residual_of(&residual, trace, step));
    const int added = step->step.adds ? step->src[step->step.n_src - 1] : 0;
    const cfp_gating gating = {.dy = &trace->diff[node],
                               .more = take_aside(trace, node),
                               .activation = step->step.activation,
                               .y = &made,
                               .residual = residual,
                               .residual_adds = residual != NULL && trace->diff_ready[added],
                               .demand = step->step.adds ? demand : NULL,
                               .entries = trace->entries};
    CFP_TRY(gate(trace, &gating));
    if (residual != NULL)
        trace->diff_ready[added] = true;
    return CFP_OK;
}

/* A source may be two of the inputs (x + x).  Then it gets two contributions, and each needs memory
 * of its own: the step is run once for each. */
static bool repeated(const cfp_trace_step *step, int k)
{
    for (int i = 0; i < k; i++)
        if (step->src[i] == step->src[k])
            return true;
    return false;
}

static cfp_status run_backward(cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src,
                               cfp_tensor **diff_src, int n_src)
{
    cfp_tensor made;
    const cfp_tensor *dst = &made;
    const cfp_tensor *diff = &trace->diff[step->tail];
    int left = 0;
    CFP_TRY(unturned_value(&made, trace, step->tail));
    for (int k = 0; k < n_src; k++)
        src[k] = &trace->value[step->src[k]];
    for (int k = 0; k < n_src; k++) {
        diff_src[k] = NULL;
        if (!repeated(step, k))
            CFP_TRY(place_onward(&diff_src[k], trace, step->src[k]));
        left += repeated(step, k);
    }
    CFP_TRY(trace->device.api->step_backward(trace->device.backend, &step->step, src, dst, diff,
                                             diff_src, trace->scratch));
    for (int k = 0; k < n_src; k++)
        if (diff_src[k] != NULL)
            CFP_TRY(received(trace, step->src[k]));
    for (int k = 0; k < n_src && left > 0; k++) {
        if (!repeated(step, k))
            continue;
        for (int i = 0; i < n_src; i++)
            diff_src[i] = NULL;
        CFP_TRY(place_onward(&diff_src[k], trace, step->src[k]));
        if (diff_src[k] == NULL)
            continue;
        CFP_TRY(trace->device.api->step_backward(trace->device.backend, &step->step, src, dst, diff,
                                                 diff_src, trace->scratch));
        CFP_TRY(received(trace, step->src[k]));
    }
    return CFP_OK;
}

/* A kernel layer has one source.  Its part of that source's gradient is shown before it is added to
 * the parts of others. */
static cfp_status kernel_layer(cfp_trace *trace, const cfp_trace_step *step,
                               const cfp_demand *demand, const cfp_gradient_watch *watch)
{
    const cfp_backend_api *api = trace->device.api;
    const int v = step->src[0];
    cfp_tensor *diff = &trace->diff[step->tail];
    const bool gated = cfp_gated_at_head(trace, step);
    const cfp_gating gating = {.dy = diff,
                               .more = take_aside(trace, step->tail),
                               .activation = gated ? step->step.activation : NULL,
                               .y = &trace->value[step->tail],
                               .demand = step->step.adds ? NULL : demand,
                               .entries = trace->entries};
    cfp_tensor *g;
    CFP_TRY(gate(trace, &gating));
    CFP_TRY(place_for(&g, trace, v));
    if (g == NULL)
        return CFP_OK;
    const cfp_tensor *const src[2] = {&trace->value[v], NULL};
    cfp_tensor *const diff_src[2] = {g, NULL};
    CFP_TRY(api->step_backward(trace->device.backend, &step->step, src, &trace->value[step->tail],
                               diff, diff_src, trace->scratch));
    if (watch != NULL)
        CFP_TRY(watch->see(watch->cookie, &trace->value[v], g));
    return received(trace, v);
}

cfp_status cfp_backward_head(cfp_trace *trace, int node, const cfp_demand *demand,
                             const cfp_gradient_watch *watch)
{
    const int s = trace->step_of[node];
    if (s < 0 || trace->step[s].head != node || !trace->step[s].active ||
        !trace->diff_ready[trace->step[s].tail])
        return CFP_OK;
    const cfp_trace_step *step = &trace->step[s];
    if (cfp_is_kernel_layer(step->step.node))
        return kernel_layer(trace, step, demand, watch);

    const int n_src = step->step.n_src;
    const cfp_tensor **src;
    CFP_TRY_ALLOC(trace->ctx, src, n_src);
    cfp_tensor **diff_src = cfp_alloc(trace->ctx, (size_t)n_src, sizeof *diff_src);
    const cfp_status status =
        diff_src == NULL ? CFP_NOMEM : run_backward(trace, step, src, diff_src, n_src);
    cfp_free(diff_src);
    cfp_free(src);
    return status;
}

const cfp_tensor *cfp_backward_output(const cfp_trace *trace, int node)
{
    const cfp_trace_step *step = &trace->step[trace->step_of[node]];
    return step->active && trace->diff_ready[step->tail] ? &trace->diff[step->tail] : NULL;
}
