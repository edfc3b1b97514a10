/* measure_change.c - metrics that change a clip and run it through the network. */
#include "measure.h"
#include "statistics.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- drop, increase: the clip, masked by the volume --- */

struct through {
    const cfp_measuring *m;
    const float *s;
    double low, high; /* of s */
};

static void make_through(void *cookie, int64_t i, float *input)
{
    const struct through *t = cookie;
    const int64_t voxels = cfp_positions(t->m->shape);
    (void)i;
    for (int64_t k = 0; k < cfp_count(t->m->shape); k++) {
        const double s = (double)t->s[k % voxels];
        const double fraction = t->high > t->low ? (s - t->low) / (t->high - t->low) : 0;
        input[k] = (float)(fraction * (double)t->m->x[k] + (1 - fraction) * (double)t->m->base[k]);
    }
}

static void find_range(double *low, double *high, const float *s, int64_t n)
{
    *low = *high = (double)s[0];
    for (int64_t v = 1; v < n; v++) {
        *low = fmin(*low, (double)s[v]);
        *high = fmax(*high, (double)s[v]);
    }
}

static cfp_status probability_through(double *p, cfp_measured *out, cfp_measuring *m,
                                      const cfp_volume *volume)
{
    struct through t = {.m = m, .s = volume->s};
    cfp_score score;
    find_range(&t.low, &t.high, volume->s, cfp_positions(m->shape));
    CFP_TRY(cfp_probe_score(m->probe, &score, 1, m->subject.class_index,
                            (cfp_inputs){make_through, &t}));
    *p = score.probability;
    snprintf(out->definition, sizeof out->definition, "p(x)=%.9g p(masked)=%.9g base=%s%s",
             m->whole.probability, *p, cfp_base_names[m->settings.base],
             t.high > t.low ? "" : " (the volume is constant)");
    return CFP_OK;
}

cfp_status cfp_measure_drop(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    double p;
    const double whole = m->whole.probability;
    CFP_TRY(probability_through(&p, out, m, volume));
    out->value = whole > 0 ? fmax(0, whole - p) / whole : NAN;
    return CFP_OK;
}

cfp_status cfp_measure_increase(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    double p;
    CFP_TRY(probability_through(&p, out, m, volume));
    out->value = m->whole.probability < p;
    return CFP_OK;
}

/* --- infidelity: boxes of the base --- */

typedef struct box {
    int begin[3], end[3]; /* along T, H, W */
} box;

struct boxes {
    const cfp_measuring *m;
    cfp_random stream;
};

/* Box i: each side is uniform over 1 .. half of the clip's side, rounded up; then its place. */
static box draw_box(const struct boxes *b, int64_t i)
{
    const int side[3] = {b->m->shape.t, b->m->shape.h, b->m->shape.w};
    cfp_random stream = cfp_random_of_number(b->stream, (uint64_t)i);
    box out;
    for (int a = 0; a < 3; a++) {
        const int size = 1 + (int)cfp_random_below(&stream, (uint64_t)(side[a] + 1) / 2);
        out.begin[a] = (int)cfp_random_below(&stream, (uint64_t)(side[a] - size + 1));
        out.end[a] = out.begin[a] + size;
    }
    return out;
}

static int64_t voxel_at(cfp_shape s, int t, int h)
{
    return ((int64_t)t * s.h + h) * s.w;
}

static void make_boxed(void *cookie, int64_t i, float *input)
{
    const struct boxes *b = cookie;
    const cfp_measuring *m = b->m;
    const box at = draw_box(b, i);
    memcpy(input, m->x, (size_t)cfp_count(m->shape) * sizeof *input);
    for (int c = 0; c < m->shape.c; c++)
        for (int t = at.begin[0]; t < at.end[0]; t++)
            for (int h = at.begin[1]; h < at.end[1]; h++) {
                const int64_t k =
                    c * cfp_positions(m->shape) + voxel_at(m->shape, t, h) + at.begin[2];
                memcpy(input + k, m->base + k, (size_t)(at.end[2] - at.begin[2]) * sizeof *input);
            }
}

static double sum_in_box(const float *s, cfp_shape shape, const box *at)
{
    double sum = 0;
    for (int t = at->begin[0]; t < at->end[0]; t++)
        for (int h = at->begin[1]; h < at->end[1]; h++)
            for (int w = at->begin[2]; w < at->end[2]; w++)
                sum += (double)s[voxel_at(shape, t, h) + w];
    return sum;
}

