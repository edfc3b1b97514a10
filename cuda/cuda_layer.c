/* cuda_layer.c - conv3d and linear by cuDNN or cuBLAS: puts weights into their layout, copies
 * operands if necessary, and does the parts of the step that they do not fuse.
 *
 * Usually they read the source and write the result in place.  Copies in scratch are used for a
 * source that is not channels last (the clip) or whose lanes do not divide into its groups, for a
 * result whose groups do not fill its lanes, and for a result whose layout is not the residual's.
 * Weights, and the bias that cuDNN adds, have the type of the step's tensors, because engines for
 * another type are compiled at run time. */
#include "cuda_backend.h"

/* --- the product: cuBLAS where the layer is a product of two matrices, else cuDNN ---
 *
 * It is one if the layer reads one position of several clips.  One clip gives a matrix and a
 * vector, whose time is that of reading the weights: cuDNN's 1x1x1 convolution is as fast, and
 * cuBLAS need not be loaded.  cuDNN also computes it if cuBLAS is missing or has no algorithm. */

/* Planned once.  Operands are as conv.h describes them.  {NULL, NULL}: none. */
typedef struct product {
    cuda_conv *conv;
    cuda_linear *linear;
} product;

static bool is_matrix_product(const cuda_conv_spec *s)
{
    bool point = s->n > 1 && s->groups == 1;
    for (int a = 0; a < 3; a++)
        point = point && s->x[a] == 1 && s->y[a] == 1 && s->kernel[a] == 1;
    return point;
}

static cfp_status open_blas(cfp_backend *backend)
{
    if (backend->blas != NULL)
        return CFP_OK;
    if (backend->blas_missing)
        return CFP_UNSUPPORTED;
    const cfp_status status =
        cuda_blas_open(&backend->blas, backend->ctx, backend->stream, CUDA_WORKSPACE_BYTES);
    if (status == CFP_UNSUPPORTED) {
        backend->blas_missing = true;
        cfp_log(backend->ctx, CFP_LOG_INFO, "%s; cuDNN multiplies instead", backend->ctx->message);
    }
    return status;
}

static cfp_status open_linear(cuda_linear **out, cfp_backend *backend, const cuda_conv_spec *spec)
{
    const cuda_linear_spec linear = {.backward = spec->backward,
                                     .adds = spec->adds,
                                     .bias = spec->bias,
                                     .relu = spec->relu,
                                     .precision = spec->precision,
                                     .n = spec->n,
                                     .x_channels = spec->x_channels,
                                     .y_channels = spec->y_channels};
    CFP_TRY(open_blas(backend));
    return cuda_linear_open(out, backend->blas, backend->ctx, &linear);
}

static cfp_status product_open(product *out, cfp_backend *backend, const cuda_conv_spec *spec)
{
    *out = (product){NULL, NULL};
    if (is_matrix_product(spec)) {
        const cfp_status status = open_linear(&out->linear, backend, spec);
        if (status != CFP_UNSUPPORTED)
            return status;
    }
    if (backend->tuning != NULL)
        return cuda_tuning_conv_open(&out->conv, backend->tuning, backend, spec);
    return cuda_conv_open(&out->conv, backend->dnn, backend->ctx, spec);
}

static size_t product_workspace(const product *p)
{
    if (p->linear != NULL)
        return cuda_linear_workspace(p->linear);
    return p->conv != NULL ? cuda_conv_get_facts(p->conv).workspace_bytes : 0;
}

static cfp_status product_run(const product *p, cfp_backend *backend, void *x, const void *w,
                              void *y, const void *z, const void *bias, void *workspace)
{
    if (p->linear != NULL)
        return cuda_linear_run(p->linear, backend->ctx, x, w, y, z, bias, workspace);
    return cuda_conv_run(p->conv, backend->ctx, x, w, y, z, bias, workspace);
}

static void product_close(product *p)
{
    cuda_linear_close(&p->linear);
    cuda_conv_close(&p->conv);
}

/* --- the layer --- */

typedef struct layer {
    product forward, backward; /* backward: {NULL, NULL} if not wanted */
    cfp_type type;             /* of all operands except shift, which is float32 */
    float *shift;              /* [y_lanes] the bias if it is not fused, else NULL */
    void *bias;                /* [y_lanes] the bias if it is fused, else NULL */
    void *weight;              /* y_lanes x taps x channels of a group */
    int x_lanes, y_lanes;      /* of the operands of cuDNN and cuBLAS */
    bool fused;                /* forward does the bias, the addition and a relu, too */
    bool relu_fused;
    size_t x_bytes, y_bytes; /* scratch: copy of the source, of the result; then the workspace */
} layer;

