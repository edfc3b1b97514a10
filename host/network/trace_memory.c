/* trace_memory.c - how long each tensor of a trace must live, and where it lies in the arena.
 *
 * Time is counted in nodes, N of them.  A step runs forward at the time of its tail.  The backward
 * pass visits node i at time 2 N - i.  It visits a fused step twice, at the tail and at the head,
 * and other branches may run in between; so steps cannot serve as the clock.
 *
 * The whole plan is made before any memory is taken.  A plan that does not fit is refused, and the
 * message says how much it needs. */
#include "trace.h"
#include <stdio.h>
#include <string.h>

/* The buffers so far, and their lifetimes. */
struct plan {
    cfp_trace *trace;
    cfp_lifetime *life; /* [n] */
    int n;
    int *value, *diff, *aside; /* [n_nodes] by value: its buffer's number; -1: none */
    int end;                   /* a time after everything else */
};

static int backward_time(const cfp_trace *trace, int node)
{
    return 2 * trace->model->n_nodes - node;
}

static int add_buffer(struct plan *p, const cfp_tensor *x, int first, int last)
{
    const size_t bytes = p->trace->device.api->tensor_bytes(x);
    p->life[p->n] = (cfp_lifetime){bytes, first, last, 0};
    return p->n++;
}

static void extend(struct plan *p, int buffer, int time)
{
    if (buffer >= 0 && time > p->life[buffer].last)
        p->life[buffer].last = time;
}

/* The last time that a step needs its source k. */
static int last_use(const cfp_trace *trace, const cfp_trace_step *step, int k)
{
    const bool residual = step->step.adds && k == step->step.n_src - 1;
    if (!trace->request.backward || !step->active || residual)
        return step->tail;
    /* a kernel layer's x is multiplied by its gradient (SPEC: v(i) = mean of x(i) * G(i)) */
    const bool read =
        cfp_op_backward_reads(step->step.node->op).src || cfp_is_kernel_layer(step->step.node);
    return read ? backward_time(trace, step->head) : step->tail;
}

/* True: step s is the last that needs its residual, so its result may take that memory. */
static bool may_take_residual(const cfp_trace *trace, int s)
{
    const cfp_trace_request *want = &trace->request;
    const cfp_trace_step *step = &trace->step[s];
    if (!step->step.adds || want->keep_all)
        return false;
    const int last = step->step.n_src - 1, added = step->src[last];
    if (added == 0 || trace->value[added].block != trace->value[step->tail].block)
        return false;
    for (int i = 0; i < trace->model->n_nodes && want->keep != NULL; i++)
        if (want->keep[i] && trace->holder[i] == added)
            return false;
    for (int t = 0; t < trace->n_steps; t++)
        for (int k = 0; k < trace->step[t].step.n_src; k++)
            if (trace->step[t].src[k] == added && !(t == s && k == last) &&
                last_use(trace, &trace->step[t], k) >= step->tail)
                return false;
    /* the derivative of an activation is computed from its value */
    const int maker = trace->step_of[added];
    return !want->backward || maker < 0 || !trace->step[maker].active;
}

static void place_values(struct plan *p)
{
    cfp_trace *trace = p->trace;
    const cfp_trace_request *want = &trace->request;
    p->value[0] = add_buffer(p, &trace->value[0], 0, 0);
    for (int s = 0; s < trace->n_steps; s++) {
        const cfp_trace_step *step = &trace->step[s];
        int *mine = &p->value[step->tail];
        if (may_take_residual(trace, s))
            *mine = p->value[step->src[step->step.n_src - 1]];
        if (*mine < 0)
            *mine = add_buffer(p, &trace->value[step->tail], step->tail, step->tail);
        extend(p, *mine, step->tail);
        for (int k = 0; k < step->step.n_src; k++)
            extend(p, p->value[step->src[k]], last_use(trace, step, k));
        /* the backward pass of the step itself reads it (gate, pools), and so do tubes */
        if (want->backward && step->active)
            extend(p, *mine, backward_time(trace, step->head));
    }
    for (int i = 0; i < p->n && want->again; i++)
        if (p->life[i].last > trace->model->n_nodes) /* the backward pass reads it, each time */
            extend(p, i, p->end);
    extend(p, p->value[trace->holder[trace->model->logits]], trace->model->n_nodes);
    for (int i = 0; i < trace->model->n_nodes; i++)
        if (trace->holder[i] >= 0 && (want->keep_all || (want->keep != NULL && want->keep[i])))
            extend(p, p->value[trace->holder[i]], p->end);
}

