/* trace.c - opening a trace, running the network forward, closing it. */
#include "trace.h"
#include "rules.h"
#include "tube_maps.h"
#include <math.h>
#include <string.h>

/* Which steps the backward pass goes through: those behind a kernel layer of interest; every one
 * where the gradient by the clip is wanted, since what reads the clip may be a pool or a slice. */
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

/* What the ledger keeps of each node. */
static void want(uint8_t *wanted, cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    const cfp_query *query = trace->request.query;
    for (int i = 0; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (!trace->used[i])
            continue;
        if (!cfp_is_kernel_layer(node) || !cfp_within_depth(trace, node))
            continue;
        if (query != NULL)
            wanted[i] |= CFP_WANT_LAYER;
        if (query != NULL && cfp_tube_wanted(model, query, i))
            wanted[i] |= CFP_WANT_MAP;
        if (trace->request.means)
            wanted[trace->holder[node->input[0]]] |= CFP_WANT_MEAN;
    }
}

cfp_status cfp_trace_open_ledger(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    const cfp_query *query = trace->request.query;
    uint8_t *wanted;
    CFP_TRY_ALLOC(trace->ctx, trace->rule_step, model->n_nodes);
    CFP_TRY_ALLOC(trace->ctx, wanted, model->n_nodes);
    want(wanted, trace);
    for (int i = 0; i < model->n_nodes; i++) {
        if (wanted[i] & CFP_WANT_LAYER)
            trace->rule_step[i] = cfp_rule_step(model, &model->node[i], query);
        /* What kernel layers read is pooled right behind the step that makes it, while it is
         * warm. */
        if (wanted[i] & CFP_WANT_MEAN && i > 0)
            trace->step[trace->step_of[i]].mean = true;
        if (trace->means != NULL)
            wanted[i] &= (uint8_t)~CFP_WANT_MEAN;
    }
    const cfp_status status =
        cfp_ledger_open(&trace->ledger, trace->ctx, model, &trace->device, query,
                        &trace->request.batch, &trace->entries, wanted);
    cfp_free(wanted);
    return status;
}

static void sources(const cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    for (int k = 0; k < step->step.n_src; k++)
        src[k] = &trace->value[step->src[k]];
}

/* Weights are copied to a device of its own: seen beforehand, and said in numbers, where they do
 * not fit; step_open would only find out half-way. */
static cfp_status check_weights(cfp_trace *trace)
{
    enum { LEAST_BYTES = 2 }; /* of a weight: in half precision */
    const cfp_backend_api *api = trace->device.api;
    const double free_bytes = (double)api->free_bytes(trace->device.backend);
    double bytes = 0;
    for (int i = 0; i < trace->model->n_nodes; i++)
        bytes += trace->used[i] ? (double)trace->model->node[i].parameters * LEAST_BYTES : 0;
    if (api->host_memory || bytes <= free_bytes)
        return CFP_OK;
    return cfp_fail(trace->ctx, CFP_NOMEM,
                    "%s: needs at least %.2f GiB for its weights, %s has %.2f GiB free",
                    trace->model->path != NULL ? trace->model->path : "model", bytes / 0x1p30,
                    api->name, free_bytes / 0x1p30);
}

