/* lane_winograd.c - convolution with kernels of 3 taps and stride 1 by minimal filtering
 * (lanes.h: winograd; Winograd 1980, Lavin and Gray 2016: F(2, 3)).
 *
 * Two neighbouring outputs of a 3-tap filter need 4 multiplications instead of 6.  A tile of 2 x 2
 * outputs needs 16 instead of 36, and `deep`, which filters two frames together, 64 instead of 216.
 * The coefficients are 0, 1, -1 and 1/2, so the transforms lose nothing but rounding, about as much
 * as the plain sum.
 *
 *     V(plane, c, tile) = the 4 x 4 inputs under a tile, transformed     planes: 16 a frame
 *     M(plane, k, tile) = sum over c of U(plane, k, c) * V(plane, c, tile)
 *     outputs of a tile = the planes of M, transformed back              U: weights, transformed
 *
 * Kernels of 3 x 1 x 1 are `deep` with tiles of one point and one plane per frame.
 *
 * A task is a few tiles of one frame (deep: of two frames) and some blocks of kernels of one group,
 * so small that V stays in the second-level cache.  The order in which an output is summed does not
 * depend on how the work is cut into tasks. */
#include "lane_filter.h"
#include <omp.h>

enum { CACHED_FLOATS = 160 << 10 }; /* for V */

struct winograd_plan {
    int frames;       /* outputs of a task along T: 1, deep 2 */
    int layers;       /* layers of V along T: 1 for each tap, deep 4 */
    int sums;         /* layers of M along T: 1, deep 4 */
    int edge, planes; /* edge and planes of a tile: 2 and 16; for points 1 and 1 */
    int tiles_h, tiles_w;
    int tiles;                  /* most tiles of a task */
    int src_blocks, dst_blocks; /* blocks of a group */
    int64_t v_plane, v_layer;   /* floats */
    int64_t u_plane, u_layer, u_pair;
    int64_t v_floats, m_floats;
};

static struct winograd_plan winograd_plan_of(const lane_winograd *job)
{
    const int edge = job->points ? 1 : 2;
    struct winograd_plan p = {.frames = job->deep ? 2 : 1,
                              .edge = edge,
                              .planes = job->points ? 1 : SQUARE_PLANES,
                              .layers = job->deep ? 4 : job->taps_t,
                              .sums = job->deep ? 4 : 1,
                              .tiles_h = (job->dst_shape.h + edge - 1) / edge,
                              .tiles_w = (job->dst_shape.w + edge - 1) / edge,
                              .src_blocks = (job->src_shape.c / job->groups + LANES - 1) / LANES,
                              .dst_blocks = (job->dst_shape.c / job->groups + LANES - 1) / LANES};
    const int all = p.tiles_h * p.tiles_w;
    const int a_tile = p.layers * p.planes * p.src_blocks * LANES;
    const int fit = cfp_min_int(cfp_max_int(CACHED_FLOATS / a_tile / COLUMNS, 1), 4) * COLUMNS;
    const int pieces = (all + fit - 1) / fit;
    p.tiles = (all + pieces - 1) / pieces;
    p.v_plane = (int64_t)p.src_blocks * p.tiles * LANES;
    p.v_layer = p.v_plane * p.planes;
    p.u_plane = (int64_t)p.src_blocks * LANES * BESIDE * LANES;
    p.u_layer = p.u_plane * p.planes;
    p.u_pair = p.u_layer * p.layers;
    p.v_floats = p.v_layer * p.layers;
    p.m_floats = (int64_t)p.sums * p.planes * BESIDE * p.tiles * LANES;
    return p;
}

size_t LANE(winograd_scratch)(const lane_winograd *job, int threads)
{
    const struct winograd_plan p = winograd_plan_of(job);
    return (size_t)(p.v_floats + p.m_floats) * sizeof(float) * (size_t)threads;
}

static inline void add_tile(vec x[16], const vec y[16], bool subtract)
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        x[i] = subtract ? v_sub(x[i], y[i]) : v_add(x[i], y[i]);
}

/* Transforms one tile of one block of channels to one layer of V, from one frame, or from two if
 * deep. */
