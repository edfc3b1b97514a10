/* analyser.c - opens an analyser for one question, or for several about the same forward pass. */
#include "analyser.h"
#include "rules.h"
#include "target.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- what the network is opened for --- */

/* Marks the outputs that the query's tubes need after the forward pass. */
static void keep_for_tubes(uint8_t *keep, const cfp_model *model, const cfp_query *query)
{
    for (int m = 1; m < model->n_nodes; m++) {
        if (!cfp_tube_wanted(model, query, m))
            continue;
        if (query->rule != CFP_RULE_GRAD) /* rule grad makes its maps during the walk */
            keep[cfp_map_node(model, m)] = 1;
        if (query->tubes == CFP_TUBES_KERNELS)
            keep[model->node[m].input[0]] = 1;
    }
}

/* What the networks are shown.  points: at most so many of --steps. */
static cfp_entries entries_of(const cfp_query *query, int points)
{
    const bool turned = query->turn_down < 1;
    return (cfp_entries){.points = cfp_min_int(points, query->steps),
                         .other = query->baseline != CFP_BASELINE_ZERO,
                         .shared = query->baseline == CFP_BASELINE_BLANK ||
                                   query->baseline == CFP_BASELINE_CLIP,
                         .turned = turned,
                         .plain = turned || query->steps > 1};
}

static bool is_turned(const cfp_model *model, int node)
{
    return model->node[node].op == CFP_OP_CONV3D && model->node[node].depth > 0;
}

/* --turn-down P: a route from the class down passes at most max_depth maps.  Each map is turned
 * down by the same factor; together they make P. */
static void turn_maps_down(cfp_trace_request *request, uint8_t *turned, const cfp_analyser *a)
{
    const cfp_model *model = a->model;
    for (int i = 1; i < model->n_nodes; i++)
        if (is_turned(model, i))
            turned[cfp_map_node(model, i)] = 1;
    request->turned = turned;
    request->alpha = (float)pow(a->query.turn_down, 1.0 / cfp_max_int(1, model->max_depth));
}

/* Marks the outputs that are compared with those of another clip: what kernel layers of interest
 * read, their maps, and all maps that are turned down. */
static void keep_compared(uint8_t *keep, const cfp_analyser *a)
{
    const cfp_model *model = a->model;
    for (int i = 1; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (!cfp_is_kernel_layer(node))
            continue;
        if (cfp_within_depth(a->trace, node))
            keep[node->input[0]] = keep[cfp_map_node(model, i)] = 1;
        if (a->entries.turned && is_turned(model, i))
            keep[cfp_map_node(model, i)] = 1;
    }
}

/* Tensors of two networks are combined, so both must have the same layout. */
static cfp_status check_layouts(const cfp_analyser *a, const cfp_trace *other)
{
    for (int i = 0; i < a->model->n_nodes; i++) {
        const cfp_tensor *x = &a->trace->value[i], *y = &other->value[i];
        if (a->trace->holder[i] == i && (x->block != y->block || x->type != y->type))
            return cfp_fail_node(a->ctx, CFP_UNSUPPORTED, a->model, &a->model->node[i],
                                 "%s lays a batch of %d clips otherwise than one of %d",
                                 a->device.api->name, x->shape.n, y->shape.n);
    }
    return CFP_OK;
}

/* Opens a further network, which only runs forward. */
static cfp_status open_beside(cfp_trace **out, cfp_analyser *a, const cfp_trace_request *main,
                              int clips, const uint8_t *keep)
{
    const cfp_trace_request request = {.clips = clips,
                                       .depth = main->depth,
                                       .keep = keep,
                                       .like = a->trace,
                                       .smaller = main->smaller};
    CFP_TRY(cfp_trace_open(out, a->ctx, a->model, &a->device, &request));
    return check_layouts(a, *out);
}

/* Opens the networks for the baseline, and for the clip as it is.  keep: what the request of the
 * first network had there. */
static cfp_status open_others(cfp_analyser *a, const cfp_trace_request *request,
                              const uint8_t *keep)
{
    const cfp_entries *e = &a->entries;
    const size_t n = (size_t)a->model->n_nodes;
    uint8_t *compared, *of_clip;
    CFP_TRY_ALLOC(a->ctx, compared, 2 * n);
    of_clip = compared + n;
    keep_compared(compared, a);
    for (size_t i = 0; i < n; i++)
        of_clip[i] = (keep != NULL && keep[i]) || (compared[i] && !e->turned);
    cfp_status status = CFP_OK;
    if (e->other)
        status = open_beside(&a->other_trace, a, request, e->shared ? 1 : a->clips, compared);
    if (status == CFP_OK && e->plain)
        status = open_beside(&a->plain, a, request, a->clips, of_clip);
    a->trace->towards = a->other_trace;
    a->other_shown = false;
    cfp_free(compared);
    return status;
}

