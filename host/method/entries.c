/* entries.c - see entries.h. */
#include "entries.h"
#include <string.h>

/* splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* A random order of n frames.  It is not their own order, unless n < 2. */
static void shuffle(int *order, int n, uint64_t seed)
{
    for (bool moved = n < 2; !moved;) {
        for (int t = 0; t < n; t++)
            order[t] = t;
        for (int t = n - 1; t > 0; t--) {
            const int k = (int)(next_random(&seed) % (uint64_t)(t + 1)), held = order[t];
            order[t] = order[k];
            order[k] = held;
        }
        for (int t = 0; t < n; t++)
            moved |= order[t] != t;
    }
}

/* order[t]: which frame of the clip is frame t of the baseline. */
static void order_frames(int *order, int n, cfp_baseline kind, uint64_t seed)
{
    for (int t = 0; t < n; t++)
        order[t] = kind == CFP_BASELINE_FREEZE    ? n / 2
                   : kind == CFP_BASELINE_REVERSE ? n - 1 - t
                                                  : t;
    if (kind == CFP_BASELINE_SHUFFLE)
        shuffle(order, n, seed);
}

cfp_status cfp_baseline_clip(float *to, cfp_ctx *ctx, const cfp_input_spec *in, cfp_baseline kind,
                             uint64_t seed, const float *x)
{
    const int64_t frame = (int64_t)in->height * in->width;
    int *order;
    if (kind == CFP_BASELINE_ZERO || kind == CFP_BASELINE_BLANK) {
        memset(to, 0, (size_t)(in->channels * in->frames * frame) * sizeof *to);
        return CFP_OK;
    }
    CFP_TRY_ALLOC(ctx, order, in->frames);
    order_frames(order, in->frames, kind, seed);
    for (int c = 0; c < in->channels; c++)
        for (int t = 0; t < in->frames; t++)
            memcpy(to + (int64_t)(c * in->frames + t) * frame,
                   x + (int64_t)(c * in->frames + order[t]) * frame, (size_t)frame * sizeof *to);
    cfp_free(order);
    return CFP_OK;
}

static int64_t numbers_of(const cfp_analyser *a)
{
    return cfp_count(a->model->node[0].shape);
}

/* Makes the numbers of clip k. */
static void make_clip(float *to, const cfp_analyser *a, const cfp_shown *shown, int k)
{
    const int64_t n = numbers_of(a);
    if (shown->given != NULL)
        memcpy(to, shown->given + k * n, (size_t)n * sizeof *to);
    else
        cfp_clip_normalise(to, shown->clip[k], &a->model->input);
}

/* Makes the baseline of clip x. */
static cfp_status make_other(float *to, const cfp_analyser *a, const float *x)
{
    const cfp_query *query = &a->query;
    if (query->baseline != CFP_BASELINE_CLIP)
        return cfp_baseline_clip(to, a->ctx, &a->model->input, query->baseline, query->seed, x);
    cfp_clip_normalise(to, a->other, &a->model->input);
    return CFP_OK;
}

/* Makes a point on the line from the other clip (fraction 0) to x (fraction 1). */
static void make_point(float *to, const float *other, const float *x, int64_t n, double fraction)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)((double)other[i] + fraction * ((double)x[i] - (double)other[i]));
}

/* --- running forward --- */

/* Clips as they are. */
static cfp_status show_clips(cfp_trace *trace, const cfp_analyser *a, const cfp_shown *shown,
                             float *logits)
{
    const uint8_t **rgb;
    if (shown->given != NULL)
        return cfp_trace_forward(trace, shown->given, logits);
    CFP_TRY_ALLOC(a->ctx, rgb, trace->clips);
    for (int k = 0; k < trace->clips; k++)
        rgb[k] = shown->clip[k]->rgb;
    const cfp_status status = cfp_trace_forward_frames(trace, rgb, logits);
    cfp_free(rgb);
    return status;
}

/* Makes the numbers of one input of a network for clip k.  x: room for a clip and its baseline. */
typedef cfp_status maker(float *to, const cfp_analyser *a, const cfp_shown *shown, int k, int first,
                         float *x);

