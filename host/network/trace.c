/* trace.c - opens a trace, runs the network forward, closes the trace. */
#include "trace.h"
#include <math.h>
#include <string.h>

/* Marks the steps that the backward pass goes through: a kernel layer of interest, and every step
 * that depends on one.  If the gradient of the clip is wanted, every step is marked, because a pool
 * or a slice may read the clip, too. */
static void mark_active(cfp_trace *trace)
{
    for (int s = 0; s < trace->n_steps && trace->request.backward; s++) {
        cfp_trace_step *step = &trace->step[s];
        const bool kernel_layer = cfp_is_kernel_layer(step->step.node);
        step->active = trace->request.keep_all || trace->request.clip_gradient ||
                       (kernel_layer && cfp_within_depth(trace, step->step.node));
        for (int k = 0; k < step->step.n_src && !kernel_layer; k++) {
            const int maker = trace->step_of[step->src[k]];
            step->active |= maker >= 0 && trace->step[maker].active;
        }
        step->step.backward = step->active;
    }
}

static void sources(const cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    for (int k = 0; k < step->step.n_src; k++)
        src[k] = &trace->value[step->src[k]];
}

/* step_open copies the weights to a device that has memory of its own.  If they cannot fit there,
 * this says so beforehand and in numbers; step_open would fail half-way. */
static cfp_status check_weights(cfp_trace *trace)
{
    enum { MIN_BYTES = 2 }; /* of a weight: half precision */
    const cfp_backend_api *api = trace->device.api;
    const double free_bytes = (double)api->free_bytes(trace->device.backend);
    double bytes = 0;
    for (int i = 0; i < trace->model->n_nodes; i++)
        bytes += trace->used[i] ? (double)trace->model->node[i].parameters * MIN_BYTES : 0;
    if (api->host_memory || bytes <= free_bytes)
        return CFP_OK;
    return cfp_fail(trace->ctx, CFP_NOMEM,
                    "%s: needs at least %.2f GiB for its weights, %s has %.2f GiB free",
                    trace->model->path != NULL ? trace->model->path : "model", bytes / 0x1p30,
                    api->name, free_bytes / 0x1p30);
}

/* The clip is laid out as the first step that reads it wants it. */
static void choose_clip_layout(cfp_trace *trace)
{
    const cfp_device *device = &trace->device;
    for (int s = 0; s < trace->n_steps && device->api->clip_layout != NULL; s++)
        if (trace->step[s].src[0] == 0) {
            device->api->clip_layout(device->backend, &trace->step[s].step, &trace->value[0]);
            return;
        }
}

/* True: the steps of `like` can run for this trace, too.  In host memory a step takes any number of
 * clips up to the one that it was opened for; a device plans for one number. */
static bool may_borrow(const cfp_trace *trace)
{
    const cfp_trace *like = trace->request.like;
    const int n = trace->clips * trace->entries;
    return like != NULL && (trace->device.api->host_memory || like->clips * like->entries == n);
}

/* Takes over the plans of `like`, and the layouts that they chose. */
static void borrow_steps(cfp_trace *trace)
{
    const cfp_trace *like = trace->request.like;
    trace->borrows = true;
    for (int i = 0; i < trace->model->n_nodes; i++) {
        trace->value[i].block = like->value[i].block;
        trace->value[i].type = like->value[i].type;
    }
    for (int s = 0; s < trace->n_steps; s++) {
        trace->step[s].step.plan = like->step[s].step.plan;
        trace->step[s].step.scratch_bytes = like->step[s].step.scratch_bytes;
    }
}

