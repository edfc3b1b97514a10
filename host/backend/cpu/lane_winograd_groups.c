/* lane_winograd_groups.c - minimal filtering for groups of a few channels (lanes.h:
 * winograd_groups).
 *
 * This is like lane_winograd.c, but in the product each lane is a tile.  With 6 channels in a
 * group, vectors of channels would need a shuffle for every multiplication.  So the transformed
 * inputs are transposed, from a vector of channels for each tile to a vector of tiles for each
 * channel, and the results are transposed back.  That takes a few shuffles for each input and
 * output:
 *
 *     V(frame, plane, c, tiles) = the 4 x 4 inputs under each tile, transformed along H and W
 *     M(frame, plane, k, tiles) = the sums over c of the group
 *     outputs of the tiles = the planes of M, transformed back along H and W
 *
 * Sums are made from four frames of V at a time.  For 3 x 3 x 3 they give two frames of M,
 * transformed along T and back; for 1 x 3 x 3 they give four. A task is as many tiles as there are
 * lanes, in a unit of channels (whole groups that are also whole blocks), from the first frame of a
 * segment to its last.  Short clips of small maps are cut into segments, so that fewer lanes are
 * empty. */
#include "lane_filter.h"
#include <omp.h>

enum { FRAMES_KEPT = 4 }; /* of V */

struct unit_plan {
    int channels, kernels;       /* of a group */
    int units, in_unit;          /* number of units, groups in a unit */
    int src_blocks, dst_blocks;  /* blocks of a unit */
    int tiles_w, tiles;          /* tiles of a row, of a frame */
    int frames, steps, segments; /* outputs of a step, steps of a segment, segments of a clip */
    int64_t count;            /* number of lanes that are used: tiles of all segments and clips */
    int64_t v_plane, v_frame; /* floats */
    int64_t m_plane, m_frame;
};

static struct unit_plan unit_plan_of(const lane_winograd_groups *job)
{
    const cfp_shape s = job->dst_shape;
    const int units = job->groups / job->unit, frames = job->deep ? 2 : FRAMES_KEPT;
    struct unit_plan p = {.channels = job->src_shape.c / job->groups,
                          .kernels = s.c / job->groups,
                          .units = units,
                          .in_unit = job->unit,
                          .src_blocks = (job->src_shape.c / units + LANES - 1) / LANES,
                          .dst_blocks = (s.c / units + LANES - 1) / LANES,
                          .tiles_w = (s.w + 1) / 2,
                          .frames = frames,
                          .steps = job->steps,
                          .segments = (s.t + job->steps * frames - 1) / (job->steps * frames)};
    p.tiles = p.tiles_w * ((s.h + 1) / 2);
    p.count = (int64_t)s.n * p.segments * p.tiles;
    p.v_plane = (int64_t)p.src_blocks * LANES * LANES;
    p.v_frame = p.v_plane * SQUARE_PLANES;
    p.m_plane = (int64_t)p.dst_blocks * LANES * LANES;
    p.m_frame = p.m_plane * SQUARE_PLANES;
    return p;
}

static int64_t unit_floats(const struct unit_plan *p) /* size of V, M and the planes of one block */
{
    return FRAMES_KEPT * p->v_frame + p->frames * p->m_frame +
           (int64_t)SQUARE_PLANES * LANES * LANES;
}

size_t LANE(winograd_groups_scratch)(const lane_winograd_groups *job, int threads)
{
    const struct unit_plan p = unit_plan_of(job);
    return (size_t)unit_floats(&p) * sizeof(float) * (size_t)threads;
}

struct unit_task {
    int unit;
    struct place {
        int n, t, h, w; /* clip, first frame of the segment, first output; n = -1: an empty lane */
        int64_t to;     /* floats from dst to the first output in block 0 and frame 0 */
    } place[LANES];
    float *v, *m, *workspace;
};

static struct place place_of(const struct unit_plan *p, cfp_shape s, int64_t lane)
{
    if (lane >= p->count)
        return (struct place){.n = -1};
    const int tile = (int)(lane % p->tiles);
    const int64_t rest = lane / p->tiles, blocks = (s.c + LANES - 1) / LANES;
    struct place at = {.n = (int)(rest / p->segments),
                       .t = (int)(rest % p->segments) * p->steps * p->frames,
                       .h = tile / p->tiles_w * 2,
                       .w = tile % p->tiles_w * 2};
    at.to = (at.n * blocks * cfp_positions(s) + (int64_t)at.h * s.w + at.w) * LANES;
    return at;
}

/* Loads the LANES rows at `from`, transposed. */
static inline __attribute__((always_inline)) void load_turned(vec x[LANES], const float *from)
{
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        x[i] = v_load(from + i * LANES);
    v_transpose(x);
}

