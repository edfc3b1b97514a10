/* measure_truth.c - metrics that compare a volume with a mask.
 *
 * Frames that are not annotated are left out.  Only temporal pointing counts them, as frames
 * without the object. */
#include "measure.h"
#include "statistics.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int64_t frame_of(const cfp_measuring *m)
{
    return (int64_t)m->shape.h * m->shape.w;
}

static void define(cfp_measured *out, const cfp_measuring *m, const char *what)
{
    snprintf(out->definition, sizeof out->definition, "%s, frames=%d of %d annotated", what,
             m->truth.n_known, m->shape.t);
}

/* The fraction of the annotated frames' voxels that are inside. */
static double mask_share(const cfp_measuring *m)
{
    return (double)m->truth.n_inside / ((double)m->truth.n_known * (double)frame_of(m));
}

/* Score-CAM's energy-based pointing game, over the positive part of the volume. */
cfp_status cfp_measure_energy(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    double inside = 0, all = 0;
    for (int64_t v = 0; v < cfp_positions(m->shape); v++) {
        const double s = fmax((double)volume->s[v], 0);
        if (!m->truth.known[v / frame_of(m)])
            continue;
        all += s;
        inside += m->truth.inside[v] ? s : 0;
    }
    out->value = all > 0 ? inside / all : NAN;
    out->chance = mask_share(m);
    define(out, m, "sum of max(S, 0) inside / everywhere");
    return CFP_OK;
}

/* --- pointing --- */

/* True: a pixel of the mask is less than `tolerance` away from (h, w). */
static bool is_near(const uint8_t *inside, cfp_shape s, int h, int w, double tolerance)
{
    const int reach = (int)ceil(tolerance);
    for (int y = cfp_max_int(0, h - reach); y <= cfp_min_int(s.h - 1, h + reach); y++)
        for (int x = cfp_max_int(0, w - reach); x <= cfp_min_int(s.w - 1, w + reach); x++) {
            const double dy = y - h, dx = x - w;
            if (inside[(int64_t)y * s.w + x] && dy * dy + dx * dx < tolerance * tolerance)
                return true;
        }
    return inside[(int64_t)h * s.w + w] != 0; /* even with no tolerance at all */
}

static bool is_empty(const uint8_t *inside, int64_t n)
{
    for (int64_t v = 0; v < n; v++)
        if (inside[v])
            return false;
    return true;
}

static int64_t highest(const float *s, int64_t n)
{
    int64_t at = 0;
    for (int64_t v = 1; v < n; v++)
        if (s[v] > s[at])
            at = v;
    return at;
}

static double tolerance_of(const cfp_measuring *m)
{
    return m->settings.tolerance >= 0 ? m->settings.tolerance
                                      : 15.0 / 224 * cfp_min_int(m->shape.h, m->shape.w);
}

/* The same for all volumes of a clip. */
static cfp_status find_near(cfp_measuring *m)
{
    const double tolerance = tolerance_of(m);
    if (m->has_near)
        return CFP_OK;
    if (m->near == NULL)
        CFP_TRY_ALLOC(m->ctx, m->near, cfp_positions(m->shape));
    for (int64_t v = 0; v < cfp_positions(m->shape); v++) {
        const int64_t at = v % frame_of(m);
        m->near[v] = is_near(m->truth.inside + (v - at), m->shape, (int)(at / m->shape.w),
                             (int)(at % m->shape.w), tolerance);
    }
    m->has_near = true;
    return CFP_OK;
}

cfp_status cfp_measure_pointing(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    int frames = 0, hits = 0;
    int64_t near = 0;
    CFP_TRY(find_near(m));
    for (int t = 0; t < m->shape.t; t++) {
        const uint8_t *inside = m->truth.inside + t * frame_of(m);
        const uint8_t *close = m->near + t * frame_of(m);
        if (!m->truth.known[t] || is_empty(inside, frame_of(m)))
            continue;
        frames++;
        hits += close[highest(volume->s + t * frame_of(m), frame_of(m))];
        for (int64_t v = 0; v < frame_of(m); v++)
            near += close[v];
    }
    out->value = (double)hits / frames;
    out->chance = (double)near / ((double)frames * (double)frame_of(m));
    snprintf(out->definition, sizeof out->definition,
             "%d of %d frames with a mask hit, tolerance=%.9g pixels, %d of %d frames annotated",
             hits, frames, tolerance_of(m), m->truth.n_known, m->shape.t);
    return CFP_OK;
}

/* --- the highest voxels as a set --- */

struct known { /* the voxels of the annotated frames */
    double *s;
    int *order;
    uint8_t *inside, *chosen;
    int n;
};

