/* trace.c - opening a trace, running the network forward, closing it. */
#include "trace.h"
#include <math.h>

/* Which steps the backward pass goes through: those behind a kernel layer of interest. */
static void mark_active(cfp_trace *trace)
{
    for (int s = 0; s < trace->n_steps && trace->request.backward; s++) {
        cfp_trace_step *step = &trace->step[s];
        const bool kernel_layer = cfp_is_kernel_layer(step->step.node);
        step->active =
            trace->request.keep_all || (kernel_layer && cfp_within_depth(trace, step->step.node));
        for (int k = 0; k < step->step.n_src && !kernel_layer; k++) {
            const int maker = trace->step_of[step->src[k]];
            step->active |= maker >= 0 && trace->step[maker].active;
        }
        step->step.backward = step->active;
    }
}

/* What kernel layers read is pooled right behind the step that makes it, while it is warm. */
static cfp_status want_means(cfp_trace *trace)
{
    for (int i = 1; i < trace->model->n_nodes && trace->request.means; i++) {
        const cfp_node *node = &trace->model->node[i];
        if (!cfp_is_kernel_layer(node) || trace->step_of[i] < 0 || !cfp_within_depth(trace, node))
            continue;
        const int v = trace->holder[node->input[0]];
        if (trace->mean[v] != NULL)
            continue;
        CFP_TRY_ALLOC(trace->ctx, trace->mean[v], trace->model->node[v].shape.c);
        if (v > 0)
            trace->step[trace->step_of[v]].mean = true;
    }
    return CFP_OK;
}

static void sources(const cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    for (int k = 0; k < step->step.n_src; k++)
        src[k] = &trace->value[step->src[k]];
}

static cfp_status open_steps(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    for (int i = 0; i < model->n_nodes; i++)
        trace->value[i] = (cfp_tensor){.shape = model->node[i].shape, .block = 1};
    for (int s = 0; s < trace->n_steps; s++) {
        cfp_trace_step *step = &trace->step[s];
        const cfp_tensor **src;
        CFP_TRY_ALLOC(trace->ctx, src, step->step.n_src);
        sources(trace, step, src);
        const cfp_status status = trace->device.api->step_open(trace->device.backend, &step->step,
                                                               src, &trace->value[step->tail]);
        cfp_free(src);
        CFP_TRY(status);
        CFP_TRY(cfp_check_interrupt(trace->ctx));
        cfp_progress(trace->ctx, "plan", s + 1, trace->n_steps);
    }
    return CFP_OK;
}

static cfp_status open_trace(cfp_trace *trace, const cfp_trace_request *request)
{
    const int n = trace->model->n_nodes;
    trace->request = *request;
    CFP_TRY_ALLOC(trace->ctx, trace->value, n);
    CFP_TRY_ALLOC(trace->ctx, trace->mean, n);
    CFP_TRY(cfp_trace_fuse(trace));
    mark_active(trace);
    CFP_TRY(want_means(trace));
    CFP_TRY(open_steps(trace));
    return cfp_trace_place(trace);
}

cfp_status cfp_trace_open_request(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                  const cfp_device *device, const cfp_trace_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->model = model;
    (*out)->device = *device;
    const cfp_status status = open_trace(*out, request);
    if (status != CFP_OK)
        cfp_trace_close(out);
    else
        (*out)->request.keep = NULL; /* the caller's array; the plan is made */
    return status;
}

void cfp_trace_close(cfp_trace **trace)
{
    cfp_trace *t = *trace;
    if (t == NULL)
        return;
    for (int s = 0; t->step != NULL && s < t->n_steps; s++) {
        t->device.api->step_close(t->device.backend, &t->step[s].step);
        cfp_free(t->step[s].src);
    }
    for (int i = 0; t->mean != NULL && i < t->model->n_nodes; i++)
        cfp_free(t->mean[i]);
    if (t->arena != NULL)
        t->device.api->release(t->device.backend, t->arena);
    cfp_free(t->step);
    cfp_free(t->holder);
    cfp_free(t->step_of);
    cfp_free(t->value);
    cfp_free(t->mean);
    cfp_free(t->diff);
    cfp_free(t->share);
    cfp_free(t->diff_ready);
    cfp_free(t);
    *trace = NULL;
}

cfp_trace_facts cfp_trace_describe(const cfp_trace *trace)
{
    return (cfp_trace_facts){trace->n_steps, trace->arena_bytes, trace->unshared_bytes};
}

static cfp_status run_step(cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    const cfp_backend_api *api = trace->device.api;
    cfp_tensor *dst = &trace->value[step->tail];
    sources(trace, step, src);
    CFP_TRY(api->step_forward(trace->device.backend, &step->step, src, dst, trace->scratch));
    if (step->mean)
        CFP_TRY(api->channel_mean(trace->device.backend, trace->mean[step->tail], dst));
    return cfp_check_interrupt(trace->ctx);
}

static cfp_status run_steps(cfp_trace *trace)
{
    int most = 1;
    for (int s = 0; s < trace->n_steps; s++)
        most = cfp_max_int(most, trace->step[s].step.n_src);
    const cfp_tensor **src;
    CFP_TRY_ALLOC(trace->ctx, src, most);
    cfp_status status = CFP_OK;
    for (int s = 0; s < trace->n_steps && status == CFP_OK; s++)
        status = run_step(trace, &trace->step[s], src);
    cfp_free(src);
    return status;
}

/* From the clip in value[0] to the logits; the device is done with everything then. */
static cfp_status run_network(cfp_trace *trace, float *logits)
{
    const cfp_backend_api *api = trace->device.api;
    const cfp_model *model = trace->model;
    if (trace->mean[0] != NULL)
        CFP_TRY(api->channel_mean(trace->device.backend, trace->mean[0], &trace->value[0]));
    CFP_TRY(run_steps(trace));
    CFP_TRY(api->download(trace->device.backend, logits, cfp_trace_value(trace, model->logits)));
    for (int c = 0; c < model->n_classes; c++)
        if (!isfinite(logits[c]))
            return cfp_fail_node(trace->ctx, CFP_FORMAT, model, &model->node[model->logits],
                                 "the score of class %d is %s for this clip: the weights overflow",
                                 c, isnan(logits[c]) ? "NaN" : "infinite");
    return CFP_OK;
}

cfp_status cfp_trace_forward(cfp_trace *trace, const float *input, float *logits)
{
    const cfp_device *device = &trace->device;
    CFP_TRY(device->api->upload(device->backend, &trace->value[0], input));
    return run_network(trace, logits);
}

cfp_status cfp_trace_forward_frames(cfp_trace *trace, const uint8_t *rgb, float *logits)
{
    const cfp_device *device = &trace->device;
    uint64_t done;
    CFP_TRY(device->api->upload_frames(device->backend, &trace->value[0], 0, rgb,
                                       &trace->model->input, &done));
    const cfp_status status = run_network(trace, logits);
    const cfp_status waited = device->api->frames_wait(device->backend, done);
    return status != CFP_OK ? status : waited;
}

void cfp_softmax(float *probabilities, const float *logits, int n)
{
    double largest = -HUGE_VAL, sum = 0;
    for (int c = 0; c < n; c++)
        largest = (double)logits[c] > largest ? (double)logits[c] : largest;
    for (int c = 0; c < n; c++)
        sum += exp((double)logits[c] - largest);
    for (int c = 0; c < n; c++)
        probabilities[c] = (float)(exp((double)logits[c] - largest) / sum);
}
