/* ref_norm.c - norms by the clip's own statistics: instancenorm, groupnorm, layernorm.
 *
 * Each normalises SETS of elements of one clip to mean 0 and variance 1, then scales and shifts
 * each channel: y = (x - mean) / sqrt(var + eps) * gamma(c) + beta(c).  A set is a group of
 * channels at all positions; for layernorm it is all channels at one position. */
#include "ref_ops.h"
#include <math.h>

typedef struct norm_set { /* channels [c, c_end) at positions [p, p_end) of clip n */
    int n, c, c_end;
    int64_t p, p_end;
} norm_set;

static int64_t sets_of(const cfp_node *node, cfp_shape s)
{
    return s.n * (node->op == CFP_OP_LAYERNORM ? cfp_positions(s) : node->groups);
}

static norm_set set_at(const cfp_node *node, cfp_shape s, int64_t i)
{
    const int64_t each = sets_of(node, s) / s.n, at = i % each;
    if (node->op == CFP_OP_LAYERNORM)
        return (norm_set){(int)(i / each), 0, s.c, at, at + 1};
    const int channels = s.c / node->groups;
    return (norm_set){(int)(i / each), (int)at * channels, (int)(at + 1) * channels, 0,
                      cfp_positions(s)};
}

static double element(const cfp_tensor *x, int n, int c, int64_t p)
{
    return (double)ref_channel(x, n, c)[p * x->block];
}

/* mean and 1 / sqrt(var + eps) */
static void statistics(double *mean, double *scale, const cfp_node *node, const cfp_tensor *x,
                       norm_set set)
{
    const double count = (double)(set.c_end - set.c) * (double)(set.p_end - set.p);
    double sum = 0, square = 0;
    for (int c = set.c; c < set.c_end; c++)
        for (int64_t p = set.p; p < set.p_end; p++)
            sum += element(x, set.n, c, p);
    *mean = sum / count;
    for (int c = set.c; c < set.c_end; c++)
        for (int64_t p = set.p; p < set.p_end; p++) {
            const double off = element(x, set.n, c, p) - *mean;
            square += off * off;
        }
    *scale = 1 / sqrt(square / count + node->eps);
}

void ref_norm(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_node *node = step->node;
    for (int64_t i = 0; i < sets_of(node, dst->shape); i++) {
        const norm_set set = set_at(node, dst->shape, i);
        double mean, scale;
        statistics(&mean, &scale, node, src[0], set);
        for (int c = set.c; c < set.c_end; c++)
            for (int64_t p = set.p; p < set.p_end; p++)
                ref_channel(dst, set.n, c)[p * dst->block] =
                    (float)((element(src[0], set.n, c, p) - mean) * scale * (double)node->scale[c] +
                            (double)node->shift[c]);
    }
}

/* With z = gamma * dy and the normalised h = (x - mean) * scale:
 *
 *     dx = scale * (z - mean of z - h * mean of z * h),  the means over the set */
void ref_norm_backward(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                       const cfp_tensor *diff_dst, cfp_tensor *const *diff_src)
{
    const cfp_node *node = step->node;
    cfp_tensor *dx = diff_src[0];
    (void)dst;
    if (dx == NULL)
        return;
    for (int64_t i = 0; i < sets_of(node, dx->shape); i++) {
        const norm_set set = set_at(node, dx->shape, i);
        const double count = (double)(set.c_end - set.c) * (double)(set.p_end - set.p);
        double mean, scale, sum = 0, along = 0;
        statistics(&mean, &scale, node, src[0], set);
        for (int c = set.c; c < set.c_end; c++)
            for (int64_t p = set.p; p < set.p_end; p++) {
                const double z = (double)node->scale[c] * element(diff_dst, set.n, c, p);
                sum += z;
                along += z * (element(src[0], set.n, c, p) - mean) * scale;
            }
        for (int c = set.c; c < set.c_end; c++)
            for (int64_t p = set.p; p < set.p_end; p++) {
                const double z = (double)node->scale[c] * element(diff_dst, set.n, c, p);
                const double h = (element(src[0], set.n, c, p) - mean) * scale;
                ref_channel(dx, set.n, c)[p * dx->block] =
                    (float)(scale * (z - sum / count - h * along / count));
            }
    }
}
