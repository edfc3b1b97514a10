/* cpu_grouped.c - depth-wise and grouped convolution by the kernel of lane_conv.c.
 *
 * oneDNN 2.6 has no depth-wise kernel for 3-D and none for 6 channels a group, so it would use its
 * gemm.  Its kernels for 4 and 8 channels a group want blocks of 4 and 8, which the neighbouring
 * layers do not have.  Where groups are whole blocks, oneDNN is as fast and runs them (cpu_conv.c).
 * One thread of a busy EPYC 9004, AVX-512, 3 x 3 x 3, ms of CPU time, oneDNN through PyTorch 1.13 /
 * here: depth-wise 54 @ 16 x 56 x 56: 48 / 3.8; 128 in 32 @ 8 x 56 x 56: 18 / 7.4.  With stride 1
 * and 6 channels a group or more, cpu_winograd_groups.c is faster still and takes them first.
 *
 * This file finds the source channels that a vector of output channels reads, orders the weights,
 * and finds the positions that each tap connects.  Backward is the same sum seen from the input:
 * the lanes are input channels and j runs over the kernels of the group.  With stride s an axis has
 * s runs, one for each remainder of the position, each with the taps that reach it. */
#include "cpu_axis.h"
#include <math.h>
#include <string.h>

typedef struct side { /* tables and weights for one direction */
    int channels, sources;
    float *weights, *bias;
    int32_t *n_source, *source, *pick;
    lane_axis *axis[3]; /* [n_runs] of each */
    int n_runs[3];
} side;

typedef struct grouped {
    side forward, backward;
} grouped;

static bool grouped_takes(const cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const cfp_node *node = step->node;
    const int width = backend->lanes->width;
    if (node->op != CFP_OP_CONV3D || node->groups < 2 || !cpu_in_lanes(backend, step, src, dst))
        return false;
    if (!cpu_axes_fit(&node->window))
        return false;
    return src[0]->shape.c / node->groups % width != 0 || dst->shape.c / node->groups % width != 0;
}

/* Lanes are channels of `lanes_of`, `made` a group; they read channels `read` a group. */
typedef struct groups {
    int channels, made, read, width;
} groups;

static int blocks_of(const groups *g)
{
    return (g->channels + g->width - 1) / g->width;
}

/* The j-th channel that lane l of block b reads.  Lanes behind the last channel read the same as
 * the last. */
static int channel_read(const groups *g, int b, int l, int j)
{
    const int c = cfp_min_int(b * g->width + l, g->channels - 1);
    return c / g->made * g->read + j;
}

/* Lists the blocks that (b, j) reads and returns how many. */
static int list_sources(int32_t list[LANES_MAX], const groups *g, int b, int j)
{
    int n = 0;
    for (int l = 0; l < g->width; l++) {
        const int block = channel_read(g, b, l, j) / g->width;
        if (n == 0 || list[n - 1] != block) /* channels ascend with l, so blocks ascend, too */
            list[n++] = block;
    }
    return n;
}

/* Writes the shuffles that bring each lane its channel, in the form of lane_conv (lanes.h). */
static void write_picks(int32_t *pick, const int32_t *source, int n, const groups *g, int b, int j)
{
    for (int k = 0; k < n; k++)
        for (int l = 0; l < g->width; l++) {
            const int channel = channel_read(g, b, l, j);
            const int at = channel % g->width, block = channel / g->width;
            int32_t *to = &pick[k * g->width + l];
            *to = k < 2 ? 0 : l; /* source 0 of `n` > 1 is picked from together with source 1 */
            if (source[k] == block)
                *to = k == 0 ? at : g->width + at;
            else if (k == 1 && source[0] == block)
                *to = at;
        }
}

static bool is_depthwise(const groups *g)
{
    return g->made == 1 && g->read == 1;
}

static cfp_status open_sources(side *s, cfp_ctx *ctx, const groups *g)
{
    const int blocks = blocks_of(g);
    int32_t list[LANES_MAX];
    s->channels = g->read;
    s->sources = 0;
    if (is_depthwise(g))
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, s->n_source, blocks);
    for (int b = 0; b < blocks; b++) {
        for (int j = 0; j < g->read; j++)
            s->n_source[b] = cfp_max_int(s->n_source[b], list_sources(list, g, b, j));
        s->sources = cfp_max_int(s->sources, s->n_source[b]);
    }
    const size_t entries = (size_t)blocks * g->read * s->sources;
    CFP_TRY_ALLOC(ctx, s->source, entries);
    CFP_TRY_ALLOC(ctx, s->pick, entries * g->width);
    for (int b = 0; b < blocks; b++)
        for (int j = 0; j < g->read; j++) {
            const int64_t entry = ((int64_t)b * g->read + j) * s->sources;
            int n = list_sources(list, g, b, j);
            for (; n < s->n_source[b]; n++) /* all j of a block run the same shuffles */
                list[n] = -1;
            write_picks(s->pick + entry * g->width, list, n, g, b, j);
            for (int k = 0; k < n; k++)
                s->source[entry + k] = list[k] < 0 ? list[0] : list[k];
        }
    return CFP_OK;
}

/* weights[block][kT][kH][j][kW][lane]: of kernel o and channel i of its group, where forward a lane
 * is o and j is i, backward a lane is the input channel and j counts the kernels of its group. */
