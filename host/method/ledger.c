/* ledger.c - see ledger.h.  The layout is made twice: first to count the bytes, then, when the
 * memory is there, to set the pointers. */
#include "ledger.h"
#include "../backend/relevance_math.h"
#include "rules.h"
#include <string.h>

enum { ALIGNMENT = 256 };

/* The next piece of memory; NULL while bytes are only counted. */
static void *take(const cfp_ledger *l, size_t *used, size_t count, size_t size)
{
    void *const piece = l->memory == NULL ? NULL : l->memory + *used;
    *used += (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}

static size_t maps_of(const cfp_ledger *l, int node)
{
    const cfp_shape s = l->model->node[cfp_map_node(l->model, node)].shape;
    return (size_t)(l->questions * cfp_positions(s));
}

/* The front: what starts as CFP_NOT_DEMANDED, then edge counts, then maps. */
static void lay_out_results(cfp_ledger *l, size_t *used, const uint8_t *wanted)
{
    const cfp_model *model = l->model;
    for (int i = 0; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (!(wanted[i] & CFP_WANT_LAYER))
            continue;
        l->node[i].demand = take(l, used, (size_t)l->questions * node->shape.c, sizeof(cfp_demand));
        l->node[i].child =
            take(l, used, (size_t)l->questions * cfp_channels_in(model, node), sizeof(cfp_demand));
    }
    l->demand_bytes = *used;
    for (int i = 0; i < model->n_nodes; i++)
        if (wanted[i] & CFP_WANT_LAYER)
            l->node[i].n_edges =
                take(l, used, (size_t)l->questions * model->node[i].shape.c, sizeof(int32_t));
    l->result_bytes = *used;
    for (int i = 0; i < model->n_nodes; i++)
        if (wanted[i] & CFP_WANT_MAP)
            l->node[i].map = take(l, used, maps_of(l, i), sizeof(float));
    l->map_bytes = *used;
}

/* The words in a row of edge bits.  A row has a bit for each channel that a kernel may select. */
static int words_of(const cfp_ledger *l, int node, const cfp_query *query)
{
    const cfp_back_step step = cfp_rule_step(l->model, &l->model->node[node], query);
    return cfp_span_words(&step);
}

static int64_t weights_of(const cfp_ledger *l, const cfp_node *node)
{
    const int *size = cfp_kernel_window(node)->kernel;
    return (int64_t)node->shape.c * cfp_channels_per_group(l->model, node) * size[0] * size[1] *
           size[2];
}

/* What the back-step of a layer reads under rule grad. */
static void lay_out_gradients(cfp_ledger *l, size_t *used, int i)
{
    cfp_ledger_node *mine = &l->node[i];
    const cfp_node *node = &l->model->node[i];
    const size_t channels = (size_t)cfp_channels_in(l->model, node);
    const size_t pairs = (size_t)node->shape.c * (size_t)cfp_channels_per_group(l->model, node);
    mine->product = take(l, used, (size_t)l->clips * channels, sizeof(float));
    if (node->depth == 0 || l->edgeless)
        return; /* at the classifier, the value of a pair is that of its channel */
    mine->pair = take(l, used, (size_t)l->clips * pairs, sizeof(float));
    if (!l->device.api->host_memory)
        mine->weight = take(l, used, (size_t)weights_of(l, node), sizeof(float));
}

static void lay_out_layer(cfp_ledger *l, size_t *used, int i, const cfp_query *query)
{
    cfp_ledger_node *mine = &l->node[i];
    const cfp_node *node = &l->model->node[i];
    const size_t kernels = (size_t)node->shape.c, rows = (size_t)l->questions * kernels;
    const int words = words_of(l, i, query);
    mine->edges = take(l, used, rows * (size_t)words, sizeof(uint32_t));
    mine->row = take(l, used, rows, sizeof(cfp_row));
    if (query->rule == CFP_RULE_GRAD) {
        lay_out_gradients(l, used, i);
        return; /* rule grad needs no mean kernels */
    }
    if (node->depth == 0 && query->class_relevance == CFP_CLASS_CONTRAST)
        mine->contrast = take(l, used, (size_t)l->clips * (size_t)cfp_channels_in(l->model, node),
                              sizeof(double));
    if (l->device.api->host_memory)
        return; /* the backend reads those of the model */
    mine->kernel_mean =
        take(l, used, kernels * (size_t)cfp_channels_per_group(l->model, node), sizeof(float));
    if (node->kernel_scale != NULL)
        mine->kernel_scale = take(l, used, kernels, sizeof(float));
}

/* How many channels the destinations of layer i belong to; i = 0: those of the logits. */
static int reached_from(const cfp_ledger *l, int i)
{
    const cfp_model *model = l->model;
    return i > 0 ? cfp_channels_in(model, &model->node[i]) : model->n_classes;
}

static void lay_out_destinations(cfp_ledger *l, size_t *used, int i)
{
    cfp_destinations *const t = &l->destinations[i];
    l->node[i].target = take(l, used, (size_t)t->n, sizeof *l->node[i].target);
    for (int k = 0; k < t->n; k++)
        if (t->target[k].map != NULL)
            t->target[k].there = take(l, used, (size_t)reached_from(l, i), sizeof(int32_t));
}

static void lay_out_rest(cfp_ledger *l, size_t *used, const cfp_query *query, const uint8_t *wanted)
{
    const cfp_model *model = l->model;
    int max = 1;
    int64_t positions = 1;
    for (int i = 0; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        max = cfp_max_int(max, node->shape.c);
        positions = cfp_positions(node->shape) > positions ? cfp_positions(node->shape) : positions;
        if (wanted[i] & CFP_WANT_MEAN)
            l->node[i].mean = take(l, used, (size_t)l->clips * node->shape.c, sizeof(float));
        if (wanted[i] & CFP_WANT_LAYER)
            lay_out_layer(l, used, i, query);
        if (query != NULL)
            lay_out_destinations(l, used, i);
    }
    if (query == NULL)
        return;
    l->theta = take(l, used, (size_t)l->thetas, sizeof(double));
    l->start = take(l, used, (size_t)l->questions * model->node[model->logits].shape.c,
                    sizeof(cfp_demand));
    if (query->rule == CFP_RULE_GRAD)
        l->seed =
            take(l, used, (size_t)l->clips * (size_t)l->entries.points * (size_t)model->n_classes,
                 sizeof(float));
    if (l->in_parts) {
        l->part_product = take(l, used, (size_t)l->clips * max, sizeof(float));
        l->part_map = take(l, used, (size_t)(l->questions * positions), sizeof(float));
    }
    if (query->tubes == CFP_TUBES_KERNELS) {
        l->one_demand = take(l, used, (size_t)max, sizeof(cfp_demand));
        l->one_map = take(l, used, (size_t)positions, sizeof(float));
    }
}

static void lay_out(cfp_ledger *l, const cfp_query *query, const uint8_t *wanted)
{
    size_t used = 0;
    lay_out_results(l, &used, wanted);
    lay_out_rest(l, &used, query, wanted);
    l->bytes = used;
}

static cfp_status put(cfp_ledger *l, void *to, const void *from, size_t bytes)
{
    return l->device.api->put(l->device.backend, to, from, bytes);
}

static cfp_status put_destinations(cfp_ledger *l, cfp_ctx *ctx, int i)
{
    const cfp_destinations *t = &l->destinations[i];
    cfp_demand_target *list;
    cfp_status status = CFP_OK;
    if (t->n == 0)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, list, t->n);
    for (int k = 0; k < t->n && status == CFP_OK; k++) {
        const cfp_destination *one = &t->target[k];
        list[k] = (cfp_demand_target){l->node[one->node].demand, one->there,
                                      l->model->node[one->node].shape.c};
        if (one->map != NULL)
            status = put(l, one->there, one->map, (size_t)reached_from(l, i) * sizeof *one->map);
    }
    if (status == CFP_OK)
        status = put(l, l->node[i].target, list, (size_t)t->n * sizeof *list);
    cfp_free(list);
    return status;
}

