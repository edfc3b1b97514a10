/* apart.c - see apart.h. */
#include "apart.h"
#include "rules.h"
#include <stdlib.h>

void cfp_apart_free(cfp_apart_list *list)
{
    for (int l = 0; l < list->n; l++) {
        cfp_free(list->layer[l].kernel);
        cfp_free(list->layer[l].end);
        cfp_free(list->layer[l].map);
    }
    cfp_free(list->layer);
    *list = (cfp_apart_list){0};
}

/* The last kernel, plus one, of the map that begins with kernel `first` of n. */
static int end_of(int first, int n)
{
    const int end = first < CFP_APART_SINGLE ? first + 1 : 2 * first;
    return cfp_min_int(end, n);
}

static int count_maps(int n_kernels)
{
    int n = 0;
    for (int at = 0; at < n_kernels; at = end_of(at, n_kernels))
        n++;
    return n;
}

/* --- the size of the maps --- */

static int square_of(cfp_shape s, int side)
{
    return cfp_max_int(1, (cfp_max_int(s.h, s.w) + side - 1) / side);
}

static int64_t values_of(const cfp_model *model, const cfp_query *query, int side)
{
    int64_t sum = 0;
    for (int m = 1; m < model->n_nodes; m++) {
        if (!cfp_tube_wanted(model, query, m))
            continue;
        const cfp_shape s = model->node[cfp_map_node(model, m)].shape;
        const int n = square_of(s, side);
        sum += (int64_t)count_maps(s.c) * s.t * ((s.h + n - 1) / n) * ((s.w + n - 1) / n);
    }
    return sum;
}

int cfp_apart_side(const cfp_model *model, const cfp_query *query)
{
    int side = 1;
    for (int m = 1; m < model->n_nodes; m++)
        side = cfp_max_int(side, cfp_max_int(model->node[m].shape.h, model->node[m].shape.w));
    while (side > 1 && values_of(model, query, side) > CFP_APART_VALUES)
        side = cfp_max_int(1, side * 7 / 8);
    return side;
}

/* --- the order of the kernels --- */

typedef struct ranked {
    double relevance;
    int32_t kernel;
} ranked;

static int by_relevance(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->relevance > y->relevance   ? -1
           : x->relevance < y->relevance ? 1
                                         : (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

/* Puts the selected kernels in order, and ends the maps. */
static cfp_status rank_kernels(cfp_apart *a, cfp_ctx *ctx, const double *relevance, int channels)
{
    ranked *rank;
    int n = 0;
    CFP_TRY_ALLOC(ctx, rank, channels);
    for (int c = 0; c < channels; c++)
        if (relevance[c] >= 0)
            rank[n++] = (ranked){relevance[c], c};
    qsort(rank, (size_t)n, sizeof *rank, by_relevance);
    a->n_kernels = n;
    a->n = count_maps(n);
    a->kernel = cfp_alloc(ctx, (size_t)n, sizeof *a->kernel);
    a->end = cfp_alloc(ctx, (size_t)a->n, sizeof *a->end);
    for (int k = 0; k < n && a->kernel != NULL; k++)
        a->kernel[k] = rank[k].kernel;
    for (int k = 0, at = 0; k < a->n && a->end != NULL; k++)
        a->end[k] = at = end_of(at, n);
    cfp_free(rank);
    return a->kernel == NULL || a->end == NULL ? CFP_NOMEM : CFP_OK;
}

/* --- the maps --- */

/* Adds channel c of x * g to a map: each value to its square. */
static void add_channel(float *map, const cfp_apart *a, const cfp_tensor *x, const cfp_tensor *g,
                        int c)
{
    const cfp_shape s = x->shape;
    const int side = a->reduced;
    for (int t = 0; t < s.t; t++)
        for (int y = 0; y < s.h; y++) {
            int64_t at = cfp_offset(x, 0, c, t, y, 0);
            float *row = map + ((int64_t)t * a->h + y / side) * a->w;
            const int high = cfp_min_int(side, s.h - y / side * side);
            for (int v = 0; v < s.w; v++, at += x->block) {
                const int wide = cfp_min_int(side, s.w - v / side * side);
                const float value = g != NULL ? x->data[at] * g->data[at] : x->data[at];
                row[v / side] += value / (float)(high * wide);
            }
        }
}

static void fill_maps(cfp_apart *a, const cfp_tensor *x, const cfp_tensor *g)
{
    const int64_t size = (int64_t)a->t * a->h * a->w;
#pragma omp parallel for schedule(dynamic)
    for (int k = 0; k < a->n; k++)
        for (int i = k > 0 ? a->end[k - 1] : 0; i < a->end[k]; i++)
            add_channel(a->map + k * size, a, x, g, a->kernel[i]);
}

static cfp_status take_apart(cfp_apart *a, cfp_ctx *ctx, const cfp_tensor *x, const cfp_tensor *g,
                             const double *relevance, int side)
{
    const cfp_shape s = x->shape;
    CFP_TRY(rank_kernels(a, ctx, relevance, s.c));
    a->reduced = square_of(s, side);
    a->t = s.t;
    a->h = (s.h + a->reduced - 1) / a->reduced;
    a->w = (s.w + a->reduced - 1) / a->reduced;
    CFP_TRY_ALLOC(ctx, a->map, (int64_t)a->n * a->t * a->h * a->w);
    fill_maps(a, x, g);
    return CFP_OK;
}

cfp_status cfp_apart_add(cfp_apart_list *list, cfp_ctx *ctx, int node, const cfp_tensor *x,
                         const cfp_tensor *g, const double *relevance, int side)
{
    cfp_apart *more;
    CFP_TRY_ALLOC(ctx, more, list->n + 1);
    for (int l = 0; l < list->n; l++)
        more[l] = list->layer[l];
    cfp_free(list->layer);
    list->layer = more;
    cfp_apart *a = &list->layer[list->n++];
    *a = (cfp_apart){.node = node};
    return take_apart(a, ctx, x, g, relevance, side);
}
