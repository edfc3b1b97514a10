/* lane_conv_tiles.c - unrolled inner loops of lane_conv.c: 1 to 3 neighbouring taps along W, stride
 * 1 or 2, channels from any number of blocks.
 *
 * Each source vector is loaded and shuffled once for all taps of W, so there are three
 * multiply-adds for each shuffle with the usual 3 taps.  A border costs a test for each load, and
 * no multiply-add. The length, taps, stride and sources of a tile are constant arguments of
 * conv_tile; the macros below make a copy of it for each combination. Plain C has no unrolled
 * tiles: they would take 80 s to compile and gain nothing. */
#include "lane_conv_tile.h"

#ifndef LANES_PLAIN

enum { MANY = 4 }; /* stands for four or more sources */

/* Channel j of a row: where its source vectors are, and how they are combined. */
struct row {
    const float *from[3];
    ivec pick, pick_third; /* of the first two sources, of the third */
    int64_t q0;            /* position of the first load; below 0 in the padding */
    /* More sources than three: */
    const float *base; /* of block 0 */
    int64_t plane;     /* from block to block */
    const int32_t *source, *picks;
    int n;
};

static inline __attribute__((always_inline)) vec fetch(const struct row *r, int sources, int q)
{
    const int64_t at = (r->q0 + q) * LANES;
    const vec v = v_load(r->from[0] + at);
    if (sources == 0)
        return v;
    if (sources == 1)
        return v_pick(v, r->pick);
    const vec both = v_pick2(v, v_load(r->from[1] + at), r->pick);
    if (sources == 2)
        return both;
    vec all = v_pick2(both, v_load(r->from[2] + at), r->pick_third);
    for (int k = 3; sources == MANY && k < r->n; k++)
        all = v_pick2(all, v_load(r->base + r->source[k] * r->plane + at),
                      v_load_pick(r->picks + k * LANES));
    return all;
}

/* Adds a row to the sums of a tile.  Loads outside [low, high) are left out.  Only the first and
 * last `checked` loads can be outside. */
static inline __attribute__((always_inline)) void add_row(vec *sum, const struct row *r,
                                                          const float *weight, const int *tap,
                                                          int low, int high, int checked, int tile,
                                                          int taps, int step, int sources)
{
    const int all = (tile - 1) * step + taps;
    vec w[3];
#pragma GCC unroll 3
    for (int k = 0; k < taps; k++)
        w[k] = v_load(weight + tap[k] * LANES);
#pragma GCC unroll 32
    for (int q = 0; q < all; q++) {
        if ((q < checked || q >= all - checked) && (q < low || q >= high))
            continue;
        const vec v = fetch(r, sources, q);
#pragma GCC unroll 3
        for (int k = 0; k < taps; k++)
            if (q >= k && (q - k) % step == 0 && (q - k) / step < tile)
                sum[(q - k) / step] = v_fma(v, w[k], sum[(q - k) / step]);
    }
}

/* All channels of one row (t, h), under taps of T and H whose weights start at `weight`. */
static inline __attribute__((always_inline)) void
add_channels(vec *sum, const lane_conv *job, const struct tile *at, const float *row,
             const float *weight, int q0, int low, int high, int checked, int tile, int taps,
             int step, int sources)
{
    const int64_t plane = cfp_positions(job->src_shape) * LANES;
    const int64_t entry = (int64_t)at->b * job->channels * job->sources;
    const int32_t *source = job->source + entry, *pick = job->pick + entry * LANES;
    struct row r = {.q0 = q0, .base = row, .plane = plane};
    if (sources == MANY)
        r.n = job->n_source[at->b];
    for (int j = 0; j < job->channels; j++, weight += job->kernel[2] * LANES) {
        r.from[0] = row + (sources == 0 ? at->b : source[0]) * plane;
        if (sources > 0)
            r.pick = v_load_pick(sources == 1 ? pick : pick + LANES);
        if (sources > 1)
            r.from[1] = row + source[1] * plane;
        if (sources > 2) {
            r.from[2] = row + source[2] * plane;
            r.pick_third = v_load_pick(pick + 2 * LANES);
        }
        r.source = source;
        r.picks = pick;
        add_row(sum, &r, weight, job->axis[2].tap, low, high, checked, tile, taps, step, sources);
        source += job->sources;
        pick += (int64_t)job->sources * LANES;
    }
}

