/* replay.c - see replay.h.
 *
 * There are two traces of the network.  One runs the clip by itself and keeps all its values.  The
 * other runs a batch of `sets`.
 *
 * A replay goes through the steps of the batch in their order.  A step runs if a value that it
 * reads has changed.  If it also reads a value that has not changed, that value is copied from the
 * clip's trace to every member of the batch.  The copy is made when the value's own step would have
 * run, so that the plan of the batch's memory holds.  Ablated channels of a map are replaced as
 * soon as the map is there. */
#include "replay.h"
#include <math.h>
#include <string.h>

const float cfp_fill_gathered[1], cfp_fill_as_before[1];

/* What happens to a value of the batch in one replay. */
typedef struct fate {
    bool runs;     /* its step runs, because a value that it reads has changed */
    bool spreads;  /* the clip's own is copied to every member of the batch */
    bool replaced; /* some of its channels are ablated */
} fate;

struct cfp_replay {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    int sets;
    cfp_trace *one, *many;
    int *map;                /* [n_nodes] the value that is the map of this kernel layer; else -1 */
    fate *fate;              /* [n_nodes] by value */
    float *logits;           /* [classes] of the clip */
    float *some_logits;      /* [sets][classes] */
    const uint8_t **ablated; /* [n_nodes] of cfp_replay_layer */
    uint8_t *where;          /* [sets][C] of any map: not 0 if the channel is replaced */
    void *where_there;       /* the same on the device */
    const cfp_tensor **src;  /* has the capacity for the sources of any step */
    cfp_tensor *fill;        /* [n_nodes] by value, of maps: what replaces their channels */
    void *fill_memory;
    bool zero;    /* channels are replaced by 0 instead */
    float **mean; /* [n_nodes] by value, of maps, plain: the mean of `gathered` clips */
    int gathered;
    void (*done)(void *cookie, double cost);
    void *cookie;
};

static bool is_map(const cfp_replay *r, int value)
{
    for (int m = 1; m < r->model->n_nodes; m++)
        if (r->map[m] == value)
            return true;
    return false;
}

static const char *name_of(const cfp_model *model)
{
    return model->path != NULL ? model->path : "model";
}

/* --- opening --- */

/* The bytes of a value, for one clip. */
static double bytes_of(const cfp_replay *r, int value)
{
    return (double)r->device.api->tensor_bytes(&r->one->value[value]);
}

/* How many sets to run at once: enough that starting a step costs little beside it, and that
 * weights which are read serve several sets.  More sets gain nothing on a processor: the gain ends
 * at 4 on a ResNet-18 of 16 x 112 x 112, and at 16 on the small network that is shipped.  And a
 * call with few sets takes as long as a full batch. */
static int advised_sets(const cfp_replay *r)
{
    enum { MAX_HOST = 16, MAX_DEVICE = 64, MIN_SETS = 4 };
    const double host_flop = 64e9, device_flop = 4e12; /* of a batch that keeps it busy */
    const bool host = r->device.api->host_memory;
    double flop = 1, max = 0;
    for (int i = 1; i < r->model->n_nodes; i++)
        flop += r->model->node[i].flop;
    const double wanted = (host ? host_flop : device_flop) / flop;
    const double limit = host ? MAX_HOST : MAX_DEVICE;
    int sets = (int)fmax(MIN_SETS, fmin(limit, wanted));
    for (int s = 0; s < r->one->n_steps; s++) {
        const cfp_trace_step *step = &r->one->step[s];
        double live = bytes_of(r, step->tail) + (double)step->step.scratch_bytes;
        for (int k = 0; k < step->step.n_src; k++)
            live += bytes_of(r, step->src[k]);
        max = fmax(max, live);
    }
    const char *whose; /* half of the memory, because branches beside the step live, too */
    const double free_bytes = (double)cfp_device_free(&whose, &r->device, r->ctx) / 2;
    while (sets > 1 && sets * max > free_bytes)
        sets /= 2;
    return sets;
}

static cfp_status open_many(cfp_replay *r, int sets)
{
    const bool chosen_here = sets == 0;
    r->sets = chosen_here ? advised_sets(r) : sets;
    for (;;) {
        const cfp_trace_request request = {
            .depth = CFP_ALL_DEPTHS, .clips = r->sets, .smaller = r->sets > 1 ? "--batch" : ""};
        const cfp_status status = cfp_trace_open(&r->many, r->ctx, r->model, &r->device, &request);
        if (status != CFP_NOMEM || !chosen_here || r->sets == 1)
            return status;
        r->ctx->message[0] = '\0';
        r->sets /= 2;
    }
}

