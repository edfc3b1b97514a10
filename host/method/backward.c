/* backward.c - the gradient of the target, node by node, for rule grad.
 *
 * The descent walks the nodes backwards and calls leave, then through, for each; in between it
 * reads the complete gradient (tubes) and says which kernels stay (the mask).  Steps that were
 * fused are undone piece by piece: the residual and the activation at the tail (an activation alone
 * at the head, with the mask), the op itself at the head. */
#include "trace.h"
#include <string.h>

cfp_status cfp_backward_start(cfp_trace *trace, const float *seed)
{
    const int v = trace->holder[trace->model->logits];
    memset(trace->diff_ready, 0, (size_t)trace->model->n_nodes * sizeof *trace->diff_ready);
    if (trace->diff[v].data == NULL)
        return CFP_OK; /* nothing upstream is of interest */
    CFP_TRY(trace->device.api->seed(trace->device.backend, &trace->diff[v], seed));
    trace->diff_ready[v] = true;
    return CFP_OK;
}

const cfp_tensor *cfp_trace_gradient(const cfp_trace *trace, int node)
{
    const int v = trace->holder[node];
    return v >= 0 && trace->diff_ready[v] ? &trace->diff[v] : NULL;
}

/* Where a contribution to the gradient of v is to be written: into the gradient itself when it is
 * the first, else aside; NULL where nobody wants it. */
static cfp_tensor *receive(cfp_trace *trace, int v)
{
    if (trace->diff[v].data == NULL)
        return NULL;
    return trace->diff_ready[v] ? &trace->share[v] : &trace->diff[v];
}

/* The same for what is no kernel layer: where the gradient does not go on, there is room for the
 * shares of kernel layers alone, and only in their time (trace_memory.c). */
static cfp_tensor *receive_onward(cfp_trace *trace, int v)
{
    return cfp_gradient_goes_on(trace, v) ? receive(trace, v) : NULL;
}

static cfp_status received(cfp_trace *trace, int v)
{
    if (!cfp_gradient_goes_on(trace, v))
        return CFP_OK; /* it was only looked at; the next layer writes over it */
    if (trace->diff_ready[v])
        return trace->device.api->accumulate(trace->device.backend, &trace->diff[v],
                                             &trace->share[v]);
    trace->diff_ready[v] = true;
    return CFP_OK;
}

/* True where nothing needs the gated gradient before the head does, which is a kernel layer: gate
 * and mask are one pass there. */
static bool gated_at_head(const cfp_trace *trace, const cfp_trace_step *step)
{
    return step->step.activation != NULL && !step->step.adds &&
           cfp_is_kernel_layer(step->step.node) && trace->turned == NULL;
}

/* --- the network turned down: y = b + alpha * (y - b) at the maps --- */

static cfp_status turn(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *x, int other, bool back)
{
    const cfp_entries *e = &trace->entries;
    const cfp_turn how = {e->n, e->first, other, trace->turn_down, back};
    return trace->device.api->turn(trace->device.backend, out, x, &how);
}

cfp_status cfp_turn_value(cfp_trace *trace, int value)
{
    cfp_tensor *x = &trace->value[value];
    if (trace->turned == NULL || !trace->turned[value])
        return CFP_OK;
    return turn(x, trace, x, trace->entries.other, false);
}

cfp_status cfp_unturned_value(cfp_tensor *out, cfp_trace *trace, int value)
{
    *out = trace->value[value];
    if (trace->turned == NULL || !trace->turned[value])
        return CFP_OK;
    out->data = trace->unturned;
    return turn(out, trace, &trace->value[value], trace->entries.other, true);
}

/* The gradient on its way back through a map that is turned down. */
static cfp_status turn_gradient(cfp_trace *trace, int value)
{
    cfp_tensor *g = &trace->diff[value];
    if (trace->turned == NULL || !trace->turned[value])
        return CFP_OK;
    return turn(g, trace, g, -1, false);
}

cfp_status cfp_backward_leave(cfp_trace *trace, int node)
{
    const int s = trace->step_of[node];
    if (s < 0 || trace->step[s].tail != node || !trace->diff_ready[node] || !trace->step[s].active)
        return CFP_OK;
    const cfp_backend_api *api = trace->device.api;
    const cfp_trace_step *step = &trace->step[s];
    cfp_tensor *diff = &trace->diff[node], made;
    CFP_TRY(turn_gradient(trace, node));
    if (step->step.activation != NULL && !gated_at_head(trace, step)) {
        CFP_TRY(cfp_unturned_value(&made, trace, node));
        CFP_TRY(api->gate(trace->device.backend, step->step.activation, diff, &made, NULL, 1));
    }
    if (!step->step.adds)
        return CFP_OK;
    const int added = step->src[step->step.n_src - 1];
    if (!cfp_gradient_goes_on(trace, added))
        return CFP_OK;
    if (trace->diff_ready[added])
        return api->accumulate(trace->device.backend, &trace->diff[added], diff);
    trace->diff_ready[added] = true;
    return api->copy(trace->device.backend, &trace->diff[added], diff);
}