static cfp_status put_constants(cfp_ledger *l, cfp_ctx *ctx, const cfp_query *query,
                                const cfp_batch *batch)
{
    for (int i = 0; i < l->model->n_nodes; i++) {
        const cfp_node *node = &l->model->node[i];
        const cfp_ledger_node *mine = &l->node[i];
        const size_t count =
            (size_t)node->shape.c *
            (size_t)(mine->kernel_mean != NULL ? cfp_channels_per_group(l->model, node) : 0);
        if (mine->kernel_mean != NULL)
            CFP_TRY(put(l, mine->kernel_mean, node->kernel_mean, count * sizeof(float)));
        if (mine->kernel_scale != NULL)
            CFP_TRY(put(l, mine->kernel_scale, node->kernel_scale,
                        (size_t)node->shape.c * sizeof(float)));
        if (mine->weight != NULL)
            CFP_TRY(
                put(l, mine->weight, node->weight, (size_t)weights_of(l, node) * sizeof(float)));
        if (query != NULL)
            CFP_TRY(put_destinations(l, ctx, i));
    }
    if (query == NULL)
        return CFP_OK;
    return put(l, l->theta, batch->theta, (size_t)l->thetas * sizeof *batch->theta);
}

static cfp_status find_destinations(cfp_ledger *l, cfp_ctx *ctx, const cfp_query *query,
                                    const bool *layer)
{
    const cfp_model *model = l->model;
    const bool first_only = query->rule == CFP_RULE_REFERENCE;
    CFP_TRY(
        cfp_destinations_find(&l->destinations[0], ctx, model, model->logits, first_only, layer));
    for (int i = 1; i < model->n_nodes; i++)
        if (layer[i])
            CFP_TRY(cfp_destinations_find(&l->destinations[i], ctx, model, model->node[i].input[0],
                                          first_only, layer));
    return CFP_OK;
}