static cfp_status make_whole(float *to, const cfp_analyser *a, const cfp_shown *shown, int k,
                             int first, float *x)
{
    (void)first, (void)x;
    make_clip(to, a, shown, k);
    return CFP_OK;
}

static cfp_status make_baseline(float *to, const cfp_analyser *a, const cfp_shown *shown, int k,
                                int first, float *x)
{
    (void)first;
    if (!a->entries.shared)
        make_clip(x, a, shown, k);
    return make_other(to, a, x);
}

static cfp_status make_points(float *to, const cfp_analyser *a, const cfp_shown *shown, int k,
                              int first, float *x)
{
    const int64_t n = numbers_of(a);
    const int steps = a->query.steps;
    make_clip(x, a, shown, k);
    CFP_TRY(make_other(x + n, a, x));
    for (int i = 0; i < a->entries.points; i++) {
        const int point = cfp_min_int(first + i, steps - 1); /* beyond the last one: not used */
        make_point(to + i * n, x + n, x, n, (point + 0.5) / steps);
    }
    return CFP_OK;
}

/* Runs a network on numbers that are made for each of its clips. */
static cfp_status show_made(cfp_trace *trace, const cfp_analyser *a, const cfp_shown *shown,
                            maker *make, int first, float *logits)
{
    const int64_t n = numbers_of(a), all = n * trace->clips * trace->entries;
    float *input;
    CFP_TRY_ALLOC(a->ctx, input, all + 2 * n);
    cfp_status status = CFP_OK;
    for (int k = 0; k < trace->clips && status == CFP_OK; k++)
        status = make(input + k * trace->entries * n, a, shown, k, first, input + all);
    if (status == CFP_OK)
        status = cfp_trace_forward(trace, input, logits);
    cfp_free(input);
    return status;
}

/* Bytes will not do if the network reads numbers, or more than three channels. */
static cfp_status show(cfp_trace *trace, const cfp_analyser *a, const cfp_shown *shown,
                       float *logits)
{
    const cfp_input_spec *input = &a->model->input;
    const bool made =
        shown->given == NULL && (input->numbers || input->channels > CFP_FRAME_CHANNELS);
    return made ? show_made(trace, a, shown, make_whole, 0, logits)
                : show_clips(trace, a, shown, logits);
}

cfp_status cfp_entries_predict(cfp_analyser *analyser, const cfp_shown *shown, float *logits)
{
    cfp_analyser *a = analyser;
    return show(a->entries.plain ? a->plain : a->trace, a, shown, logits);
}

static cfp_status show_points(cfp_analyser *a, const cfp_shown *shown, int first, float *logits)
{
    return a->query.steps > 1 ? show_made(a->trace, a, shown, make_points, first, logits)
                              : show(a->trace, a, shown, logits);
}

cfp_status cfp_entries_points(cfp_analyser *analyser, const cfp_shown *shown, int first)
{
    float *unused; /* trace->logits has them, of all points */
    CFP_TRY_ALLOC(analyser->ctx, unused, (int64_t)analyser->clips * analyser->model->n_classes);
    const cfp_status status = show_points(analyser, shown, first, unused);
    cfp_free(unused);
    return status;
}

static cfp_status show_other(cfp_analyser *a, const cfp_shown *shown)
{
    float *unused;
    if (!a->entries.other || a->other_shown)
        return CFP_OK;
    CFP_TRY_ALLOC(a->ctx, unused, (int64_t)a->other_trace->clips * a->model->n_classes);
    const cfp_status status = show_made(a->other_trace, a, shown, make_baseline, 0, unused);
    cfp_free(unused);
    a->other_shown = status == CFP_OK && a->entries.shared;
    return status;
}

cfp_status cfp_entries_forward(cfp_analyser *analyser, const cfp_shown *shown, float *logits)
{
    cfp_analyser *a = analyser;
    CFP_TRY(cfp_entries_predict(a, shown, logits));
    CFP_TRY(show_other(a, shown));
    return a->entries.plain ? cfp_entries_points(a, shown, 0) : CFP_OK;
}
