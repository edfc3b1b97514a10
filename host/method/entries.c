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

/* Makes the baseline of clip x. */
static cfp_status make_other(float *to, const cfp_analyser *a, const float *x,
                             const cfp_clip *other)
{
    const cfp_query *query = &a->query;
    if (query->baseline != CFP_BASELINE_CLIP)
        return cfp_baseline_clip(to, a->ctx, &a->model->input, query->baseline, query->seed, x);
    cfp_clip_normalise(to, other, &a->model->input);
    return CFP_OK;
}

/* Makes a point on the line from the other clip (fraction 0) to x (fraction 1). */
static void make_point(float *to, const float *other, const float *x, int64_t n, double fraction)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)((double)other[i] + fraction * ((double)x[i] - (double)other[i]));
}

/* Makes all entries after the first, which is the clip itself and lies at `to`. */
static cfp_status fill_others(float *to, const cfp_analyser *a, const cfp_clip *other, int first,
                              float *buffer)
{
    const cfp_entries *e = &a->entries;
    const int64_t n = cfp_count(a->model->node[0].shape);
    float *const from = e->other >= 0 ? to + e->other * n : buffer;
    const int steps = a->query.steps;
    CFP_TRY(make_other(from, a, to, other));
    if (e->turned)
        memcpy(to + e->first * n, to, (size_t)n * sizeof *to);
    for (int k = 0; k < e->count && steps > 1; k++) {
        const int point =
            first + k < steps ? first + k : steps - 1; /* beyond the last point: not used */
        make_point(to + (e->first + k) * n, from, to, n, (point + 0.5) / steps);
    }
    return CFP_OK;
}

cfp_status cfp_entries_fill(float *input, const cfp_analyser *analyser, const cfp_clip *const *clip,
                            const float *given, const cfp_clip *other, int first)
{
    const cfp_analyser *a = analyser;
    const int64_t n = cfp_count(a->model->node[0].shape);
    float *buffer;
    cfp_status status = CFP_OK;
    CFP_TRY_ALLOC(a->ctx, buffer, n);
    for (int k = 0; k < a->clips && status == CFP_OK; k++) {
        float *to = input + k * a->entries.n * n;
        if (given != NULL)
            memcpy(to, given + k * n, (size_t)n * sizeof *to);
        else
            cfp_clip_normalise(to, clip[k], &a->model->input);
        status = fill_others(to, a, other, first, buffer);
    }
    cfp_free(buffer);
    return status;
}
