/* volume_rise.c - RISE (Petsiuk 2018), with masks that also change along time.
 *
 * A mask is a coarse grid of cells that are 1 with the probability `keep`, else 0, enlarged
 * smoothly to one cell more than the clip needs, and shifted by less than a cell.  A voxel gets the
 * mean, over all masks, of the probability of the masked clip times the mask there, over `keep`. */
#include "volume_maker.h"
#include <math.h>
#include <stdio.h>

typedef struct place { /* a position between two cells of an axis */
    int low, high;
    float weight;
} place;

struct masks {
    cfp_shape shape;
    const float *x;
    int grid[3], cell[3]; /* cells, and voxels of one */
    double keep;
    cfp_random stream;
    int64_t first;   /* mask number of input 0 */
    place *along[3]; /* [T], [H], [W] of the mask at hand */
    float *cells;    /* [grid] of it */
    float *mask;     /* [T x H x W] */
};

static int side_of(const struct masks *m, int axis)
{
    return axis == 0 ? m->shape.t : axis == 1 ? m->shape.h : m->shape.w;
}

/* Place u along an axis of (grid + 1) cells.  Half-pixel centres, clamped at the edges. */
static place find_place(int grid, int cell, int u)
{
    const int size = (grid + 1) * cell;
    const double at = (u + 0.5) * grid / size - 0.5;
    if (at <= 0)
        return (place){0, 0, 0};
    if (at >= grid - 1)
        return (place){grid - 1, grid - 1, 0};
    return (place){(int)at, (int)at + 1, (float)(at - (int)at)};
}

/* Draws mask number i: its cells in order, then its shift along T, H, W. */
static void draw(struct masks *m, int64_t i)
{
    cfp_random stream = cfp_random_of_number(m->stream, (uint64_t)i);
    for (int k = 0; k < m->grid[0] * m->grid[1] * m->grid[2]; k++)
        m->cells[k] = cfp_random_unit(&stream) < m->keep ? 1 : 0;
    for (int axis = 0; axis < 3; axis++) {
        const int shift = (int)cfp_random_below(&stream, (uint64_t)m->cell[axis]);
        for (int u = 0; u < side_of(m, axis); u++)
            m->along[axis][u] = find_place(m->grid[axis], m->cell[axis], u + shift);
    }
}

static inline float between(float a, float b, float weight)
{
    return a + (b - a) * weight;
}

/* The value at row (t, h) and column x of the grid, between the cells. */
static float cell_at(const struct masks *m, place t, place h, int x)
{
    const float *const low = m->cells + (int64_t)t.low * m->grid[1] * m->grid[2];
    const float *const high = m->cells + (int64_t)t.high * m->grid[1] * m->grid[2];
    return between(between(low[h.low * m->grid[2] + x], low[h.high * m->grid[2] + x], h.weight),
                   between(high[h.low * m->grid[2] + x], high[h.high * m->grid[2] + x], h.weight),
                   t.weight);
}

static void enlarge(struct masks *m)
{
    float *out = m->mask;
    for (int t = 0; t < m->shape.t; t++)
        for (int h = 0; h < m->shape.h; h++)
            for (int w = 0; w < m->shape.w; w++) {
                const place p = m->along[2][w];
                const float low = cell_at(m, m->along[0][t], m->along[1][h], p.low);
                *out++ =
                    p.weight > 0
                        ? between(low, cell_at(m, m->along[0][t], m->along[1][h], p.high), p.weight)
                        : low;
            }
}

static void make_masked(void *cookie, int64_t i, float *input)
{
    struct masks *m = cookie;
    const int64_t voxels = cfp_positions(m->shape);
    draw(m, m->first + i);
    enlarge(m);
    for (int64_t k = 0; k < cfp_count(m->shape); k++)
        input[k] = m->x[k] * m->mask[k % voxels];
}

enum { AT_ONCE = 50 }; /* masks that run before they are added up */

static cfp_status run(cfp_volume *volume, double *sum, struct masks *m, cfp_volume_maker *maker,
                      const cfp_volume_subject *subject)
{
    const cfp_volume_settings *want = cfp_ask_settings(maker, volume->ask);
    const int64_t voxels = cfp_positions(m->shape);
    cfp_score score[AT_ONCE];
    for (m->first = 0; m->first < want->rise_masks; m->first += AT_ONCE) {
        const int n = cfp_min_int(AT_ONCE, want->rise_masks - (int)m->first);
        CFP_TRY(cfp_probe_score(maker->probe, score, n, subject->class_index,
                                (cfp_inputs){make_masked, m}));
        for (int i = 0; i < n; i++) {
            draw(m, m->first + i);
            enlarge(m);
            for (int64_t v = 0; v < voxels; v++)
                sum[v] += score[i].probability * (double)m->mask[v];
        }
    }
    for (int64_t v = 0; v < voxels; v++)
        volume->s[v] = (float)(sum[v] / want->rise_masks / m->keep);
    snprintf(volume->definition, sizeof volume->definition,
             "mean of p x mask over keep, masks=%d grid=%dx%dx%d keep=%.9g base=zeros",
             want->rise_masks, m->grid[0], m->grid[1], m->grid[2], m->keep);
    return CFP_OK;
}

static cfp_status open_masks(struct masks *m, cfp_ctx *ctx, const cfp_volume_settings *want)
{
    for (int axis = 0; axis < 3; axis++) {
        m->grid[axis] = cfp_min_int(want->rise_grid[axis], side_of(m, axis));
        m->cell[axis] = (side_of(m, axis) + m->grid[axis] - 1) / m->grid[axis];
        CFP_TRY_ALLOC(ctx, m->along[axis], side_of(m, axis));
    }
    CFP_TRY_ALLOC(ctx, m->cells, (int64_t)m->grid[0] * m->grid[1] * m->grid[2]);
    CFP_TRY_ALLOC(ctx, m->mask, cfp_positions(m->shape));
    return CFP_OK;
}

static cfp_status make(cfp_volume_list *out, struct masks *m, double **sum, cfp_volume_maker *maker,
                       const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    cfp_volume *volume;
    CFP_TRY(open_masks(m, maker->ctx, cfp_ask_settings(maker, ask)));
    CFP_TRY_ALLOC(maker->ctx, *sum, cfp_positions(m->shape));
    CFP_TRY(cfp_volumes_reserve(out, maker, 1));
    CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, -1));
    return run(volume, *sum, m, maker, subject);
}

cfp_status cfp_volumes_of_rise(cfp_volume_list *out, cfp_volume_maker *maker,
                               const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    struct masks m = {.shape = cfp_maker_shape(maker),
                      .x = subject->input,
                      .keep = cfp_ask_settings(maker, ask)->rise_keep,
                      .stream = cfp_volume_stream(maker, ask, subject)};
    double *sum = NULL;
    const cfp_status status = make(out, &m, &sum, maker, ask, subject);
    for (int axis = 0; axis < 3; axis++)
        cfp_free(m.along[axis]);
    cfp_free(m.cells);
    cfp_free(m.mask);
    cfp_free(sum);
    return status;
}