static inline void input_tile(float *v, int64_t v_plane, const float *frame, const float *other,
                              bool subtract, int h, int w, cfp_shape s)
{
    vec x[16];
    if (frame != NULL) {
        load_tile(x, frame, h, w, s.h, s.w);
    } else {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            x[i] = v_set(0);
    }
    if (other != NULL) {
        vec y[16];
        load_tile(y, other, h, w, s.h, s.w);
        add_tile(x, y, subtract);
    }
    filter_tile(x);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        v_store(v + i * v_plane, x[i]);
}

/* The same for tiles of one point. */
static void input_points(float *v, const float *frame, const float *other, bool subtract, int first,
                         int count)
{
    for (int64_t i = 0; i < count; i++) {
        const vec x = frame == NULL ? v_set(0) : v_load(frame + (first + i) * LANES);
        const vec y = other == NULL ? v_set(0) : v_load(other + (first + i) * LANES);
        v_store(v + i * LANES, subtract ? v_sub(x, y) : v_add(x, y));
    }
}

/* The frames that make layer l of V: one for each tap, or the two of filter_input if deep. */
struct layer_frames {
    const float *frame, *other; /* of block 0; NULL in the padding */
    bool subtract;
};

static const float *frame_at(const lane_winograd *job, int n, int t)
{
    const cfp_shape s = job->src_shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES, area = (int64_t)s.h * s.w * LANES;
    return t < 0 || t >= s.t ? NULL : job->src + (n * blocks * s.t + t) * area;
}

static struct layer_frames layer_frames(const lane_winograd *job, int n, int first, int l)
{
    static const int one[4] = {0, 1, 2, 1}, two[4] = {2, 2, 1, 3};
    if (!job->deep)
        return (struct layer_frames){frame_at(job, n, first + l), NULL, false};
    return (struct layer_frames){frame_at(job, n, first + one[l]), frame_at(job, n, first + two[l]),
                                 l != 1};
}

struct winograd_task {
    int n, t, tile, tiles;  /* clip, first frame, first tile, number of tiles */
    int group, first, last; /* group, and its blocks of kernels */
    int low, high;          /* the layers of V that are not all padding */
};

static void transform_input(const lane_winograd *job, const struct winograd_plan *p,
                            struct winograd_task *task, float *v)
{
    const cfp_shape s = job->src_shape;
    const int64_t block = cfp_positions(s) * LANES;
    task->low = task->high = 0;
    for (int l = 0; l < p->layers; l++) {
        const struct layer_frames f = layer_frames(job, task->n, task->t - job->pad[0], l);
        if (!job->deep && f.frame == NULL)
            continue;
        if (task->high == 0)
            task->low = l;
        task->high = l + 1;
        for (int b = 0; b < p->src_blocks; b++) {
            const int64_t from = (task->group * p->src_blocks + b) * block;
            const float *frame = f.frame == NULL ? NULL : f.frame + from;
            const float *other = f.other == NULL ? NULL : f.other + from;
            float *to = v + l * p->v_layer + (int64_t)b * p->tiles * LANES;
            if (job->points)
                input_points(to, frame, other, f.subtract, task->tile, task->tiles);
            for (int i = 0; i < task->tiles && !job->points; i++) {
                const int tile = task->tile + i;
                input_tile(to + (int64_t)i * LANES, p->v_plane, frame, other, f.subtract,
                           tile / p->tiles_w * 2 - job->pad[1], tile % p->tiles_w * 2 - job->pad[2],
                           s);
            }
        }
    }
}

/* m(k, tile) = sum over layers and channels of u(c, k) * v(c, tile), for `columns` tiles. */
static inline __attribute__((always_inline)) void product(float *m, const float *u, const float *v,
                                                          const struct winograd_plan *p, int layers,
                                                          int columns, int beside)
{
    vec sum[BESIDE][COLUMNS];
#pragma GCC unroll 28
    for (int i = 0; i < beside * columns; i++)
        sum[i / columns][i % columns] = v_set(0);
    for (int l = 0; l < layers; l++)
        for (int b = 0; b < p->src_blocks; b++) {
            const float *w = u + l * p->u_layer + (int64_t)b * LANES * BESIDE * LANES;
            const float *x = v + l * p->v_layer + (int64_t)b * p->tiles * LANES;
            for (int c = 0; c < LANES; c++, w += BESIDE * LANES) {
                const vec w0 = v_load(w), w1 = v_load(w + LANES);
#pragma GCC unroll 14
                for (int i = 0; i < columns; i++) {
                    const vec y = v_set(x[i * LANES + c]);
                    sum[0][i] = v_fma(y, w0, sum[0][i]);
                    if (beside == 2)
                        sum[1][i] = v_fma(y, w1, sum[1][i]);
                }
            }
        }
#pragma GCC unroll 28
    for (int i = 0; i < beside * columns; i++)
        v_store(m + ((int64_t)(i / columns) * p->tiles + i % columns) * LANES,
                sum[i / columns][i % columns]);
}