/* mean (beta a - d)^2, with the beta that fits best, because a volume has no unit. */
static double infidelity(double *beta, const double *a, const double *d, int n)
{
    double aa = 0, ad = 0, sum = 0;
    for (int i = 0; i < n; i++) {
        aa += a[i] * a[i];
        ad += a[i] * d[i];
    }
    *beta = aa > 0 ? ad / aa : 0;
    for (int i = 0; i < n; i++)
        sum += (*beta * a[i] - d[i]) * (*beta * a[i] - d[i]);
    return sum / n;
}

static cfp_status run_boxes(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume,
                            cfp_score *score, double *a)
{
    struct boxes b = {.m = m, .stream = cfp_measure_stream(m, "infidelity")};
    const int n = m->settings.infidelity_boxes;
    double *const d = a + n, beta;
    CFP_TRY(
        cfp_probe_score(m->probe, score, n, m->subject.class_index, (cfp_inputs){make_boxed, &b}));
    for (int i = 0; i < n; i++) {
        const box at = draw_box(&b, i);
        a[i] = sum_in_box(volume->s, m->shape, &at);
        d[i] = m->whole.target - score[i].target;
    }
    out->value = infidelity(&beta, a, d, n);
    snprintf(
        out->definition, sizeof out->definition,
        "mean (beta sum(S in box) - fall of the target)^2, boxes=%d beta=%.9g base=%s target=%s", n,
        beta, cfp_base_names[m->settings.base], cfp_target_names[m->settings.methods.target]);
    return CFP_OK;
}

cfp_status cfp_measure_infidelity(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    cfp_score *score;
    double *a;
    CFP_TRY_ALLOC(m->ctx, score, m->settings.infidelity_boxes);
    a = cfp_alloc(m->ctx, 2 * (size_t)m->settings.infidelity_boxes, sizeof *a);
    const cfp_status status = a == NULL ? CFP_NOMEM : run_boxes(out, m, volume, score, a);
    cfp_free(score);
    cfp_free(a);
    return status;
}

/* --- max-sensitivity: how much the volume changes with a small change of the clip --- */

static void add_noise(float *to, const float *x, int64_t n, double radius, cfp_random stream)
{
    for (int64_t k = 0; k < n; k++)
        to[k] = (float)((double)x[k] + radius * (2 * cfp_random_unit(&stream) - 1));
}

/* The volume of the same layer; NULL: this layer has none for the changed clip. */
static const float *same_layer(const cfp_volume_list *list, int node)
{
    for (int i = 0; i < list->n; i++)
        if (list->volume[i].node == node)
            return list->volume[i].s;
    return NULL;
}