/* Plans the contribution of `step` to the gradient of its source k.  It is made at the tail if the
 * source is the residual, else at the head. */
static void contribution(struct plan *p, const cfp_trace_step *step, int k)
{
    cfp_trace *trace = p->trace;
    const int v = step->src[k], maker = trace->step_of[v];
    const bool residual = step->step.adds && k == step->step.n_src - 1;
    const int now = backward_time(trace, residual ? step->tail : step->head);
    const bool onward = cfp_gradient_goes_on(trace, v);
    /* A gradient that does not go on is only shown, for each kernel layer that reads v. */
    if (!onward && (!cfp_is_kernel_layer(step->step.node) || k > 0))
        return;
    if (p->diff[v] < 0)
        p->diff[v] = add_buffer(p, &trace->value[v], now, now);
    else if (onward && !residual && p->aside[v] < 0) /* written there, then added */
        p->aside[v] = add_buffer(p, &trace->value[v], now, now);
    extend(p, p->diff[v], now);
    extend(p, p->aside[v], now);
    if (!onward || maker < 0)
        return;
    const cfp_trace_step *made = &trace->step[maker];
    extend(p, p->diff[v], backward_time(trace, made->head));
    extend(p, p->aside[v], /* until it is added */
           backward_time(trace, cfp_gated_at_head(trace, made) ? made->head : made->tail));
}

/* A gradient lives from its first contribution until the backward pass has done the head of the
 * step that made the value.  Nodes come in falling order, as in the backward pass. */
static void place_gradients(struct plan *p)
{
    cfp_trace *trace = p->trace;
    const int logits = trace->holder[trace->model->logits];
    for (int i = logits; i > 0; i--) {
        const int s = trace->step_of[i];
        if (s < 0 || !trace->step[s].active)
            continue;
        const cfp_trace_step *step = &trace->step[s];
        if (i == logits) {
            p->diff[i] = add_buffer(p, &trace->value[i], backward_time(trace, i),
                                    backward_time(trace, step->head));
        }
        if (i == step->tail && step->step.adds)
            contribution(p, step, step->step.n_src - 1);
        for (int k = 0; i == step->head && k < step->step.n_src - step->step.adds; k++)
            contribution(p, step, k);
    }
    for (int v = 0; v < trace->model->n_nodes && trace->request.keep_all; v++) {
        extend(p, p->diff[v], p->end);
        extend(p, p->aside[v], p->end);
    }
}

/* The bytes of the largest value that `of` marks (NULL: of all values), with so many entries of
 * each clip. */
static size_t largest_value(const cfp_trace *trace, const bool *of, int entries)
{
    size_t max = 0;
    for (int i = 0; i < trace->model->n_nodes; i++) {
        cfp_tensor x = trace->value[i];
        if (trace->holder[i] != i || (of != NULL && !of[i]))
            continue;
        x.shape.n = trace->clips * entries;
        const size_t bytes = trace->device.api->tensor_bytes(&x);
        max = bytes > max ? bytes : max;
    }
    return max;
}

/* A buffer that lives during the whole backward pass. */
static int add_backward_buffer(struct plan *p, size_t bytes)
{
    p->life[p->n] = (cfp_lifetime){bytes, p->trace->model->n_nodes, p->end, 0};
    return p->n++;
}

/* Adds the caller's buffers.  Returns the buffer for a value as it was before it was turned down;
 * -1: no value is. */
static int place_buffers(struct plan *p, int spare[CFP_TRACE_SPARES])
{
    const cfp_trace *trace = p->trace;
    for (int k = 0; k < CFP_TRACE_SPARES; k++)
        spare[k] =
            k < trace->request.spare ? add_backward_buffer(p, largest_value(trace, NULL, 1)) : -1;
    return trace->turned == NULL
               ? -1
               : add_backward_buffer(p, largest_value(trace, trace->turned, trace->entries));
}