/* Opens the first network, which all others borrow from. */
static cfp_status open_first(cfp_analyser *a, cfp_trace_request *request)
{
    uint8_t *turned = NULL;
    if (a->entries.turned) {
        CFP_TRY_ALLOC(a->ctx, turned, a->model->n_nodes);
        turn_maps_down(request, turned, a);
    }
    const cfp_status status = cfp_trace_open(&a->trace, a->ctx, a->model, &a->device, request);
    request->turned = NULL;
    cfp_free(turned);
    return status;
}

static cfp_status open_networks(cfp_analyser *a, cfp_trace_request *request)
{
    char smaller[96];
    const cfp_entries *e = &a->entries;
    const char *const given = request->smaller;
    const uint8_t *const keep = request->keep;
    snprintf(smaller, sizeof smaller, "%s%s" CFP_SMALLER, a->clips == 1 ? "" : "--batch, ",
             e->points == 1 ? "" : "--steps, --mask none, ");
    request->smaller = given != NULL ? given : smaller;
    request->clips = a->clips;
    request->entries = e->points;
    request->spare = e->other || e->plain ? CFP_TRACE_SPARES : 0;
    request->keep = e->plain ? NULL : keep; /* tubes of kernels show the clip as it is */
    cfp_status status = open_first(a, request);
    if (status == CFP_OK && (e->other || e->plain))
        status = open_others(a, request, keep);
    request->smaller = given;
    request->keep = keep;
    return status;
}

/* --- the ledger of a question --- */

/* What the ledger keeps of each node. */
static void want(uint8_t *wanted, const cfp_analyser *a, const cfp_query *query)
{
    const cfp_trace *trace = a->trace;
    for (int i = 0; i < a->model->n_nodes; i++) {
        const cfp_node *node = &a->model->node[i];
        if (!trace->used[i] || !cfp_is_kernel_layer(node) || !cfp_within_depth(trace, node))
            continue;
        if (query != NULL)
            wanted[i] |= CFP_WANT_LAYER;
        if (query != NULL && cfp_tube_wanted(a->model, query, i))
            wanted[i] |= CFP_WANT_MAP;
        if (a->means && a->mean_ledger == NULL)
            wanted[trace->holder[node->input[0]]] |= CFP_WANT_MEAN;
    }
}

/* Takes the memory of the question and puts its constants there. */
static cfp_status open_ledger(cfp_analyser *a, const cfp_query *query)
{
    const cfp_model *model = a->model;
    const cfp_batch batch = {
        .clips = a->clips, .thetas = a->thetas, .theta = a->theta, .edgeless = a->edgeless};
    uint8_t *wanted;
    CFP_TRY_ALLOC(a->ctx, a->rule_step, model->n_nodes);
    CFP_TRY_ALLOC(a->ctx, wanted, model->n_nodes);
    want(wanted, a, query);
    for (int i = 0; i < model->n_nodes; i++)
        if (wanted[i] & CFP_WANT_LAYER)
            a->rule_step[i] = cfp_rule_step(model, &model->node[i], query);
    const cfp_status status =
        cfp_ledger_open(&a->ledger, a->ctx, model, &a->device, query, &batch, &a->entries, wanted);
    for (int i = 0; i < model->n_nodes && status == CFP_OK; i++)
        if (wanted[i] & CFP_WANT_MEAN)
            a->trace->mean[i] = a->ledger->node[i].mean;
    cfp_free(wanted);
    return status;
}

/* --- opening and closing --- */

/* Gives back the network, and the ledger of the last question. */
static void release(cfp_analyser *a)
{
    if (a->trace != NULL) {
        cfp_recording_forget(&a->descent, a->trace);
        cfp_recording_forget(&a->maps, a->trace);
    }
    cfp_trace_close(&a->plain);
    cfp_trace_close(&a->other_trace);
    cfp_trace_close(&a->trace); /* the others borrow its steps */
    cfp_ledger_close(&a->ledger);
    cfp_free(a->rule_step);
    a->rule_step = NULL;
}

