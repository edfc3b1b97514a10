/* ref_ops.h - the ops of ref, and how its loops address a tensor; private to ref.
 *
 * Within a channel, element (t, h, w) is at [((t * H + h) * W + w) * block] from the channel's
 * first element, whatever the block.  So a loop finds a channel or a row once and then steps by
 * `block`.  It need not know the layout. */
#pragma once
#include "ref.h"

typedef void ref_forward_fn(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst);
typedef void ref_backward_fn(const cfp_step *step, const cfp_tensor *const *src,
                             const cfp_tensor *dst, const cfp_tensor *diff_dst,
                             cfp_tensor *const *diff_src);

ref_forward_fn ref_conv3d, ref_batchnorm, ref_norm, ref_activate, ref_softmax, ref_move,
    ref_globalavgpool, ref_maxpool3d, ref_avgpool3d, ref_add, ref_mul;
ref_backward_fn ref_conv3d_backward, ref_batchnorm_backward, ref_norm_backward,
    ref_activate_backward, ref_softmax_backward, ref_move_backward, ref_globalavgpool_backward,
    ref_maxpool3d_backward, ref_avgpool3d_backward, ref_combine_backward;

/* The first element of channel (n, c), or of a row of it. */
static inline float *ref_channel(const cfp_tensor *x, int n, int c)
{
    return x->data + cfp_offset(x, n, c, 0, 0, 0);
}
static inline float *ref_row(const cfp_tensor *x, int n, int c, int t, int h)
{
    return x->data + cfp_offset(x, n, c, t, h, 0);
}

/* The indices i with first <= i < last; none where last <= first. */
typedef struct ref_span {
    int first, last;
} ref_span;

static inline ref_span ref_both(ref_span a, ref_span b)
{
    return (ref_span){cfp_max_int(a.first, b.first), cfp_min_int(a.last, b.last)};
}
static inline int ref_ceil_divide(int a, int b) /* b > 0 */
{
    return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

/* The i for which i * stride + offset lies in `inside`.  So inner loops over taps and windows need
 * no test for the border. */
static inline ref_span ref_reaching(ref_span inside, int stride, int offset)
{
    return (ref_span){ref_ceil_divide(inside.first - offset, stride),
                      ref_ceil_divide(inside.last - offset, stride)};
}