static cfp_status open_known(struct known *k, cfp_measuring *m, const cfp_volume *volume)
{
    const int64_t n = m->truth.n_known * frame_of(m);
    CFP_TRY_ALLOC(m->ctx, k->s, n);
    CFP_TRY_ALLOC(m->ctx, k->order, n);
    CFP_TRY_ALLOC(m->ctx, k->inside, n);
    CFP_TRY_ALLOC(m->ctx, k->chosen, n);
    for (int64_t v = 0; v < cfp_positions(m->shape); v++)
        if (m->truth.known[v / frame_of(m)]) {
            k->s[k->n] = (double)volume->s[v];
            k->inside[k->n++] = m->truth.inside[v];
        }
    return CFP_OK;
}

static void close_known(struct known *k)
{
    cfp_free(k->s);
    cfp_free(k->order);
    cfp_free(k->inside);
    cfp_free(k->chosen);
}

static cfp_status choose_highest(struct known *k, cfp_ctx *ctx, int64_t n)
{
    CFP_TRY(cfp_falling_order(k->order, ctx, k->s, k->n));
    for (int64_t i = 0; i < n; i++)
        k->chosen[k->order[i]] = 1;
    return CFP_OK;
}

/* Chooses the voxels at which the min-max normalised volume is at least the threshold. */
static void choose_above(struct known *k, const cfp_measuring *m, const float *s)
{
    double low = (double)s[0], high = low;
    for (int64_t v = 1; v < cfp_positions(m->shape); v++) {
        low = fmin(low, (double)s[v]);
        high = fmax(high, (double)s[v]);
    }
    for (int i = 0; i < k->n; i++)
        k->chosen[i] =
            (high > low ? (k->s[i] - low) / (high - low) : 0) >= m->settings.iou_threshold;
}

static cfp_status rank_accuracy(cfp_measured *out, struct known *k, cfp_measuring *m,
                                const cfp_volume *volume)
{
    int64_t both = 0;
    CFP_TRY(open_known(k, m, volume));
    CFP_TRY(choose_highest(k, m->ctx, m->truth.n_inside));
    for (int i = 0; i < k->n; i++)
        both += k->chosen[i] && k->inside[i];
    out->value = (double)both / (double)m->truth.n_inside;
    out->chance = mask_share(m);
    define(out, m, "share of the K highest voxels that are inside, K=voxels inside");
    return CFP_OK;
}

cfp_status cfp_measure_rank_accuracy(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    struct known k = {0};
    const cfp_status status = rank_accuracy(out, &k, m, volume);
    close_known(&k);
    return status;
}

static cfp_status iou(cfp_measured *out, struct known *k, cfp_measuring *m,
                      const cfp_volume *volume)
{
    int chosen = 0;
    char what[96];
    CFP_TRY(open_known(k, m, volume));
    if (m->settings.iou_threshold < 0) {
        CFP_TRY(choose_highest(k, m->ctx, m->truth.n_inside));
        snprintf(what, sizeof what, "IoU of the K highest voxels, K=voxels inside");
    } else {
        choose_above(k, m, volume->s);
        snprintf(what, sizeof what, "IoU of the voxels where min-max S >= %.9g",
                 m->settings.iou_threshold);
    }
    for (int i = 0; i < k->n; i++)
        chosen += k->chosen[i];
    out->value = cfp_jaccard(k->chosen, k->inside, k->n);
    out->chance = cfp_jaccard_by_chance(chosen, (int)m->truth.n_inside, k->n);
    define(out, m, what);
    return CFP_OK;
}

cfp_status cfp_measure_iou(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    struct known k = {0};
    const cfp_status status = iou(out, &k, m, volume);
    close_known(&k);
    return status;
}

/* --- when --- */

cfp_status cfp_measure_temporal_pointing(cfp_measured *out, cfp_measuring *m,
                                         const cfp_volume *volume)
{
    int *order, frames = 0;
    CFP_TRY_ALLOC(m->ctx, order, m->shape.t);
    const cfp_status status = cfp_order_frames(order, m, volume->s);
    for (int t = 0; t < m->shape.t; t++)
        frames += !is_empty(m->truth.inside + t * frame_of(m), frame_of(m));
    if (status == CFP_OK)
        out->value = !is_empty(m->truth.inside + order[0] * frame_of(m), frame_of(m));
    out->chance = (double)frames / m->shape.t;
    snprintf(out->definition, sizeof out->definition,
             "the frame of the highest sum is one of the %d of %d with a mask", frames, m->shape.t);
    cfp_free(order);
    return status;
}