typedef void product_fn(float *m, const float *u, const float *v, const struct winograd_plan *p,
                        int layers);
#define PRODUCT(n)                                                                                 \
    static void product_##n##_1(float *m, const float *u, const float *v,                          \
                                const struct winograd_plan *p, int layers)                         \
    {                                                                                              \
        product(m, u, v, p, layers, n, 1);                                                         \
    }                                                                                              \
    static void product_##n##_2(float *m, const float *u, const float *v,                          \
                                const struct winograd_plan *p, int layers)                         \
    {                                                                                              \
        product(m, u, v, p, layers, n, 2);                                                         \
    }
#define PRODUCT_NAMES(n) {product_##n##_1, product_##n##_2},
FOR_COLUMNS(PRODUCT)
static product_fn *const products[COLUMNS][BESIDE] = {FOR_COLUMNS(PRODUCT_NAMES)};

/* Computes all planes of M for one pair of blocks of kernels. */
static void multiply(const struct winograd_plan *p, const struct winograd_task *task, float *m,
                     const float *u, const float *v, int beside)
{
    const int runs = (task->tiles + COLUMNS - 1) / COLUMNS;
    const int layers = p->sums > 1 ? 1 : task->high - task->low;
    for (int sum = 0; sum < p->sums; sum++) {
        const int l = p->sums > 1 ? sum : task->low;
        for (int plane = 0; plane < p->planes; plane++, m += BESIDE * p->tiles * LANES)
            for (int run = 0, at = 0; run < runs; run++) {
                const int end = task->tiles * (run + 1) / runs;
                products[end - at - 1][beside - 1](
                    m + (int64_t)at * LANES, u + l * p->u_layer + plane * p->u_plane,
                    v + l * p->v_layer + plane * p->v_plane + (int64_t)at * LANES, p, layers);
                at = end;
            }
    }
}

static inline __attribute__((always_inline)) void put_output(const lane_winograd *job, int64_t at,
                                                             vec y, vec bias)
{
    vec sum = v_add(y, bias);
    if (job->added != NULL)
        sum = v_add(sum, v_load(job->added + at));
    v_store(job->dst + at, v_max(v_set(job->floor), sum));
}

/* Computes 2 x 2 outputs of one frame from its 16 planes.  Outputs past the edge are left out. */
static inline __attribute__((always_inline)) void output_tile(const lane_winograd *job, vec m[16],
                                                              vec bias, int64_t frame, int h, int w)
{
    const cfp_shape s = job->dst_shape;
    vec y[4];
    filter_tile_back(y, m);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        if (h + i / 2 >= s.h || w + i % 2 >= s.w)
            continue;
        put_output(job, frame + ((int64_t)(h + i / 2) * s.w + w + i % 2) * LANES, y[i], bias);
    }
}

static void transform_output(const lane_winograd *job, const struct winograd_plan *p,
                             const struct winograd_task *task, const float *m, int k, int beside)
{
    const cfp_shape s = job->dst_shape;
    const int64_t plane = (int64_t)BESIDE * p->tiles * LANES, area = (int64_t)s.h * s.w * LANES;
    const int64_t all = (int64_t)p->dst_blocks * job->groups;
    const vec bias = v_load(job->bias + k * LANES);
    for (int i = 0; i < task->tiles; i++) {
        const float *from = m + ((int64_t)beside * p->tiles + i) * LANES;
        const int tile = task->tile + i, h = tile / p->tiles_w * 2, w = tile % p->tiles_w * 2;
        const int64_t frame = ((task->n * all + k) * s.t + task->t) * area;
        vec x[16], y[16];
        if (p->sums == 1) {
#pragma GCC unroll 16
            for (int j = 0; j < 16; j++)
                x[j] = v_load(from + j * plane);
            output_tile(job, x, bias, frame, h, w);
            continue;
        }
        for (int j = 0; j < 16; j++) {
            vec four[4], two[2];
#pragma GCC unroll 4
            for (int l = 0; l < 4; l++)
                four[l] = v_load(from + (l * p->planes + j) * plane);
            filter_output(two, four, 1, 1);
            x[j] = two[0];
            y[j] = two[1];
        }
        output_tile(job, x, bias, frame, h, w);
        if (task->t + 1 < s.t)
            output_tile(job, y, bias, frame + area, h, w);
    }
}

