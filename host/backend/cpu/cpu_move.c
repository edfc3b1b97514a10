/* cpu_move.c - ops that only move data: identity, concat, slice, pad, channel_shuffle.
 *
 * cpu_channels moves along C by shuffles of whole blocks (lane_gather.c).  slice, pad, shuffle and
 * concat differ only in a table that says where each channel comes from.  Backward uses the table
 * in reverse. cpu_positions does slice and pad along T, H, W in any layout and both directions.  It
 * copies rows, or single points if a slice skips some. ref does a pad along both C and T, H, W. */
#include "cpu.h"
#include <string.h>

enum { NOWHERE = -1 };

typedef struct origin { /* where a channel comes from: a tensor and its channel, or NOWHERE */
    int tensor, channel;
} origin;

/* Where the channels of a tensor come from, in the form of lane_gather (lanes.h). */
typedef struct table {
    int32_t *first, *source, *block, *pick;
} table;

typedef struct channels {
    table forward;
    table *backward; /* [n_back] of every source */
    int n_back;
} channels;

static bool moves_channels(const cfp_node *node)
{
    const int *begin = node->window.pad_begin, *end = node->window.pad_end;
    switch (node->op) {
    case CFP_OP_CONCAT:
        return cfp_concat_axis(node) == 1;
    case CFP_OP_IDENTITY:
    case CFP_OP_CHANNEL_SHUFFLE:
        return true;
    case CFP_OP_SLICE:
        return node->axis == 1;
    case CFP_OP_PAD:
        return !cfp_repeats(node) && begin[0] + begin[1] + begin[2] + end[0] + end[1] + end[2] == 0;
    default:
        return false;
    }
}

static bool channels_takes(const cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return moves_channels(step->node) && cpu_in_lanes(backend, step, src, dst);
}

/* The input, and its channel, that channel c of the output is a copy of. */
static origin origin_of(const cfp_step *step, const cfp_tensor *const *src, int c)
{
    for (int k = 0; k < step->n_src; k++) {
        const cfp_node *node = step->node;
        const int n = src[k]->shape.c;
        switch (node->op) {
        case CFP_OP_CONCAT:
            if (c < n)
                return (origin){k, c};
            c -= n;
            continue;
        case CFP_OP_SLICE:
            return (origin){0, node->start + c * node->step};
        case CFP_OP_PAD:
            c -= node->channels_begin;
            return c < 0 || c >= n ? (origin){NOWHERE, 0} : (origin){0, c};
        case CFP_OP_CHANNEL_SHUFFLE: /* channel i * groups + g is channel i of group g */
            return (origin){0, c % node->groups * (n / node->groups) + c / node->groups};
        default:
            return (origin){0, c};
        }
    }
    return (origin){NOWHERE, 0};
}

static void free_table(table *t)
{
    cfp_free(t->first);
    cfp_free(t->source);
    cfp_free(t->block);
    cfp_free(t->pick);
}

/* Adds a lane, which comes from `from`, to the entries [first, *end) of its block. */
static void add_lane(table *t, int first, int *end, int lane, origin from, int width)
{
    int e = first;
    while (e < *end && (t->source[e] != from.tensor || t->block[e] != from.channel / width))
        e++;
    if (e == *end) {
        *end = e + 1;
        t->source[e] = from.tensor;
        t->block[e] = from.channel / width;
        for (int l = 0; l < width; l++)
            t->pick[e * width + l] = l; /* keep what is there */
    }
    t->pick[e * width + lane] = width + from.channel % width;
}

static cfp_status open_table(table *t, cfp_ctx *ctx, const origin *of, int n, int width)
{
    const int blocks = (n + width - 1) / width;
    CFP_TRY_ALLOC(ctx, t->first, blocks + 1);
    CFP_TRY_ALLOC(ctx, t->source, n); /* at most one entry a lane */
    CFP_TRY_ALLOC(ctx, t->block, n);
    CFP_TRY_ALLOC(ctx, t->pick, (int64_t)n * width);
    int end = 0;
    for (int b = 0; b < blocks; b++) {
        t->first[b] = end;
        for (int l = 0; l < width && b * width + l < n; l++)
            if (of[b * width + l].tensor != NOWHERE)
                add_lane(t, t->first[b], &end, l, of[b * width + l], width);
    }
    t->first[blocks] = end;
    return CFP_OK;
}

