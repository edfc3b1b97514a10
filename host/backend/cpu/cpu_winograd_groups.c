/* cpu_winograd_groups.c - convolutions of 3 x 3 x 3 or 1 x 3 x 3 and stride 1 in groups of a few
 * channels by minimal filtering.  Decides which steps it accepts, cuts frames into segments and
 * prepares the weights; lane_winograd_groups.c computes.
 *
 * weights[group][plane][channel][layer][kernel]: see cpu_filter.h for planes and layers.
 * Backward-data is the same convolution with kernels and channels exchanged and all taps in
 * reverse. */
#include "cpu.h"
#include "cpu_filter.h"
#include <math.h>

enum { LAYERS = 4, TAPS = 27 }; /* at most */

typedef struct unit_filter { /* one direction */
    float *weights, *bias;
    int pad[3];
    bool deep;
    int unit, steps; /* as lane_winograd_groups has them */
} unit_filter;

typedef struct winograd_groups {
    unit_filter forward, backward;
} winograd_groups;

/* The smallest number of groups that fill whole blocks, or all groups. */
static int unit_of(int groups, int channels, int kernels, int lanes)
{
    for (int unit = 1; unit < groups; unit++)
        if (groups % unit == 0 && channels / groups * unit % lanes == 0 &&
            kernels / groups * unit % lanes == 0)
            return unit;
    return groups;
}

/* The number of steps in a segment.  With more steps, fewer frames are read twice.  With fewer
 * steps, fewer lanes are empty.  Costs were measured, in thousands of cycles for a block. */
static int choose_steps(cfp_shape s, int channels, bool deep, int lanes)
{
    enum { INPUT = 2, OUTPUT = 1 }; /* of a frame; a channel's product of a step 1 */
    const int frames = deep ? 2 : 4, beside = deep ? 2 : 0, all = (s.t + frames - 1) / frames;
    const int64_t tiles = (int64_t)s.n * ((s.h + 1) / 2) * ((s.w + 1) / 2);
    int best = all;
    int64_t min = INT64_MAX;
    for (int steps = all; steps >= 1; steps--) {
        const int64_t segments = (all + steps - 1) / steps;
        const int64_t runs = (tiles * segments + lanes - 1) / lanes;
        const int64_t cost =
            runs * (steps * (frames * (OUTPUT + INPUT) + channels) + beside * INPUT);
        if (cost < min) {
            min = cost;
            best = steps;
        }
    }
    return best;
}

static bool groups_takes(const cfp_backend *backend, const cfp_step *step,
                         const cfp_tensor *const *src, const cfp_tensor *dst)
{
    /* Smallest sizes for which filtering is faster: transforming a channel costs as much as a few
     * products.  The data of a unit must fit the second-level cache. */
    enum { MIN_DEEP = 6, MIN_FLAT = 12, MAX_OF_UNIT = 128, MIN_POSITIONS = 128 };
    const cfp_node *node = step->node;
    const cfp_window *w = &node->window;
    if (node->op != CFP_OP_CONV3D || node->groups < 2 || !cpu_in_lanes(backend, step, src, dst))
        return false;
    const int channels = src[0]->shape.c, kernels = dst->shape.c, groups = node->groups;
    const int unit = unit_of(groups, channels, kernels, backend->lanes->width);
    const bool deep = w->kernel[0] > 1;
    const int min = cfp_min_int(channels, kernels) / groups;
    const int max = cfp_max_int(channels, kernels) / groups * unit;
    if (min < (deep ? MIN_DEEP : MIN_FLAT) || max > MAX_OF_UNIT)
        return false;
    for (int i = 0; i < 3; i++)
        if (w->kernel[i] != (i == 0 && !deep ? 1 : 3) || w->stride[i] != 1 || w->dilation[i] != 1 ||
            w->pad_begin[i] >= w->kernel[i] || w->pad_end[i] >= w->kernel[i])
            return false;
    return cfp_positions(dst->shape) * dst->shape.n >= MIN_POSITIONS &&
           (!deep || cpu_filter_pays_along_t(dst->shape.t, 3, w->pad_begin[0], src[0]->shape.t));
}

