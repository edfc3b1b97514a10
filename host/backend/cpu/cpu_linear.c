/* cpu_linear.c - linear layers by the kernel of lane_linear.c, with the weights of the model.
 *
 * For any number of clips.  oneDNN's blocked matrix product is faster for many, but it sums in
 * another order, so a clip's logits would depend on how many other clips are in its batch. */
#include "cpu.h"
#include <string.h>

static bool linear_takes(const cfp_backend *backend, const cfp_step *step,
                         const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)src;
    const cfp_node *node = step->node;
    return node->op == CFP_OP_LINEAR && dst->block == backend->lanes->width;
}

static int64_t clip_of(const cfp_tensor *vector) /* floats from clip to clip */
{
    return (int64_t)cfp_blocks(vector) * vector->block;
}

static void zero_tails(cfp_tensor *vector) /* the lanes behind the last channel */
{
    const int64_t row = clip_of(vector), used = vector->shape.c;
    for (int n = 0; n < vector->shape.n; n++)
        memset(vector->data + n * row + used, 0, (size_t)(row - used) * sizeof(float));
}

static cfp_status linear_open(void **own, cfp_backend *backend, cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)own, (void)backend, (void)src;
    if (step->adds) /* the residual operand may be in dst */
        step->scratch_bytes = cpu_aligned((size_t)cfp_stored(dst) * sizeof(float));
    return CFP_OK;
}

static cfp_status linear_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own;
    cfp_tensor to = *dst;
    if (step->adds)
        to.data = scratch;
    const lane_linear job = {.clips = dst->shape.n,
                             .channels = src[0]->shape.c,
                             .kernels = dst->shape.c,
                             .src_clip = clip_of(src[0]),
                             .dst_clip = clip_of(dst),
                             .weight = step->node->weight,
                             .bias = step->node->bias,
                             .src = src[0]->data,
                             .dst = to.data};
    backend->lanes->linear(&job, backend->threads);
    zero_tails(&to);
    if (step->adds)
        cpu_add_activate(backend, dst, &to, src[step->n_src - 1], step->activation);
    else
        cpu_activate(backend, dst, step->activation);
    return CFP_OK;
}

static cfp_status linear_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst,
                                  const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                  void *scratch)
{
    (void)own, (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const lane_linear job = {.clips = diff_dst->shape.n,
                             .channels = diff_src[0]->shape.c,
                             .kernels = diff_dst->shape.c,
                             .src_clip = clip_of(diff_src[0]),
                             .dst_clip = clip_of(diff_dst),
                             .weight = step->node->weight,
                             .diff_dst = diff_dst->data,
                             .diff_src = diff_src[0]->data};
    backend->lanes->linear_back(&job, backend->threads);
    zero_tails(diff_src[0]);
    return CFP_OK;
}

const cpu_kernel cpu_linear = {.takes = linear_takes,
                               .open = linear_open,
                               .forward = linear_forward,
                               .backward = linear_backward};
