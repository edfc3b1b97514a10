/* ref_move.c - ops that only move data: identity, flatten, concat, pad, slice, channel_shuffle,
 * upsample.
 *
 * Every output element is a copy of one input element, or the constant of a pad.  So a function
 * that maps an output element to its input element defines an op.  Forward copies along this map;
 * backward adds against it, and is 0 where nothing came from. */
#include "ref_ops.h"
#include <string.h>

typedef struct place { /* element (c, t, h, w) of input k */
    int k, c, t, h, w;
} place;

/* Replaces the output element `at` by the input element that it is a copy of; false if it is the
 * constant.  `in` is the shape of input 0. */
typedef bool come_from_fn(const cfp_step *step, cfp_shape in, place *at);

static bool from_same(const cfp_step *step, cfp_shape in, place *at)
{
    (void)step, (void)in, (void)at;
    return true;
}

/* Element ((c * T + t) * H + h) * W + w of the vector. */
static bool from_flat(const cfp_step *step, cfp_shape in, place *at)
{
    (void)step;
    int e = at->c;
    at->w = e % in.w, e /= in.w;
    at->h = e % in.h, e /= in.h;
    at->t = e % in.t, e /= in.t;
    at->c = e;
    return true;
}

static bool from_part(const cfp_step *step, cfp_shape in, place *at)
{
    (void)in; /* each input has its own extent; the graph knows it */
    const int axis = cfp_concat_axis(step->node);
    int *const i = (int *const[]){&at->c, &at->t, &at->h, &at->w}[axis - 1];
    for (;;) {
        const cfp_shape s = step->model->node[step->node->input[at->k]].shape;
        const int extent = (const int[]){s.c, s.t, s.h, s.w}[axis - 1];
        if (*i < extent)
            return true;
        *i -= extent;
        at->k++;
    }
}

static bool from_repeated(const cfp_step *step, cfp_shape in, place *at)
{
    at->t = cfp_repeated_place(step->node, 0, in.t, at->t);
    at->h = cfp_repeated_place(step->node, 1, in.h, at->h);
    at->w = cfp_repeated_place(step->node, 2, in.w, at->w);
    return true;
}

static bool from_inside(const cfp_step *step, cfp_shape in, place *at)
{
    const int *begin = step->node->window.pad_begin;
    at->c -= step->node->channels_begin;
    at->t -= begin[0], at->h -= begin[1], at->w -= begin[2];
    return at->c >= 0 && at->c < in.c && at->t >= 0 && at->t < in.t && at->h >= 0 && at->h < in.h &&
           at->w >= 0 && at->w < in.w;
}

static bool from_slice(const cfp_step *step, cfp_shape in, place *at)
{
    (void)in;
    int *const axis[5] = {NULL, &at->c, &at->t, &at->h, &at->w};
    int *const i = axis[step->node->axis];
    *i = step->node->start + *i * step->node->step;
    return true;
}

/* PyTorch's: view(groups, C / groups), transpose.  Channel i * groups + g comes from channel i of
 * group g. */
static bool from_shuffled(const cfp_step *step, cfp_shape in, place *at)
{
    const int groups = step->node->groups;
    at->c = at->c % groups * (in.c / groups) + at->c / groups;
    return true;
}

static come_from_fn *come_from(const cfp_node *node)
{
    if (cfp_repeats(node))
        return from_repeated;
    switch (node->op) {
    case CFP_OP_FLATTEN:
        return from_flat;
    case CFP_OP_CONCAT:
        return from_part;
    case CFP_OP_PAD:
        return from_inside;
    case CFP_OP_SLICE:
        return from_slice;
    case CFP_OP_CHANNEL_SHUFFLE:
        return from_shuffled;
    default:
        return from_same;
    }
}

void ref_move(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    come_from_fn *const from = come_from(step->node);
    const cfp_shape s = dst->shape, in = src[0]->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        place p = {0, c, t, h, w};
                        const float value = from(step, in, &p)
                                                ? cfp_at(src[p.k], n, p.c, p.t, p.h, p.w)
                                                : step->node->value;
                        cfp_put(dst, n, c, t, h, w, value);
                    }
}

void ref_move_backward(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                       const cfp_tensor *diff_dst, cfp_tensor *const *diff_src)
{
    (void)src, (void)dst;
    come_from_fn *const from = come_from(step->node);
    const cfp_shape s = diff_dst->shape, in = step->model->node[step->node->input[0]].shape;
    for (int k = 0; k < step->n_src; k++)
        if (diff_src[k] != NULL)
            memset(diff_src[k]->data, 0, (size_t)cfp_stored(diff_src[k]) * sizeof(float));
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        place p = {0, c, t, h, w};
                        if (from(step, in, &p) && diff_src[p.k] != NULL)
                            cfp_put(diff_src[p.k], n, p.c, p.t, p.h, p.w,
                                    cfp_at(diff_src[p.k], n, p.c, p.t, p.h, p.w) +
                                        cfp_at(diff_dst, n, c, t, h, w));
                    }
}