static cfp_status open_nodes(cfp_ledger *l, cfp_ctx *ctx, const cfp_query *query,
                             const uint8_t *wanted)
{
    const int n = l->model->n_nodes;
    bool *layer;
    CFP_TRY_ALLOC(ctx, l->node, n);
    CFP_TRY_ALLOC(ctx, l->destinations, n);
    if (query == NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, layer, n);
    for (int i = 0; i < n; i++)
        layer[i] = (wanted[i] & CFP_WANT_LAYER) != 0;
    const cfp_status status = find_destinations(l, ctx, query, layer);
    cfp_free(layer);
    return status;
}

static cfp_status take_memory(cfp_ledger *l, cfp_ctx *ctx)
{
    const cfp_backend_api *api = l->device.api;
    const char *whose;
    const size_t unused = cfp_device_free(&whose, &l->device, ctx);
    void *memory = NULL;
    if (l->bytes == 0)
        return CFP_OK; /* only logits are wanted */
    if (l->bytes > unused)
        return cfp_fail(ctx, CFP_NOMEM,
                        "%s: needs %.2f GiB for the pyramid and its maps, %s has %.2f GiB %s; "
                        "try a smaller --depth or --tubes none",
                        l->model->path != NULL ? l->model->path : "model",
                        (double)l->bytes / 0x1p30, api->name, (double)unused / 0x1p30, whose);
    CFP_TRY(api->alloc(l->device.backend, &memory, l->bytes));
    l->memory = memory;
    if (api->host_memory) {
        l->seen = l->memory;
        return CFP_OK;
    }
    CFP_TRY(api->host_alloc(l->device.backend, &memory, l->map_bytes)); /* copies to it are fast */
    l->seen = memory;
    return CFP_OK;
}

