/* cuda_step.c - which op is run by whom; a failure is reported under the name of its node. */
#include "cuda_backend.h"
#include <limits.h>

static const cuda_op *op_of(const cfp_step *step)
{
    static const cuda_op *const table[CFP_OP_COUNT] = {
        [CFP_OP_CONV3D] = &cuda_op_kernel,
        [CFP_OP_LINEAR] = &cuda_op_kernel,
        [CFP_OP_BATCHNORM] = &cuda_op_batchnorm,
        [CFP_OP_RELU] = &cuda_op_activation,
        [CFP_OP_RELU6] = &cuda_op_activation,
        [CFP_OP_SILU] = &cuda_op_activation,
        [CFP_OP_SIGMOID] = &cuda_op_activation,
        [CFP_OP_HARDSWISH] = &cuda_op_activation,
        [CFP_OP_HARDSIGMOID] = &cuda_op_activation,
        [CFP_OP_LEAKYRELU] = &cuda_op_activation,
        [CFP_OP_SOFTMAX] = &cuda_op_softmax,
        [CFP_OP_IDENTITY] = &cuda_op_move,
        [CFP_OP_FLATTEN] = &cuda_op_move,
        [CFP_OP_GLOBALAVGPOOL] = &cuda_op_globalavgpool,
        [CFP_OP_MAXPOOL3D] = &cuda_op_maxpool,
        [CFP_OP_AVGPOOL3D] = &cuda_op_avgpool,
        [CFP_OP_ADD] = &cuda_op_combine,
        [CFP_OP_MUL] = &cuda_op_combine,
        [CFP_OP_CONCAT] = &cuda_op_move,
        [CFP_OP_PAD] = &cuda_op_move,
        [CFP_OP_SLICE] = &cuda_op_move,
        [CFP_OP_CHANNEL_SHUFFLE] = &cuda_op_move,
    };
    const cfp_node *node = step->node;
    if (node->op == CFP_OP_CONV3D && node->groups > 1 && node->kernel_channels == 1)
        return &cuda_op_depthwise;
    return table[node->op];
}

static cfp_status named(cfp_backend *backend, const cfp_step *step, cfp_status status)
{
    if (status == CFP_OK)
        return CFP_OK;
    return cfp_fail(backend->ctx, status, "node '%s': %s", step->node->name, backend->ctx->message);
}

/* The kernels count the numbers of one clip in 31 bits. */
static cfp_status check_size(cfp_backend *backend, const cfp_tensor *x)
{
    const int64_t count = cfp_stored(x) / x->shape.n;
    if (count <= INT_MAX)
        return CFP_OK;
    return cfp_fail(backend->ctx, CFP_UNSUPPORTED,
                    "a tensor of %lld numbers; cuda takes up to %d a clip", (long long)count,
                    INT_MAX);
}

static cfp_status open_op(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                          const cfp_tensor *dst)
{
    for (int k = 0; k < step->n_src; k++)
        CFP_TRY(check_size(backend, src[k]));
    CFP_TRY(check_size(backend, dst));
    return op_of(step)->open != NULL ? op_of(step)->open(backend, step, src, dst) : CFP_OK;
}

cfp_status cuda_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst)
{
    step->plan = NULL;
    step->scratch_bytes = 0;
    dst->block = cuda_lanes(dst->shape.c);
    const cfp_status status = named(backend, step, open_op(backend, step, src, dst));
    if (status != CFP_OK)
        cuda_step_close(backend, step);
    return status;
}

cfp_status cuda_step_forward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    cuda_range_begin(backend->ranges, CFP_RANGE_FORWARD, step->node->name,
                     step->node->flop * dst->shape.n);
    const cfp_status status = op_of(step)->forward(backend, step, src, dst, scratch);
    cuda_range_end(backend->ranges);
    return named(backend, step, status);
}

cfp_status cuda_step_backward(cfp_backend *backend, const cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst,
                              const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                              void *scratch)
{
    cuda_range_begin(backend->ranges, CFP_RANGE_BACKWARD, step->node->name,
                     step->node->flop * diff_dst->shape.n);
    const cfp_status status =
        op_of(step)->backward(backend, step, src, dst, diff_dst, diff_src, scratch);
    cuda_range_end(backend->ranges);
    return named(backend, step, status);
}

void cuda_step_close(cfp_backend *backend, cfp_step *step)
{
    if (step->plan != NULL)
        op_of(step)->close(backend, step);
    cfp_free(step->plan);
    step->plan = NULL;
}
