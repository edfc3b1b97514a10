/* cpu_stem.c - the first convolution, which reads the few channels of the clip, if its kernel spans
 * several frames.  Decides which steps it accepts and prepares the weights; lane_stem.c computes.
 *
 * weights[pair of blocks of kernels][layer][channel][kH][kW][2][lanes].  Each level of filtering
 * along T makes three layers of two: g0, g0 + g1 and g1.  The digits of a layer's number, to base
 * 3, say which of the three it is at each level.
 *
 * Backward is oneDNN's, as for any other convolution (cpu_conv.c). */
#include "cpu.h"
#include <math.h>
#include <string.h>

enum { MAX_LEVELS = 3, MAX_LAYERS = 27, PAIR = 2 };

typedef struct stem {
    int levels;
    float *weights, *bias;
    void *conv; /* of cpu_conv, for the backward pass; NULL: none is wanted */
} stem;

/* The number of levels of filtering with the fewest multiplications along T; 0: the plain sum. */
static int levels_that_pay(const cfp_window *w, int frames, int in_frames)
{
    int best = 0, min = 0;
    for (int t = 0; t < frames; t++)
        for (int k = 0; k < w->kernel[0]; k++)
            min += t + k - w->pad_begin[0] >= 0 && t + k - w->pad_begin[0] < in_frames;
    for (int levels = 1, products = 3; levels <= MAX_LEVELS; levels++, products *= 3) {
        const int made = 1 << levels, cost = (frames + made - 1) / made * products;
        if (w->kernel[0] <= made && cost < min) {
            min = cost;
            best = levels;
        }
    }
    return best;
}

static bool stem_takes(const cfp_backend *backend, const cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst)
{
    enum { MAX_CHANNELS = 4, MIN_KERNELS = 8, MIN_WIDTH = 8 };
    const cfp_node *node = step->node;
    const cfp_window *w = &node->window;
    if (node->op != CFP_OP_CONV3D || node->groups > 1 || step->adds || src[0]->block != 1 ||
        dst->block != backend->lanes->width)
        return false;
    for (int i = 0; i < 3; i++)
        if (w->dilation[i] != 1 || w->stride[i] > (i == 0 ? 1 : 2))
            return false;
    return src[0]->shape.c <= MAX_CHANNELS && dst->shape.c >= MIN_KERNELS &&
           dst->shape.w >= MIN_WIDTH && levels_that_pay(w, dst->shape.t, src[0]->shape.t) > 0;
}

/* Transforms the taps along T of one weight to one number for each layer. */
static void filter_taps(double layer[MAX_LAYERS], const float *tap, int taps, int64_t apart,
                        int levels)
{
    const int layers = levels == 1 ? 3 : levels == 2 ? 9 : 27;
    for (int l = 0; l < layers; l++) {
        layer[l] = 0;
        for (int t = 0; t < taps; t++) {
            bool in =
                true; /* digit 0: the even tap, 2: the odd one, 1: both; the last level first */
            for (int level = 0, digits = l; level < levels; level++, digits /= 3)
                in &= digits % 3 == 1 || (t >> level & 1) == (digits % 3 == 2);
            layer[l] += in ? (double)tap[t * apart] : 0;
        }
    }
}

static cfp_status open_weights(stem *m, const cfp_backend *backend, const cfp_node *node,
                               int channels)
{
    const int lanes = backend->lanes->width, *k = node->window.kernel;
    const int kernels = node->shape.c, layers = m->levels == 1 ? 3 : m->levels == 2 ? 9 : 27;
    const int blocks = (kernels + lanes - 1) / lanes, pairs = (blocks + PAIR - 1) / PAIR;
    const int64_t taps = (int64_t)k[1] * k[2], layer = channels * taps * PAIR * lanes;
    double filtered[MAX_LAYERS];
    CFP_TRY_ALLOC(backend->ctx, m->weights, pairs * layers * layer);
    CFP_TRY_ALLOC(backend->ctx, m->bias, (int64_t)pairs * PAIR * lanes);
    for (int o = 0; o < kernels; o++) {
        float *to = m->weights + o / lanes / PAIR * layers * layer +
                    (int64_t)(o / lanes % PAIR) * lanes + o % lanes;
        for (int c = 0; c < channels; c++)
            for (int64_t tap = 0; tap < taps; tap++) {
                const float *from = node->weight + ((int64_t)o * channels + c) * k[0] * taps + tap;
                filter_taps(filtered, from, k[0], taps, m->levels);
                for (int l = 0; l < layers; l++)
                    to[l * layer + (c * taps + tap) * PAIR * lanes] = (float)filtered[l];
            }
        m->bias[o] = node->bias != NULL ? node->bias[o] : 0;
    }
    return CFP_OK;
}

static lane_stem job_of(const stem *m, const cfp_window *w, const cfp_tensor *src,
                        const cfp_tensor *dst)
{
    return (lane_stem){.src_shape = src->shape,
                       .dst_shape = dst->shape,
                       .src = src->data,
                       .dst = dst->data,
                       .kernel = {w->kernel[0], w->kernel[1], w->kernel[2]},
                       .stride = {w->stride[0], w->stride[1], w->stride[2]},
                       .pad = {w->pad_begin[0], w->pad_begin[1], w->pad_begin[2]},
                       .levels = m->levels,
                       .weights = m->weights,
                       .bias = m->bias,
                       .floor = -INFINITY};
}

static cfp_status stem_open(void **own, cfp_backend *backend, cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const cfp_window *w = &step->node->window;
    stem *m;
    CFP_TRY_ALLOC(backend->ctx, m, 1);
    *own = m;
    m->levels = levels_that_pay(w, dst->shape.t, src[0]->shape.t);
    CFP_TRY(open_weights(m, backend, step->node, src[0]->shape.c));
    const lane_stem job = job_of(m, w, src[0], dst);
    const size_t bytes = backend->lanes->stem_scratch(&job, backend->threads);
    if (step->backward)
        CFP_TRY(cpu_conv.open(&m->conv, backend, step, src, dst));
    step->scratch_bytes = bytes > step->scratch_bytes ? bytes : step->scratch_bytes;
    return CFP_OK;
}

static void stem_close(void *own)
{
    stem *m = own;
    if (m != NULL) {
        cfp_free(m->weights);
        cfp_free(m->bias);
        if (m->conv != NULL)
            cpu_conv.close(m->conv);
    }
    cfp_free(m);
}

static cfp_status stem_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const stem *m = own;
    const cfp_node *activation = step->activation;
    const bool relu = activation != NULL && activation->op == CFP_OP_RELU;
    lane_stem job = job_of(m, &step->node->window, src[0], dst);
    job.floor = relu ? 0 : -INFINITY;
    job.scratch = scratch;
    backend->lanes->stem(&job, backend->threads);
    if (!relu)
        cpu_activate(backend, dst, activation);
    return CFP_OK;
}

static cfp_status stem_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    const stem *m = own;
    return cpu_conv.backward(m->conv, backend, step, src, dst, diff_dst, diff_src, scratch);
}

const cpu_kernel cpu_stem = {.takes = stem_takes,
                             .open = stem_open,
                             .forward = stem_forward,
                             .backward = stem_backward,
                             .close = stem_close};