/* kernels x channels as this direction sees them, of all groups. */
static cfp_status open_weights(unit_filter *f, const cfp_backend *backend, const cfp_node *node,
                               int kernels, int channels, bool back)
{
    const int lanes = backend->lanes->width, in = channels / node->groups;
    const int out = kernels / node->groups, pieces = (out + lanes - 1) / lanes;
    const int layers = f->deep ? LAYERS : 1, taps_t = node->window.kernel[0];
    const cpu_taps taps = {node, out, in, taps_t * 9, back};
    CFP_TRY_ALLOC(backend->ctx, f->weights, (int64_t)channels * out * FILTER_PLANES * layers);
    CFP_TRY_ALLOC(backend->ctx, f->bias, (kernels + lanes - 1) / lanes * lanes);
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int i = 0; i < channels; i++)
        for (int piece = 0; piece < pieces; piece++) {
            double tap[TAPS][LANES_MAX];
            float filtered[LAYERS * FILTER_PLANES][LANES_MAX];
            const int g = i / in, first = piece * lanes, n = cfp_min_int(lanes, out - first);
            for (int k = 0; k < taps.count; k++)
                for (int o = 0; o < n; o++)
                    tap[k][o] = cpu_tap(&taps, g * out + first + o, i, k);
            cpu_filter_weights(filtered[0], LANES_MAX, tap, n, taps_t, f->deep, false);
            for (int j = 0; j < layers * FILTER_PLANES; j++) {
                const int64_t plane = (int64_t)g * FILTER_PLANES + j % FILTER_PLANES;
                float *to =
                    f->weights + ((plane * in + i % in) * layers + j / FILTER_PLANES) * out + first;
                for (int o = 0; o < n; o++)
                    to[o] = filtered[j][o];
            }
        }
    for (int k = 0; !back && node->bias != NULL && k < kernels; k++)
        f->bias[k] = node->bias[k];
    return CFP_OK;
}

static cfp_status open_filter(unit_filter *f, const cfp_backend *backend, const cfp_node *node,
                              const cfp_tensor *made, const cfp_tensor *read, bool back)
{
    const int channels = read->shape.c, kernels = made->shape.c, width = backend->lanes->width;
    for (int i = 0; i < 3; i++)
        f->pad[i] = back ? node->window.kernel[i] - 1 - node->window.pad_begin[i]
                         : node->window.pad_begin[i];
    f->deep = node->window.kernel[0] > 1;
    f->unit = unit_of(node->groups, channels, kernels, width);
    f->steps = choose_steps(made->shape, channels / node->groups, f->deep, width);
    return open_weights(f, backend, node, kernels, channels, back);
}

static lane_winograd_groups job_of(const unit_filter *f, const cfp_node *node,
                                   const cfp_tensor *made, const cfp_tensor *read)
{
    return (lane_winograd_groups){.src_shape = read->shape,
                                  .dst_shape = made->shape,
                                  .src = read->data,
                                  .dst = made->data,
                                  .pad = {f->pad[0], f->pad[1], f->pad[2]},
                                  .groups = node->groups,
                                  .unit = f->unit,
                                  .deep = f->deep,
                                  .steps = f->steps,
                                  .weights = f->weights,
                                  .bias = f->bias,
                                  .floor = -INFINITY};
}

static cfp_status groups_open(void **own, cfp_backend *backend, cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst)
{
    winograd_groups *g;
    CFP_TRY_ALLOC(backend->ctx, g, 1);
    *own = g;
    CFP_TRY(open_filter(&g->forward, backend, step->node, dst, src[0], false));
    lane_winograd_groups job = job_of(&g->forward, step->node, dst, src[0]);
    step->scratch_bytes = backend->lanes->winograd_groups_scratch(&job, backend->threads);
    if (!step->backward)
        return CFP_OK;
    CFP_TRY(open_filter(&g->backward, backend, step->node, src[0], dst, true));
    job = job_of(&g->backward, step->node, src[0], dst);
    const size_t bytes = backend->lanes->winograd_groups_scratch(&job, backend->threads);
    step->scratch_bytes = bytes > step->scratch_bytes ? bytes : step->scratch_bytes;
    return CFP_OK;
}

static void groups_close(void *own)
{
    winograd_groups *g = own;
    if (g != NULL) {
        cfp_free(g->forward.weights);
        cfp_free(g->forward.bias);
        cfp_free(g->backward.weights);
        cfp_free(g->backward.bias);
    }
    cfp_free(g);
}

static cfp_status groups_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const winograd_groups *g = own;
    const cfp_node *activation = step->activation;
    const bool relu = activation != NULL && activation->op == CFP_OP_RELU;
    lane_winograd_groups job = job_of(&g->forward, step->node, dst, src[0]);
    job.added = step->adds ? src[step->n_src - 1]->data : NULL;
    job.floor = relu ? 0 : -INFINITY;
    job.scratch = scratch;
    backend->lanes->winograd_groups(&job, backend->threads);
    if (!relu)
        cpu_activate(backend, dst, activation);
    return CFP_OK;
}

static cfp_status groups_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst,
                                  const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                  void *scratch)
{
    (void)src, (void)dst;
    const winograd_groups *g = own;
    if (diff_src[0] == NULL)
        return CFP_OK;
    lane_winograd_groups job = job_of(&g->backward, step->node, diff_src[0], diff_dst);
    job.scratch = scratch;
    backend->lanes->winograd_groups(&job, backend->threads);
    return CFP_OK;
}

const cpu_kernel cpu_winograd_groups = {.takes = groups_takes,
                                        .open = groups_open,
                                        .forward = groups_forward,
                                        .backward = groups_backward,
                                        .close = groups_close};