static cfp_status take_buffers(cfp_replay *r)
{
    int channels = 1, sources = 1;
    for (int i = 0; i < r->model->n_nodes; i++)
        channels = cfp_max_int(channels, r->model->node[i].shape.c);
    for (int s = 0; s < r->many->n_steps; s++)
        sources = cfp_max_int(sources, r->many->step[s].step.n_src);
    const int64_t bytes = (int64_t)r->sets * channels;
    CFP_TRY_ALLOC(r->ctx, r->src, sources);
    CFP_TRY_ALLOC(r->ctx, r->where, bytes);
    CFP_TRY_ALLOC(r->ctx, r->some_logits, (int64_t)r->sets * r->model->n_classes);
    return r->device.api->alloc(r->device.backend, &r->where_there, (size_t)bytes);
}

/* Values are copied from one trace to the other, so both must have the same layout. */
static cfp_status check_layouts(const cfp_replay *r)
{
    for (int i = 0; i < r->model->n_nodes; i++) {
        const cfp_tensor *one = &r->one->value[i], *many = &r->many->value[i];
        if (r->one->holder[i] == i && (one->block != many->block || one->type != many->type))
            return cfp_fail_node(r->ctx, CFP_UNSUPPORTED, r->model, &r->model->node[i],
                                 "%s lays a batch of %d clips otherwise than one clip",
                                 r->device.api->name, r->sets);
    }
    return CFP_OK;
}

static cfp_status open_replay(cfp_replay *r, int sets)
{
    const int n = r->model->n_nodes;
    const cfp_trace_request alone = {.depth = CFP_ALL_DEPTHS, .keep_all = true, .smaller = ""};
    CFP_TRY_ALLOC(r->ctx, r->map, n);
    CFP_TRY_ALLOC(r->ctx, r->fate, n);
    CFP_TRY_ALLOC(r->ctx, r->fill, n);
    CFP_TRY_ALLOC(r->ctx, r->mean, n);
    CFP_TRY_ALLOC(r->ctx, r->ablated, n);
    CFP_TRY_ALLOC(r->ctx, r->logits, r->model->n_classes);
    CFP_TRY(cfp_trace_open(&r->one, r->ctx, r->model, &r->device, &alone));
    for (int m = 0; m < n; m++) {
        const bool layer = cfp_is_kernel_layer(&r->model->node[m]) && r->one->used[m];
        r->map[m] = layer ? r->one->holder[cfp_map_node(r->model, m)] : -1;
    }
    CFP_TRY(open_many(r, sets));
    CFP_TRY(check_layouts(r));
    return take_buffers(r);
}

cfp_status cfp_replay_open(cfp_replay **out, cfp_ctx *ctx, const cfp_model *model,
                           const cfp_device *device, int sets)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_replay){.ctx = ctx, .model = model, .device = *device, .zero = true};
    const cfp_status status = open_replay(*out, sets);
    if (status != CFP_OK)
        cfp_replay_close(out);
    return status;
}

void cfp_replay_close(cfp_replay **replay)
{
    cfp_replay *r = *replay;
    if (r == NULL)
        return;
    cfp_trace_close(&r->one);
    cfp_trace_close(&r->many);
    if (r->where_there != NULL)
        r->device.api->release(r->device.backend, r->where_there);
    if (r->fill_memory != NULL)
        r->device.api->release(r->device.backend, r->fill_memory);
    for (int i = 0; r->mean != NULL && i < r->model->n_nodes; i++)
        cfp_free(r->mean[i]);
    cfp_free(r->map);
    cfp_free(r->fate);
    cfp_free(r->fill);
    cfp_free(r->mean);
    cfp_free(r->ablated);
    cfp_free(r->logits);
    cfp_free(r->some_logits);
    cfp_free(r->where);
    cfp_free(r->src);
    cfp_free(r);
    *replay = NULL;
}

int cfp_replay_sets(const cfp_replay *replay)
{
    return replay->sets;
}

/* --- the clip and the fill --- */

