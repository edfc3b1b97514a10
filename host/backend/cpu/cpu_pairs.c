/* cpu_pairs.c - computes what pairs of a kernel and a channel contribute to the target (cfp_pairs).
 * The gradients of the selected kernels and the selected channels are gathered, then multiplied as
 * matrices, tap by tap.
 *
 * A tile is TILE kernels times QUAD channels.  Its sums stay in registers along a row of outputs.
 * One thread computes a tile, so no sum depends on the number of threads.  QUADS tiles of the same
 * kernels go through the outputs together, because they read the same gradients. */
#include "cpu.h"
#include "../ref/ref.h"
#include "../relevance_math.h"
#include <string.h>

enum {
    TILE = LANE_PAIRS_KERNELS,
    QUAD = LANE_PAIRS_CHANNELS,
    QUADS = 16,     /* tiles that go through the outputs together */
    MIN_SUMS = 256, /* positions that are summed in float before they are added in double */
    MIN_WORK = 1 << 16
};

/* One group of a layer for one clip. */
typedef struct gathered {
    const cfp_pairs *pairs;
    const cfp_window *window;
    int clip, taps, span;
    int n_kernels, n_channels;
    int *kernel;  /* [n_kernels] o */
    int *channel; /* [n_channels] j, within the group */
    float *dy;    /* [tiles][positions of dy][TILE] */
    float *x;     /* [n_channels, rounded up to QUAD][positions of x] */
} gathered;

static int tiles_of(int n, int size)
{
    return (n + size - 1) / size;
}

/* Lists the kernels and the channels of the group that have a selected pair. */
static void list_pairs(gathered *g, int group)
{
    const cfp_back_step *s = g->pairs->step;
    const int kernels = s->kernels / s->groups, words = cfp_span_words(s);
    g->n_kernels = g->n_channels = 0;
    memset(g->channel, 0, (size_t)g->span * sizeof *g->channel);
    for (int o = group * kernels; o < (group + 1) * kernels; o++) {
        bool any = false;
        for (int q = g->clip * s->thetas; q < (g->clip + 1) * s->thetas; q++) {
            const int64_t row = (int64_t)q * s->kernels + o;
            for (int w = 0; w < words && s->demand[row] >= 0; w++)
                for (uint32_t left = s->edges[row * words + w]; left != 0; left &= left - 1) {
                    g->channel[32 * w + __builtin_ctz(left)] = 1;
                    any = true;
                }
        }
        if (any)
            g->kernel[g->n_kernels++] = o;
    }
    for (int j = 0; j < g->span; j++)
        if (g->channel[j])
            g->channel[g->n_channels++] = j; /* never ahead of j */
}

static void gather_dy(const cfp_backend *backend, gathered *g)
{
    const cfp_tensor *dy = g->pairs->dy;
    const int64_t positions = cfp_positions(dy->shape);
    const int tiles = tiles_of(g->n_kernels, TILE);
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int tile = 0; tile < tiles; tile++)
        for (int lane = 0; lane < TILE; lane++) {
            const int k = tile * TILE + lane;
            float *to = g->dy + tile * positions * TILE + lane;
            const float *from =
                k < g->n_kernels ? dy->data + cfp_offset(dy, g->clip, g->kernel[k], 0, 0, 0) : NULL;
            for (int64_t p = 0; p < positions; p++)
                to[p * TILE] = from != NULL ? from[p * dy->block] : 0;
        }
}

static void gather_x(const cfp_backend *backend, gathered *g, int group)
{
    const cfp_tensor *x = g->pairs->x;
    const int64_t positions = cfp_positions(x->shape);
    const int rows = tiles_of(g->n_channels, QUAD) * QUAD;
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int k = 0; k < rows; k++) {
        float *to = g->x + k * positions;
        const int c = k < g->n_channels ? group * g->span + g->channel[k] : -1;
        const float *from = c >= 0 ? x->data + cfp_offset(x, g->clip, c, 0, 0, 0) : NULL;
        for (int64_t p = 0; p < positions; p++)
            to[p] = from != NULL ? from[p * x->block] : 0;
    }
}

static void add_sums(double total[QUAD][TILE], float sum[QUAD][TILE])
{
    for (int q = 0; q < QUAD; q++)
        for (int lane = 0; lane < TILE; lane++)
            total[q][lane] += (double)sum[q][lane];
}

/* The outputs [first, last) along an axis that read an existing input through tap k.  Output p
 * reads p * stride + reach. */