static cfp_status open_ledger(cfp_ledger *l, cfp_ctx *ctx, const cfp_query *query,
                              const cfp_batch *batch, const uint8_t *wanted)
{
    CFP_TRY(open_nodes(l, ctx, query, wanted));
    lay_out(l, query, wanted);
    CFP_TRY(take_memory(l, ctx));
    if (l->memory == NULL)
        return CFP_OK;
    lay_out(l, query, wanted);
    return put_constants(l, ctx, query, batch);
}

cfp_status cfp_ledger_open(cfp_ledger **out, cfp_ctx *ctx, const cfp_model *model,
                           const cfp_device *device, const cfp_query *query, const cfp_batch *batch,
                           const cfp_entries *entries, const uint8_t *wanted)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_ledger){.device = *device,
                         .model = model,
                         .clips = batch->clips,
                         .thetas = batch->thetas,
                         .questions = batch->clips * batch->thetas,
                         .entries = *entries,
                         .edgeless = batch->edgeless,
                         .in_parts =
                             query != NULL && query->steps > 1 && query->steps > entries->points};
    const cfp_status status = open_ledger(*out, ctx, query, batch, wanted);
    if (status != CFP_OK)
        cfp_ledger_close(out);
    return status;
}

static void drop_edge_buffers(cfp_ledger *l)
{
    if (l->edge_list != NULL)
        l->device.api->release(l->device.backend, l->edge_list);
    cfp_free(l->edge_seen);
    l->edge_list = l->edge_seen = NULL;
    l->edges = 0;
}

cfp_status cfp_ledger_edge_buffers(cfp_ledger *ledger, cfp_ctx *ctx, int64_t n, cfp_edge **there,
                                   cfp_edge **here)
{
    if (n > ledger->edges) {
        void *memory;
        drop_edge_buffers(ledger);
        CFP_TRY(ledger->device.api->alloc(ledger->device.backend, &memory,
                                          (size_t)n * sizeof(cfp_edge)));
        ledger->edge_list = memory;
        CFP_TRY_ALLOC(ctx, ledger->edge_seen, n);
        ledger->edges = n;
    }
    *there = ledger->edge_list;
    *here = ledger->edge_seen;
    return CFP_OK;
}

void cfp_ledger_close(cfp_ledger **ledger)
{
    cfp_ledger *l = *ledger;
    *ledger = NULL;
    if (l == NULL)
        return;
    for (int i = 0; l->destinations != NULL && i < l->model->n_nodes; i++)
        cfp_destinations_free(&l->destinations[i]);
    cfp_free(l->destinations);
    cfp_free(l->node);
    if (l->seen != l->memory && l->seen != NULL)
        l->device.api->host_release(l->device.backend, l->seen);
    if (l->memory != NULL)
        l->device.api->release(l->device.backend, l->memory);
    drop_edge_buffers(l);
    cfp_free(l);
}

static cfp_status fetch(cfp_ledger *l, size_t from, size_t to)
{
    if (to == from)
        return CFP_OK;
    return l->device.api->fetch(l->device.backend, l->seen + from, l->memory + from, to - from);
}

cfp_status cfp_ledger_fetch_results(cfp_ledger *ledger)
{
    return fetch(ledger, 0, ledger->result_bytes);
}

cfp_status cfp_ledger_fetch_maps(cfp_ledger *ledger)
{
    return fetch(ledger, ledger->result_bytes, ledger->map_bytes);
}

bool cfp_may_be_demanded(const cfp_ledger *ledger, int node)
{
    const cfp_demand *demand = ledger->node[node].demand;
    const int64_t count = (int64_t)ledger->questions * ledger->model->node[node].shape.c;
    if (!ledger->device.api->host_memory)
        return true;
    for (int64_t i = 0; i < count; i++)
        if (demand[i] >= 0)
            return true;
    return false;
}
