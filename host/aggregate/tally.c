/* tally.c - see tally.h. */
#include "tally.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cfp_tally_open(cfp_tally *out, cfp_ctx *ctx, int max_top, uint64_t seed)
{
    *out = (cfp_tally){.ctx = ctx, .max_top = max_top, .random = seed};
}

void cfp_tally_close(cfp_tally *tally)
{
    for (int l = 0; l < tally->n; l++) {
        cfp_tally_layer *layer = &tally->layer[l];
        cfp_free(layer->name);
        cfp_free(layer->op);
        cfp_free(layer->count);
        cfp_free(layer->sum);
        cfp_free(layer->top);
        cfp_free(layer->edge);
        cfp_free(layer->edge_top);
        cfp_free(layer->slot);
        cfp_free(layer->set);
    }
    cfp_free(tally->layer);
    *tally = (cfp_tally){0};
}

/* --- the strongest clips --- */

/* Inserts a clip into a list of length `max_top`, sorted by relevance; among equal clips the
 * earlier one is first. */
static void put_top(cfp_tally_top *top, int max_top, int clip, float relevance)
{
    int at = max_top;
    while (at > 0 && relevance > top[at - 1].relevance)
        at--;
    if (at == max_top)
        return;
    memmove(top + at + 1, top + at, (size_t)(max_top - at - 1) * sizeof *top);
    top[at] = (cfp_tally_top){clip, relevance};
}

/* --- edges --- */

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The slot of this edge, or the free slot where it belongs. */
static int32_t *slot_of(const cfp_tally_layer *layer, int32_t kernel, int32_t channel)
{
    const uint64_t mask = (uint64_t)layer->n_slots - 1;
    uint64_t at = mix((uint64_t)(uint32_t)kernel << 32 | (uint32_t)channel) & mask;
    for (; layer->slot[at] != 0; at = (at + 1) & mask) {
        const cfp_tally_edge *edge = &layer->edge[layer->slot[at] - 1];
        if (edge->kernel == kernel && edge->channel == channel)
            break;
    }
    return &layer->slot[at];
}

static cfp_status grow_edges(cfp_tally_layer *layer, const cfp_tally *tally)
{
    const int64_t capacity = layer->capacity == 0 ? 1024 : 2 * layer->capacity;
    if (capacity > INT32_MAX / 2)
        return cfp_fail(tally->ctx, CFP_NOMEM, "layer '%s' has too many edges to add up",
                        layer->name);
    void *more = cfp_enlarge(tally->ctx, layer->edge, (size_t)layer->n_edges, (size_t)capacity,
                             sizeof *layer->edge);
    if (more == NULL)
        return CFP_NOMEM;
    layer->edge = more;
    more = cfp_enlarge(tally->ctx, layer->edge_top, (size_t)layer->n_edges, (size_t)capacity,
                       (size_t)tally->max_top * sizeof *layer->edge_top);
    if (more == NULL)
        return CFP_NOMEM;
    layer->edge_top = more;
    layer->capacity = capacity;
    cfp_free(layer->slot);
    layer->slot = NULL;
    layer->n_slots = 2 * capacity; /* a power of two; at most half of the slots are used */
    CFP_TRY_ALLOC(tally->ctx, layer->slot, layer->n_slots);
    for (int64_t e = 0; e < layer->n_edges; e++)
        *slot_of(layer, layer->edge[e].kernel, layer->edge[e].channel) = (int32_t)e + 1;
    return CFP_OK;
}

static cfp_status add_edges(cfp_tally_layer *layer, const cfp_tally *tally,
                            const cfp_explained_layer *from)
{
    for (int64_t e = 0; e < from->n_edges; e++) {
        const int32_t kernel = from->edge[2 * e], channel = from->edge[2 * e + 1];
        if (layer->n_edges == layer->capacity)
            CFP_TRY(grow_edges(layer, tally));
        int32_t *slot = slot_of(layer, kernel, channel);
        if (*slot == 0) {
            layer->edge[layer->n_edges] = (cfp_tally_edge){kernel, channel, 0, 0};
            *slot = (int32_t)++layer->n_edges;
        }
        const int32_t place = *slot - 1;
        layer->edge[place].clips++;
        layer->edge[place].sum += (double)from->edge_relevance[e];
        put_top(layer->edge_top + (int64_t)place * tally->max_top, tally->max_top, tally->n_clips,
                from->edge_relevance[e]);
    }
    return CFP_OK;
}

/* --- layers --- */

static cfp_tally_layer *find_layer(const cfp_tally *tally, const char *name)
{
    for (int l = 0; l < tally->n; l++)
        if (strcmp(tally->layer[l].name, name) == 0)
            return &tally->layer[l];
    return NULL;
}