static cfp_status open_backward(channels *own, cfp_ctx *ctx, const cfp_step *step,
                                const cfp_tensor *const *src, const origin *of, int n)
{
    CFP_TRY_ALLOC(ctx, own->backward, step->n_src);
    own->n_back = step->n_src;
    for (int k = 0; k < step->n_src; k++) {
        origin *back;
        CFP_TRY_ALLOC(ctx, back, src[k]->shape.c);
        for (int c = 0; c < src[k]->shape.c; c++)
            back[c] = (origin){NOWHERE, 0};
        for (int c = 0; c < n; c++)
            if (of[c].tensor == k)
                back[of[c].channel] = (origin){0, c};
        const cfp_status st =
            open_table(&own->backward[k], ctx, back, src[k]->shape.c, src[k]->block);
        cfp_free(back);
        CFP_TRY(st);
    }
    return CFP_OK;
}

static cfp_status channels_open(void **out, cfp_backend *backend, cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const int n = dst->shape.c;
    channels *own;
    origin *of;
    CFP_TRY_ALLOC(backend->ctx, own, 1);
    *out = own;
    CFP_TRY_ALLOC(backend->ctx, of, n);
    for (int c = 0; c < n; c++)
        of[c] = origin_of(step, src, c);
    cfp_status st = open_table(&own->forward, backend->ctx, of, n, dst->block);
    if (st == CFP_OK && step->backward)
        st = open_backward(own, backend->ctx, step, src, of, n);
    cfp_free(of);
    step->scratch_bytes = (size_t)step->n_src * (sizeof(float *) + sizeof(int64_t));
    return st;
}

static void channels_close(void *own)
{
    channels *c = own;
    if (c == NULL)
        return;
    free_table(&c->forward);
    for (int k = 0; k < c->n_back; k++)
        free_table(&c->backward[k]);
    cfp_free(c->backward);
    cfp_free(c);
}

static void gather(const table *t, const cfp_backend *backend, cfp_tensor *dst,
                   const cfp_tensor *const *src, int n_src, float value, void *scratch)
{
    int64_t *clip = scratch;
    const float **from = (const float **)(void *)(clip + n_src);
    for (int k = 0; k < n_src; k++) {
        from[k] = src[k]->data;
        clip[k] = cfp_stored(src[k]) / src[k]->shape.n;
    }
    const lane_gather job = {.shape = dst->shape,
                             .from = from,
                             .clip = clip,
                             .n_from = n_src,
                             .first = t->first,
                             .source = t->source,
                             .block = t->block,
                             .pick = t->pick,
                             .value = value,
                             .dst = dst->data};
    backend->lanes->gather(&job, backend->threads);
}

static cfp_status channels_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const channels *c = own;
    gather(&c->forward, backend, dst, src, step->n_src, step->node->value, scratch);
    return CFP_OK;
}

static cfp_status channels_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, const cfp_tensor *dst,
                                    const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                    void *scratch)
{
    (void)src, (void)dst;
    const channels *c = own;
    for (int k = 0; k < step->n_src; k++)
        if (diff_src[k] != NULL)
            gather(&c->backward[k], backend, diff_src[k], &diff_dst, 1, 0, scratch);
    return CFP_OK;
}

/* Along T, H, W: output p is input p * step + start of that axis, or the constant outside. */

typedef struct window_map {
    int start[3], step[3];
} window_map;

static bool moves_positions(const cfp_node *node)
{
    if (node->op == CFP_OP_PAD)
        return !cfp_repeats(node) && node->channels_begin == 0 && node->channels_end == 0;
    return node->op == CFP_OP_SLICE && node->axis != 1;
}

static bool positions_takes(const cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)backend;
    return moves_positions(step->node) && src[0]->block == dst->block;
}

static window_map map_of(const cfp_node *node)
{
    window_map m = {{0}, {1, 1, 1}};
    if (node->op == CFP_OP_SLICE) {
        m.start[node->axis - 2] = node->start;
        m.step[node->axis - 2] = node->step;
    }
    for (int i = 0; node->op == CFP_OP_PAD && i < 3; i++)
        m.start[i] = -node->window.pad_begin[i];
    return m;
}

