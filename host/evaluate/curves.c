/* curves.c - deletion and insertion (Petsiuk 2018; README.md of this folder).
 *
 * Units are sorted by falling saliency; among equal units the lower index comes first.  At point j
 * of N, the first floor(j U / N) of U units are replaced by the base (deletion), or all other
 * units are (insertion).  If the least salient come first, the same points are counted from the
 * other end, so that one curve is the other one reversed, for every U and N. */
#include "measure.h"
#include "statistics.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const cfp_unit_names[] = {"voxel", "block", "frame", "tube", NULL};

typedef struct curve {
    const cfp_measuring *m;
    int *unit;     /* [V] which unit a voxel is part of */
    int *size;     /* [units] voxels */
    int *order;    /* [units] the most salient first */
    int *rank;     /* [units] place in the order */
    double *score; /* [units] */
    int units, points;
    bool inserts;
    int64_t ties;
    int64_t *voxels;   /* [points + 1] changed up to there */
    cfp_score *answer; /* [points] of the points between the ends */
    double *p;         /* [points + 1] */
} curve;

/* --- units --- */

static int unit_of(const cfp_measuring *m, int t, int h, int w)
{
    const cfp_shape s = m->shape;
    const int b = m->settings.block, wide = (s.w + b - 1) / b, high = (s.h + b - 1) / b;
    switch (m->settings.unit) {
    case CFP_UNIT_BLOCK:
        return (t * high + h / b) * wide + w / b;
    case CFP_UNIT_FRAME:
        return t;
    case CFP_UNIT_TUBE:
        return h * s.w + w;
    default:
        return (t * s.h + h) * s.w + w;
    }
}

static void number_units(curve *c)
{
    const cfp_shape s = c->m->shape;
    int64_t v = 0;
    c->units = 0;
    for (int t = 0; t < s.t; t++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                c->unit[v] = unit_of(c->m, t, h, w);
                c->size[c->unit[v]]++;
                c->units = cfp_max_int(c->units, c->unit[v++] + 1);
            }
}

/* A unit's saliency is the mean over its voxels. */
static cfp_status order_units(curve *c, cfp_ctx *ctx, const float *s)
{
    const int64_t voxels = cfp_positions(c->m->shape);
    memset(c->score, 0, (size_t)c->units * sizeof *c->score);
    for (int64_t v = 0; v < voxels; v++)
        c->score[c->unit[v]] += (double)s[v];
    for (int u = 0; u < c->units; u++)
        c->score[u] /= c->size[u];
    CFP_TRY(cfp_falling_order(c->order, ctx, c->score, c->units));
    c->ties = 0;
    for (int u = 1; u < c->units; u++)
        c->ties += c->score[c->order[u]] == c->score[c->order[u - 1]];
    return CFP_OK;
}

/* --- points --- */

static bool least_first(const curve *c)
{
    return c->m->settings.least_first;
}

/* How many units are changed at point j. */
static int units_at(const curve *c, int j)
{
    if (least_first(c))
        return c->units - (int)((int64_t)(c->points - j) * c->units / c->points);
    return (int)((int64_t)j * c->units / c->points);
}

static void place_points(curve *c)
{
    int u = 0;
    int64_t voxels = 0;
    for (int k = 0; k < c->units; k++)
        c->rank[c->order[least_first(c) ? c->units - 1 - k : k]] = k;
    for (int j = 0; j <= c->points; j++) {
        for (; u < units_at(c, j); u++)
            voxels += c->size[c->order[least_first(c) ? c->units - 1 - u : u]];
        c->voxels[j] = voxels;
    }
}

/* Input i is point i + 1: the ends are known. */
static void make_point(void *cookie, int64_t i, float *input)
{
    const curve *c = cookie;
    const cfp_measuring *m = c->m;
    const int changed = units_at(c, (int)i + 1);
    const int64_t voxels = cfp_positions(m->shape);
    for (int64_t k = 0; k < cfp_count(m->shape); k++)
        input[k] = (c->rank[c->unit[k % voxels]] < changed) == c->inserts ? m->x[k] : m->base[k];
}

/* The area under the curve, by the trapezoid rule over the true fraction of voxels.  Terms are
 * added in pairs from both ends, so that a curve and its reverse have the same area to the last
 * bit. */
static double area(const curve *c)
{
    double sum = 0;
    for (int low = 0, high = c->points - 1; low <= high; low++, high--) {
        const double a =
            (double)(c->voxels[low + 1] - c->voxels[low]) * (c->p[low] + c->p[low + 1]);
        const double b =
            (double)(c->voxels[high + 1] - c->voxels[high]) * (c->p[high] + c->p[high + 1]);
        sum += low < high ? a + b : a;
    }
    return sum / 2 / (double)cfp_positions(c->m->shape);
}