static cfp_status check_layers(const cfp_tally *tally, const cfp_explained_layers *layers,
                               const char *where)
{
    for (int l = 0; l < layers->n; l++) {
        const cfp_explained_layer *from = &layers->layer[l];
        const cfp_tally_layer *layer = find_layer(tally, from->name);
        if (layer != NULL && (layer->n_kernels != from->n_kernels || layer->depth != from->depth))
            return cfp_fail(tally->ctx, CFP_FORMAT,
                            "%s: layer '%s' has %d kernels at depth %d, in the clips before %d at "
                            "depth %d",
                            where, from->name, from->n_kernels, from->depth, layer->n_kernels,
                            layer->depth);
    }
    return CFP_OK;
}

static cfp_status fill_layer(cfp_tally_layer *layer, const cfp_tally *tally,
                             const cfp_explained_layer *from)
{
    cfp_ctx *ctx = tally->ctx;
    layer->depth = from->depth;
    layer->n_kernels = from->n_kernels;
    layer->words = (from->n_kernels + 63) / 64;
    layer->name = cfp_strdup(ctx, from->name);
    layer->op = cfp_strdup(ctx, from->op);
    if (layer->name == NULL || layer->op == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(ctx, layer->count, from->n_kernels);
    CFP_TRY_ALLOC(ctx, layer->sum, from->n_kernels);
    CFP_TRY_ALLOC(ctx, layer->top, (int64_t)from->n_kernels * tally->max_top);
    CFP_TRY_ALLOC(ctx, layer->set, (int64_t)CFP_TALLY_SETS * layer->words);
    return CFP_OK;
}

static cfp_status make_layer(cfp_tally_layer **out, cfp_tally *tally,
                             const cfp_explained_layer *from)
{
    CFP_TRY_ROOM(tally->ctx, tally->layer, tally->n, tally->capacity);
    *out = &tally->layer[tally->n++];
    return fill_layer(*out, tally, from);
}

/* Where the next clip's sets are stored, or -1.  Every clip is kept with the same probability. */
static int draw_slot(cfp_tally *tally)
{
    if (tally->n_clips < CFP_TALLY_SETS)
        return tally->n_clips;
    tally->random = mix(tally->random);
    const uint64_t slot = tally->random % ((uint64_t)tally->n_clips + 1);
    return slot < CFP_TALLY_SETS ? (int)slot : -1;
}

static cfp_status add_layer(cfp_tally *tally, const cfp_explained_layer *from, int slot)
{
    cfp_tally_layer *layer = find_layer(tally, from->name);
    if (layer == NULL)
        CFP_TRY(make_layer(&layer, tally, from));
    layer->clips++;
    for (int s = 0; s < from->n_selected; s++) {
        const int32_t o = from->selected[s];
        layer->count[o]++;
        layer->sum[o] += (double)from->relevance[o];
        put_top(layer->top + (int64_t)o * tally->max_top, tally->max_top, tally->n_clips,
                from->relevance[o]);
        if (slot >= 0)
            layer->set[(int64_t)slot * layer->words + o / 64] |= (uint64_t)1 << o % 64;
    }
    return add_edges(layer, tally, from);
}

cfp_status cfp_tally_add(cfp_tally *tally, const cfp_explained_layers *layers, const char *where)
{
    CFP_TRY(check_layers(tally, layers, where));
    const int slot = draw_slot(tally);
    for (int l = 0; l < tally->n && slot >= 0; l++) /* of the clip that is replaced */
        memset(tally->layer[l].set + (int64_t)slot * tally->layer[l].words, 0,
               (size_t)tally->layer[l].words * sizeof *tally->layer[l].set);
    for (int l = 0; l < layers->n; l++)
        CFP_TRY(add_layer(tally, &layers->layer[l], slot));
    tally->n_clips++;
    return CFP_OK;
}

/* --- consistency --- */

int cfp_tally_sets(const cfp_tally *tally)
{
    return cfp_min_int(tally->n_clips, CFP_TALLY_SETS);
}

static double log_choose(int n, int k)
{
    return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
}

/* The size of the intersection has a hypergeometric distribution.  Starting at its most likely
 * value, each probability is computed from its neighbour, in both directions, until they are
 * negligible. */
double cfp_random_jaccard(int n, int a, int b)
{
    const int low = cfp_max_int(0, a + b - n), high = cfp_min_int(a, b);
    const int mode = cfp_max_int(low, cfp_min_int(high, (int)((a + 1.0) * (b + 1.0) / (n + 2.0))));
    if (a == 0 && b == 0)
        return 1;
    const double peak = exp(log_choose(a, mode) + log_choose(n - a, b - mode) - log_choose(n, b));
    double sum = 0, p = peak;
    for (int k = mode; k <= high && p > 1e-18; k++) {
        sum += p * k / (a + b - k);
        p *= (double)(a - k) * (b - k) / ((k + 1.0) * (n - a - b + k + 1.0));
    }
    p = peak;
    for (int k = mode; k > low && p > 1e-18;) {
        p *= k * (double)(n - a - b + k) / ((a - k + 1.0) * (b - k + 1.0));
        k--;
        sum += p * k / (a + b - k);
    }
    return sum;
}

static int bits(const uint64_t *set, int words)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        n += __builtin_popcountll(set[w]);
    return n;
}