static cfp_status open_steps(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    CFP_TRY(check_weights(trace));
    for (int i = 0; i < model->n_nodes; i++) {
        trace->value[i] = (cfp_tensor){.shape = model->node[i].shape, .block = 1};
        trace->value[i].shape.n = trace->request.batch.clips * trace->entries.n;
    }
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

/* How many entries each clip has, and what they are. */
static cfp_entries entries_of(const cfp_query *query, int points)
{
    cfp_entries e = {.n = 1, .other = -1, .count = 1};
    if (query->baseline != CFP_BASELINE_ZERO)
        e.other = e.n++;
    e.turned = query->turn_down < 1;
    if (query->steps == 1 && !e.turned)
        return e; /* the point is the clip itself */
    e.first = e.n;
    e.count = points > 0 && points < query->steps ? points : query->steps;
    e.n += e.count;
    return e;
}

/* --turn-down P: from the class down a route passes at most max_depth maps, each of which is turned
 * down by the same factor; together they make P. */
static cfp_status mark_turned(cfp_trace *trace)
{
    const cfp_model *model = trace->model;
    if (!trace->entries.turned)
        return CFP_OK;
    CFP_TRY_ALLOC(trace->ctx, trace->turned, model->n_nodes);
    trace->turn_down = (float)pow(trace->query.turn_down, 1.0 / cfp_max_int(1, model->max_depth));
    for (int i = 1; i < model->n_nodes; i++)
        if (trace->used[i] && model->node[i].op == CFP_OP_CONV3D && model->node[i].depth > 0)
            trace->turned[trace->holder[cfp_map_node(model, i)]] = true;
    return CFP_OK;
}

static cfp_status open_trace(cfp_trace *trace, const cfp_trace_request *request)
{
    const int n = trace->model->n_nodes;
    trace->request = *request;
    if (request->batch.clips == 0)
        trace->request.batch = (cfp_batch){.clips = 1, .thetas = 1};
    trace->entries = (cfp_entries){.n = 1, .other = -1, .count = 1};
    if (request->query != NULL) {
        const cfp_batch *batch = &trace->request.batch;
        trace->query = *request->query;
        trace->entries = entries_of(request->query, batch->points);
        CFP_TRY_ALLOC(trace->ctx, trace->theta, batch->thetas);
        for (int k = 0; k < batch->thetas; k++)
            trace->theta[k] = batch->theta != NULL ? batch->theta[k] : trace->query.theta;
        trace->request.batch.theta = trace->theta;
    } else if (request->compares != NULL) {
        trace->query = *request->compares;
        trace->entries = entries_of(request->compares, 0);
    }
    CFP_TRY_ALLOC(trace->ctx, trace->value, n);
    CFP_TRY_ALLOC(trace->ctx, trace->map_made, n);
    CFP_TRY_ALLOC(trace->ctx, trace->logits,
                  (int64_t)trace->request.batch.clips * trace->entries.n * trace->model->n_classes);
    trace->part = (cfp_part){.count = trace->entries.count, .first = true, .last = true};
    if (trace->query.steps > trace->entries.count)
        trace->records = false; /* no two walks are the same then */
    CFP_TRY(cfp_trace_fuse(trace));
    CFP_TRY(mark_turned(trace));
    mark_active(trace);
    CFP_TRY(open_steps(trace));
    CFP_TRY(cfp_trace_place(trace));
    return cfp_trace_open_ledger(trace);
}

/* What is the caller's: the plan is made. */
static void forget_request(cfp_trace *trace)
{
    trace->request.keep = NULL;
    trace->request.smaller = NULL;
    trace->request.query = NULL;
    trace->request.compares = NULL;
}

cfp_status cfp_trace_open_request(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                  const cfp_device *device, const cfp_trace_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->model = model;
    (*out)->device = *device;
    (*out)->records = device->api->record_begin != NULL;
    const cfp_status status = open_trace(*out, request);
    if (status != CFP_OK)
        cfp_trace_close(out);
    else
        forget_request(*out);
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
    for (int work = 0; work < CFP_WORK_COUNT; work++)
        if (t->recording[work] != NULL)
            t->device.api->record_free(t->device.backend, t->recording[work]);
    cfp_ledger_close(&t->ledger);
    cfp_ledger_close(&t->means);
    if (t->arena != NULL)
        t->device.api->release(t->device.backend, t->arena);
    cfp_free(t->step);
    cfp_free(t->holder);
    cfp_free(t->step_of);
    cfp_free(t->value);
    cfp_free(t->used);
    cfp_free(t->theta);
    cfp_free(t->turned);
    cfp_free(t->map_made);
    cfp_free(t->rule_step);
    cfp_free(t->logits);
    cfp_free(t->diff);
    cfp_free(t->share);
    cfp_free(t->diff_ready);
    cfp_free(t);
    *trace = NULL;
}

void cfp_trace_compare_with(cfp_trace *trace, const cfp_clip *other)
{
    trace->other = other;
}

const cfp_query *cfp_trace_query(const cfp_trace *trace)
{
    return &trace->query;
}

cfp_trace_facts cfp_trace_describe(const cfp_trace *trace)
{
    return (cfp_trace_facts){trace->n_steps, trace->arena_bytes, trace->unshared_bytes};
}

static cfp_status pool(cfp_trace *trace, int value)
{
    return trace->device.api->channel_mean(trace->device.backend, trace->ledger->node[value].mean,
                                           &trace->value[value]);
}

cfp_status cfp_trace_run_step(cfp_trace *trace, const cfp_trace_step *step, const cfp_tensor **src)
{
    const cfp_backend_api *api = trace->device.api;
    cfp_tensor *dst = &trace->value[step->tail];
    sources(trace, step, src);
    CFP_TRY(api->step_forward(trace->device.backend, &step->step, src, dst, trace->scratch));
    CFP_TRY(cfp_turn_value(trace, step->tail));
    if (step->mean)
        CFP_TRY(pool(trace, step->tail));
    return cfp_check_interrupt(trace->ctx);
}

static cfp_status run_steps(cfp_trace *trace)
{
    int most = 1;
    for (int s = 0; s < trace->n_steps; s++)
        most = cfp_max_int(most, trace->step[s].step.n_src);
    const cfp_tensor **src;
    CFP_TRY_ALLOC(trace->ctx, src, most);
    cfp_status status = trace->ledger->node[0].mean != NULL ? pool(trace, 0) : CFP_OK;
    for (int s = 0; s < trace->n_steps && status == CFP_OK; s++) {
        status = cfp_trace_run_step(trace, &trace->step[s], src);
        cfp_progress(trace->ctx, "forward", s + 1, trace->n_steps);
    }
    cfp_free(src);
    return status;
}

cfp_status cfp_trace_fetch_logits(cfp_trace *trace, float *logits)
{
    const cfp_model *model = trace->model;
    const cfp_tensor *value = cfp_trace_value(trace, model->logits);
    CFP_TRY(trace->device.api->download(trace->device.backend, logits, value));
    for (int i = 0; i < value->shape.n * model->n_classes; i++)
        if (!isfinite(logits[i]))
            return cfp_fail_node(trace->ctx, CFP_FORMAT, model, &model->node[model->logits],
                                 "the score of class %d is %s for this clip: the weights overflow",
                                 i % model->n_classes, isnan(logits[i]) ? "NaN" : "infinite");
    return CFP_OK;
}

/* From the clip in value[0] to the logits; the device is done with everything then.  logits: those
 * of each clip itself, its first entry. */
static cfp_status run_network(cfp_trace *trace, float *logits)
{
    const int entries = trace->entries.n, n = trace->request.batch.clips * entries;
    float *const all = trace->logits;
    const cfp_model *model = trace->model;
    CFP_TRY(cfp_trace_enqueue(trace, CFP_WORK_FORWARD, run_steps));
    CFP_TRY(cfp_trace_fetch_logits(trace, all));
    for (int i = 0; i < n; i += entries)
        memcpy(logits + (int64_t)i / entries * model->n_classes,
               all + (int64_t)i * model->n_classes, (size_t)model->n_classes * sizeof *logits);
    return CFP_OK;
}

cfp_status cfp_trace_forward(cfp_trace *trace, const float *input, float *logits)
{
    const cfp_device *device = &trace->device;
    CFP_TRY(device->api->upload(device->backend, &trace->value[0], input));
    return run_network(trace, logits);
}

cfp_status cfp_trace_forward_frames(cfp_trace *trace, const uint8_t *const *rgb, float *logits)
{
    const cfp_device *device = &trace->device;
    cfp_status status = CFP_OK;
    uint64_t done = 0, last = 0;
    for (int n = 0; n < trace->value[0].shape.n && status == CFP_OK; n++) {
        status = device->api->upload_frames(device->backend, &trace->value[0], n, rgb[n],
                                            &trace->model->input, &done);
        last = done > last ? done : last;
    }
    if (status == CFP_OK)
        status = run_network(trace, logits);
    const cfp_status waited = device->api->frames_wait(device->backend, last);
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
    if (model->head == CFP_HEAD_SIGMOID)
        sigmoid(probabilities, logits, model->n_classes);
    else
        softmax(probabilities, logits, model->n_classes);
}
