/* probe.c - see probe.h.
 *
 * There are two traces.  One runs a batch of inputs forward; the other runs a single input forward
 * and backward.  Each is opened when it is first needed. */
#include "probe.h"
#include "../method/target.h"
#include "../method/analyser.h"
#include <math.h>
#include <string.h>

/* A curve of 20 steps has 19 points between its ends: two batches. */
enum { BATCH = 10 };

typedef struct runner {
    cfp_trace *trace; /* NULL: not open yet */
    int batch;
    float *input, *logits, *probability;
} runner;

struct cfp_probe {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    cfp_probe_request request;
    runner many, single;
    /* For the backward pass of the single input: */
    float *seed, *seen, *gradient; /* in host memory */
    float *seed_there;             /* in the backend's */
    double *by_logit;
    double unit; /* what 1 is in a gradient (backend.h, seed); 0: not known yet */
};

static int64_t input_count(const cfp_probe *probe)
{
    return cfp_count(probe->model->node[0].shape);
}

cfp_status cfp_probe_open(cfp_probe **out, cfp_ctx *ctx, const cfp_model *model,
                          const cfp_device *device, const cfp_probe_request *request)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->model = model;
    (*out)->device = *device;
    (*out)->request = *request;
    return CFP_OK;
}

static void close_runner(runner *r)
{
    cfp_trace_close(&r->trace);
    cfp_free(r->input);
    cfp_free(r->logits);
    cfp_free(r->probability);
}

void cfp_probe_close(cfp_probe **probe)
{
    cfp_probe *n = *probe;
    if (n == NULL)
        return;
    if (n->seed_there != NULL)
        n->device.api->release(n->device.backend, n->seed_there);
    close_runner(&n->many);
    close_runner(&n->single);
    cfp_free(n->seed);
    cfp_free(n->seen);
    cfp_free(n->gradient);
    cfp_free(n->by_logit);
    cfp_free(n);
    *probe = NULL;
}

/* Opens the trace, for fewer inputs at once if memory is short. */
static cfp_status open_trace(cfp_probe *probe, runner *r, bool backward)
{
    cfp_ctx *ctx = probe->ctx;
    cfp_trace_request request = {.backward = backward,
                                 .clip_gradient = backward,
                                 .depth = CFP_ALL_DEPTHS,
                                 .smaller = CFP_SMALLER};
    for (;;) {
        request.clips = r->batch;
        const cfp_status status =
            cfp_trace_open(&r->trace, ctx, probe->model, &probe->device, &request);
        if (status != CFP_NOMEM || r->batch == 1)
            return status;
        r->batch = (r->batch + 1) / 2;
        ctx->message[0] = '\0';
    }
}

static cfp_status open_runner(cfp_probe *probe, runner *r, int batch, bool backward)
{
    if (r->trace != NULL)
        return CFP_OK;
    r->batch = batch;
    CFP_TRY(open_trace(probe, r, backward));
    const int64_t classes = (int64_t)r->batch * probe->model->n_classes;
    CFP_TRY_ALLOC(probe->ctx, r->input, r->batch * input_count(probe));
    CFP_TRY_ALLOC(probe->ctx, r->logits, classes);
    CFP_TRY_ALLOC(probe->ctx, r->probability, probe->model->n_classes);
    return CFP_OK;
}

/* A trace reports progress in steps.  That is switched off: the user sees inputs counted. */
static cfp_status silently(cfp_probe *probe, cfp_status (*work)(cfp_probe *, runner *), runner *r)
{
    cfp_ctx *ctx = probe->ctx;
    void (*const progress)(void *, const char *, int64_t, int64_t) = ctx->progress;
    ctx->progress = NULL;
    const cfp_status status = work(probe, r);
    ctx->progress = progress;
    return status;
}

static void tick(cfp_probe *probe, int64_t inputs)
{
    if (probe->request.tick != NULL)
        probe->request.tick(probe->request.cookie, inputs);
}

static cfp_status open_many(cfp_probe *probe, runner *r)
{
    return open_runner(probe, r, BATCH, false);
}

