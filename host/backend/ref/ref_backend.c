/* ref_backend.c - the ops and primitives of ref as a backend: one thread, plain layout. */
#include "ref_ops.h"
#include <stdio.h>

struct cfp_backend {
    cfp_ctx *ctx;
};

const ref_op ref_op_table[CFP_OP_COUNT] = {
    [CFP_OP_INPUT] = {NULL, NULL}, /* the clip: uploaded, never computed */
    [CFP_OP_CONV3D] = {ref_conv3d, ref_conv3d_backward},
    [CFP_OP_LINEAR] = {ref_conv3d, ref_conv3d_backward},
    [CFP_OP_BATCHNORM] = {ref_batchnorm, ref_batchnorm_backward},
    [CFP_OP_INSTANCENORM] = {ref_norm, ref_norm_backward},
    [CFP_OP_GROUPNORM] = {ref_norm, ref_norm_backward},
    [CFP_OP_LAYERNORM] = {ref_norm, ref_norm_backward},
    [CFP_OP_RELU] = {ref_activate, ref_activate_backward},
    [CFP_OP_RELU6] = {ref_activate, ref_activate_backward},
    [CFP_OP_SILU] = {ref_activate, ref_activate_backward},
    [CFP_OP_SIGMOID] = {ref_activate, ref_activate_backward},
    [CFP_OP_HARDSWISH] = {ref_activate, ref_activate_backward},
    [CFP_OP_HARDSIGMOID] = {ref_activate, ref_activate_backward},
    [CFP_OP_LEAKYRELU] = {ref_activate, ref_activate_backward},
    [CFP_OP_PRELU] = {ref_activate, ref_activate_backward},
    [CFP_OP_ELU] = {ref_activate, ref_activate_backward},
    [CFP_OP_GELU] = {ref_activate, ref_activate_backward},
    [CFP_OP_GELU_TANH] = {ref_activate, ref_activate_backward},
    [CFP_OP_MISH] = {ref_activate, ref_activate_backward},
    [CFP_OP_TANH] = {ref_activate, ref_activate_backward},
    [CFP_OP_SOFTPLUS] = {ref_activate, ref_activate_backward},
    [CFP_OP_CLIP] = {ref_activate, ref_activate_backward},
    [CFP_OP_SOFTMAX] = {ref_softmax, ref_softmax_backward},
    [CFP_OP_IDENTITY] = {ref_move, ref_move_backward},
    [CFP_OP_FLATTEN] = {ref_move, ref_move_backward},
    [CFP_OP_GLOBALAVGPOOL] = {ref_globalavgpool, ref_globalavgpool_backward},
    [CFP_OP_MAXPOOL3D] = {ref_maxpool3d, ref_maxpool3d_backward},
    [CFP_OP_AVGPOOL3D] = {ref_avgpool3d, ref_avgpool3d_backward},
    [CFP_OP_ADD] = {ref_add, ref_combine_backward},
    [CFP_OP_MUL] = {ref_mul, ref_combine_backward},
    [CFP_OP_CONCAT] = {ref_move, ref_move_backward},
    [CFP_OP_UPSAMPLE] = {ref_move, ref_move_backward},
    [CFP_OP_PAD] = {ref_move, ref_move_backward},
    [CFP_OP_SLICE] = {ref_move, ref_move_backward},
    [CFP_OP_CHANNEL_SHUFFLE] = {ref_move, ref_move_backward},
};

static cfp_status ref_open(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request)
{
    *out = NULL;
    if (request->precision != CFP_FP32)
        return cfp_fail_option(ctx, CFP_UNSUPPORTED, "precision", ": ref computes in fp32 only");
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    return CFP_OK;
}

static void ref_close(cfp_backend **backend)
{
    cfp_free(*backend);
    *backend = NULL;
}

static const char *ref_describe(const cfp_backend *backend)
{
    (void)backend;
    return "plain C, the definition of every op, 1 thread";
}

static cfp_status ref_alloc(cfp_backend *backend, void **out, size_t bytes)
{
    *out = cfp_alloc(backend->ctx, bytes, 1);
    return *out != NULL ? CFP_OK : CFP_NOMEM;
}

static void ref_release(cfp_backend *backend, void *memory)
{
    (void)backend;
    cfp_free(memory);
}

size_t ref_free_bytes(cfp_backend *backend)
{
    (void)backend;
    return cfp_free_memory();
}

static cfp_status ref_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                                cfp_tensor *dst)
{
    (void)backend, (void)src;
    step->plan = NULL;
    step->scratch_bytes = 0;
    dst->block = 1;
    return CFP_OK;
}

static void ref_step_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend;
    step->plan = NULL;
}

cfp_status ref_step_forward(cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)backend, (void)scratch;
    ref_op_table[step->node->op].forward(step, src, dst);
    if (step->activation != NULL) {
        const cfp_step activate = {.model = step->model, .node = step->activation, .n_src = 1};
        ref_activate(&activate, (const cfp_tensor *const[1]){dst}, dst);
    }
    ref_zero_lanes(dst);
    return CFP_OK;
}

cfp_status ref_step_backward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, const cfp_tensor *dst,
                             const cfp_tensor *diff_dst, cfp_tensor *const *diff_src, void *scratch)
{
    (void)backend, (void)scratch;
    ref_op_table[step->node->op].backward(step, src, dst, diff_dst, diff_src);
    for (int k = 0; k < step->n_src - step->adds; k++)
        if (diff_src[k] != NULL)
            ref_zero_lanes(diff_src[k]);
    return CFP_OK;
}

/* Tests call ref without opening it; a failure then has no message. */
static cfp_ctx *ctx_of(const cfp_backend *backend)
{
    return backend == NULL ? NULL : backend->ctx;
}

cfp_status ref_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    CFP_TRY(ref_back_step_rows(ctx_of(backend), s, 0, (int64_t)s->clips * s->thetas * s->kernels));
    ref_raise_targets(s);
    return CFP_OK;
}

cfp_status ref_list_edges(cfp_backend *backend, const cfp_back_step *s, int question,
                          cfp_edge *edge)
{
    return ref_list_edges_rows(ctx_of(backend), s, question, 0, s->kernels, edge);
}

const cfp_backend_api cfp_backend_ref = {
    .abi = CFP_BACKEND_ABI,
    .size = sizeof(cfp_backend_api),
    .name = "ref",
    .host_memory = true,
    .open = ref_open,
    .close = ref_close,
    .describe = ref_describe,
    .alloc = ref_alloc,
    .release = ref_release,
    .host_alloc = ref_alloc,
    .host_release = ref_release,
    .free_bytes = ref_free_bytes,
    .tensor_bytes = ref_tensor_bytes,
    .upload = ref_upload,
    .download = ref_download,
    .step_open = ref_step_open,
    .step_forward = ref_step_forward,
    .step_backward = ref_step_backward,
    .step_close = ref_step_close,
    .channel_mean = ref_channel_mean,
    .channel_sum = ref_channel_sum,
    .gate = ref_gate_step,
    .replace = ref_replace,
    .accumulate = ref_accumulate,
    .copy = ref_copy,
    .seed = ref_seed,
    .blend = ref_blend,
    .turn = ref_turn,
    .weigh_pairs = ref_weigh_pairs,
    .pick_edges = ref_pick_edges,
    .fill = ref_fill,
    .put = ref_put,
    .fetch = ref_fetch,
    .route = ref_route,
    .back_step = ref_back_step,
    .list_edges = ref_list_edges,
    .frames = &ref_frames,
};
