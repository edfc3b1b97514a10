/* ref_pool.c - maxpool3d, avgpool3d and globalavgpool, by PyTorch's rules.
 *
 * Padding is never the maximum.  The gradient of a maximum goes to the FIRST place (by t, then h,
 * then w) that has the maximal value.  An average divides by the number of cells in the input; with
 * count_include_pad, by the number in input and padding.  Cells behind the padding, which only the
 * last window of ceil_mode reaches, never count. */
#include "ref_ops.h"
#include <math.h>
#include <string.h>

typedef struct box { /* a window cut to the input */
    ref_span t, h, w;
} box;

/* Window p along one axis, cut to the input. */
static ref_span cut(const cfp_window *window, int axis, int p, int size)
{
    const int first = p * window->stride[axis] - window->pad_begin[axis];
    return ref_both((ref_span){first, first + window->kernel[axis]}, (ref_span){0, size});
}

static box box_at(const cfp_window *window, int t, int h, int w, cfp_shape src)
{
    return (box){cut(window, 0, t, src.t), cut(window, 1, h, src.h), cut(window, 2, w, src.w)};
}

/* The place of the first maximum of a box in channel (n, c), as an index from the channel's first
 * element; -1 if the box has only padding.  NaN counts as the largest value. */
static int64_t first_maximum(const cfp_tensor *x, int n, int c, const box *b)
{
    const float *channel = ref_channel(x, n, c);
    int64_t best = -1;
    for (int t = b->t.first; t < b->t.last; t++)
        for (int h = b->h.first; h < b->h.last; h++)
            for (int w = b->w.first; w < b->w.last; w++) {
                const int64_t here = (((int64_t)t * x->shape.h + h) * x->shape.w + w) * x->block;
                if (best < 0 || channel[here] > channel[best] || isnan(channel[here]))
                    best = here;
            }
    return best;
}

void ref_maxpool3d(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_tensor *x = src[0];
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        const box b = box_at(&step->node->window, t, h, w, x->shape);
                        const int64_t at = first_maximum(x, n, c, &b);
                        cfp_put(dst, n, c, t, h, w, at < 0 ? -INFINITY : ref_channel(x, n, c)[at]);
                    }
}

void ref_maxpool3d_backward(const cfp_step *step, const cfp_tensor *const *src,
                            const cfp_tensor *dst, const cfp_tensor *diff_dst,
                            cfp_tensor *const *diff_src)
{
    (void)dst;
    cfp_tensor *dx = diff_src[0];
    const cfp_tensor *x = src[0];
    if (dx == NULL)
        return;
    memset(dx->data, 0, (size_t)cfp_stored(dx) * sizeof *dx->data);
    const cfp_shape s = diff_dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        const box b = box_at(&step->node->window, t, h, w, x->shape);
                        const int64_t at = first_maximum(x, n, c, &b);
                        if (at >= 0) /* x and its gradient have one layout: one index for both */
                            ref_channel(dx, n, c)[at] += cfp_at(diff_dst, n, c, t, h, w);
                    }
}

/* The number of cells of window p along one axis that count for the divisor. */
static int counted(const cfp_node *node, int axis, int p, int size)
{
    const cfp_window *window = &node->window;
    const int first = p * window->stride[axis] - window->pad_begin[axis];
    const int begin = node->count_include_pad ? -window->pad_begin[axis] : 0;
    const int end = node->count_include_pad ? size + window->pad_end[axis] : size;
    const ref_span span =
        ref_both((ref_span){first, first + window->kernel[axis]}, (ref_span){begin, end});
    return cfp_max_int(span.last - span.first, 0);
}

/* 1 / the number of cells that the average of window (t, h, w) counts; 0 if there are none. */
static double share(const cfp_node *node, int t, int h, int w, cfp_shape src)
{
    const double cells = (double)counted(node, 0, t, src.t) * counted(node, 1, h, src.h) *
                         counted(node, 2, w, src.w);
    return cells > 0 ? 1 / cells : 0;
}

static double box_sum(const cfp_tensor *x, int n, int c, const box *b)
{
    double sum = 0;
    for (int t = b->t.first; t < b->t.last; t++)
        for (int h = b->h.first; h < b->h.last; h++) {
            const float *row = ref_row(x, n, c, t, h);
            for (int w = b->w.first; w < b->w.last; w++)
                sum += row[(int64_t)w * x->block];
        }
    return sum;
}

void ref_avgpool3d(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_tensor *x = src[0];
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        const box b = box_at(&step->node->window, t, h, w, x->shape);
                        const double mean =
                            box_sum(x, n, c, &b) * share(step->node, t, h, w, x->shape);
                        cfp_put(dst, n, c, t, h, w, (float)mean);
                    }
}

/* The windows along one axis that cover input i. */
static ref_span covering(const cfp_window *window, int axis, int i, int windows)
{
    const ref_span starts = {i - window->kernel[axis] + 1, i + 1};
    return ref_both((ref_span){0, windows},
                    ref_reaching(starts, window->stride[axis], -window->pad_begin[axis]));
}

/* The gradient of one input: its part of the gradient of each window that covers it. */
static double gather_shares(const cfp_node *node, const cfp_tensor *diff_dst, int n, int c,
                            const box *windows, cfp_shape src)
{
    double sum = 0;
    for (int t = windows->t.first; t < windows->t.last; t++)
        for (int h = windows->h.first; h < windows->h.last; h++)
            for (int w = windows->w.first; w < windows->w.last; w++)
                sum += share(node, t, h, w, src) * cfp_at(diff_dst, n, c, t, h, w);
    return sum;
}

void ref_avgpool3d_backward(const cfp_step *step, const cfp_tensor *const *src,
                            const cfp_tensor *dst, const cfp_tensor *diff_dst,
                            cfp_tensor *const *diff_src)
{
    (void)src, (void)dst;
    cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return;
    const cfp_window *window = &step->node->window;
    const cfp_shape s = dx->shape, out = diff_dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        const box windows = {covering(window, 0, t, out.t),
                                             covering(window, 1, h, out.h),
                                             covering(window, 2, w, out.w)};
                        const double sum = gather_shares(step->node, diff_dst, n, c, &windows, s);
                        cfp_put(dx, n, c, t, h, w, (float)sum);
                    }
}

void ref_globalavgpool(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    (void)step;
    const cfp_tensor *x = src[0];
    const cfp_shape s = x->shape;
    const box all = {{0, s.t}, {0, s.h}, {0, s.w}};
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const double mean = box_sum(x, n, c, &all) / (double)cfp_positions(s);
            cfp_put(dst, n, c, 0, 0, 0, (float)mean);
        }
}

void ref_globalavgpool_backward(const cfp_step *step, const cfp_tensor *const *src,
                                const cfp_tensor *dst, const cfp_tensor *diff_dst,
                                cfp_tensor *const *diff_src)
{
    (void)step, (void)src, (void)dst;
    cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return;
    const int64_t positions = cfp_positions(dx->shape);
    for (int n = 0; n < dx->shape.n; n++)
        for (int c = 0; c < dx->shape.c; c++) {
            const double each = (double)cfp_at(diff_dst, n, c, 0, 0, 0) / (double)positions;
            float *to = ref_channel(dx, n, c);
            for (int64_t p = 0; p < positions; p++)
                to[p * dx->block] = (float)each;
        }
}