static cfp_status does_not_fit(const cfp_trace *trace, size_t free_bytes, const char *whose)
{
    const char *const smaller = trace->request.smaller != NULL ? trace->request.smaller : "";
    return cfp_fail(trace->ctx, CFP_NOMEM,
                    "%s: needs %.2f GiB for the activations of %d clip%s, %s has %.2f GiB %s%s%s",
                    trace->model->path != NULL ? trace->model->path : "model",
                    (double)trace->arena_bytes / 0x1p30, trace->value[0].shape.n,
                    trace->value[0].shape.n == 1 ? "" : "s", trace->device.api->name,
                    (double)free_bytes / 0x1p30, whose,
                    smaller[0] != '\0' ? "; try a smaller " : "", smaller);
}

static void *at(const struct plan *p, int buffer)
{
    return buffer < 0 ? NULL : (char *)p->trace->arena + p->life[buffer].offset;
}

static cfp_status take_memory(struct plan *p)
{
    cfp_trace *trace = p->trace;
    const cfp_backend_api *api = trace->device.api;
    size_t scratch_bytes = 0;
    for (int s = 0; s < trace->n_steps; s++)
        if (trace->step[s].step.scratch_bytes > scratch_bytes)
            scratch_bytes = trace->step[s].step.scratch_bytes;
    p->life[p->n] = (cfp_lifetime){scratch_bytes, 0, p->end, 0};
    const int scratch = p->n++;
    int spare[CFP_TRACE_SPARES];
    const int unturned = place_buffers(p, spare);

    CFP_TRY(cfp_memory_plan(&trace->arena_bytes, trace->ctx, p->life, p->n));
    for (int i = 0; i < p->n; i++)
        trace->unshared_bytes += (p->life[i].bytes + CFP_ARENA_ALIGNMENT - 1) /
                                 CFP_ARENA_ALIGNMENT * CFP_ARENA_ALIGNMENT;
    const char *whose;
    const size_t free_bytes = cfp_device_free(&whose, &trace->device, trace->ctx);
    if (trace->arena_bytes > free_bytes)
        return does_not_fit(trace, free_bytes, whose);
    CFP_TRY(api->alloc(trace->device.backend, &trace->arena,
                       trace->arena_bytes > 0 ? trace->arena_bytes : 1));
    trace->scratch = at(p, scratch);
    trace->unturned = at(p, unturned);
    for (int k = 0; k < CFP_TRACE_SPARES; k++)
        trace->spare[k] = at(p, spare[k]);
    for (int i = 0; i < trace->model->n_nodes; i++) {
        trace->diff[i] = trace->aside[i] = trace->value[i];
        trace->value[i].data = at(p, p->value[i]);
        trace->diff[i].data = at(p, p->diff[i]);
        trace->aside[i].data = at(p, p->aside[i]);
    }
    return CFP_OK;
}

cfp_status cfp_trace_place(cfp_trace *trace)
{
    const int n = trace->model->n_nodes;
    struct plan p = {.trace = trace, .end = 2 * trace->model->n_nodes + 1};
    int *numbers;
    CFP_TRY_ALLOC(trace->ctx, trace->diff, n);
    CFP_TRY_ALLOC(trace->ctx, trace->aside, n);
    CFP_TRY_ALLOC(trace->ctx, trace->diff_ready, n);
    CFP_TRY_ALLOC(trace->ctx, trace->lies_aside, n);
    CFP_TRY_ALLOC(trace->ctx, numbers, 3 * (size_t)n);
    memset(numbers, 0xff, 3 * (size_t)n * sizeof *numbers); /* all -1 */
    p.value = numbers;
    p.diff = numbers + n;
    p.aside = numbers + 2 * n;
    /* at most value, diff and aside of each node, scratch, the caller's buffers, unturned */
    p.life = cfp_alloc(trace->ctx, 3 * (size_t)n + CFP_TRACE_SPARES + 2, sizeof *p.life);
    cfp_status status = p.life == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK) {
        place_values(&p);
        if (trace->request.backward)
            place_gradients(&p);
        status = take_memory(&p);
    }
    cfp_free(p.life);
    cfp_free(numbers);
    return status;
}