static size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}
static size_t bytes_of(const layer *plan, cfp_shape s, int lanes)
{
    return aligned((size_t)s.n * (size_t)cfp_positions(s) * (size_t)lanes *
                   cuda_size_of(plan->type));
}
static bool lies_so(const cfp_tensor *x, int lanes)
{
    const cuda_view view = cuda_view_of(x);
    return view.stride_c == 1 && view.lanes == lanes;
}

/* Allocates `capacity` zeros of the plan's type on the device and copies `count` floats of the host
 * into them.  `box` has the strides; its pointers and types are set here. */
static cfp_status put_numbers(cfp_backend *backend, void **out, const layer *plan,
                              const float *values, int64_t count, int64_t capacity, cuda_box box)
{
    const size_t bytes = (size_t)capacity * cuda_size_of(plan->type);
    float *raw;
    CFP_TRY(cuda_new_bytes(backend, out, bytes));
    cfp_status status = cuda_new_floats(backend, &raw, values, count, count);
    box.to = *out, box.to_type = plan->type;
    box.from = raw, box.from_type = CFP_FLOAT32;
    if (status == CFP_OK) {
        const cudaError_t copied = cuda_copy_box(&box, backend->stream);
        const cudaError_t waited = cudaStreamSynchronize(backend->stream);
        if (copied != cudaSuccess || waited != cudaSuccess)
            status = cuda_failed(backend->ctx, copied != cudaSuccess ? copied : waited,
                                 "laying out weights");
    }
    (void)cudaFree(raw);
    return status;
}

/* From O x I x taps on the host to O x taps x I on the device. */
static cfp_status put_weights(cfp_backend *backend, layer *plan, const cfp_node *node,
                              const cuda_conv_spec *spec)
{
    const int taps = spec->kernel[0] * spec->kernel[1] * spec->kernel[2];
    const int stored = spec->x_channels / spec->groups, channels = node->kernel_channels;
    const cuda_box box = {.n = 1,
                          .dims = 3,
                          .extent = {node->shape.c, taps, channels},
                          .to_stride = {taps * stored, stored, 1},
                          .from_stride = {channels * taps, 1, taps}};
    return put_numbers(backend, &plan->weight, plan, node->weight,
                       (int64_t)node->shape.c * channels * taps,
                       (int64_t)spec->y_channels * taps * stored, box);
}

/* A layer without a bias gets zeros: cuDNN adds and fuses only together with a bias. */
static cfp_status put_bias(cfp_backend *backend, layer *plan, const cfp_node *node)
{
    const int64_t count = node->bias != NULL ? node->shape.c : 0;
    const cuda_box box = {
        .n = 1, .dims = 1, .extent = {(int)count}, .to_stride = {1}, .from_stride = {1}};
    if (!plan->fused)
        return cuda_new_floats(backend, &plan->shift, node->bias, count, plan->y_lanes);
    return put_numbers(backend, &plan->bias, plan, node->bias, count, plan->y_lanes, box);
}

/* Plans the fused form if may_fuse and there is a plan for it, else the product alone.  may_fuse is
 * true if residual and result have the layout of the operands. */
static cfp_status open_forward(cfp_backend *backend, layer *plan, const cfp_step *step,
                               const cuda_conv_spec *alone, bool may_fuse)
{
    cuda_conv_spec spec = *alone;
    spec.adds = step->adds;
    spec.relu = step->activation != NULL && step->activation->op == CFP_OP_RELU;
    spec.bias = step->node->bias != NULL || spec.adds || spec.relu; /* prebuilt engines need it */
    plan->fused = may_fuse;
    plan->relu_fused = spec.relu;
    if (may_fuse) {
        const cfp_status status = product_open(&plan->forward, backend, &spec);
        if (status != CFP_UNSUPPORTED)
            return status;
        plan->fused = false;
    }
    return product_open(&plan->forward, backend, alone);
}

/* In bf16 and fp16 a layer in float32 is the classifier; it is computed without tensor cores. */
static cfp_precision precision_of(const cfp_backend *backend, const layer *plan)
{
    const bool half = backend->precision == CFP_BF16 || backend->precision == CFP_FP16;
    return half && plan->type == CFP_FLOAT32 ? CFP_FP32 : backend->precision;
}

static size_t workspace_of(const layer *plan)
{
    const size_t forward = product_workspace(&plan->forward);
    const size_t backward = product_workspace(&plan->backward);
    return forward > backward ? forward : backward;
}