static void output_points(const lane_winograd *job, const struct winograd_plan *p,
                          const struct winograd_task *task, const float *m, int k, int beside)
{
    const cfp_shape s = job->dst_shape;
    const int64_t layer = (int64_t)BESIDE * p->tiles * LANES, area = (int64_t)s.h * s.w * LANES;
    const int64_t all = (int64_t)p->dst_blocks * job->groups;
    const int64_t frame = ((task->n * all + k) * s.t + task->t) * area;
    const vec bias = v_load(job->bias + k * LANES);
    for (int64_t i = 0; i < task->tiles; i++) {
        vec four[4], two[2];
#pragma GCC unroll 4
        for (int l = 0; l < 4; l++)
            four[l] = v_load(m + l * layer + (beside * p->tiles + i) * LANES);
        filter_output(two, four, 1, 1);
        put_output(job, frame + (task->tile + i) * LANES, two[0], bias);
        if (task->t + 1 < s.t)
            put_output(job, frame + area + (task->tile + i) * LANES, two[1], bias);
    }
}

static void run_task(const lane_winograd *job, const struct winograd_plan *p,
                     struct winograd_task *task, float *scratch)
{
    float *v = scratch, *m = scratch + p->v_floats;
    const int first = task->group * p->dst_blocks; /* first block of kernels */
    const float *weights = job->weights + task->group * ((p->dst_blocks + 1) / BESIDE) * p->u_pair;
    transform_input(job, p, task, v);
    for (int k = task->first; k < task->last; k += BESIDE) {
        const int beside = cfp_min_int(BESIDE, p->dst_blocks - k);
        multiply(p, task, m, weights + k / BESIDE * p->u_pair, v, beside);
        for (int i = 0; i < beside; i++)
            (job->points ? output_points : transform_output)(job, p, task, m, first + k + i, i);
    }
}

void LANE(winograd_run)(const lane_winograd *job, int threads)
{
    enum { TASKS_A_THREAD = 4 };
    const struct winograd_plan p = winograd_plan_of(job);
    const cfp_shape s = job->dst_shape;
    const int all = p.tiles_h * p.tiles_w, pieces = (all + p.tiles - 1) / p.tiles;
    const int steps = (s.t + p.frames - 1) / p.frames, pairs = (p.dst_blocks + 1) / BESIDE;
    const int64_t tasks = (int64_t)s.n * steps * pieces * job->groups;
    /* Too few tasks for all threads: divide the kernels among several tasks, each of which computes
     * V again. */
    const int64_t wanted = (TASKS_A_THREAD * threads + tasks - 1) / tasks;
    const int parts = threads == 1 ? 1 : cfp_min_int(pairs, (int)wanted);

#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < tasks * parts; i++) {
        const int part = (int)(i % parts);
        const int64_t at = i / parts / job->groups;
        const int piece = (int)(at % pieces), first = (int)((int64_t)all * piece / pieces);
        struct winograd_task task = {
            .n = (int)(at / pieces / steps),
            .t = (int)(at / pieces % steps) * p.frames,
            .tile = first,
            .tiles = (int)((int64_t)all * (piece + 1) / pieces) - first,
            .group = (int)(i / parts % job->groups),
            .first = pairs * part / parts * BESIDE,
            .last = cfp_min_int(pairs * (part + 1) / parts * BESIDE, p.dst_blocks)};
        run_task(job, &p, &task, job->scratch + (p.v_floats + p.m_floats) * omp_get_thread_num());
    }
}