typedef struct axis {
    int first, last, stride, reach;
} axis;

static axis axis_of(const cfp_window *window, int a, int k, int inputs, int outputs)
{
    axis x = {.stride = window->stride[a], .reach = k * window->dilation[a] - window->pad_begin[a]};
    x.first = x.reach >= 0 ? 0 : (-x.reach + x.stride - 1) / x.stride;
    x.last = inputs <= x.reach ? 0 : cfp_min_int(outputs, (inputs - 1 - x.reach) / x.stride + 1);
    return x;
}

/* A piece of the rows of outputs that a tap sums: whole rows, of MIN_SUMS outputs at least where
 * so many are left.  t and h: its first row. */
typedef struct piece {
    int t, h, rows;
} piece;

/* One tap of a group: the outputs that it has. */
typedef struct tap {
    const gathered *g;
    axis t, h, w;
} tap;

static int rows_in(const tap *k)
{
    return k->w.first < k->w.last && k->h.first < k->h.last && k->t.first < k->t.last
               ? (k->t.last - k->t.first) * (k->h.last - k->h.first)
               : 0;
}

/* Where the first output of a row lies in dy, and what it reads in x. */
static inline void find_row(int64_t *to, int64_t *from, const tap *k, int t, int h)
{
    const cfp_shape in = k->g->pairs->x->shape, out = k->g->pairs->dy->shape;
    *to = (((int64_t)t * out.h + h) * out.w + k->w.first) * TILE;
    *from = ((int64_t)(t * k->t.stride + k->t.reach) * in.h + h * k->h.stride + k->h.reach) * in.w +
            k->w.first * k->w.stride + k->w.reach;
}

/* Sums one piece for a tile, in float: sum[channel][kernel].  dy: of the tile.  x: of its first
 * channel; the others are `apart` floats further on. */
static void sum_piece(float sum[QUAD][TILE], const cpu_lanes *lanes, const tap *k, const float *dy,
                      const float *x, const piece *p)
{
    int64_t at[2], next[2];
    const int t = p->t, h = p->h;
    find_row(&at[0], &at[1], k, t, h);
    find_row(&next[0], &next[1], k, t, h + 1);
    lane_pairs job = {.n = k->w.last - k->w.first,
                      .stride = k->w.stride,
                      .apart = cfp_positions(k->g->pairs->x->shape),
                      .dy_row = next[0] - at[0],
                      .x_row = next[1] - at[1]};
    for (int done = 0; done < p->rows; done += job.rows) {
        const int down = h + done - k->h.first, high = k->h.last - k->h.first;
        find_row(&at[0], &at[1], k, t + down / high, k->h.first + down % high);
        job.rows = cfp_min_int(p->rows - done, high - down % high);
        lanes->pairs(&sum[0][0], &job, dy + at[0], x + at[1]);
    }
}

/* The sums of one tap over all outputs, for `quads` tiles beside each other.  They go through the
 * outputs together, piece by piece, so that a piece of dy is read from the first cache. */
static void sum_tap(double (*total)[QUAD][TILE], const cpu_lanes *lanes, const gathered *g,
                    int tile, int first, int quads, const int at[3])
{
    const cfp_shape in = g->pairs->x->shape, out = g->pairs->dy->shape;
    const tap k = {.g = g,
                   .t = axis_of(g->window, 0, at[0], in.t, out.t),
                   .h = axis_of(g->window, 1, at[1], in.h, out.h),
                   .w = axis_of(g->window, 2, at[2], in.w, out.w)};
    const float *dy = g->dy + tile * cfp_positions(out) * TILE;
    const int rows = rows_in(&k);
    if (rows == 0)
        return;
    const int width = k.w.last - k.w.first, most = (MIN_SUMS + width - 1) / width;
    for (int done = 0; done < rows; done += most) {
        const int high = k.h.last - k.h.first;
        const piece p = {k.t.first + done / high, k.h.first + done % high,
                         cfp_min_int(most, rows - done)};
        for (int q = 0; q < quads; q++) {
            float sum[QUAD][TILE] = {{0}};
            sum_piece(sum, lanes, &k, dy, g->x + (int64_t)(first + q) * QUAD * cfp_positions(in),
                      &p);
            add_sums(total[q], sum);
        }
    }
}