/* Takes all memory for so many of --steps' points at once.  a->query already has the baseline, the
 * steps and turn_down. */
static cfp_status take_memory(cfp_analyser *a, cfp_trace_request *request, const cfp_query *query,
                              int points)
{
    a->entries = entries_of(&a->query, points);
    a->part = (cfp_part){.count = a->entries.points, .first = true, .last = true};
    CFP_TRY(open_networks(a, request));
    if (a->query.steps > a->entries.points)
        cfp_trace_run_live(a->trace); /* no two walks are the same */
    return open_ledger(a, query);
}

/* Takes all memory, for fewer points at once if it is short.  query NULL: none is asked yet. */
static cfp_status open_parts(cfp_analyser *a, cfp_trace_request *request, const cfp_query *query,
                             int points)
{
    for (;;) {
        const cfp_status status = take_memory(a, request, query, points);
        if (status != CFP_NOMEM || query == NULL || query->mask != CFP_MASK_NONE || points == 1)
            return status;
        release(a);
        points = (points + 1) / 2;
        cfp_log(a->ctx, CFP_LOG_INFO, "%s; now %d of the %d steps at a time", a->ctx->message,
                points, query->steps);
        a->ctx->message[0] = '\0';
    }
}

static cfp_status open_analyser(cfp_analyser *a, cfp_trace_request *request, const cfp_query *query,
                                const cfp_batch *batch)
{
    const int points = batch != NULL && batch->points > 0 ? batch->points : CFP_MOST_STEPS;
    CFP_TRY_ALLOC(a->ctx, a->map_made, a->model->n_nodes);
    CFP_TRY_ALLOC(a->ctx, a->theta, a->thetas);
    if (query != NULL) {
        a->query = *query;
        for (int k = 0; k < a->thetas; k++)
            a->theta[k] = batch != NULL && batch->theta != NULL ? batch->theta[k] : query->theta;
    }
    return open_parts(a, request, query,
                      query != NULL ? cfp_min_int(points, query->steps) : points);
}

/* An analyser of a batch; NULL: of one clip, with one theta. */
static cfp_status make(cfp_analyser **out, cfp_ctx *ctx, const cfp_model *model,
                       const cfp_device *device, const cfp_batch *batch)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_analyser){.ctx = ctx,
                           .model = model,
                           .query = cfp_query_default(), /* one entry: the clip */
                           .device = *device,
                           .clips = 1,
                           .thetas = 1,
                           .descent = {.name = "descent"},
                           .maps = {.name = "maps"}};
    if (batch != NULL) {
        (*out)->clips = batch->clips;
        (*out)->thetas = batch->thetas;
        (*out)->unlisted = batch->unlisted;
        (*out)->edgeless = batch->edgeless;
    }
    return CFP_OK;
}

enum { MAX_QUESTIONS = 16384 }; /* backends count them with int, and GPUs as one side of a grid */

static cfp_status check(cfp_ctx *ctx, const cfp_query *query, const cfp_batch *batch)
{
    if (batch != NULL && (int64_t)batch->clips * batch->thetas > MAX_QUESTIONS)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "at most %d questions at once", MAX_QUESTIONS);
    if (query == NULL)
        return CFP_OK;
    const bool masked = query->mask == CFP_MASK_SELECTED;
    if (query->rule == CFP_RULE_GRAD && masked && batch != NULL && batch->thetas > 1)
        return cfp_fail(ctx, CFP_USAGE,
                        "--rule: grad takes one theta at a time, but with --mask none");
    CFP_TRY(cfp_query_check(ctx, query));
    if (masked && batch != NULL && batch->points > 0 && batch->points < query->steps)
        return cfp_fail(ctx, CFP_USAGE, "--steps: come in parts only with --mask none");
    return CFP_OK;
}

static cfp_status open_for_query(cfp_analyser *a, const cfp_query *query, const cfp_batch *batch)
{
    cfp_query resolved = *query;
    uint8_t *keep;
    const bool backward = query->rule == CFP_RULE_GRAD;
    CFP_TRY(cfp_resolve_target(&resolved, a->ctx, a->model));
    CFP_TRY_ALLOC(a->ctx, keep, a->model->n_nodes);
    keep_for_tubes(keep, a->model, &resolved);
    cfp_trace_request request = {.depth = query->depth,
                                 .keep = keep,
                                 .backward = backward,
                                 .again = backward && batch != NULL && batch->classes};
    a->means = !backward;
    const cfp_status status = open_analyser(a, &request, &resolved, batch);
    cfp_free(keep);
    /* One question, whose gradients are complete when a map is made, in memory of the host. */
    if (status == CFP_OK && batch != NULL && batch->apart && a->clips * a->thetas == 1 &&
        !a->ledger->in_parts && a->device.api->host_memory)
        a->apart_side = cfp_apart_side(a->model, &a->query);
    return status;
}