static cfp_status open_single(cfp_probe *probe, runner *r)
{
    const int n = probe->model->n_classes;
    if (r->trace != NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(probe->ctx, probe->seed, n);
    CFP_TRY_ALLOC(probe->ctx, probe->seen, n);
    CFP_TRY_ALLOC(probe->ctx, probe->by_logit, n);
    CFP_TRY_ALLOC(probe->ctx, probe->gradient, input_count(probe));
    void *there;
    CFP_TRY(probe->device.api->alloc(probe->device.backend, &there, (size_t)n * sizeof(float)));
    probe->seed_there = there;
    return open_runner(probe, r, 1, true);
}

static cfp_status run_forward(cfp_probe *probe, runner *r)
{
    (void)probe;
    return cfp_trace_forward(r->trace, r->input, r->logits);
}

/* Makes n inputs.  Copies of the first fill the rest of the batch. */
static void fill_batch(cfp_probe *probe, runner *r, int64_t first, int64_t n, cfp_inputs inputs)
{
    const int64_t count = input_count(probe);
    for (int k = 0; k < r->batch; k++)
        if (k < n)
            inputs.make(inputs.cookie, first + k, r->input + k * count);
        else
            memcpy(r->input + k * count, r->input, (size_t)count * sizeof(float));
}

static cfp_score score_of(cfp_probe *probe, runner *r, int k, int class_index)
{
    const cfp_model *model = probe->model;
    const float *logits = r->logits + (int64_t)k * model->n_classes;
    cfp_probabilities(r->probability, model, logits);
    return (cfp_score){
        (double)r->probability[class_index],
        cfp_target_value(logits, model->n_classes, class_index, probe->request.target)};
}

cfp_status cfp_probe_score(cfp_probe *probe, cfp_score *score, int64_t n, int class_index,
                           cfp_inputs inputs)
{
    runner *r = n < BATCH / 2 ? &probe->single : &probe->many;
    CFP_TRY(silently(probe, r == &probe->many ? open_many : open_single, r));
    for (int64_t first = 0; first < n; first += r->batch) {
        const int here = (int)(n - first < r->batch ? n - first : r->batch);
        fill_batch(probe, r, first, here, inputs);
        CFP_TRY(silently(probe, run_forward, r));
        for (int k = 0; k < here; k++)
            score[first + k] = score_of(probe, r, k, class_index);
        tick(probe, here);
        CFP_TRY(cfp_check_interrupt(probe->ctx));
    }
    return CFP_OK;
}

/* --- the way back --- */

/* A backend may hold gradients times a power of two, to spare the digits of half precision. */
static cfp_status find_unit(cfp_probe *probe)
{
    cfp_trace *trace = probe->single.trace;
    const cfp_tensor *there;
    int largest = 0;
    probe->unit = 1;
    CFP_TRY(cfp_trace_gradient(&there, trace, trace->model->logits));
    if (there == NULL)
        return CFP_OK;
    CFP_TRY(probe->device.api->download(probe->device.backend, probe->seen, there));
    for (int c = 1; c < probe->model->n_classes; c++)
        if (fabsf(probe->seed[c]) > fabsf(probe->seed[largest]))
            largest = c;
    const double ratio = (double)probe->seen[largest] / (double)probe->seed[largest];
    if (ratio > 0)
        probe->unit = exp2(round(log2(ratio)));
    return CFP_OK;
}

static cfp_status start_backward(cfp_probe *probe, int class_index)
{
    const int n = probe->model->n_classes;
    runner *r = &probe->single;
    cfp_target_gradient(probe->by_logit, r->logits, n, class_index, probe->request.target);
    for (int c = 0; c < n; c++)
        probe->seed[c] = (float)probe->by_logit[c];
    CFP_TRY(probe->device.api->put(probe->device.backend, probe->seed_there, probe->seed,
                                   (size_t)n * sizeof *probe->seed));
    CFP_TRY(cfp_backward_start(r->trace, probe->seed_there));
    return probe->unit == 0 ? find_unit(probe) : CFP_OK;
}

static void unscale(cfp_probe *probe, float *gradient, int64_t n)
{
    for (int64_t i = 0; probe->unit != 1 && i < n; i++)
        gradient[i] = (float)((double)gradient[i] / probe->unit);
}

/* The gradient at a node as plain numbers; zeros if none came. */
static cfp_status read_gradient(cfp_probe *probe, float *out, int node)
{
    const cfp_tensor *g;
    const int64_t n = cfp_count(probe->model->node[node].shape);
    CFP_TRY(cfp_trace_gradient(&g, probe->single.trace, node));
    if (g == NULL) {
        memset(out, 0, (size_t)n * sizeof *out);
        return CFP_OK;
    }
    CFP_TRY(probe->device.api->download(probe->device.backend, out, g));
    unscale(probe, out, n);
    return CFP_OK;
}

static cfp_status read_map(cfp_probe *probe, cfp_map *map, int node)
{
    const cfp_tensor *value = cfp_trace_value(probe->single.trace, node);
    CFP_TRY(probe->device.api->download(probe->device.backend, map->value, value));
    return read_gradient(probe, map->gradient, node);
}

/* Walks from the logits to the clip, and reads each map when its gradient is complete. */
static cfp_status walk_back(cfp_probe *probe, cfp_map *map, const int *node, int n)
{
    cfp_trace *trace = probe->single.trace;
    for (int i = trace->model->logits; i > 0; i--) {
        for (int k = 0; k < n; k++)
            if (node[k] == i)
                CFP_TRY(read_map(probe, &map[k], i));
        CFP_TRY(cfp_backward_tail(trace, i, NULL));
        CFP_TRY(cfp_backward_head(trace, i, NULL, NULL));
    }
    return CFP_OK;
}

cfp_status cfp_probe_gradients(cfp_probe *probe, int64_t n, int class_index, cfp_inputs inputs,
                               cfp_gradient_sink sink)
{
    runner *r = &probe->single;
    CFP_TRY(silently(probe, open_single, r));
    for (int64_t i = 0; i < n; i++) {
        inputs.make(inputs.cookie, i, r->input);
        CFP_TRY(silently(probe, run_forward, r));
        CFP_TRY(start_backward(probe, class_index));
        CFP_TRY(walk_back(probe, NULL, NULL, 0));
        CFP_TRY(read_gradient(probe, probe->gradient, 0));
        sink.take(sink.cookie, i, r->input, probe->gradient);
        tick(probe, 1);
        CFP_TRY(cfp_check_interrupt(probe->ctx));
    }
    return CFP_OK;
}

static cfp_status make_room(cfp_probe *probe, cfp_map *map, const int *node, int n)
{
    for (int k = 0; k < n; k++) {
        map[k].shape = probe->model->node[node[k]].shape;
        CFP_TRY_ALLOC(probe->ctx, map[k].value, cfp_count(map[k].shape));
        CFP_TRY_ALLOC(probe->ctx, map[k].gradient, cfp_count(map[k].shape));
    }
    return CFP_OK;
}

static cfp_status make_maps(cfp_probe *probe, cfp_map *map, const int *node, int n,
                            const float *input, int class_index)
{
    runner *r = &probe->single;
    CFP_TRY(make_room(probe, map, node, n));
    CFP_TRY(silently(probe, open_single, r));
    memcpy(r->input, input, (size_t)input_count(probe) * sizeof *input);
    CFP_TRY(silently(probe, run_forward, r));
    CFP_TRY(start_backward(probe, class_index));
    CFP_TRY(walk_back(probe, map, node, n));
    tick(probe, 1);
    return CFP_OK;
}

cfp_status cfp_probe_maps(cfp_probe *probe, cfp_map *map, const int *node, int n,
                          const float *input, int class_index)
{
    memset(map, 0, (size_t)n * sizeof *map);
    const cfp_status status = make_maps(probe, map, node, n, input, class_index);
    if (status != CFP_OK)
        cfp_maps_free(map, n);
    return status;
}

void cfp_maps_free(cfp_map *map, int n)
{
    for (int k = 0; k < n; k++) {
        cfp_free(map[k].value);
        cfp_free(map[k].gradient);
        map[k] = (cfp_map){0};
    }
}