static cfp_status run(curve *c, cfp_measuring *m)
{
    place_points(c);
    CFP_TRY(cfp_probe_score(m->probe, c->answer, c->points - 1, m->subject.class_index,
                            (cfp_inputs){make_point, c}));
    c->p[0] = c->inserts ? m->blank.probability : m->whole.probability;
    c->p[c->points] = c->inserts ? m->whole.probability : m->blank.probability;
    for (int j = 1; j < c->points; j++)
        c->p[j] = c->answer[j - 1].probability;
    return CFP_OK;
}

/* --- a curve as a whole --- */

static cfp_status open_curve(curve *c, cfp_measuring *m)
{
    const int64_t voxels = cfp_positions(m->shape);
    CFP_TRY_ALLOC(m->ctx, c->unit, voxels);
    CFP_TRY_ALLOC(m->ctx, c->size, voxels);
    CFP_TRY_ALLOC(m->ctx, c->order, voxels);
    CFP_TRY_ALLOC(m->ctx, c->rank, voxels);
    CFP_TRY_ALLOC(m->ctx, c->score, voxels);
    number_units(c);
    c->points = cfp_min_int(m->settings.points, c->units);
    CFP_TRY_ALLOC(m->ctx, c->voxels, c->points + 1);
    CFP_TRY_ALLOC(m->ctx, c->answer, c->points);
    CFP_TRY_ALLOC(m->ctx, c->p, c->points + 1);
    return CFP_OK;
}

static void close_curve(curve *c)
{
    cfp_free(c->unit);
    cfp_free(c->size);
    cfp_free(c->order);
    cfp_free(c->rank);
    cfp_free(c->score);
    cfp_free(c->voxels);
    cfp_free(c->answer);
    cfp_free(c->p);
}

/* Runs the random orders, once for each class of a clip.  Deletion and insertion both use them,
 * because inserting in a random order is deleting in another one. */
static cfp_status run_chance(curve *c, cfp_measuring *m)
{
    const cfp_random stream = cfp_measure_stream(m, "deletion");
    if (m->has_chance)
        return CFP_OK;
    c->inserts = false;
    for (int d = 0; d < m->settings.draws; d++) {
        cfp_random draw = cfp_random_of_number(stream, (uint64_t)d);
        cfp_random_order(c->order, c->units, &draw);
        CFP_TRY(run(c, m));
        m->by_chance[d] = area(c);
    }
    m->has_chance = true;
    return CFP_OK;
}

static void define(cfp_measured *out, const curve *c)
{
    const cfp_volume_metric_settings *s = &c->m->settings;
    char block[24] = "", sigma[32] = "";
    if (s->unit == CFP_UNIT_BLOCK)
        snprintf(block, sizeof block, "=%d", s->block);
    if (s->base == CFP_BASE_BLUR)
        snprintf(sigma, sizeof sigma, "=%.9g", cfp_base_sigma(c->m->shape));
    snprintf(out->definition, sizeof out->definition,
             "AUC of p, base=%s%s unit=%s%s points=%d order=%s ties=%lld", cfp_base_names[s->base],
             sigma, cfp_unit_names[s->unit], block, c->points, s->least_first ? "least" : "most",
             (long long)c->ties);
}

static cfp_status measure(cfp_measured *out, curve *c, cfp_measuring *m, const cfp_volume *volume,
                          bool inserts)
{
    CFP_TRY(open_curve(c, m));
    CFP_TRY(run_chance(c, m));
    c->inserts = inserts;
    CFP_TRY(order_units(c, m->ctx, volume->s));
    CFP_TRY(run(c, m));
    out->value = area(c);
    out->draws = m->settings.draws;
    if (out->draws > 0) {
        out->chance = cfp_mean_of(m->by_chance, out->draws);
        out->percentile = cfp_percentile(out->value, m->by_chance, out->draws);
    }
    define(out, c);
    return CFP_OK;
}

static cfp_status measure_curve(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume,
                                bool inserts)
{
    curve c = {.m = m};
    const cfp_status status = measure(out, &c, m, volume, inserts);
    close_curve(&c);
    return status;
}

cfp_status cfp_measure_deletion(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    return measure_curve(out, m, volume, false);
}

cfp_status cfp_measure_insertion(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    return measure_curve(out, m, volume, true);
}
