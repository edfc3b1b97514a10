/* cpu_winograd.c - convolutions with kernels of 3 taps and stride 1 by minimal filtering.  Decides
 * which steps it accepts and prepares the weights; lane_winograd.c computes.
 *
 * weights[group][pair of blocks of kernels][layer][plane][channel][2][lanes].  The kernel is
 * transformed along H and W, and if `deep` is set along T, too.  Plane (i, j) of layer l is element
 * (l, i, j) of the result.  Three taps become four elements:
 *
 *     g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
 *
 * If `deep` is not set, the layers are the taps of T.  Kernels of 3 x 1 x 1 have one plane.
 *
 * Backward-data is the same convolution with kernels and channels exchanged and all taps in
 * reverse. */
#include "cpu.h"
#include "cpu_filter.h"
#include <math.h>

enum { PAIR = 2 };

typedef struct filter { /* one direction */
    float *weights, *bias;
    int pad[3];
    int taps_t;
    bool deep, points; /* as lane_winograd has them */
    int groups;        /* of whole blocks */
} filter;

typedef struct winograd {
    filter forward, backward;
} winograd;

static bool in_whole_blocks(const cfp_node *node, int channels, int lanes)
{
    const int groups = cfp_max_int(node->groups, 1);
    return groups == 1 || (channels / groups % lanes == 0 && node->shape.c / groups % lanes == 0);
}

static bool winograd_takes(const cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src, const cfp_tensor *dst)
{
    /* Smallest sizes for which filtering is faster.  Weights grow by at least a third, so they must
     * be used for enough positions.  Inputs and outputs are transformed once, so they must be used
     * for enough kernels and channels. */
    enum { MIN_POSITIONS = 128, MIN_CHANNELS = 16, MIN_OF_GROUP = 24 };
    const cfp_node *node = step->node;
    const cfp_window *w = &node->window;
    if (node->op != CFP_OP_CONV3D || !cpu_in_lanes(backend, step, src, dst))
        return false;
    const int groups = cfp_max_int(node->groups, 1);
    const int min = groups > 1 ? MIN_OF_GROUP : MIN_CHANNELS;
    if (!in_whole_blocks(node, src[0]->shape.c, backend->lanes->width) ||
        src[0]->shape.c / groups < min || dst->shape.c / groups < min)
        return false;
    for (int i = 0; i < 3; i++)
        if (w->stride[i] != 1 || w->dilation[i] != 1 || w->pad_begin[i] >= w->kernel[i] ||
            w->pad_end[i] >= w->kernel[i])
            return false;
    if (cfp_positions(dst->shape) * dst->shape.n < MIN_POSITIONS)
        return false;
    if (w->kernel[1] == 1 && w->kernel[2] == 1)
        return cpu_filter_pays_along_t(dst->shape.t, w->kernel[0], w->pad_begin[0],
                                       src[0]->shape.t);
    return w->kernel[0] <= 3 && w->kernel[1] == 3 && w->kernel[2] == 3;
}

/* kernels x channels as this direction sees them, of all groups. */
static cfp_status open_weights(filter *f, const cfp_backend *backend, const cfp_node *node,
                               int kernels, int channels, bool back)
{
    const int lanes = backend->lanes->width;
    const int in_group = channels / f->groups, out = kernels / f->groups;
    const cpu_taps taps = {node, out, in_group, f->taps_t * (f->points ? 1 : 9), back};
    const int blocks = (out + lanes - 1) / lanes;
    const int pairs = (blocks + PAIR - 1) / PAIR, layers = f->deep ? 4 : f->taps_t;
    const int rows = (in_group + lanes - 1) / lanes * lanes;
    const int64_t plane = (int64_t)rows * PAIR * lanes;
    const int64_t pair = plane * layers * (f->points ? 1 : FILTER_PLANES);
    CFP_TRY_ALLOC(backend->ctx, f->weights, f->groups * pairs * pair);
    CFP_TRY_ALLOC(backend->ctx, f->bias, f->groups * blocks * lanes);
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int b = 0; b < f->groups * blocks; b++)
        for (int i = 0; i < in_group; i++) {
            double tap[27][LANES_MAX];
            const int g = b / blocks, used = cfp_min_int(lanes, kernels - b * lanes);
            for (int l = 0; l < used; l++)
                for (int k = 0; k < taps.count; k++)
                    tap[k][l] = cpu_tap(&taps, b * lanes + l, g * in_group + i, k);
            float *to = f->weights + (g * pairs + b % blocks / PAIR) * pair +
                        ((int64_t)i * PAIR + b % blocks % PAIR) * lanes;
            cpu_filter_weights(to, plane, tap, used, f->taps_t, f->deep, f->points);
        }
    for (int k = 0; !back && node->bias != NULL && k < kernels; k++)
        f->bias[k] = node->bias[k];
    return CFP_OK;
}

