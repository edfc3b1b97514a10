/* cpu_direct.c - see cpu_direct.h.  Prepares the weights and the list of channels; lane_direct.c
 * computes. */
#include "cpu_direct.h"
#include "cpu_axis.h"
#include <string.h>

enum { PAIR = 2 };

struct cpu_direct {
    lane_axis *axis[3]; /* [n_runs] of each */
    int n_runs[3];
    int kernel[3], channels;
    float *weights, *bias;
    int32_t *first;
    int64_t *channel;
};

typedef struct side { /* one direction: channels written and read, in all and in a group */
    int channels, sources, made, read, width;
} side;

static int pairs_of(const side *s)
{
    return (s->channels + PAIR * s->width - 1) / (PAIR * s->width);
}

/* A pair of blocks reads the channels of all its groups.  The weight is 0 where a lane belongs to
 * another group.  All pairs read the same number of channels. */
static cfp_status open_channels(cpu_direct *d, cfp_ctx *ctx, const side *s, const cfp_tensor *read)
{
    const int pairs = pairs_of(s), lanes = PAIR * s->width;
    CFP_TRY_ALLOC(ctx, d->first, pairs);
    for (int p = 0; p < pairs; p++) {
        const int last = cfp_min_int(p * lanes + lanes, s->channels) - 1;
        d->first[p] = p * lanes / s->made * s->read;
        d->channels = cfp_max_int(d->channels, (last / s->made + 1) * s->read - d->first[p]);
    }
    for (int p = 0; p < pairs; p++)
        d->first[p] = cfp_min_int(d->first[p], s->sources - d->channels);
    CFP_TRY_ALLOC(ctx, d->channel, s->sources);
    const int64_t plane = cfp_positions(read->shape) * read->block;
    for (int c = 0; c < s->sources; c++)
        d->channel[c] = c / read->block * plane + c % read->block;
    return CFP_OK;
}

/* weights[pair][tap][channel that the pair reads][PAIR][lane] */
static cfp_status open_weights(cpu_direct *d, const cfp_backend *backend, const side *s,
                               const cfp_node *node, bool backward)
{
    const int64_t taps = (int64_t)d->kernel[0] * d->kernel[1] * d->kernel[2];
    const int pairs = pairs_of(s), lanes = PAIR * s->width;
    CFP_TRY_ALLOC(backend->ctx, d->weights, pairs * taps * d->channels * lanes);
    CFP_TRY_ALLOC(backend->ctx, d->bias, (int64_t)pairs * lanes);
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int c = 0; c < s->channels; c++)
        for (int j = 0; j < s->read; j++) {
            const int source = c / s->made * s->read + j;
            const int64_t kernel =
                backward ? (int64_t)source * s->made + c % s->made : (int64_t)c * s->read + j;
            float *to = d->weights + c / lanes * taps * d->channels * lanes +
                        (int64_t)(source - d->first[c / lanes]) * lanes + c % lanes;
            for (int64_t k = 0; k < taps; k++)
                to[k * d->channels * lanes] = node->weight[kernel * taps + k];
        }
    if (node->bias != NULL && !backward)
        memcpy(d->bias, node->bias, (size_t)s->channels * sizeof *d->bias);
    return CFP_OK;
}

static cfp_status open_parts(cpu_direct *d, const cfp_backend *backend, const cfp_node *node,
                             const cfp_window *window, const cfp_tensor *made,
                             const cfp_tensor *read, bool backward)
{
    const int groups = cfp_max_int(node->groups, 1);
    const int size[3] = {made->shape.t, made->shape.h, made->shape.w};
    const side s = {.channels = made->shape.c,
                    .sources = read->shape.c,
                    .made = made->shape.c / groups,
                    .read = read->shape.c / groups,
                    .width = backend->lanes->width};
    for (int i = 0; i < 3; i++) {
        d->kernel[i] = window->kernel[i];
        CFP_TRY(
            cpu_axis_open(&d->axis[i], &d->n_runs[i], backend->ctx, window, i, size[i], backward));
    }
    CFP_TRY(open_channels(d, backend->ctx, &s, read));
    return open_weights(d, backend, &s, node, backward);
}

cfp_status cpu_direct_open(cpu_direct **out, const cfp_backend *backend, const cfp_node *node,
                           const cfp_window *window, const cfp_tensor *made, const cfp_tensor *read,
                           bool backward)
{
    if (!cpu_axes_fit(window))
        return CFP_UNSUPPORTED;
    CFP_TRY_ALLOC(backend->ctx, *out, 1);
    const cfp_status st = open_parts(*out, backend, node, window, made, read, backward);
    if (st != CFP_OK)
        cpu_direct_close(out);
    return st;
}

void cpu_direct_close(cpu_direct **direct)
{
    cpu_direct *d = *direct;
    if (d == NULL)
        return;
    for (int i = 0; i < 3; i++)
        cfp_free(d->axis[i]);
    cfp_free(d->weights);
    cfp_free(d->bias);
    cfp_free(d->first);
    cfp_free(d->channel);
    cfp_free(d);
    *direct = NULL;
}

void cpu_direct_run(const cpu_direct *d, const cfp_backend *backend, cfp_tensor *made,
                    const cfp_tensor *read)
{
    lane_direct job = {.src_shape = read->shape,
                       .dst_shape = made->shape,
                       .src = read->data,
                       .dst = made->data,
                       .src_block = read->block,
                       .kernel = {d->kernel[0], d->kernel[1], d->kernel[2]},
                       .channels = d->channels,
                       .first = d->first,
                       .channel = d->channel,
                       .weights = d->weights,
                       .bias = d->bias};
    for (int t = 0; t < d->n_runs[0]; t++)
        for (int h = 0; h < d->n_runs[1]; h++)
            for (int w = 0; w < d->n_runs[2]; w++) {
                job.axis[0] = d->axis[0][t];
                job.axis[1] = d->axis[1][h];
                job.axis[2] = d->axis[2][w];
                backend->lanes->direct(&job, backend->threads);
            }
}