static cfp_status layer_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                             const cfp_tensor *dst)
{
    layer *plan;
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    step->plan = plan;
    plan->type = dst->type;
    const cfp_tensor *x = src[0];
    const int lanes = x->block > 1 ? x->block : cuda_lanes(x->shape.c);
    cuda_conv_spec spec = cuda_conv_spec_of(step->node, x->shape, lanes);
    spec.precision = precision_of(backend, plan);
    plan->x_lanes = spec.x_channels, plan->y_lanes = spec.y_channels;

    const bool direct = lies_so(dst, plan->y_lanes) &&
                        (!step->adds || lies_so(src[step->n_src - 1], plan->y_lanes));
    CFP_TRY(open_forward(backend, plan, step, &spec, direct));
    if (step->backward) {
        spec.backward = true;
        CFP_TRY(product_open(&plan->backward, backend, &spec));
    }
    CFP_TRY(put_weights(backend, plan, step->node, &spec));
    CFP_TRY(put_bias(backend, plan, step->node));
    plan->x_bytes = lies_so(x, plan->x_lanes) ? 0 : bytes_of(plan, x->shape, plan->x_lanes);
    plan->y_bytes = direct && plan->fused ? 0 : bytes_of(plan, dst->shape, plan->y_lanes);
    step->scratch_bytes = plan->x_bytes + plan->y_bytes + workspace_of(plan);
    return CFP_OK;
}

static void layer_close(cfp_backend *backend, cfp_step *step)
{
    layer *plan = step->plan;
    (void)backend;
    product_close(&plan->forward);
    product_close(&plan->backward);
    (void)cudaFree(plan->weight);
    (void)cudaFree(plan->bias);
    (void)cudaFree(plan->shift);
}

/* *out = x's data if it has the product's layout, else a copy at `aside` that has it. */
static cfp_status in_layout(cfp_backend *backend, void **out, const cfp_tensor *x, int lanes,
                            void *aside)
{
    *out = x->data;
    if (lies_so(x, lanes))
        return CFP_OK;
    *out = aside;
    const cuda_view to = cuda_view_at(aside, x->type, x->shape, lanes), from = cuda_view_of(x);
    return cuda_relayout(backend, &to, &from);
}

static cfp_status layer_forward(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const layer *plan = step->plan;
    char *const y_aside = (char *)scratch + plan->x_bytes;
    void *const workspace = y_aside + plan->y_bytes;
    const cfp_tensor *added = step->adds ? src[step->n_src - 1] : NULL;
    cuda_pointwise after = {.dst = cuda_view_of(dst),
                            .activation = cuda_activation_of(step->activation)};
    void *x;
    CFP_TRY(in_layout(backend, &x, src[0], plan->x_lanes, scratch));
    if (plan->fused) {
        const bool has_bias = added != NULL || plan->relu_fused || step->node->bias != NULL;
        CFP_TRY(product_run(&plan->forward, backend, x, plan->weight, dst->data,
                            added != NULL ? added->data : NULL, has_bias ? plan->bias : NULL,
                            workspace));
        if (step->activation == NULL || plan->relu_fused)
            return CFP_OK;
        after.src = after.dst;
    } else {
        CFP_TRY(
            product_run(&plan->forward, backend, x, plan->weight, y_aside, NULL, NULL, workspace));
        after.src = cuda_view_at(y_aside, plan->type, dst->shape, plan->y_lanes);
        after.shift = plan->shift;
        after.add = added != NULL ? cuda_view_of(added) : cuda_no_view();
    }
    CUDA_TRY(backend, cuda_apply(&after, backend->stream));
    return CFP_OK;
}

static cfp_status layer_backward(cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, const cfp_tensor *dst,
                                 const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                 void *scratch)
{
    const layer *plan = step->plan;
    cfp_tensor *dx = diff_src[0];
    char *const y_aside = (char *)scratch + plan->x_bytes;
    void *const workspace = y_aside + plan->y_bytes;
    (void)src, (void)dst; /* the op is linear, so its gradient reads no values */
    if (dx == NULL)
        return CFP_OK;
    const bool lies = lies_so(dx, plan->x_lanes);
    void *const x = lies ? dx->data : scratch, *y;
    CFP_TRY(in_layout(backend, &y, diff_dst, plan->y_lanes, y_aside));
    CFP_TRY(product_run(&plan->backward, backend, x, plan->weight, y, NULL, NULL, workspace));
    if (lies)
        return CFP_OK;
    const cuda_view to = cuda_view_of(dx),
                    from = cuda_view_at(x, plan->type, dx->shape, plan->x_lanes);
    return cuda_relayout(backend, &to, &from);
}

const cuda_op cuda_op_kernel = {layer_open, layer_forward, layer_backward, layer_close};
