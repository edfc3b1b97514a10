/* cuda_depthwise.c - depth-wise conv3d (each kernel reads one channel) by a kernel of this backend.
 * It works on any layout and does the fused addition and activation in the same pass. */
#include "cuda_backend.h"

typedef struct depthwise {
    float *weight; /* taps x lanes of the result */
    float *bias;   /* [lanes] */
} depthwise;

static cfp_status put_weights(cfp_backend *backend, depthwise *plan, const cfp_node *node,
                              int lanes)
{
    const int *k = node->window.kernel, taps = k[0] * k[1] * k[2], kernels = node->shape.c;
    float *laid_out;
    CFP_TRY_ALLOC(backend->ctx, laid_out, (int64_t)taps * lanes);
    for (int o = 0; o < kernels; o++)
        for (int tap = 0; tap < taps; tap++)
            laid_out[(int64_t)tap * lanes + o] = node->weight[(int64_t)o * taps + tap];
    const cfp_status status = cuda_new_floats(backend, &plan->weight, laid_out,
                                              (int64_t)taps * lanes, (int64_t)taps * lanes);
    cfp_free(laid_out);
    return status;
}

static cfp_status depthwise_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                                 const cfp_tensor *dst)
{
    depthwise *plan;
    (void)src;
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    step->plan = plan;
    CFP_TRY(put_weights(backend, plan, step->node, dst->block));
    return cuda_new_floats(backend, &plan->bias, step->node->bias,
                           step->node->bias != NULL ? dst->shape.c : 0, dst->block);
}

static void depthwise_close(cfp_backend *backend, cfp_step *step)
{
    depthwise *plan = step->plan;
    (void)backend;
    (void)cudaFree(plan->weight);
    (void)cudaFree(plan->bias);
}

static cuda_depthwise operation(const cfp_step *step, const cfp_tensor *x, const cfp_tensor *y)
{
    const depthwise *plan = step->plan;
    const cfp_window *window = &step->node->window;
    cuda_depthwise op = {.windows = {.x = cuda_view_of(x), .y = cuda_view_of(y)},
                         .weight = plan->weight};
    for (int a = 0; a < 3; a++) {
        op.windows.kernel[a] = window->kernel[a];
        op.windows.stride[a] = window->stride[a];
        op.windows.dilation[a] = window->dilation[a];
        op.windows.pad_begin[a] = window->pad_begin[a];
        op.windows.pad_end[a] = window->pad_end[a];
    }
    return op;
}

static cfp_status depthwise_forward(cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const depthwise *plan = step->plan;
    cuda_depthwise op = operation(step, src[0], dst);
    (void)scratch;
    op.bias = plan->bias;
    op.add = step->adds ? cuda_view_of(src[step->n_src - 1]) : cuda_no_view();
    op.activation = cuda_activation_of(step->activation);
    CUDA_TRY(backend, cuda_depthwise_forward(&op, backend->stream));
    return CFP_OK;
}

static cfp_status depthwise_backward(cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, const cfp_tensor *dst,
                                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                     void *scratch)
{
    (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cuda_depthwise op = operation(step, diff_src[0], diff_dst);
    CUDA_TRY(backend, cuda_depthwise_backward(&op, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_depthwise = {depthwise_open, depthwise_forward, depthwise_backward,
                                   depthwise_close};