static cfp_status fits(const cfp_replay *r, size_t bytes, size_t free_bytes, const char *who,
                       const char *whose)
{
    if (bytes <= free_bytes)
        return CFP_OK;
    return cfp_fail(r->ctx, CFP_NOMEM,
                    "%s: needs %.2f GiB for the maps that fill ablated channels, %s has %.2f GiB "
                    "%s; --fill zero needs none",
                    name_of(r->model), (double)bytes / 0x1p30, who, (double)free_bytes / 0x1p30,
                    whose);
}

/* The bytes of a map's fill, rounded up so that the next one is aligned. */
static size_t fill_bytes(const cfp_replay *r, int value)
{
    const size_t bytes = r->device.api->tensor_bytes(&r->one->value[value]);
    return (bytes + CFP_ARENA_ALIGNMENT - 1) / CFP_ARENA_ALIGNMENT * CFP_ARENA_ALIGNMENT;
}

/* Takes the memory for the fill's maps, if it has not been taken yet. */
static cfp_status take_fill_memory(cfp_replay *r)
{
    const cfp_backend_api *api = r->device.api;
    const char *whose;
    size_t bytes = 0;
    if (r->fill_memory != NULL)
        return CFP_OK;
    for (int v = 0; v < r->model->n_nodes; v++)
        bytes += is_map(r, v) ? fill_bytes(r, v) : 0;
    const size_t free_bytes = cfp_device_free(&whose, &r->device, r->ctx);
    CFP_TRY(fits(r, bytes, free_bytes, api->name, whose));
    CFP_TRY(api->alloc(r->device.backend, &r->fill_memory, bytes > 0 ? bytes : 1));
    char *at = r->fill_memory;
    for (int v = 0; v < r->model->n_nodes; v++) {
        if (!is_map(r, v))
            continue;
        r->fill[v] = r->one->value[v];
        r->fill[v].data = (float *)(void *)at;
        at += fill_bytes(r, v);
    }
    return CFP_OK;
}

/* The maps of the last forward pass become the fill. */
static cfp_status keep_fill(cfp_replay *r)
{
    CFP_TRY(take_fill_memory(r));
    for (int v = 0; v < r->model->n_nodes; v++)
        if (is_map(r, v))
            CFP_TRY(r->device.api->copy(r->device.backend, &r->fill[v], &r->one->value[v]));
    return CFP_OK;
}

static cfp_status fill_with_means(cfp_replay *r)
{
    CFP_TRY(take_fill_memory(r));
    for (int v = 0; v < r->model->n_nodes; v++)
        if (is_map(r, v))
            CFP_TRY(r->device.api->upload(r->device.backend, &r->fill[v], r->mean[v]));
    return CFP_OK;
}

static cfp_status set_fill(cfp_replay *r, const float *fill)
{
    if (fill == cfp_fill_as_before)
        return CFP_OK;
    r->zero = fill == NULL;
    if (fill == NULL)
        return CFP_OK;
    if (fill == cfp_fill_gathered && r->gathered > 0)
        return fill_with_means(r);
    if (fill == cfp_fill_gathered)
        return cfp_fail(r->ctx, CFP_USAGE, "--fill clips: there is no clip to take the mean of");
    CFP_TRY(cfp_trace_forward(r->one, fill, r->logits));
    return keep_fill(r);
}

cfp_status cfp_replay_clip(cfp_replay *replay, const float *clip, const float *fill, float *logits)
{
    cfp_replay *r = replay;
    CFP_TRY(set_fill(r, fill));
    CFP_TRY(cfp_trace_forward(r->one, clip, r->logits));
    memcpy(logits, r->logits, (size_t)r->model->n_classes * sizeof *logits);
    return CFP_OK;
}

static cfp_status take_means(cfp_replay *r)
{
    const bool on_host = r->device.api->host_memory;
    const char *whose = "free";
    const size_t free_bytes =
        on_host ? cfp_device_free(&whose, &r->device, r->ctx) : cfp_free_memory();
    size_t bytes = 0;
    for (int v = 0; v < r->model->n_nodes; v++)
        if (is_map(r, v))
            bytes += (size_t)cfp_count(r->one->value[v].shape) * sizeof(float);
    CFP_TRY(fits(r, bytes, free_bytes, on_host ? r->device.api->name : "the host", whose));
    for (int v = 0; v < r->model->n_nodes; v++)
        if (is_map(r, v))
            CFP_TRY_ALLOC(r->ctx, r->mean[v], cfp_count(r->one->value[v].shape));
    return CFP_OK;
}

