/* ref_combine.c - add and mul of two or more tensors, with broadcasting.
 *
 * Each axis C, T, H, W of an input is as long as the output's, or 1.  If it is 1, its one element
 * is used for the whole axis, and its gradient is the sum over that axis. */
#include "ref_ops.h"

/* The element of x that output (n, c, t, h, w) uses. */
static double serving(const cfp_tensor *x, int n, int c, int t, int h, int w)
{
    const cfp_shape s = x->shape;
    return cfp_at(x, n, s.c == 1 ? 0 : c, s.t == 1 ? 0 : t, s.h == 1 ? 0 : h, s.w == 1 ? 0 : w);
}

void ref_add(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        double sum = 0;
                        for (int k = 0; k < step->n_src; k++)
                            sum += serving(src[k], n, c, t, h, w);
                        cfp_put(dst, n, c, t, h, w, (float)sum);
                    }
}

void ref_mul(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w++) {
                        double product = 1;
                        for (int k = 0; k < step->n_src; k++)
                            product *= serving(src[k], n, c, t, h, w);
                        cfp_put(dst, n, c, t, h, w, (float)product);
                    }
}

/* The outputs along one axis that use element i of an input. */
static ref_span served(int i, int size, int out_size)
{
    return size == 1 ? (ref_span){0, out_size} : (ref_span){i, i + 1};
}

typedef struct place { /* element (n, c, t, h, w) of input k, whose shape is `shape` */
    int k, n, c, t, h, w;
    cfp_shape shape;
} place;

/* The gradient of one element: the sum over the outputs that use it, for mul times the other inputs
 * there. */
static double gather(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *diff_dst,
                     const place *at)
{
    const cfp_shape s = at->shape, out = diff_dst->shape;
    const ref_span cs = served(at->c, s.c, out.c), ts = served(at->t, s.t, out.t);
    const ref_span hs = served(at->h, s.h, out.h), ws = served(at->w, s.w, out.w);
    const int others = step->node->op == CFP_OP_MUL ? step->n_src : 0;
    double sum = 0;
    for (int c = cs.first; c < cs.last; c++)
        for (int t = ts.first; t < ts.last; t++)
            for (int h = hs.first; h < hs.last; h++)
                for (int w = ws.first; w < ws.last; w++) {
                    double product = cfp_at(diff_dst, at->n, c, t, h, w);
                    for (int k = 0; k < others; k++)
                        if (k != at->k)
                            product *= serving(src[k], at->n, c, t, h, w);
                    sum += product;
                }
    return sum;
}

/* The backward pass of both ops.  add reads no values, mul reads those of its inputs. */
void ref_combine_backward(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                          const cfp_tensor *diff_dst, cfp_tensor *const *diff_src)
{
    (void)dst;
    for (int k = 0; k < step->n_src; k++) {
        cfp_tensor *dx = diff_src[k];
        if (dx == NULL)
            continue;
        const cfp_shape s = dx->shape;
        for (int n = 0; n < s.n; n++)
            for (int c = 0; c < s.c; c++)
                for (int t = 0; t < s.t; t++)
                    for (int h = 0; h < s.h; h++)
                        for (int w = 0; w < s.w; w++) {
                            const place at = {k, n, c, t, h, w, s};
                            const double sum = gather(step, src, diff_dst, &at);
                            cfp_put(dx, n, c, t, h, w, (float)sum);
                        }
    }
}