/* Transforms one tile of one block of channels to planes, LANES * LANES floats apart. */
static void unit_tile(float *to, const lane_winograd_groups *job, const struct place *at, int block,
                      int t)
{
    const cfp_shape s = job->src_shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES, area = (int64_t)s.h * s.w * LANES;
    if (at->n < 0 || t < 0 || t >= s.t) {
        for (int i = 0; i < SQUARE_PLANES; i++)
            v_store(to + i * LANES * LANES, v_set(0));
        return;
    }
    vec x[16];
    load_tile(x, job->src + ((at->n * blocks + block) * s.t + t) * area, at->h - job->pad[1],
              at->w - job->pad[2], s.h, s.w);
    filter_tile(x);
#pragma GCC unroll 16
    for (int i = 0; i < SQUARE_PLANES; i++)
        v_store(to + i * LANES * LANES, x[i]);
}

/* Computes V for one frame, counted from the first that the segment reads. */
static void unit_input(const lane_winograd_groups *job, const struct unit_plan *p,
                       const struct unit_task *task, int frame)
{
    float *v = task->v + frame % FRAMES_KEPT * p->v_frame;
    for (int b = 0; b < p->src_blocks; b++, v += LANES * LANES) {
        for (int i = 0; i < LANES; i++)
            unit_tile(task->workspace + i * LANES, job, &task->place[i],
                      task->unit * p->src_blocks + b, task->place[i].t + frame - job->pad[0]);
        for (int plane = 0; plane < SQUARE_PLANES; plane++) {
            vec x[LANES];
            load_turned(x, task->workspace + plane * LANES * LANES);
#pragma GCC unroll 16
            for (int c = 0; c < LANES; c++)
                v_store(v + plane * p->v_plane + c * LANES, x[c]);
        }
    }
}

/* Computes the sums of `n` kernels over the channels of a group, in one plane, from four frames v[]
 * to frames of M.  deep: first filtered along T as in filter_input, at the end as in filter_output.
 * u is [channel][deep 4][kernels]. */
static inline __attribute__((always_inline)) void
unit_product(float *m, int64_t m_frame, const float *u, const float *const v[FRAMES_KEPT],
             int channels, int64_t kernels, int n, bool deep)
{
    vec sum[4][GROUP_KERNELS];
#pragma GCC unroll 4
    for (int l = 0; l < 4; l++)
#pragma GCC unroll 8
        for (int k = 0; k < n; k++)
            sum[l][k] = v_set(0);
    const int layers = deep ? 4 : 1;
    const float *row[4]; /* a row of u for each layer */
#pragma GCC unroll 4
    for (int l = 0; l < 4; l++)
        row[l] = u + l % layers * kernels;
    for (int64_t c = 0; c < channels; c++) {
        vec x[4];
#pragma GCC unroll 4
        for (int l = 0; l < 4; l++)
            x[l] = v_load(v[l] + c * LANES);
        if (deep)
            filter_input(x, 1);
#pragma GCC unroll 4
        for (int l = 0; l < 4; l++) {
#pragma GCC unroll 8
            for (int k = 0; k < n; k++)
                sum[l][k] = v_fma(x[l], v_set(row[l][k]), sum[l][k]);
            row[l] += layers * kernels;
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < n; k++) {
        vec y[4] = {sum[0][k], sum[1][k], sum[2][k], sum[3][k]};
        if (deep)
            filter_output(y, y, 1, 1);
#pragma GCC unroll 4
        for (int l = 0; l < 4; l++)
            if (!deep || l < 2)
                v_store(m + l * m_frame + k * LANES, y[l]);
    }
}

typedef void unit_product_fn(float *m, int64_t m_frame, const float *u,
                             const float *const v[FRAMES_KEPT], int channels, int64_t kernels);
#define UNIT_PRODUCT(n)                                                                            \
    static void deep_product_##n(float *m, int64_t m_frame, const float *u,                        \
                                 const float *const v[FRAMES_KEPT], int channels, int64_t kernels) \
    {                                                                                              \
        unit_product(m, m_frame, u, v, channels, kernels, n, true);                                \
    }                                                                                              \
    static void flat_product_##n(float *m, int64_t m_frame, const float *u,                        \
                                 const float *const v[FRAMES_KEPT], int channels, int64_t kernels) \
    {                                                                                              \
        unit_product(m, m_frame, u, v, channels, kernels, n, false);                               \
    }
#define UNIT_PRODUCT_NAMES(n) {flat_product_##n, deep_product_##n},
FOR_GROUP_KERNELS(UNIT_PRODUCT)
static unit_product_fn *const unit_products[GROUP_KERNELS][2] = {
    FOR_GROUP_KERNELS(UNIT_PRODUCT_NAMES)};