/* Makes the mean of n numbers from that of n - 1 and the n-th.  A sum would outgrow float32. */
CFP_WIDE static void add_to_mean(float *mean, const float *x, int64_t count, int n)
{
    for (int64_t i = 0; i < count; i++)
        mean[i] = (float)((double)mean[i] + ((double)x[i] - (double)mean[i]) / n);
}

static cfp_status add_maps(cfp_replay *r, float *plain)
{
    for (int v = 0; v < r->model->n_nodes; v++) {
        if (!is_map(r, v))
            continue;
        const cfp_tensor *x = &r->one->value[v];
        CFP_TRY(r->device.api->download(r->device.backend, plain, x));
        add_to_mean(r->mean[v], plain, cfp_count(x->shape), r->gathered);
    }
    return CFP_OK;
}

cfp_status cfp_replay_gather(cfp_replay *replay, const float *clip)
{
    cfp_replay *r = replay;
    int64_t max = 1;
    float *plain;
    if (r->gathered == 0)
        CFP_TRY(take_means(r));
    CFP_TRY(cfp_trace_forward(r->one, clip, r->logits));
    for (int v = 0; v < r->model->n_nodes; v++)
        if (is_map(r, v) && cfp_count(r->one->value[v].shape) > max)
            max = cfp_count(r->one->value[v].shape);
    CFP_TRY_ALLOC(r->ctx, plain, max);
    r->gathered++;
    const cfp_status status = add_maps(r, plain);
    cfp_free(plain);
    return status;
}

cfp_status cfp_replay_activation(cfp_replay *replay, int layer, float *mean)
{
    const cfp_replay *r = replay;
    const cfp_tensor *x = cfp_trace_value(r->one, cfp_map_node(r->model, layer));
    if (r->map[layer] < 0) { /* the logits do not depend on this layer */
        memset(mean, 0, (size_t)r->model->node[layer].shape.c * sizeof *mean);
        return CFP_OK;
    }
    const int64_t positions = cfp_positions(x->shape);
    float *plain;
    CFP_TRY_ALLOC(r->ctx, plain, cfp_count(x->shape));
    const cfp_status status = r->device.api->download(r->device.backend, plain, x);
    for (int c = 0; c < x->shape.c && status == CFP_OK; c++) {
        double sum = 0;
        for (int64_t p = 0; p < positions; p++)
            sum += fabs((double)plain[c * positions + p]);
        mean[c] = (float)(sum / (double)positions);
    }
    cfp_free(plain);
    return status;
}

/* --- the replay --- */

/* Decides what happens to each value.  Returns whether the logits change. */
static bool decide(cfp_replay *r, const uint8_t *const *ablated)
{
    fate *of = r->fate;
    memset(of, 0, (size_t)r->model->n_nodes * sizeof *of);
    for (int m = 0; m < r->model->n_nodes; m++)
        if (ablated[m] != NULL && r->map[m] >= 0)
            of[r->map[m]].replaced = true;
    for (int s = 0; s < r->many->n_steps; s++) {
        const cfp_trace_step *step = &r->many->step[s];
        fate *mine = &of[step->tail];
        for (int k = 0; k < step->step.n_src; k++)
            mine->runs |= of[step->src[k]].runs || of[step->src[k]].replaced;
        mine->spreads = mine->replaced && !mine->runs;
        for (int k = 0; k < step->step.n_src && mine->runs; k++)
            of[step->src[k]].spreads |= !of[step->src[k]].runs;
    }
    const fate *logits = &of[r->many->holder[r->model->logits]];
    return logits->runs || logits->replaced;
}

static cfp_status spread(cfp_replay *r, int value)
{
    return r->device.api->replace(r->device.backend, &r->many->value[value], &r->one->value[value],
                                  NULL);
}

/* The batch holds the sets from number `first` on, `count` of them.  Its other members have nothing
 * ablated. */
