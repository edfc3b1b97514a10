/* cuda_pool.c - maxpool3d, avgpool3d, globalavgpool. */
#include "cuda_backend.h"

static cuda_windows windows_of(const cfp_node *node, const cfp_tensor *x, const cfp_tensor *y)
{
    cuda_windows op = {.x = cuda_view_of(x), .y = cuda_view_of(y)};
    for (int a = 0; a < 3; a++) {
        op.kernel[a] = node->window.kernel[a];
        op.stride[a] = node->window.stride[a];
        op.dilation[a] = 1;
        op.pad_begin[a] = node->window.pad_begin[a];
        op.pad_end[a] = node->window.pad_end[a];
    }
    return op;
}

/* Scratch of backward: the position that won each window. */
static cfp_status maxpool_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                               const cfp_tensor *dst)
{
    (void)backend, (void)src;
    if (step->backward)
        step->scratch_bytes = (size_t)cfp_stored(dst) * sizeof(int);
    return CFP_OK;
}

static cfp_status maxpool_forward(cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_windows op = windows_of(step->node, src[0], dst);
    (void)scratch;
    CUDA_TRY(backend, cuda_maxpool(&op, NULL, backend->stream));
    return CFP_OK;
}

static cfp_status maxpool_backward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)dst;
    if (diff_src[0] == NULL)
        return CFP_OK;
    cuda_windows op = windows_of(step->node, src[0], diff_dst);
    CUDA_TRY(backend, cuda_maxpool(&op, scratch, backend->stream));
    op.x = cuda_view_of(diff_src[0]);
    CUDA_TRY(backend, cuda_maxpool_backward(&op, scratch, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_maxpool = {maxpool_open, maxpool_forward, maxpool_backward, NULL};

static cfp_status avgpool_forward(cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_windows op = windows_of(step->node, src[0], dst);
    (void)scratch;
    CUDA_TRY(backend, cuda_avgpool(&op, step->node->count_include_pad, backend->stream));
    return CFP_OK;
}

static cfp_status avgpool_backward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cuda_windows op = windows_of(step->node, diff_src[0], diff_dst);
    CUDA_TRY(backend, cuda_avgpool_backward(&op, step->node->count_include_pad, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_avgpool = {NULL, avgpool_forward, avgpool_backward, NULL};

static cfp_status globalavgpool_forward(cfp_backend *backend, const cfp_step *step,
                                        const cfp_tensor *const *src, cfp_tensor *dst,
                                        void *scratch)
{
    cuda_reduction sum = {.dst = cuda_view_of(dst),
                          .term = {cuda_view_of(src[0])},
                          .n_terms = 1,
                          .over_t = true,
                          .over_h = true,
                          .over_w = true,
                          .scale = 1 / (double)cfp_positions(src[0]->shape)};
    (void)step, (void)scratch;
    CFP_TRY(cuda_sum(backend, &sum));
    return cuda_zero_lanes(backend, &sum.dst);
}

/* The gradient of an average pool with one window, the whole input. */
static cfp_status globalavgpool_backward(cfp_backend *backend, const cfp_step *step,
                                         const cfp_tensor *const *src, const cfp_tensor *dst,
                                         const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                         void *scratch)
{
    (void)step, (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cfp_shape s = diff_src[0]->shape;
    const cuda_windows op = {.x = cuda_view_of(diff_src[0]),
                             .y = cuda_view_of(diff_dst),
                             .kernel = {s.t, s.h, s.w},
                             .stride = {1, 1, 1},
                             .dilation = {1, 1, 1}};
    CUDA_TRY(backend, cuda_avgpool_backward(&op, false, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_globalavgpool = {NULL, globalavgpool_forward, globalavgpool_backward, NULL};