static cfp_status open_weights(side *s, cfp_ctx *ctx, const groups *g, const cfp_node *node,
                               bool backward)
{
    const int *k = node->window.kernel;
    const int64_t taps_w = k[2], taps = (int64_t)k[0] * k[1] * taps_w, row = taps_w * g->width;
    const int blocks = blocks_of(g);
    CFP_TRY_ALLOC(ctx, s->weights, blocks * taps * g->read * g->width);
    for (int c = 0; c < g->channels; c++)
        for (int j = 0; j < g->read; j++) {
            const int64_t kernel =
                backward ? (int64_t)(c / g->made * g->read + j) * g->made + c % g->made
                         : (int64_t)c * g->read + j;
            const float *from = node->weight + kernel * taps;
            for (int64_t tap = 0; tap < taps; tap++) {
                const int64_t th = (int64_t)(c / g->width) * k[0] * k[1] + tap / taps_w;
                s->weights[(th * g->read + j) * row + tap % taps_w * g->width + c % g->width] =
                    from[tap];
            }
        }
    CFP_TRY_ALLOC(ctx, s->bias, (int64_t)blocks * g->width);
    if (node->bias != NULL && !backward)
        memcpy(s->bias, node->bias, (size_t)g->channels * sizeof *s->bias);
    return CFP_OK;
}

static cfp_status open_side(side *s, const cfp_backend *backend, const cfp_node *node,
                            cfp_shape made, cfp_shape read, bool backward)
{
    const groups g = {.channels = made.c,
                      .made = made.c / node->groups,
                      .read = read.c / node->groups,
                      .width = backend->lanes->width};
    const int size[3] = {made.t, made.h, made.w};
    CFP_TRY(open_sources(s, backend->ctx, &g));
    CFP_TRY(open_weights(s, backend->ctx, &g, node, backward));
    for (int i = 0; i < 3; i++)
        CFP_TRY(cpu_axis_open(&s->axis[i], &s->n_runs[i], backend->ctx, &node->window, i, size[i],
                              backward));
    return CFP_OK;
}

static cfp_status grouped_open(void **own, cfp_backend *backend, cfp_step *step,
                               const cfp_tensor *const *src, const cfp_tensor *dst)
{
    grouped *g;
    CFP_TRY_ALLOC(backend->ctx, g, 1);
    *own = g;
    if (step->adds) /* the operand may stand where the result goes */
        step->scratch_bytes = cpu_aligned((size_t)cfp_stored(dst) * sizeof(float));
    CFP_TRY(open_side(&g->forward, backend, step->node, dst->shape, src[0]->shape, false));
    if (step->backward)
        CFP_TRY(open_side(&g->backward, backend, step->node, src[0]->shape, dst->shape, true));
    return CFP_OK;
}

static void close_side(side *s)
{
    cfp_free(s->weights);
    cfp_free(s->bias);
    cfp_free(s->n_source);
    cfp_free(s->source);
    cfp_free(s->pick);
    for (int i = 0; i < 3; i++)
        cfp_free(s->axis[i]);
}

static void grouped_close(void *own)
{
    grouped *g = own;
    if (g != NULL) {
        close_side(&g->forward);
        close_side(&g->backward);
    }
    cfp_free(g);
}

static void run(const side *s, const cfp_backend *backend, const cfp_node *node, cfp_tensor *to,
                const cfp_tensor *from, float floor)
{
    const int *kernel = node->window.kernel;
    lane_conv job = {.src_shape = from->shape,
                     .dst_shape = to->shape,
                     .src = from->data,
                     .dst = to->data,
                     .kernel = {kernel[0], kernel[1], kernel[2]},
                     .channels = s->channels,
                     .weights = s->weights,
                     .bias = s->bias,
                     .sources = s->sources,
                     .n_source = s->n_source,
                     .source = s->source,
                     .pick = s->pick,
                     .floor = floor};
    for (int t = 0; t < s->n_runs[0]; t++)
        for (int h = 0; h < s->n_runs[1]; h++)
            for (int w = 0; w < s->n_runs[2]; w++) {
                job.axis[0] = s->axis[0][t];
                job.axis[1] = s->axis[1][h];
                job.axis[2] = s->axis[2][w];
                backend->lanes->conv(&job, backend->threads);
            }
}

static cfp_status grouped_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const grouped *g = own;
    const cfp_node *activation = step->activation;
    const bool relu = activation != NULL && activation->op == CFP_OP_RELU && !step->adds;
    cfp_tensor to = *dst;
    if (step->adds)
        to.data = scratch;
    run(&g->forward, backend, step->node, &to, src[0], relu ? 0 : -INFINITY);
    if (step->adds)
        cpu_add_activate(backend, dst, &to, src[step->n_src - 1], activation);
    else if (!relu)
        cpu_activate(backend, dst, activation);
    return CFP_OK;
}

static cfp_status grouped_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)src, (void)dst, (void)scratch;
    const grouped *g = own;
    if (diff_src[0] != NULL)
        run(&g->backward, backend, step->node, diff_src[0], diff_dst, -INFINITY);
    return CFP_OK;
}

const cpu_kernel cpu_grouped = {.takes = grouped_takes,
                                .open = grouped_open,
                                .forward = grouped_forward,
                                .backward = grouped_backward,
                                .close = grouped_close};
