/* sweep.c - see sweep.h.
 *
 * Most queries need one descent for all thetas.  Lowering theta only adds kernels: a kernel that is
 * selected at one theta is selected at every lower one.  So each kernel has a highest theta that
 * still selects it.  The descent finds this number itself, if it runs at the lowest theta of the
 * list and R means the following:
 *
 *     --propagate path   R is the largest product of r along a path from the class.  R does not
 *                        depend on theta, and a kernel is selected where R >= theta.
 *     --propagate edge   Each path has a smallest r.  R is the largest of these, over all paths
 *                        (CFP_PROPAGATE_WIDEST).  Again a kernel is selected where R >= theta.
 *
 * An edge (o, i) has such a number, too: R(o) * r(o, i), or the smaller one of R(o) and r(o, i).
 * Then this file only counts how many of these numbers reach each theta.
 *
 * Rule grad with --mask selected is different, because the gradient in one layer depends on what
 * theta selected in the layers above it.  There the descent runs once for each theta. */
#include "sweep.h"
#include "../backend/relevance_math.h"
#include "descent.h"
#include "entries.h"
#include "target.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* --- how many of some numbers reach each theta --- */

enum { BUCKETS = 4096, MIN_EDGES = 1 << 15 /* that are worth a second thread */ };

typedef struct counter {
    int n;
    double *level;      /* [n] the thetas, ascending */
    int *place;         /* [n] which level theta k of the list is */
    int32_t *from;      /* [BUCKETS + 1] how many levels are at most bucket / BUCKETS */
    int64_t *histogram; /* [threads][n + 1] how many numbers reach exactly so many levels */
    int threads;
} counter;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int levels_up_to(const counter *c, double value)
{
    int low = 0, high = c->n;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (c->level[middle] <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static cfp_status open_counter(counter *c, cfp_ctx *ctx, const double *theta, int n)
{
    *c = (counter){.n = n, .threads = omp_get_max_threads()};
    CFP_TRY_ALLOC(ctx, c->level, n);
    CFP_TRY_ALLOC(ctx, c->place, n);
    CFP_TRY_ALLOC(ctx, c->from, BUCKETS + 1);
    CFP_TRY_ALLOC(ctx, c->histogram, (size_t)c->threads * ((size_t)n + 1));
    memcpy(c->level, theta, (size_t)n * sizeof *theta);
    qsort(c->level, (size_t)n, sizeof *c->level, ascending);
    for (int k = 0; k < n; k++)
        c->place[k] = levels_up_to(c, theta[k]) - 1;
    for (int b = 0; b <= BUCKETS; b++)
        c->from[b] = levels_up_to(c, (double)b / BUCKETS);
    return CFP_OK;
}

static void close_counter(counter *c)
{
    cfp_free(c->level);
    cfp_free(c->place);
    cfp_free(c->from);
    cfp_free(c->histogram);
}

static void clear_counter(counter *c)
{
    memset(c->histogram, 0, (size_t)c->threads * ((size_t)c->n + 1) * sizeof *c->histogram);
}

/* Counts a number >= 0. */
static inline void count(const counter *c, int64_t *histogram, double value)
{
    int reached = c->from[value < 1 ? (int)(value * BUCKETS) : BUCKETS];
    while (reached < c->n && c->level[reached] <= value)
        reached++;
    histogram[reached]++;
}

/* Turns the histograms into sums: afterwards histogram[j] numbers reach at least j levels. */
static void sum_up(counter *c)
{
    int64_t *all = c->histogram;
    for (int t = 1; t < c->threads; t++)
        for (int j = 0; j <= c->n; j++)
            all[j] += all[(size_t)t * ((size_t)c->n + 1) + (size_t)j];
    for (int j = c->n - 1; j >= 0; j--)
        all[j] += all[j + 1];
}

static int64_t reaching(const counter *c, int theta)
{
    return c->histogram[c->place[theta] + 1];
}

/* --- making a series --- */

typedef struct sweep {
    cfp_analyser *a;
    int n_thetas;
    counter counter;
    cfp_edge *edge; /* of one layer */
    int64_t edges_capacity;
    uint8_t **before; /* [capacity of the series] the kernels selected at the theta before */
} sweep;

static const cfp_demand *demanded(const sweep *s, int node)
{
    return cfp_ledger_seen(s->a->ledger, s->a->ledger->node[node].demand);
}

/* Walks back from a class, and fetches what was found into the ledger's host copy. */
static cfp_status descend(const sweep *s, int class_index)
{
    CFP_TRY(cfp_descend_part(s->a, &class_index));
    return cfp_ledger_fetch_results(s->a->ledger);
}

/* Counts the edges of demanded kernels.  n_edges of other kernels may be from an earlier descent.
 */
static int64_t count_edges(const sweep *s, const cfp_swept_layer *layer)
{
    const cfp_ledger *l = s->a->ledger;
    const cfp_demand *demand = demanded(s, layer->node);
    int64_t total = 0;
    const int32_t *n = cfp_ledger_seen(l, l->node[layer->node].n_edges);
    for (int o = 0; o < layer->kernels; o++)
        total += demand[o] >= 0 ? n[o] : 0;
    return total;
}

/* Lists the edges of a layer in s->edge. */
static cfp_status list_edges(sweep *s, const cfp_back_step *step, int64_t total)
{
    const cfp_device *device = &s->a->device;
    cfp_edge *there, *here;
    if (!device->api->host_memory) {
        CFP_TRY(cfp_ledger_edge_buffers(s->a->ledger, s->a->ctx, total, &there, &here));
        CFP_TRY(device->api->list_edges(device->backend, step, 0, there));
        s->edge = here;
        return device->api->fetch(device->backend, here, there, (size_t)total * sizeof *here);
    }
    if (total > s->edges_capacity) {
        cfp_free(s->edge);
        s->edges_capacity = 0;
        CFP_TRY_ALLOC(s->a->ctx, s->edge, total);
        s->edges_capacity = total;
    }
    return device->api->list_edges(device->backend, step, 0, s->edge);
}

/* The highest theta at which e is still an edge.  Rule grad takes every pair of a selected kernel
 * and a selected channel whose value is above 0. */
static inline double highest_theta(const cfp_back_step *step, const cfp_demand *demand,
                                   const cfp_demand *child, const cfp_edge *e)
{
    const double above = cfp_demanded_relevance(demand[e->o]);
    if (step->rule != CFP_RULE_GRAD)
        return cfp_propagated(step, above, e->relevance);
    const double below = cfp_demanded_relevance(child[e->i]);
    return below < above ? below : above;
}

static cfp_status sweep_edges(sweep *s, cfp_swept_layer *layer)
{
    counter *c = &s->counter;
    const cfp_ledger *l = s->a->ledger;
    const int64_t total = count_edges(s, layer);
    const cfp_demand *demand = demanded(s, layer->node);
    const cfp_demand *child = cfp_ledger_seen(l, l->node[layer->node].child);
    const cfp_back_step step = cfp_back_step_of(s->a, layer->node);
    if (s->n_thetas == 1)
        layer->edges[0] = total;
    if (s->n_thetas == 1 || total == 0)
        return CFP_OK;
    CFP_TRY(list_edges(s, &step, total));
    clear_counter(c);
#pragma omp parallel num_threads(total < MIN_EDGES ? 1 : c->threads)
    {
        int64_t *mine = c->histogram + (size_t)omp_get_thread_num() * ((size_t)c->n + 1);
#pragma omp for schedule(static)
        for (int64_t e = 0; e < total; e++)
            count(c, mine, highest_theta(&step, demand, child, &s->edge[e]));
    }
    sum_up(c);
    for (int k = 0; k < s->n_thetas; k++)
        layer->edges[k] = reaching(c, k);
    return CFP_OK;
}

/* Counts a layer at every theta, after the descent at the lowest one. */
static cfp_status sweep_layer(sweep *s, cfp_swept_layer *layer)
{
    const cfp_demand *demand = demanded(s, layer->node);
    clear_counter(&s->counter);
    for (int o = 0; o < layer->kernels; o++)
        if (demand[o] >= 0)
            count(&s->counter, s->counter.histogram, cfp_demanded_relevance(demand[o]));
    sum_up(&s->counter);
    for (int k = 0; k < s->n_thetas; k++) {
        layer->selected[k] = (int32_t)reaching(&s->counter, k);
        /* one of the two sets contains the other */
        const int now = layer->selected[k], then = layer->selected[k > 0 ? k - 1 : 0];
        const int larger = cfp_max_int(now, then);
        layer->jaccard[k] = larger == 0 ? 1 : (double)cfp_min_int(now, then) / larger;
    }
    return sweep_edges(s, layer);
}

static cfp_status sweep_at_once(sweep *s, cfp_series *series, const cfp_query *query,
                                int class_index)
{
    cfp_query lowest = *query;
    lowest.theta = s->counter.level[0];
    if (s->n_thetas > 1 && query->propagate == CFP_PROPAGATE_EDGE)
        lowest.propagate = CFP_PROPAGATE_WIDEST;
    CFP_TRY(cfp_analyser_ask(s->a, &lowest));
    CFP_TRY(descend(s, class_index));
    for (int i = 0; i < series->n_layers; i++) {
        CFP_TRY(sweep_layer(s, &series->layer[i]));
        CFP_TRY(cfp_check_interrupt(s->a->ctx));
    }
    return CFP_OK;
}

/* Reads a layer after the descent at theta k. */
static void read_layer(const sweep *s, cfp_swept_layer *layer, uint8_t *before, int k)
{
    const cfp_demand *demand = demanded(s, layer->node);
    int both = 0, either = 0;
    for (int o = 0; o < layer->kernels; o++) {
        const bool now = demand[o] >= 0;
        layer->selected[k] += now;
        both += now && before[o];
        either += now || before[o];
        before[o] = now;
    }
    layer->jaccard[k] = either == 0 ? 1 : (double)both / either;
    layer->edges[k] = count_edges(s, layer);
}

static cfp_status sweep_one_by_one(sweep *s, cfp_series *series, const cfp_query *query,
                                   int class_index, const double *theta)
{
    CFP_TRY_ALLOC(s->a->ctx, s->before, series->capacity);
    for (int i = 0; i < series->n_layers; i++)
        CFP_TRY_ALLOC(s->a->ctx, s->before[i], series->layer[i].kernels);
    CFP_TRY(cfp_analyser_ask(s->a, query));
    for (int k = 0; k < s->n_thetas; k++) {
        CFP_TRY(cfp_analyser_set_theta(s->a, theta[k]));
        CFP_TRY(descend(s, class_index));
        for (int i = 0; i < series->n_layers; i++)
            read_layer(s, &series->layer[i], s->before[i], k);
        cfp_progress(s->a->ctx, "thetas", k + 1, s->n_thetas);
    }
    return CFP_OK;
}

static int by_depth(const void *a, const void *b)
{
    const cfp_swept_layer *x = a, *y = b;
    return x->depth != y->depth ? x->depth - y->depth : y->node - x->node;
}

/* Lists all kernel layers that the query could visit. */
static cfp_status list_layers(cfp_series *series, cfp_analyser *a, int depth, int n_thetas)
{
    const cfp_model *model = a->model;
    CFP_TRY_ALLOC(a->ctx, series->layer, model->n_nodes);
    series->capacity = model->n_nodes;
    for (int i = 1; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (!a->trace->used[i] || !cfp_is_kernel_layer(node) || node->depth < 0 ||
            (depth != CFP_ALL_DEPTHS && node->depth > depth))
            continue;
        cfp_swept_layer *layer = &series->layer[series->n_layers++];
        *layer = (cfp_swept_layer){.node = i, .depth = node->depth, .kernels = node->shape.c};
        CFP_TRY_ALLOC(a->ctx, layer->selected, n_thetas);
        CFP_TRY_ALLOC(a->ctx, layer->edges, n_thetas);
        CFP_TRY_ALLOC(a->ctx, layer->jaccard, n_thetas);
    }
    qsort(series->layer, (size_t)series->n_layers, sizeof *series->layer, by_depth);
    return CFP_OK;
}

static void free_layer(cfp_swept_layer *layer)
{
    cfp_free(layer->selected);
    cfp_free(layer->edges);
    cfp_free(layer->jaccard);
}

/* Removes the layers that no theta visited. */
static void drop_unvisited(cfp_series *series, int n_thetas)
{
    int kept = 0;
    for (int i = 0; i < series->n_layers; i++) {
        cfp_swept_layer layer = series->layer[i];
        bool visited = false;
        for (int k = 0; k < n_thetas; k++)
            visited |= layer.selected[k] > 0;
        if (visited)
            series->layer[kept++] = layer;
        else
            free_layer(&layer);
    }
    series->n_layers = kept;
}

void cfp_series_free(cfp_series *series)
{
    for (int i = 0; i < series->n_layers; i++)
        free_layer(&series->layer[i]);
    cfp_free(series->layer);
    *series = (cfp_series){0};
}

/* True: each theta needs its own descent. */
static bool depends_on_theta(const cfp_query *query)
{
    return query->rule == CFP_RULE_GRAD && query->mask == CFP_MASK_SELECTED;
}

int cfp_sweep_descents(const cfp_query *query, int n_thetas)
{
    return depends_on_theta(query) ? n_thetas : 1;
}

static cfp_status run(sweep *s, cfp_series *out, const cfp_query *query, int class_index,
                      const double *theta)
{
    CFP_TRY(open_counter(&s->counter, s->a->ctx, theta, s->n_thetas));
    CFP_TRY(list_layers(out, s->a, query->depth, s->n_thetas));
    if (depends_on_theta(query))
        CFP_TRY(sweep_one_by_one(s, out, query, class_index, theta));
    else
        CFP_TRY(sweep_at_once(s, out, query, class_index));
    drop_unvisited(out, s->n_thetas);
    return CFP_OK;
}

cfp_status cfp_sweep(cfp_series *out, cfp_analyser *analyser, const cfp_query *query,
                     int class_index, const double *theta, int n_thetas)
{
    sweep s = {.a = analyser, .n_thetas = n_thetas};
    cfp_query first = *query;
    first.theta = theta[0];
    *out = (cfp_series){0};
    const cfp_status status = run(&s, out, &first, class_index, theta);
    for (int i = 0; s.before != NULL && i < out->capacity; i++)
        cfp_free(s.before[i]);
    cfp_free(s.before);
    if (analyser->device.api->host_memory)
        cfp_free(s.edge);
    close_counter(&s.counter);
    if (status != CFP_OK)
        cfp_series_free(out);
    return status;
}

bool cfp_sweep_compares(const cfp_query *query)
{
    return query->rule == CFP_RULE_GRAD &&
           (query->baseline != CFP_BASELINE_ZERO || query->steps > 1 || query->turn_down < 1);
}

cfp_status cfp_sweep_forward(cfp_analyser *analyser, const cfp_clip *clip, const cfp_clip *other,
                             float *logits)
{
    const cfp_shown shown = {.clip = &clip};
    if (analyser->other != other)
        cfp_analyser_compare_with(analyser, other);
    return cfp_entries_forward(analyser, &shown, logits);
}

cfp_status cfp_analyser_open_sweep(cfp_analyser **out, cfp_ctx *ctx, const cfp_model *model,
                                   const cfp_device *device, const cfp_query *query, int n_queries)
{
    cfp_analyser_request request = {.depth = query[0].depth};
    *out = NULL;
    for (int i = 0; i < n_queries; i++) {
        const bool grad = query[i].rule == CFP_RULE_GRAD;
        cfp_query resolved = query[i];
        CFP_TRY(cfp_query_check(ctx, &query[i]));
        CFP_TRY(cfp_resolve_target(&resolved, ctx, model));
        request.backward |= grad;
        request.means |= !grad;
    }
    const bool compares = cfp_sweep_compares(&query[0]);
    request.compares = compares ? &query[0] : NULL;
    request.smaller = compares ? "--steps or --depth" : "--depth";
    return cfp_analyser_open_request(out, ctx, model, device, &request);
}