static cfp_status replace_ablated(cfp_replay *r, int value, const uint8_t *const *ablated,
                                  int first, int count)
{
    const cfp_backend_api *api = r->device.api;
    const int channels = r->many->value[value].shape.c;
    const size_t bytes = (size_t)r->sets * (size_t)channels;
    memset(r->where, 0, bytes);
    for (int m = 0; m < r->model->n_nodes; m++)
        for (int64_t i = 0; r->map[m] == value && ablated[m] != NULL && i < count * channels; i++)
            r->where[i] |= ablated[m][(int64_t)first * channels + i];
    CFP_TRY(api->put(r->device.backend, r->where_there, r->where, bytes));
    return api->replace(r->device.backend, &r->many->value[value], r->zero ? NULL : &r->fill[value],
                        r->where_there);
}

static cfp_status run_batch(cfp_replay *r, const uint8_t *const *ablated, int first, int count)
{
    if (r->fate[0].spreads)
        CFP_TRY(spread(r, 0));
    for (int s = 0; s < r->many->n_steps; s++) {
        const cfp_trace_step *step = &r->many->step[s];
        const fate *of = &r->fate[step->tail];
        if (of->runs)
            CFP_TRY(cfp_trace_run_step(r->many, step, r->src));
        else if (of->spreads)
            CFP_TRY(spread(r, step->tail));
        if (of->replaced)
            CFP_TRY(replace_ablated(r, step->tail, ablated, first, count));
    }
    CFP_TRY(cfp_trace_fetch_logits(r->many, r->some_logits));
    return cfp_check_interrupt(r->ctx);
}

/* Roughly the FLOP of a batch.  Ops other than convolutions and linear layers mostly move numbers.
 */
static double cost_of_batch(const cfp_replay *r)
{
    const double moved = 8; /* the FLOP that take as long as moving one number */
    double cost = 1;
    for (int i = 0; i < r->model->n_nodes; i++) {
        const fate *of = &r->fate[i];
        const int s = r->many->step_of[i];
        if (of->runs && s >= 0)
            cost += r->model->node[r->many->step[s].head].flop;
        if (of->runs || of->spreads || of->replaced)
            cost += moved * (double)cfp_count(r->one->value[i].shape);
    }
    return cost * r->sets;
}

static void report(const cfp_replay *r, double cost, int done, int n_sets)
{
    if (r->done != NULL)
        r->done(r->cookie, cost);
    else
        cfp_progress(r->ctx, "replay", done, n_sets);
}

cfp_status cfp_replay_network(cfp_replay *replay, const uint8_t *const *ablated, int n_sets,
                              float *logits)
{
    cfp_replay *r = replay;
    const int classes = r->model->n_classes;
    const bool changes = decide(r, ablated);
    const double cost = cost_of_batch(r);
    for (int first = 0; first < n_sets; first += r->sets) {
        const int count = cfp_min_int(r->sets, n_sets - first);
        if (changes)
            CFP_TRY(run_batch(r, ablated, first, count));
        for (int i = 0; i < count; i++)
            memcpy(logits + (int64_t)(first + i) * classes,
                   changes ? r->some_logits + (int64_t)i * classes : r->logits,
                   (size_t)classes * sizeof *logits);
        report(r, cost, first + count, n_sets);
    }
    return CFP_OK;
}

/* The argument of cfp_replay_network for a single layer. */
static const uint8_t *const *only(cfp_replay *r, int layer, const uint8_t *ablated)
{
    for (int m = 0; m < r->model->n_nodes; m++)
        r->ablated[m] = m == layer ? ablated : NULL;
    return r->ablated;
}

cfp_status cfp_replay_layer(cfp_replay *replay, int layer, const uint8_t *ablated, int n_sets,
                            float *logits)
{
    return cfp_replay_network(replay, only(replay, layer, ablated), n_sets, logits);
}

double cfp_replay_cost(cfp_replay *replay, int layer, int n_sets)
{
    cfp_replay *r = replay;
    for (int m = 0; m < r->model->n_nodes; m++) /* decide() only asks whether it is NULL */
        r->ablated[m] = m == layer || layer < 0 ? r->where : NULL;
    (void)decide(r, r->ablated);
    return cost_of_batch(r) * ((n_sets + r->sets - 1) / r->sets);
}

void cfp_replay_watch(cfp_replay *replay, void (*done)(void *cookie, double cost), void *cookie)
{
    replay->done = done;
    replay->cookie = cookie;
}