/* A source that stands twice among the inputs (x + x) gets two contributions: each occurrence needs
 * a place of its own, so such a step is run once for each. */
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
    CFP_TRY(cfp_unturned_value(&made, trace, step->tail));
    for (int k = 0; k < n_src; k++)
        src[k] = &trace->value[step->src[k]];
    for (int k = 0; k < n_src; k++) {
        diff_src[k] = repeated(step, k) ? NULL : receive_onward(trace, step->src[k]);
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
            diff_src[i] = i == k ? receive_onward(trace, step->src[k]) : NULL;
        if (diff_src[k] == NULL)
            continue;
        CFP_TRY(trace->device.api->step_backward(trace->device.backend, &step->step, src, dst, diff,
                                                 diff_src, trace->scratch));
        CFP_TRY(received(trace, step->src[k]));
    }
    return CFP_OK;
}

/* A tensor of the clips alone, like one that has all their entries. */
static cfp_tensor of_clips(const cfp_trace *trace, const cfp_tensor *x, void *memory)
{
    cfp_tensor out = *x;
    out.shape.n = x->shape.n / trace->entries.n;
    out.data = memory;
    return out;
}

static cfp_status blend(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *x, void *memory,
                        const cfp_blend *how)
{
    const cfp_tensor all = *x; /* out may be x */
    *out = all;
    if (trace->entries.n == 1)
        return CFP_OK; /* there is nothing to blend */
    *out = of_clips(trace, &all, memory);
    return trace->device.api->blend(trace->device.backend, out, &all, how);
}

cfp_status cfp_blend_value(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *x)
{
    const cfp_entries *e = &trace->entries;
    const cfp_blend how = {.entries = e->n,
                           .first = e->turned ? e->first : 0, /* x of the run with the gradient */
                           .count = 1,
                           .minus = e->other,
                           .scale = 1};
    return blend(out, trace, x, trace->blended[0], &how);
}

cfp_status cfp_blend_gradient(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *g)
{
    const cfp_entries *e = &trace->entries;
    const cfp_blend how = {.entries = e->n,
                           .first = e->first,
                           .count = trace->part.count,
                           .minus = -1,
                           .scale = 1.0 / trace->query.steps};
    return blend(out, trace, g, trace->blended[1], &how);
}

/* v(i) = mean over T, H, W of x(i) * G(i). */
static cfp_status weigh_channels(cfp_trace *trace, float *product, const cfp_tensor *x,
                                 const cfp_tensor *g)
{
    cfp_tensor value, gradient;
    CFP_TRY(cfp_blend_value(&value, trace, x));
    CFP_TRY(cfp_blend_gradient(&gradient, trace, g));
    return trace->device.api->channel_mean(trace->device.backend, product, &value, &gradient);
}

/* A kernel layer: one source, and its share G is weighed before it is added to the others'. */
static cfp_status kernel_layer(cfp_trace *trace, const cfp_trace_step *step,
                               const cfp_demand *demand, float *product)
{
    const cfp_backend_api *api = trace->device.api;
    const int v = step->src[0];
    cfp_tensor *diff = &trace->diff[step->tail];
    const bool gated = gated_at_head(trace, step);
    if (gated || demand != NULL)
        CFP_TRY(api->gate(trace->device.backend, gated ? step->step.activation : NULL, diff,
                          &trace->value[step->tail], demand, trace->entries.n));
    cfp_tensor *g = receive(trace, v);
    if (g == NULL)
        return CFP_OK;
    const cfp_tensor *const src[2] = {&trace->value[v], NULL};
    cfp_tensor *const diff_src[2] = {g, NULL};
    CFP_TRY(api->step_backward(trace->device.backend, &step->step, src, &trace->value[step->tail],
                               diff, diff_src, trace->scratch));
    if (product != NULL)
        CFP_TRY(weigh_channels(trace, product, &trace->value[v], g));
    return received(trace, v);
}

cfp_status cfp_backward_through(cfp_trace *trace, int node, const cfp_demand *demand,
                                float *product)
{
    const int s = trace->step_of[node];
    if (s < 0 || trace->step[s].head != node || !trace->step[s].active ||
        !trace->diff_ready[trace->step[s].tail])
        return CFP_OK;
    const cfp_trace_step *step = &trace->step[s];
    if (cfp_is_kernel_layer(step->step.node))
        return kernel_layer(trace, step, demand, product);

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

cfp_status cfp_backward_weigh(cfp_trace *trace, int node, const cfp_back_step *step,
                              const float *weight, float *value, bool adds)
{
    const cfp_trace_step *mine = &trace->step[trace->step_of[node]];
    cfp_tensor x, dy;
    const size_t bytes = (size_t)step->clips * (size_t)step->kernels *
                         (size_t)(step->channels / step->groups) * sizeof *value;
    if (!mine->active || !trace->diff_ready[mine->tail]) /* no gradient came */
        return adds ? CFP_OK : trace->device.api->fill(trace->device.backend, value, 0, bytes);
    CFP_TRY(cfp_blend_value(&x, trace, &trace->value[mine->src[0]]));
    CFP_TRY(cfp_blend_gradient(&dy, trace, &trace->diff[mine->tail]));
    const cfp_pairs pairs = {.step = step,
                             .node = mine->step.node,
                             .weight = weight,
                             .x = &x,
                             .dy = &dy,
                             .value = value,
                             .adds = adds};
    return trace->device.api->weigh_pairs(trace->device.backend, &pairs);
}