/* Computes M for a step, from V of `frame`, counted as above, and of the three frames after it. */
static void unit_multiply(const lane_winograd_groups *job, const struct unit_plan *p,
                          const struct unit_task *task, int frame)
{
    const int runs = (p->kernels + GROUP_KERNELS - 1) / GROUP_KERNELS;
    const int64_t u_plane = (int64_t)p->channels * (job->deep ? 4 : 1) * p->kernels;
    const float *u = job->weights + (int64_t)task->unit * p->in_unit * SQUARE_PLANES * u_plane;
    for (int g = 0; g < p->in_unit; g++)
        for (int plane = 0; plane < SQUARE_PLANES; plane++, u += u_plane) {
            const float *v[FRAMES_KEPT];
            for (int i = 0; i < FRAMES_KEPT; i++)
                v[i] = task->v + (frame + i) % FRAMES_KEPT * p->v_frame + plane * p->v_plane +
                       (int64_t)g * p->channels * LANES;
            float *m = task->m + plane * p->m_plane + (int64_t)g * p->kernels * LANES;
            for (int run = 0, k = 0; run < runs; run++) {
                const int end = p->kernels * (run + 1) / runs;
                unit_products[end - k - 1][job->deep](m + (int64_t)k * LANES, p->m_frame, u + k, v,
                                                      p->channels, p->kernels);
                k = end;
            }
        }
}

/* Writes output `at`: one vector of kernels. */
static inline __attribute__((always_inline)) void put_sum(float *dst, const float *added,
                                                          float floor, int64_t at, vec sum)
{
    if (added != NULL)
        sum = v_add(sum, v_load(added + at));
    v_store(dst + at, v_max(v_set(floor), sum));
}

/* Writes the outputs of one frame of one block of kernels; m is its first plane. */
static void unit_output(const lane_winograd_groups *job, const struct unit_plan *p,
                        const struct unit_task *task, const float *m, int block, int frame)
{
    const cfp_shape s = job->dst_shape;
    const int64_t area = (int64_t)s.h * s.w * LANES;
    const vec bias = v_load(job->bias + (int64_t)block * LANES);
    for (int k = 0; k < LANES; k++) {
        vec x[16], y[4];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            x[i] = v_load(m + i * p->m_plane + k * LANES);
        filter_tile_back(y, x);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            v_store(task->workspace + (i * LANES + k) * LANES, y[i]);
    }
    for (int down = 0; down < 2; down++) {
        _Alignas(64) float
            sums[2][LANES * LANES]; /* of neighbours in a row, which are stored together */
        for (int beside = 0; beside < 2; beside++) {
            vec y[LANES];
            load_turned(y, task->workspace + (down * 2 + beside) * LANES * LANES);
#pragma GCC unroll 16
            for (int l = 0; l < LANES; l++)
                v_store(sums[beside] + l * LANES, v_add(y[l], bias));
        }
        for (int l = 0; l < LANES; l++) {
            const struct place *at = &task->place[l];
            const int t = at->t + frame;
            if (at->n < 0 || t >= s.t || at->h + down >= s.h)
                continue;
            const int64_t to =
                at->to + ((int64_t)block * s.t + t) * area + (int64_t)down * s.w * LANES;
            put_sum(job->dst, job->added, job->floor, to, v_load(sums[0] + l * LANES));
            if (at->w + 1 < s.w)
                put_sum(job->dst, job->added, job->floor, to + LANES, v_load(sums[1] + l * LANES));
        }
    }
}

static void run_unit(const lane_winograd_groups *job, const struct unit_plan *p,
                     const struct unit_task *task)
{
    if (p->in_unit * p->kernels % LANES != 0) /* lanes after the last kernel */
        memset(task->m, 0, (size_t)(p->frames * p->m_frame) * sizeof *task->m);
    for (int step = 0, read = 0; step < p->steps; step++) {
        const int first = step * p->frames;
        for (; read < first + FRAMES_KEPT; read++)
            unit_input(job, p, task, read);
        unit_multiply(job, p, task, first);
        for (int b = 0; b < p->dst_blocks; b++)
            for (int i = 0; i < p->frames; i++)
                unit_output(job, p, task, task->m + i * p->m_frame + (int64_t)b * LANES * LANES,
                            task->unit * p->dst_blocks + b, first + i);
    }
}

void LANE(winograd_groups_run)(const lane_winograd_groups *job, int threads)
{
    const struct unit_plan p = unit_plan_of(job);
    const int64_t runs = (p.count + LANES - 1) / LANES;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t i = 0; i < p.units * runs; i++) {
        float *v = job->scratch + unit_floats(&p) * omp_get_thread_num();
        float *m = v + FRAMES_KEPT * p.v_frame;
        struct unit_task task = {
            .unit = (int)(i / runs), .v = v, .m = m, .workspace = m + p.frames * p.m_frame};
        for (int l = 0; l < LANES; l++)
            task.place[l] = place_of(&p, job->dst_shape, i % runs * LANES + l);
        run_unit(job, &p, &task);
    }
}