static int common_bits(const uint64_t *a, const uint64_t *b, int words)
{
    int n = 0;
    for (int w = 0; w < words; w++)
        n += __builtin_popcountll(a[w] & b[w]);
    return n;
}

static double mean_jaccard(const cfp_tally_layer *layer, const int *size, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            const int common = common_bits(layer->set + (int64_t)i * layer->words,
                                           layer->set + (int64_t)k * layer->words, layer->words);
            const int either = size[i] + size[k] - common;
            sum += either == 0 ? 1 : (double)common / either;
        }
    return sum / (0.5 * n * (n - 1));
}

static int ascending(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The mean depends only on the sizes of the two sets, so each pair of sizes is computed once. */
static double mean_random(const cfp_tally_layer *layer, int *size, int n)
{
    double sum = 0;
    qsort(size, (size_t)n, sizeof *size, ascending);
    for (int i = 0, next; i < n; i = next) {
        for (next = i; next < n && size[next] == size[i];)
            next++;
        const double many = next - i;
        sum += 0.5 * many * (many - 1) * cfp_random_jaccard(layer->n_kernels, size[i], size[i]);
        for (int k = next, behind; k < n; k = behind) {
            for (behind = k; behind < n && size[behind] == size[k];)
                behind++;
            sum += many * (behind - k) * cfp_random_jaccard(layer->n_kernels, size[i], size[k]);
        }
    }
    return sum / (0.5 * n * (n - 1));
}

static cfp_status find_consistency(cfp_tally_layer *layer, const cfp_tally *tally)
{
    const int n = cfp_tally_sets(tally);
    int *size;
    layer->consistency = layer->random = NAN;
    if (n < 2)
        return CFP_OK;
    CFP_TRY_ALLOC(tally->ctx, size, n);
    for (int i = 0; i < n; i++)
        size[i] = bits(layer->set + (int64_t)i * layer->words, layer->words);
    layer->consistency = mean_jaccard(layer, size, n);
    layer->random = mean_random(layer, size, n);
    cfp_free(size);
    return cfp_check_interrupt(tally->ctx);
}

/* --- order --- */

static int by_depth(const void *a, const void *b)
{
    const cfp_tally_layer *x = a, *y = b;
    return x->depth != y->depth ? x->depth - y->depth : strcmp(x->name, y->name);
}

typedef struct place { /* place of an edge before sorting */
    int32_t kernel, channel;
    int64_t at;
} place;

static int by_ends(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->kernel != y->kernel)
        return x->kernel < y->kernel ? -1 : 1;
    return (x->channel > y->channel) - (x->channel < y->channel);
}

static cfp_status take_order(cfp_tally_layer *layer, const cfp_tally *tally, const place *order)
{
    cfp_tally_edge *edge;
    cfp_tally_top *top = NULL;
    const int64_t n = layer->n_edges, max_top = tally->max_top;
    CFP_TRY_ALLOC(tally->ctx, edge, n);
    top = cfp_alloc(tally->ctx, (size_t)(n * max_top), sizeof *top);
    if (top == NULL) {
        cfp_free(edge);
        return CFP_NOMEM;
    }
    for (int64_t e = 0; e < n; e++) {
        edge[e] = layer->edge[order[e].at];
        memcpy(top + e * max_top, layer->edge_top + order[e].at * max_top,
               (size_t)max_top * sizeof *top);
    }
    cfp_free(layer->edge);
    cfp_free(layer->edge_top);
    layer->edge = edge;
    layer->edge_top = top;
    layer->capacity = n;
    return CFP_OK;
}

static cfp_status sort_edges(cfp_tally_layer *layer, const cfp_tally *tally)
{
    place *order;
    cfp_free(layer->slot);
    layer->slot = NULL;
    CFP_TRY_ALLOC(tally->ctx, order, layer->n_edges);
    for (int64_t e = 0; e < layer->n_edges; e++)
        order[e] = (place){layer->edge[e].kernel, layer->edge[e].channel, e};
    if (layer->n_edges > 0)
        qsort(order, (size_t)layer->n_edges, sizeof *order, by_ends);
    const cfp_status status = take_order(layer, tally, order);
    cfp_free(order);
    return status;
}

cfp_status cfp_tally_finish(cfp_tally *tally)
{
    for (int l = 0; l < tally->n; l++) {
        CFP_TRY(sort_edges(&tally->layer[l], tally));
        CFP_TRY(find_consistency(&tally->layer[l], tally));
    }
    if (tally->n > 0)
        qsort(tally->layer, (size_t)tally->n, sizeof *tally->layer, by_depth);
    return CFP_OK;
}
