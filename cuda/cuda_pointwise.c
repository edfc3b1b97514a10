/* cuda_pointwise.c - norms, the activations and softmax, which keep the shape. */
#include "cuda_backend.h"
#include <string.h>

cuda_activation cuda_activation_of(const cfp_node *activation)
{
    static const cuda_function functions[CFP_OP_COUNT] = {
        [CFP_OP_RELU] = CUDA_RELU,           [CFP_OP_RELU6] = CUDA_RELU6,
        [CFP_OP_LEAKYRELU] = CUDA_LEAKYRELU, [CFP_OP_SIGMOID] = CUDA_SIGMOID,
        [CFP_OP_SILU] = CUDA_SILU,           [CFP_OP_HARDSIGMOID] = CUDA_HARDSIGMOID,
        [CFP_OP_HARDSWISH] = CUDA_HARDSWISH, [CFP_OP_ELU] = CUDA_ELU,
        [CFP_OP_GELU] = CUDA_GELU,           [CFP_OP_GELU_TANH] = CUDA_GELU_TANH,
        [CFP_OP_MISH] = CUDA_MISH,           [CFP_OP_TANH] = CUDA_TANH,
        [CFP_OP_SOFTPLUS] = CUDA_SOFTPLUS,   [CFP_OP_CLIP] = CUDA_CLIP,
    };
    cuda_activation made = {.function = CUDA_NOTHING};
    if (activation == NULL)
        return made;
    made.function = functions[activation->op];
    memcpy(made.parameter, activation->parameter, sizeof made.parameter);
    return made;
}

typedef struct batchnorm {
    float *scale, *shift; /* [lanes of the result] */
} batchnorm;

static cfp_status batchnorm_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                                 const cfp_tensor *dst)
{
    batchnorm *plan;
    (void)src;
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    step->plan = plan;
    CFP_TRY(cuda_new_floats(backend, &plan->scale, step->node->scale, dst->shape.c, dst->block));
    return cuda_new_floats(backend, &plan->shift, step->node->shift, dst->shape.c, dst->block);
}

static void batchnorm_close(cfp_backend *backend, cfp_step *step)
{
    batchnorm *plan = step->plan;
    (void)backend;
    (void)cudaFree(plan->scale);
    (void)cudaFree(plan->shift);
}

static cfp_status batchnorm_forward(cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const batchnorm *plan = step->plan;
    const cuda_pointwise op = {.dst = cuda_view_of(dst),
                               .src = cuda_view_of(src[0]),
                               .scale = plan->scale,
                               .shift = plan->shift,
                               .activation = cuda_activation_of(step->activation)};
    (void)scratch;
    CUDA_TRY(backend, cuda_apply(&op, backend->stream));
    return CFP_OK;
}

static cfp_status batchnorm_backward(cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, const cfp_tensor *dst,
                                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                     void *scratch)
{
    const batchnorm *plan = step->plan;
    (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cuda_pointwise op = {
        .dst = cuda_view_of(diff_src[0]), .src = cuda_view_of(diff_dst), .scale = plan->scale};
    CUDA_TRY(backend, cuda_apply(&op, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_batchnorm = {batchnorm_open, batchnorm_forward, batchnorm_backward,
                                   batchnorm_close};

/* The norms by the clip's own statistics; plan: gamma and beta. */

static int norm_groups(const cfp_node *node) /* 0: each position by itself */
{
    return node->op == CFP_OP_LAYERNORM ? 0 : node->groups;
}

static cfp_status norm_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                            const cfp_tensor *dst)
{
    step->scratch_bytes =
        (size_t)dst->shape.n * (size_t)norm_groups(step->node) * CUDA_NORM_SUMS * sizeof(double);
    return batchnorm_open(backend, step, src, dst);
}

static cfp_status norm_run(cfp_backend *backend, const cfp_step *step, cfp_tensor *dst,
                           const cfp_tensor *x, const cfp_tensor *dy, void *scratch)
{
    const batchnorm *plan = step->plan;
    const cuda_norm op = {.dst = cuda_view_of(dst),
                          .x = cuda_view_of(x),
                          .dy = dy != NULL ? cuda_view_of(dy) : cuda_no_view(),
                          .gamma = plan->scale,
                          .beta = plan->shift,
                          .eps = step->node->eps,
                          .groups = norm_groups(step->node),
                          .sums = scratch};
    CUDA_TRY(backend, cuda_normalise(&op, backend->stream));
    return CFP_OK;
}

static cfp_status norm_forward(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    return norm_run(backend, step, dst, src[0], NULL, scratch);
}

static cfp_status norm_backward(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    (void)dst;
    if (diff_src[0] == NULL)
        return CFP_OK;
    return norm_run(backend, step, diff_src[0], src[0], diff_dst, scratch);
}

const cuda_op cuda_op_norm = {norm_open, norm_forward, norm_backward, batchnorm_close};

typedef struct prelu {
    float *slope; /* [lanes of the result] */
} prelu;

static cfp_status prelu_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                             const cfp_tensor *dst)
{
    prelu *plan;
    (void)src;
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    step->plan = plan;
    return cuda_new_floats(backend, &plan->slope, step->node->slope, dst->shape.c, dst->block);
}

static void prelu_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend;
    (void)cudaFree(((prelu *)step->plan)->slope);
}

static const float *slope_of(const cfp_step *step)
{
    return step->node->op == CFP_OP_PRELU ? ((const prelu *)step->plan)->slope : NULL;
}

static cfp_status activation_forward(cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_pointwise op = {.dst = cuda_view_of(dst),
                               .src = cuda_view_of(src[0]),
                               .slope = slope_of(step),
                               .activation = cuda_activation_of(step->node)};
    (void)scratch;
    CUDA_TRY(backend, cuda_apply(&op, backend->stream));
    return CFP_OK;
}

static cfp_status activation_backward(cfp_backend *backend, const cfp_step *step,
                                      const cfp_tensor *const *src, const cfp_tensor *dst,
                                      const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                      void *scratch)
{
    (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const bool from_output = cfp_gate_from_output(step->node->op);
    const cuda_slope op = {.dx = cuda_view_of(diff_src[0]),
                           .dy = cuda_view_of(diff_dst),
                           .value = cuda_view_of(from_output ? dst : src[0]),
                           .activation = cuda_activation_of(step->node),
                           .slope = slope_of(step),
                           .from_output = from_output};
    CUDA_TRY(backend, cuda_apply_slope(&op, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_activation = {NULL, activation_forward, activation_backward, NULL};
const cuda_op cuda_op_prelu = {prelu_open, activation_forward, activation_backward, prelu_close};

static cfp_status softmax_forward(cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_view y = cuda_view_of(dst), x = cuda_view_of(src[0]);
    (void)step, (void)scratch;
    CUDA_TRY(backend, cuda_softmax(&y, &x, backend->stream));
    return CFP_OK;
}

static cfp_status softmax_backward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)step, (void)src, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cuda_view dx = cuda_view_of(diff_src[0]), y = cuda_view_of(dst);
    const cuda_view dy = cuda_view_of(diff_dst);
    CUDA_TRY(backend, cuda_softmax_backward(&dx, &y, &dy, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_softmax = {NULL, softmax_forward, softmax_backward, NULL};