static cfp_status open_filter(filter *f, const cfp_backend *backend, const cfp_node *node,
                              const cfp_tensor *made, const cfp_tensor *read, bool back)
{
    const cfp_window *w = &node->window;
    for (int i = 0; i < 3; i++)
        f->pad[i] = back ? w->kernel[i] - 1 - w->pad_begin[i] : w->pad_begin[i];
    f->taps_t = w->kernel[0];
    f->points = w->kernel[1] == 1;
    f->groups = cfp_max_int(node->groups, 1);
    f->deep =
        f->points || cpu_filter_pays_along_t(made->shape.t, f->taps_t, f->pad[0], read->shape.t);
    return open_weights(f, backend, node, made->shape.c, read->shape.c, back);
}

static lane_winograd job_of(const filter *f, const cfp_tensor *made, const cfp_tensor *read)
{
    return (lane_winograd){.src_shape = read->shape,
                           .dst_shape = made->shape,
                           .src = read->data,
                           .dst = made->data,
                           .pad = {f->pad[0], f->pad[1], f->pad[2]},
                           .taps_t = f->taps_t,
                           .deep = f->deep,
                           .points = f->points,
                           .groups = f->groups,
                           .weights = f->weights,
                           .bias = f->bias,
                           .floor = -INFINITY};
}

static cfp_status winograd_open(void **own, cfp_backend *backend, cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst)
{
    winograd *g;
    CFP_TRY_ALLOC(backend->ctx, g, 1);
    *own = g;
    CFP_TRY(open_filter(&g->forward, backend, step->node, dst, src[0], false));
    lane_winograd job = job_of(&g->forward, dst, src[0]);
    step->scratch_bytes = backend->lanes->winograd_scratch(&job, backend->threads);
    if (!step->backward)
        return CFP_OK;
    CFP_TRY(open_filter(&g->backward, backend, step->node, src[0], dst, true));
    job = job_of(&g->backward, src[0], dst);
    const size_t bytes = backend->lanes->winograd_scratch(&job, backend->threads);
    step->scratch_bytes = bytes > step->scratch_bytes ? bytes : step->scratch_bytes;
    return CFP_OK;
}

static void winograd_close(void *own)
{
    winograd *g = own;
    if (g != NULL) {
        cfp_free(g->forward.weights);
        cfp_free(g->forward.bias);
        cfp_free(g->backward.weights);
        cfp_free(g->backward.bias);
    }
    cfp_free(g);
}

static cfp_status winograd_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const winograd *g = own;
    const cfp_node *activation = step->activation;
    const bool relu = activation != NULL && activation->op == CFP_OP_RELU;
    lane_winograd job = job_of(&g->forward, dst, src[0]);
    job.added = step->adds ? src[step->n_src - 1]->data : NULL;
    job.floor = relu ? 0 : -INFINITY;
    job.scratch = scratch;
    backend->lanes->winograd(&job, backend->threads);
    if (!relu)
        cpu_activate(backend, dst, activation);
    return CFP_OK;
}

static cfp_status winograd_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, const cfp_tensor *dst,
                                    const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                    void *scratch)
{
    (void)step, (void)src, (void)dst;
    const winograd *g = own;
    if (diff_src[0] == NULL)
        return CFP_OK;
    lane_winograd job = job_of(&g->backward, diff_src[0], diff_dst);
    job.scratch = scratch;
    backend->lanes->winograd(&job, backend->threads);
    return CFP_OK;
}

const cpu_kernel cpu_winograd = {.takes = winograd_takes,
                                 .open = winograd_open,
                                 .forward = winograd_forward,
                                 .backward = winograd_backward,
                                 .close = winograd_close};