static inline __attribute__((always_inline)) void
conv_tile(const lane_conv *job, const struct tile *at, int tile, int taps, int step, int sources)
{
    const lane_axis *x = job->axis;
    const cfp_shape s = job->src_shape;
    const int64_t plane = cfp_positions(s) * LANES;
    const int all = (tile - 1) * step + taps, margin = taps - 1;
    const int q0 = reads(&x[2], at->w, 0), low = -q0;
    const int high = cfp_min_int(s.w - q0, (at->n_w - 1) * step + taps);
    const bool inner = low <= margin && high >= all - margin;
    vec sum[TILE_WIDE];
#pragma GCC unroll 16
    for (int i = 0; i < tile; i++)
        sum[i] = v_load(job->bias + at->b * LANES);

    for (int kt = 0; kt < x[0].n_taps; kt++) {
        const int t = reads(&x[0], at->t, kt);
        if (t < 0 || t >= s.t)
            continue;
        for (int kh = 0; kh < x[1].n_taps; kh++) {
            const int h = reads(&x[1], at->h, kh);
            if (h < 0 || h >= s.h)
                continue;
            const float *weight = weights_at(job, at->b, x[0].tap[kt], x[1].tap[kh]);
            const float *row = source_row(job, at->n, t, h, plane);
            if (inner)
                add_channels(sum, job, at, row, weight, q0, low, high, margin, tile, taps, step,
                             sources);
            else
                add_channels(sum, job, at, row, weight, q0, low, high, all, tile, taps, step,
                             sources);
        }
    }
    const vec floor = v_set(job->floor);
    float *to = dst_row(job, at);
#pragma GCC unroll 16
    for (int i = 0; i < tile; i++)
        if (i < at->n_w)
            v_store(to + (int64_t)i * x[2].step * LANES, v_max(floor, sum[i]));
}

#define TILE_FN(wide, taps, step, sources)                                                         \
    static void lane_conv_##wide##_##taps##_##step##_##sources(const lane_conv *job,               \
                                                               const struct tile *at)              \
    {                                                                                              \
        conv_tile(job, at, TILE_##wide, taps, step, sources);                                      \
    }
#define TILE_SOURCES(wide, taps, step)                                                             \
    TILE_FN(wide, taps, step, 0)                                                                   \
    TILE_FN(wide, taps, step, 1)                                                                   \
    TILE_FN(wide, taps, step, 2) TILE_FN(wide, taps, step, 3) TILE_FN(wide, taps, step, 4)
#define TILE_SHAPES(wide)                                                                          \
    TILE_SOURCES(wide, 1, 1)                                                                       \
    TILE_SOURCES(wide, 1, 2)                                                                       \
    TILE_SOURCES(wide, 2, 1)                                                                       \
    TILE_SOURCES(wide, 2, 2) TILE_SOURCES(wide, 3, 1) TILE_SOURCES(wide, 3, 2)
TILE_SHAPES(WIDE)
TILE_SHAPES(NARROW)

#define TILE_NAMES(wide, taps, step)                                                               \
    {                                                                                              \
        lane_conv_##wide##_##taps##_##step##_0, lane_conv_##wide##_##taps##_##step##_1,            \
            lane_conv_##wide##_##taps##_##step##_2, lane_conv_##wide##_##taps##_##step##_3,        \
            lane_conv_##wide##_##taps##_##step##_4                                                 \
    }
#define TILE_TABLE(wide)                                                                           \
    {                                                                                              \
        {TILE_NAMES(wide, 1, 1), TILE_NAMES(wide, 1, 2)},                                          \
            {TILE_NAMES(wide, 2, 1), TILE_NAMES(wide, 2, 2)},                                      \
        {                                                                                          \
            TILE_NAMES(wide, 3, 1), TILE_NAMES(wide, 3, 2)                                         \
        }                                                                                          \
    }

/* [narrow][taps - 1][step - 1][sources] */
static tile_fn *const lane_conv_tiles[2][3][2][MANY + 1] = {TILE_TABLE(WIDE), TILE_TABLE(NARROW)};

tile_fn *LANE(unrolled_tile)(const lane_conv *job, int b, bool narrow)
{
    const lane_axis *x = &job->axis[2];
    const int sources = job->sources == 0 ? 0 : job->n_source[b];
    for (int k = 1; k < x->n_taps; k++)
        if (x->offset[k] != x->offset[k - 1] + 1)
            return NULL;
    if (x->n_taps < 1 || x->n_taps > 3 || x->in_step > 2)
        return NULL;
    return lane_conv_tiles[narrow][x->n_taps - 1][x->in_step - 1][cfp_min_int(sources, MANY)];
}

#else

tile_fn *LANE(unrolled_tile)(const lane_conv *job, int b, bool narrow)
{
    (void)job, (void)b, (void)narrow;
    return NULL;
}

#endif
