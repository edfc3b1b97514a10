/* cuda_step.c - runs a step by the functions of its op, in the step's type.  A failure is reported
 * with the name of its node.
 *
 * Types: with fp32 and tf32 all tensors are float32.  With bf16 and fp16, activations, their
 * gradients and the weights of convolutions have that type.  From the classifier (the last kernel
 * layer) on all are float32: this costs nothing, and the logits, whose order is the answer, keep
 * all digits of their sums. */
#include "cuda_backend.h"
#include <limits.h>
#include <string.h>

static const cuda_op *op_of(const cfp_step *step)
{
    static const cuda_op *const table[CFP_OP_COUNT] = {
        [CFP_OP_CONV3D] = &cuda_op_kernel,
        [CFP_OP_LINEAR] = &cuda_op_kernel,
        [CFP_OP_BATCHNORM] = &cuda_op_batchnorm,
        [CFP_OP_INSTANCENORM] = &cuda_op_norm,
        [CFP_OP_GROUPNORM] = &cuda_op_norm,
        [CFP_OP_LAYERNORM] = &cuda_op_norm,
        [CFP_OP_RELU] = &cuda_op_activation,
        [CFP_OP_RELU6] = &cuda_op_activation,
        [CFP_OP_SILU] = &cuda_op_activation,
        [CFP_OP_SIGMOID] = &cuda_op_activation,
        [CFP_OP_HARDSWISH] = &cuda_op_activation,
        [CFP_OP_HARDSIGMOID] = &cuda_op_activation,
        [CFP_OP_LEAKYRELU] = &cuda_op_activation,
        [CFP_OP_PRELU] = &cuda_op_prelu,
        [CFP_OP_ELU] = &cuda_op_activation,
        [CFP_OP_GELU] = &cuda_op_activation,
        [CFP_OP_GELU_TANH] = &cuda_op_activation,
        [CFP_OP_MISH] = &cuda_op_activation,
        [CFP_OP_TANH] = &cuda_op_activation,
        [CFP_OP_SOFTPLUS] = &cuda_op_activation,
        [CFP_OP_CLIP] = &cuda_op_activation,
        [CFP_OP_SOFTMAX] = &cuda_op_softmax,
        [CFP_OP_IDENTITY] = &cuda_op_move,
        [CFP_OP_FLATTEN] = &cuda_op_move,
        [CFP_OP_GLOBALAVGPOOL] = &cuda_op_globalavgpool,
        [CFP_OP_MAXPOOL3D] = &cuda_op_maxpool,
        [CFP_OP_AVGPOOL3D] = &cuda_op_avgpool,
        [CFP_OP_ADD] = &cuda_op_combine,
        [CFP_OP_MUL] = &cuda_op_combine,
        [CFP_OP_CONCAT] = &cuda_op_move,
        [CFP_OP_UPSAMPLE] = &cuda_op_repeat,
        [CFP_OP_PAD] = &cuda_op_move,
        [CFP_OP_SLICE] = &cuda_op_move,
        [CFP_OP_CHANNEL_SHUFFLE] = &cuda_op_move,
    };
    const cfp_node *node = step->node;
    if (node->op == CFP_OP_CONV3D && node->groups > 1 && node->kernel_channels == 1)
        return &cuda_op_depthwise;
    if (cfp_repeats(node))
        return &cuda_op_repeat;
    return table[node->op];
}

static cfp_status named(cfp_backend *backend, const cfp_step *step, cfp_status status)
{
    if (status == CFP_OK)
        return CFP_OK;
    if (backend->ctx->blames_option)
        return status; /* the message is about an option, not about this node */
    return cfp_fail(backend->ctx, status, "node '%s': %s", step->node->name, backend->ctx->message);
}

/* A network with several heads has a classifier, of depth 0, for each.  Behind it are the nodes
 * that read only what it gives, and the last node, which joins the heads. */
static bool behind_a_head(const cfp_step *step)
{
    const cfp_model *model = step->model;
    const cfp_node *node = step->node;
    while (!cfp_is_kernel_layer(node) && node->n_inputs == 1)
        node = &model->node[node->input[0]];
    return node->depth == 0 || node - model->node == model->logits;
}

static bool behind_classifier(const cfp_step *step)
{
    const cfp_model *model = step->model;
    if (model != NULL && model->n_heads > 0)
        return behind_a_head(step);
    int classifier = model != NULL ? model->logits : 0;
    while (classifier > 0 && !cfp_is_kernel_layer(&model->node[classifier]))
        classifier--;
    return classifier > 0 && step->node - model->node >= classifier;
}