static double distance(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t v = 0; v < n; v++) {
        const double d = (double)a[v] - (b != NULL ? (double)b[v] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

cfp_status cfp_measure_sensitivity(double *value, cfp_measuring *m, int ask,
                                   const cfp_volume_list *list)
{
    const int64_t voxels = cfp_positions(m->shape);
    const cfp_random stream = cfp_measure_stream(m, "max-sensitivity");
    cfp_volume_subject moved = m->subject;
    moved.input = m->changed;
    memset(value, 0, (size_t)list->n * sizeof *value);
    for (int d = 0; d < m->settings.sensitivity_draws; d++) {
        cfp_volume_list other;
        add_noise(m->changed, m->x, cfp_count(m->shape), m->settings.sensitivity_radius,
                  cfp_random_of_number(stream, (uint64_t)d));
        CFP_TRY(cfp_volumes_make(&other, m->maker, ask, &moved));
        for (int i = 0; i < list->n; i++) {
            const float *s = list->volume[i].s;
            const double norm = distance(s, NULL, voxels);
            const double moved_by = distance(s, same_layer(&other, list->volume[i].node), voxels);
            value[i] = fmax(value[i], moved_by / (norm > 0 ? norm : 1));
        }
        cfp_volumes_free(&other);
    }
    return CFP_OK;
}

/* --- freeze, reverse, shuffle: how much depends on the order of frames --- */

struct frames { /* for each frame of each input: which frame of the clip it is */
    const cfp_measuring *m;
    const int *from; /* [inputs][T] */
};

static void make_frames(void *cookie, int64_t i, float *input)
{
    const struct frames *f = cookie;
    const cfp_shape s = f->m->shape;
    const int64_t frame = (int64_t)s.h * s.w;
    for (int c = 0; c < s.c; c++)
        for (int t = 0; t < s.t; t++)
            memcpy(input + (c * (int64_t)s.t + t) * frame,
                   f->m->x + (c * (int64_t)s.t + f->from[i * s.t + t]) * frame,
                   (size_t)frame * sizeof *input);
}

cfp_status cfp_order_frames(int *order, const cfp_measuring *m, const float *s)
{
    const int64_t frame = (int64_t)m->shape.h * m->shape.w;
    double *sum;
    CFP_TRY_ALLOC(m->ctx, sum, m->shape.t);
    for (int64_t v = 0; v < cfp_positions(m->shape); v++)
        sum[v / frame] += (double)s[v];
    const cfp_status status = cfp_falling_order(order, m->ctx, sum, m->shape.t);
    cfp_free(sum);
    return status;
}

/* An active frame becomes what the frame before it has become; the first frame stays. */
static void freeze(int *from, const uint8_t *active, int T)
{
    for (int t = 0; t < T; t++)
        from[t] = active[t] && t > 0 ? from[t - 1] : t;
}

/* Every run of active frames is played backward. */
static void reverse(int *from, const uint8_t *active, int T)
{
    for (int t = 0, end; t < T; t = end) {
        for (end = t + 1; active[t] && end < T && active[end];)
            end++;
        for (int k = t; k < end; k++)
            from[k] = t + end - 1 - k;
    }
}

struct order_room {
    int *order, *from;
    uint8_t *active;
};

static cfp_status change_frames(cfp_measured *out, struct order_room *r, cfp_measuring *m,
                                const cfp_volume *volume,
                                void (*change)(int *from, const uint8_t *active, int T))
{
    const int T = m->shape.t;
    const int n = cfp_max_int(1, (int)lround(m->settings.frame_share * T));
    cfp_score score;
    CFP_TRY_ALLOC(m->ctx, r->order, T);
    CFP_TRY_ALLOC(m->ctx, r->from, T);
    CFP_TRY_ALLOC(m->ctx, r->active, T);
    CFP_TRY(cfp_order_frames(r->order, m, volume->s));
    for (int k = 0; k < n && k < T; k++)
        r->active[r->order[k]] = 1;
    change(r->from, r->active, T);
    struct frames f = {.m = m, .from = r->from};
    CFP_TRY(cfp_probe_score(m->probe, &score, 1, m->subject.class_index,
                            (cfp_inputs){make_frames, &f}));
    out->value = m->whole.probability > 0 ? score.probability / m->whole.probability : NAN;
    snprintf(out->definition, sizeof out->definition,
             "p(changed) / p(x), the %d of %d frames of the highest sum: %s", n, T,
             change == freeze ? "frozen" : "reversed in runs");
    return CFP_OK;
}

static cfp_status change_and_free(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume,
                                  void (*change)(int *from, const uint8_t *active, int T))
{
    struct order_room r = {0};
    const cfp_status status = change_frames(out, &r, m, volume, change);
    cfp_free(r.order);
    cfp_free(r.from);
    cfp_free(r.active);
    return status;
}

cfp_status cfp_measure_freeze(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    return change_and_free(out, m, volume, freeze);
}

cfp_status cfp_measure_reverse(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    return change_and_free(out, m, volume, reverse);
}

static cfp_status shuffle(cfp_measured *out, cfp_measuring *m, int *from, cfp_score *score)
{
    const int T = m->shape.t, n = m->settings.shuffles;
    const cfp_random stream = cfp_measure_stream(m, "shuffle");
    double sum = 0;
    for (int i = 0; i < n; i++) {
        cfp_random draw = cfp_random_of_number(stream, (uint64_t)i);
        cfp_random_order(from + (int64_t)i * T, T, &draw);
    }
    struct frames f = {.m = m, .from = from};
    CFP_TRY(
        cfp_probe_score(m->probe, score, n, m->subject.class_index, (cfp_inputs){make_frames, &f}));
    for (int i = 0; i < n; i++)
        sum += score[i].probability;
    out->value = m->whole.probability - sum / n;
    out->draws = n;
    snprintf(out->definition, sizeof out->definition,
             "p(x) - mean p of %d random orders of the frames", n);
    return CFP_OK;
}

cfp_status cfp_measure_shuffle(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume)
{
    int *from;
    (void)volume;
    CFP_TRY_ALLOC(m->ctx, from, (int64_t)m->settings.shuffles * m->shape.t);
    cfp_score *score = cfp_alloc(m->ctx, (size_t)m->settings.shuffles, sizeof *score);
    const cfp_status status = score == NULL ? CFP_NOMEM : shuffle(out, m, from, score);
    cfp_free(from);
    cfp_free(score);
    return status;
}