/* Adds what one tap has summed, times its weight. */
static void add_tap(double value[QUAD][TILE], double total[QUAD][TILE], const gathered *g, int tile,
                    int quad, int number)
{
    const int kernels = cfp_min_int(TILE, g->n_kernels - tile * TILE);
    const int channels = cfp_min_int(QUAD, g->n_channels - quad * QUAD);
    for (int q = 0; q < channels; q++)
        for (int lane = 0; lane < kernels; lane++) {
            const int64_t pair =
                (int64_t)g->kernel[tile * TILE + lane] * g->span + g->channel[quad * QUAD + q];
            value[q][lane] += (double)g->pairs->weight[pair * g->taps + number] * total[q][lane];
        }
}

static void give_values(const gathered *g, double value[QUAD][TILE], int tile, int quad)
{
    const cfp_pairs *pairs = g->pairs;
    const double positions = (double)cfp_positions(pairs->x->shape);
    const int kernels = cfp_min_int(TILE, g->n_kernels - tile * TILE);
    const int channels = cfp_min_int(QUAD, g->n_channels - quad * QUAD);
    for (int q = 0; q < channels; q++)
        for (int lane = 0; lane < kernels; lane++) {
            const int64_t row =
                (int64_t)g->clip * pairs->step->kernels + g->kernel[tile * TILE + lane];
            float *to = &pairs->value[row * g->span + g->channel[quad * QUAD + q]];
            *to = (float)(value[q][lane] / positions + (pairs->adds ? (double)*to : 0));
        }
}

/* Makes the tiles of TILE kernels and `quads` quads of channels. */
static void make_tiles(const cpu_lanes *lanes, const gathered *g, int tile, int first, int quads)
{
    const int *size = g->window->kernel;
    double value[QUADS][QUAD][TILE], total[QUADS][QUAD][TILE];
    int k[3], number = 0;
    memset(value, 0, sizeof value);
    for (k[0] = 0; k[0] < size[0]; k[0]++)
        for (k[1] = 0; k[1] < size[1]; k[1]++)
            for (k[2] = 0; k[2] < size[2]; k[2]++, number++) {
                memset(total, 0, sizeof total);
                sum_tap(total, lanes, g, tile, first, quads, k);
                for (int q = 0; q < quads; q++)
                    add_tap(value[q], total[q], g, tile, first + q, number);
            }
    for (int q = 0; q < quads; q++)
        give_values(g, value[q], tile, first + q);
}

static void weigh_group(const cfp_backend *backend, gathered *g, int group)
{
    list_pairs(g, group);
    if (g->n_kernels == 0 || g->n_channels == 0)
        return;
    gather_dy(backend, g);
    gather_x(backend, g, group);
    const int tiles = tiles_of(g->n_kernels, TILE), quads = tiles_of(g->n_channels, QUAD);
    const int64_t work = (int64_t)tiles * TILE * quads * QUAD * g->taps *
                         cfp_positions(g->pairs->dy->shape) / MIN_WORK;
    const int threads = work < 1 ? 1 : work < backend->threads ? (int)work : backend->threads;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int tile = 0; tile < tiles; tile++)
        for (int quad = 0; quad < quads; quad += QUADS)
            make_tiles(backend->lanes, g, tile, quad, cfp_min_int(QUADS, quads - quad));
}

cfp_status cpu_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs)
{
    const cfp_back_step *s = pairs->step;
    const int kernels = s->kernels / s->groups, span = cfp_span_length(s);
    const int64_t slopes = tiles_of(kernels, TILE) * TILE * cfp_positions(pairs->dy->shape);
    const int64_t values = tiles_of(span, QUAD) * QUAD * cfp_positions(pairs->x->shape);
    gathered g = {.pairs = pairs, .window = cfp_kernel_window(pairs->node), .span = span};
    char *workspace;
    CFP_TRY(cpu_workspace(&workspace, backend,
                          cpu_aligned((size_t)slopes * sizeof *g.dy) +
                              cpu_aligned((size_t)values * sizeof *g.x) +
                              (size_t)(kernels + span) * sizeof *g.kernel));
    g.dy = (float *)(void *)workspace;
    g.x = (float *)(void *)(workspace + cpu_aligned((size_t)slopes * sizeof *g.dy));
    g.kernel = (int *)(void *)((char *)g.x + cpu_aligned((size_t)values * sizeof *g.x));
    g.channel = g.kernel + kernels;
    g.taps = g.window->kernel[0] * g.window->kernel[1] * g.window->kernel[2];
    for (g.clip = 0; g.clip < s->clips; g.clip++)
        for (int group = 0; group < s->groups; group++)
            weigh_group(backend, &g, group);
    return CFP_OK;
}