cfp_status cfp_analyser_open(cfp_analyser **out, cfp_ctx *ctx, const cfp_model *model,
                             const cfp_device *device, const cfp_query *query,
                             const cfp_batch *batch)
{
    cfp_trace_request forward = {.depth = CFP_ALL_DEPTHS};
    *out = NULL;
    CFP_TRY(check(ctx, query, batch));
    CFP_TRY(make(out, ctx, model, device, batch));
    const cfp_status status = query != NULL ? open_for_query(*out, query, batch)
                                            : open_analyser(*out, &forward, NULL, batch);
    if (status != CFP_OK)
        cfp_analyser_close(out);
    return status;
}

cfp_status cfp_analyser_open_request(cfp_analyser **out, cfp_ctx *ctx, const cfp_model *model,
                                     const cfp_device *device, const cfp_analyser_request *request)
{
    cfp_trace_request network = {.depth = request->depth,
                                 .keep = request->keep,
                                 .backward = request->backward,
                                 .again = request->backward,
                                 .smaller = request->smaller};
    CFP_TRY(make(out, ctx, model, device, NULL));
    (*out)->means = request->means;
    if (request->compares != NULL)
        (*out)->query = *request->compares;
    const cfp_status status = open_analyser(*out, &network, NULL, NULL);
    if (status != CFP_OK)
        cfp_analyser_close(out);
    return status;
}

void cfp_analyser_close(cfp_analyser **analyser)
{
    cfp_analyser *a = *analyser;
    if (a == NULL)
        return;
    release(a);
    cfp_ledger_close(&a->mean_ledger);
    cfp_free(a->theta);
    cfp_free(a->map_made);
    cfp_apart_free(&a->apart);
    cfp_free(a);
    *analyser = NULL;
}

/* --- several questions about one forward pass ---
 *
 * The analyser was opened without a query, so its ledger holds the channel means and nothing else.
 * That ledger stays.  Each query gets a ledger of its own. */

static void forget_query(cfp_analyser *a)
{
    cfp_recording_forget(&a->descent, a->trace); /* it reads memory of that query */
    cfp_free(a->rule_step);
    a->rule_step = NULL;
    if (a->mean_ledger == NULL)
        return;
    cfp_ledger_close(&a->ledger);
    a->ledger = a->mean_ledger;
    a->mean_ledger = NULL;
}

cfp_status cfp_analyser_ask(cfp_analyser *analyser, const cfp_query *query)
{
    cfp_analyser *a = analyser;
    cfp_query resolved = *query;
    CFP_TRY(cfp_query_check(a->ctx, query));
    CFP_TRY(cfp_resolve_target(&resolved, a->ctx, a->model));
    forget_query(a);
    a->query = resolved;
    a->theta[0] = resolved.theta;
    a->mean_ledger = a->ledger;
    a->ledger = NULL;
    const cfp_status status = open_ledger(a, &a->query);
    if (status != CFP_OK)
        forget_query(a);
    return status;
}

cfp_status cfp_analyser_set_theta(cfp_analyser *analyser, double theta)
{
    analyser->theta[0] = theta;
    return analyser->device.api->put(analyser->device.backend, analyser->ledger->theta, &theta,
                                     sizeof theta);
}

/* --- what others ask of an analyser --- */

void cfp_analyser_compare_with(cfp_analyser *analyser, const cfp_clip *other)
{
    analyser->other = other;
    analyser->other_shown = false;
}

void cfp_analyser_run_live(cfp_analyser *analyser)
{
    cfp_trace *const all[] = {analyser->trace, analyser->plain, analyser->other_trace};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] != NULL)
            cfp_trace_run_live(all[i]);
}

const cfp_query *cfp_analyser_query(const cfp_analyser *analyser)
{
    return &analyser->query;
}

cfp_trace *cfp_analyser_network(cfp_analyser *analyser)
{
    return analyser->trace;
}