static cfp_status open_steps(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    for (int i = 0; i < model->n_nodes; i++) {
        trace->value[i] = (cfp_tensor){.shape = model->node[i].shape, .block = 1};
        trace->value[i].shape.n = trace->clips * trace->entries;
    }
    if (may_borrow(trace)) {
        borrow_steps(trace);
        return CFP_OK;
    }
    CFP_TRY(check_weights(trace));
    choose_clip_layout(trace);
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

static cfp_status mark_turned(cfp_trace *trace)
{
    const uint8_t *const turned = trace->request.turned;
    if (turned == NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(trace->ctx, trace->turned, trace->model->n_nodes);
    for (int i = 0; i < trace->model->n_nodes; i++)
        if (turned[i] && trace->holder[i] >= 0)
            trace->turned[trace->holder[i]] = true;
    return CFP_OK;
}

static cfp_status open_trace(cfp_trace *trace)
{
    const int n = trace->model->n_nodes;
    CFP_TRY_ALLOC(trace->ctx, trace->value, n);
    CFP_TRY_ALLOC(trace->ctx, trace->mean, n);
    CFP_TRY_ALLOC(trace->ctx, trace->logits,
                  (int64_t)trace->clips * trace->entries * trace->model->n_classes);
    CFP_TRY(cfp_trace_fuse(trace));
    CFP_TRY(mark_turned(trace));
    mark_active(trace);
    CFP_TRY(open_steps(trace));
    CFP_TRY(cfp_trace_place(trace));
    trace->request.keep = trace->request.turned = NULL; /* the caller's */
    trace->request.like = NULL;
    trace->request.smaller = NULL;
    return CFP_OK;
}

cfp_status cfp_trace_open(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                          const cfp_device *device, const cfp_trace_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_trace){.ctx = ctx,
                        .model = model,
                        .device = *device,
                        .request = *request,
                        .clips = cfp_max_int(1, request->clips),
                        .entries = cfp_max_int(1, request->entries),
                        .forward = {.name = "forward pass"},
                        .records = device->api->record != NULL};
    const cfp_status status = open_trace(*out);
    if (status != CFP_OK)
        cfp_trace_close(out);
    return status;
}

void cfp_trace_close(cfp_trace **trace)
{
    cfp_trace *t = *trace;
    if (t == NULL)
        return;
    for (int s = 0; t->step != NULL && s < t->n_steps; s++) {
        if (!t->borrows)
            t->device.api->step_close(t->device.backend, &t->step[s].step);
        cfp_free(t->step[s].src);
    }
    cfp_recording_forget(&t->forward, t);
    if (t->arena != NULL)
        t->device.api->release(t->device.backend, t->arena);
    cfp_free(t->step);
    cfp_free(t->holder);
    cfp_free(t->step_of);
    cfp_free(t->value);
    cfp_free(t->used);
    cfp_free(t->mean);
    cfp_free(t->turned);
    cfp_free(t->logits);
    cfp_free(t->diff);
    cfp_free(t->aside);
    cfp_free(t->diff_ready);
    cfp_free(t->lies_aside);
    cfp_free(t);
    *trace = NULL;
}

cfp_trace_facts cfp_trace_describe(const cfp_trace *trace)
{
    return (cfp_trace_facts){trace->n_steps, trace->arena_bytes, trace->unshared_bytes};
}

/* Means are taken right after the step that makes the value, while the value is in the caches. */
static cfp_status take_mean(cfp_trace *trace, int value)
{
    if (trace->mean[value] == NULL)
        return CFP_OK;
    return trace->device.api->channel_mean(trace->device.backend, trace->mean[value],
                                           &trace->value[value], NULL);
}

cfp_status cfp_trace_run_step(cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    const cfp_backend_api *api = trace->device.api;
    cfp_tensor *dst = &trace->value[step->tail];
    sources(trace, step, src);
    CFP_TRY(api->step_forward(trace->device.backend, &step->step, src, dst, trace->scratch));
    CFP_TRY(cfp_turn_value(trace, step->tail));
    CFP_TRY(take_mean(trace, step->tail));
    return cfp_check_interrupt(trace->ctx);
}

static cfp_status run_steps(void *cookie)
{
    cfp_trace *trace = cookie;
    int max = 1;
    for (int s = 0; s < trace->n_steps; s++)
        max = cfp_max_int(max, trace->step[s].step.n_src);
    const cfp_tensor **src;
    CFP_TRY_ALLOC(trace->ctx, src, max);
    cfp_status status = take_mean(trace, 0);
    for (int s = 0; s < trace->n_steps && status == CFP_OK; s++) {
        status = cfp_trace_run_step(trace, &trace->step[s], src);
        cfp_progress(trace->ctx, "forward", s + 1, trace->n_steps);
    }
    cfp_free(src);
    return status;
}

static cfp_status fail_logit(const cfp_trace *trace, int class_index, float logit)
{
    const cfp_model *of = trace->model;
    for (int h = of->n_heads - 1; h >= 0; h--)
        if (of->view[h].first_class <= class_index) {
            class_index -= of->view[h].first_class;
            of = &of->view[h];
            break;
        }
    return cfp_fail_node(trace->ctx, CFP_FORMAT, of, &of->node[of->logits],
                         "the score of class %d is %s for this clip: the weights overflow",
                         class_index, isnan(logit) ? "NaN" : "infinite");
}

cfp_status cfp_trace_fetch_logits(cfp_trace *trace, float *logits)
{
    const cfp_model *model = trace->model;
    const cfp_tensor *value = cfp_trace_value(trace, model->logits);
    CFP_TRY(trace->device.api->download(trace->device.backend, logits, value));
    for (int i = 0; i < value->shape.n * model->n_classes; i++)
        if (!isfinite(logits[i]))
            return fail_logit(trace, i % model->n_classes, logits[i]);
    return CFP_OK;
}

/* Runs what is in value[0] to the logits, and waits for them. */
static cfp_status run_network(cfp_trace *trace, float *logits)
{
    const int64_t classes = trace->model->n_classes;
    CFP_TRY(cfp_trace_enqueue(trace, &trace->forward, run_steps, trace));
    CFP_TRY(cfp_trace_fetch_logits(trace, trace->logits));
    for (int n = 0; n < trace->clips; n++)
        memcpy(logits + n * classes, trace->logits + n * trace->entries * classes,
               (size_t)classes * sizeof *logits);
    return CFP_OK;
}

cfp_status cfp_trace_forward(cfp_trace *trace, const float *input, float *logits)
{
    const cfp_device *device = &trace->device;
    CFP_TRY(device->api->upload(device->backend, &trace->value[0], input));
    return run_network(trace, logits);
}

/* Clips of numbers: devices take bytes of two or three channels only. */
static cfp_status forward_numbers(cfp_trace *trace, const uint8_t *const *rgb, float *logits)
{
    const int64_t n = cfp_count(trace->value[0].shape) / trace->value[0].shape.n;
    float *input;
    CFP_TRY_ALLOC(trace->ctx, input, n * trace->value[0].shape.n);
    for (int k = 0; k < trace->value[0].shape.n; k++)
        cfp_input_normalise(input + k * n, rgb[k], &trace->model->input);
    const cfp_status status = cfp_trace_forward(trace, input, logits);
    cfp_free(input);
    return status;
}

cfp_status cfp_trace_forward_frames(cfp_trace *trace, const uint8_t *const *rgb, float *logits)
{
    if (trace->model->input.numbers)
        return forward_numbers(trace, rgb, logits);
    const cfp_device *device = &trace->device;
    cfp_status status = CFP_OK;
    uint64_t done = 0, last = 0;
    for (int n = 0; n < trace->value[0].shape.n && status == CFP_OK; n++) {
        status = device->api->frames->upload(device->backend, &trace->value[0], n, rgb[n],
                                             &trace->model->input, &done);
        last = done > last ? done : last;
    }
    if (status == CFP_OK)
        status = run_network(trace, logits);
    const cfp_status waited = device->api->frames->wait(device->backend, last);
    return status != CFP_OK ? status : waited;
}

static void sigmoid(float *probabilities, const float *logits, int n)
{
    for (int c = 0; c < n; c++)
        probabilities[c] = (float)(1 / (1 + exp(-(double)logits[c])));
}

static void softmax(float *probabilities, const float *logits, int n)
{
    double largest = -HUGE_VAL, sum = 0;
    for (int c = 0; c < n; c++)
        largest = (double)logits[c] > largest ? (double)logits[c] : largest;
    for (int c = 0; c < n; c++)
        sum += exp((double)logits[c] - largest);
    for (int c = 0; c < n; c++)
        probabilities[c] = (float)(exp((double)logits[c] - largest) / sum);
}

void cfp_probabilities(float *probabilities, const cfp_model *model, const float *logits)
{
    for (int h = 0; h < model->n_heads; h++) {
        const int first = model->view[h].first_class;
        cfp_probabilities(probabilities + first, &model->view[h], logits + first);
    }
    if (model->n_heads > 0)
        return;
    if (model->head == CFP_HEAD_SIGMOID)
        sigmoid(probabilities, logits, model->n_classes);
    else
        softmax(probabilities, logits, model->n_classes);
}
