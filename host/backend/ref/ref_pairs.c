/* ref_pairs.c - computes what pairs of a kernel and a channel contribute to the target (cfp_pairs):
 * the weight gradient of the pair times its weights, tap by tap. */
#include "../relevance_math.h"
#include "ref_ops.h"

bool ref_is_pair(const cfp_back_step *s, int clip, int o, int j)
{
    const int words = cfp_span_words(s);
    for (int q = clip * s->thetas; q < (clip + 1) * s->thetas; q++) {
        const int64_t row = (int64_t)q * s->kernels + o;
        if (s->demand[row] >= 0 && s->edges[row * words + j / 32] >> j % 32 & 1)
            return true;
    }
    return false;
}

/* The pair whose value is computed. */
struct pair {
    const cfp_pairs *pairs;
    const cfp_window *window;
    int clip, o, i;
};

/* The outputs along an axis that read an existing input through tap k. */
static ref_span readers(const cfp_window *window, int axis, int k, int inputs, int outputs)
{
    const int reach = k * window->dilation[axis] - window->pad_begin[axis];
    return ref_both((ref_span){0, outputs},
                    ref_reaching((ref_span){0, inputs}, window->stride[axis], reach));
}

/* The sum over positions of dy(o) * x(i) for one tap. */
static double tap_sum(const struct pair *p, const int k[3])
{
    const cfp_tensor *x = p->pairs->x, *dy = p->pairs->dy;
    const cfp_window *window = p->window;
    const int *stride = window->stride;
    const ref_span at_t = readers(window, 0, k[0], x->shape.t, dy->shape.t);
    const ref_span at_h = readers(window, 1, k[1], x->shape.h, dy->shape.h);
    const ref_span at_w = readers(window, 2, k[2], x->shape.w, dy->shape.w);
    int reach[3];
    double sum = 0;
    for (int axis = 0; axis < 3; axis++)
        reach[axis] = k[axis] * window->dilation[axis] - window->pad_begin[axis];
    for (int t = at_t.first; t < at_t.last; t++)
        for (int h = at_h.first; h < at_h.last; h++) {
            const float *slope = ref_row(dy, p->clip, p->o, t, h);
            const float *value =
                ref_row(x, p->clip, p->i, t * stride[0] + reach[0], h * stride[1] + reach[1]);
            for (int w = at_w.first; w < at_w.last; w++)
                sum += (double)slope[(int64_t)w * dy->block] *
                       (double)value[(int64_t)(w * stride[2] + reach[2]) * x->block];
        }
    return sum;
}

/* weight: of the pair, [taps]. */
static double weigh(const struct pair *p, const float *weight)
{
    const int *size = p->window->kernel;
    double sum = 0;
    int k[3];
    for (k[0] = 0; k[0] < size[0]; k[0]++)
        for (k[1] = 0; k[1] < size[1]; k[1]++)
            for (k[2] = 0; k[2] < size[2]; k[2]++)
                sum += (double)*weight++ * tap_sum(p, k);
    return sum / (double)cfp_positions(p->pairs->x->shape);
}

cfp_status ref_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs)
{
    (void)backend;
    const cfp_back_step *s = pairs->step;
    const int span = cfp_span_length(s);
    struct pair p = {.pairs = pairs, .window = cfp_kernel_window(pairs->node)};
    const int64_t taps = (int64_t)p.window->kernel[0] * p.window->kernel[1] * p.window->kernel[2];
    for (p.clip = 0; p.clip < s->clips; p.clip++)
        for (p.o = 0; p.o < s->kernels; p.o++)
            for (int j = 0; j < span; j++) {
                if (!ref_is_pair(s, p.clip, p.o, j))
                    continue;
                float *value = &pairs->value[((int64_t)p.clip * s->kernels + p.o) * span + j];
                p.i = cfp_span_first(s, p.o) + j;
                const double v = weigh(&p, pairs->weight + ((int64_t)p.o * span + j) * taps);
                *value = (float)(v + (pairs->adds ? (double)*value : 0));
            }
    return CFP_OK;
}