/* The type of a step that adds no residual. */
static cfp_type type_alone(const cfp_backend *backend, const cfp_step *step)
{
    const bool half = backend->precision == CFP_BF16 || backend->precision == CFP_FP16;
    if (!half || behind_classifier(step))
        return CFP_FLOAT32;
    return backend->precision == CFP_BF16 ? CFP_BFLOAT16 : CFP_FLOAT16;
}

cfp_type cuda_type_of_step(const cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src)
{
    /* Result and residual have one type: they may share memory, and their gradients are added. */
    const bool half = backend->precision == CFP_BF16 || backend->precision == CFP_FP16;
    if (half && step->adds && src[step->n_src - 1]->block > 1)
        return src[step->n_src - 1]->type;
    return type_alone(backend, step);
}

/* The first layer then reads the clip as it is.  A step of another type copies it (cuda_cast.c). */
void cuda_clip_layout(cfp_backend *backend, const cfp_step *first, cfp_tensor *x)
{
    x->block = cuda_lanes(x->shape.c);
    x->type = type_alone(backend, first);
}

/* Gradients in float16 are stored multiplied by this.  The more positions a clip has, the smaller
 * is the gradient of a logit: in seven networks, at a fourth of their size, the median of a layer's
 * gradients was between 3e-5 and 1e-3, and the maximum was 25.  float16 loses digits below 6e-5.
 * Multiplied by 256, gradients keep all digits down to 2.4e-7 and overflow at 256; an overflow is
 * refused (cuda_primitives.c). */
float cuda_gradient_unit(cfp_precision precision)
{
    return precision == CFP_FP16 ? 256 : 1;
}

/* The kernels index the numbers of one clip with 31 bits. */
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
    cuda_casts casts;
    size_t bytes;
    cfp_status status = cuda_cast_shapes(&casts, backend, step, src, dst->type, &bytes);
    if (status == CFP_OK && op_of(step)->open != NULL)
        status = op_of(step)->open(backend, step, casts.src, dst);
    step->scratch_bytes += bytes;
    cuda_casts_free(&casts);
    return status;
}

static bool has_other_types(const cfp_step *step, const cfp_tensor *const *src, cfp_type type)
{
    for (int k = 0; k < step->n_src; k++)
        if (src[k] != NULL && src[k]->type != type)
            return true;
    return false;
}

static cfp_status forward(cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst, void *scratch)
{
    const cuda_op *op = op_of(step);
    if (!has_other_types(step, src, dst->type))
        return op->forward(backend, step, src, dst, scratch);
    cuda_casts casts;
    cfp_status status = cuda_cast_sources(&casts, backend, step, src, NULL, dst->type, scratch);
    if (status == CFP_OK)
        status = op->forward(backend, step, casts.src, dst, casts.scratch);
    cuda_casts_free(&casts);
    return status;
}

static cfp_status backward(cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                           const cfp_tensor *dst, const cfp_tensor *diff_dst,
                           cfp_tensor *const *diff_src, void *scratch)
{
    const cuda_op *op = op_of(step);
    const cfp_type type = diff_dst->type;
    if (!has_other_types(step, src, type) &&
        !has_other_types(step, (const cfp_tensor *const *)diff_src, type))
        return op->backward(backend, step, src, dst, diff_dst, diff_src, scratch);
    cuda_casts casts;
    cfp_status status = cuda_cast_sources(&casts, backend, step, src, diff_src, type, scratch);
    if (status == CFP_OK)
        status =
            op->backward(backend, step, casts.src, dst, diff_dst, casts.diff_src, casts.scratch);
    if (status == CFP_OK)
        status = cuda_cast_back(&casts, backend, diff_src);
    cuda_casts_free(&casts);
    return status;
}

cfp_status cuda_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst)
{
    step->plan = NULL;
    step->scratch_bytes = 0;
    dst->block = cuda_lanes(dst->shape.c);
    dst->type = cuda_type_of_step(backend, step, src);
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
    cfp_status status = forward(backend, step, src, dst, scratch);
    if (status == CFP_OK)
        status = cuda_watch_tensor(backend, dst);
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
    const cfp_status status = backward(backend, step, src, dst, diff_dst, diff_src, scratch);
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