/* Fills a row of w points, `lanes` channels each, with `value`.  The lanes behind them become 0. */
static void fill_row(float *to, int w, int block, int lanes, float value)
{
    for (int64_t p = 0; p < w; p++)
        for (int l = 0; l < block; l++)
            to[p * block + l] = l < lanes ? value : 0;
}

/* The points [*first, *end) of a row of to_w that are points of a row of from_w. */
static void overlap(int *first, int *end, const window_map *m, int to_w, int from_w)
{
    const int start = m->start[2], step = m->step[2];
    *first = start < 0 ? (-start + step - 1) / step : 0;
    *end = start < from_w ? cfp_min_int(to_w, (from_w - 1 - start) / step + 1) : 0;
}

/* Copies the points [first, end) of row `to` from their places in row `from`; with `back`, from
 * `to` to those places. */
static void copy_row(float *to, float *from, int block, const window_map *m, int first, int end,
                     bool back)
{
    const int64_t at_once = m->step[2] == 1 && end > first ? end - first : 1;
    for (int64_t w = first; w < end; w += at_once) {
        float *here = to + w * block, *there = from + (w * m->step[2] + m->start[2]) * block;
        memcpy(back ? there : here, back ? here : there, (size_t)(at_once * block) * sizeof(float));
    }
}

static cfp_status positions_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)scratch;
    const window_map m = map_of(step->node);
    const cfp_shape s = dst->shape, in = src[0]->shape;
    const int block = dst->block, per_clip = cfp_blocks(dst);
    int first, end;
    overlap(&first, &end, &m, s.w, in.w);
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < (int64_t)s.n * per_clip; b++)
        for (int t = 0; t < s.t; t++)
            for (int h = 0; h < s.h; h++) {
                const int i = t * m.step[0] + m.start[0], j = h * m.step[1] + m.start[1];
                float *to = dst->data + ((b * s.t + t) * s.h + h) * s.w * block;
                const bool inside = i >= 0 && i < in.t && j >= 0 && j < in.h;
                if (!inside || end - first < s.w)
                    fill_row(to, s.w, block, s.c - (int)(b % per_clip) * block, step->node->value);
                if (inside)
                    copy_row(to, src[0]->data + ((b * in.t + i) * in.h + j) * in.w * block, block,
                             &m, first, end, false);
            }
    return CFP_OK;
}

/* The output that is a copy of input i along an axis of `size` outputs; NOWHERE: there is none. */
static int output_of(const window_map *m, int axis, int i, int size)
{
    const int at = i - m->start[axis], step = m->step[axis];
    return at < 0 || at % step != 0 || at / step >= size ? NOWHERE : at / step;
}

static cfp_status positions_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, const cfp_tensor *dst,
                                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                     void *scratch)
{
    (void)own, (void)src, (void)dst, (void)scratch;
    const window_map m = map_of(step->node);
    const cfp_tensor *to = diff_src[0];
    if (to == NULL)
        return CFP_OK;
    const cfp_shape s = diff_dst->shape, in = to->shape;
    const int block = to->block;
    const int64_t row = (int64_t)in.w * block;
    int first, end;
    overlap(&first, &end, &m, s.w, in.w);
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < (int64_t)in.n * cfp_blocks(to); b++)
        for (int i = 0; i < in.t; i++)
            for (int j = 0; j < in.h; j++) {
                const int t = output_of(&m, 0, i, s.t), h = output_of(&m, 1, j, s.h);
                float *mine = to->data + ((b * in.t + i) * in.h + j) * row;
                const bool came = t != NOWHERE && h != NOWHERE;
                if (!came || end - first < in.w)
                    memset(mine, 0, (size_t)row * sizeof *mine);
                if (came)
                    copy_row(diff_dst->data + ((b * s.t + t) * s.h + h) * s.w * block, mine, block,
                             &m, first, end, true);
            }
    return CFP_OK;
}

const cpu_kernel cpu_channels = {.takes = channels_takes,
                                 .open = channels_open,
                                 .forward = channels_forward,
                                 .backward = channels_backward,
                                 .close = channels_close};
const cpu_kernel cpu_positions = {
    .takes = positions_takes, .forward = positions_forward, .backward = positions_backward};
