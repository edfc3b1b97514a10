/* cuda_primitives.c - what the method asks of tensors beside the ops; vectors over channels come
 * from and go to the host. */
#include "cuda_backend.h"
#include <math.h>

static cfp_status fetch(cfp_backend *backend, float *out, const void *from, int64_t count)
{
    const size_t bytes = (size_t)count * sizeof *out;
    CUDA_TRY(backend, cudaMemcpyAsync(out, from, bytes, cudaMemcpyDeviceToHost, backend->stream));
    CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    return CFP_OK;
}

/* float16 ends at 65504.  What went beyond it is infinite, and makes every sum that it enters
 * infinite or NaN: said here, where the method takes its numbers. */
static cfp_status check_range(cfp_backend *backend, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count && backend->precision == CFP_FP16; i++)
        if (!isfinite(x[i]))
            return cuda_out_of_range(backend->ctx);
    return CFP_OK;
}

/* The means stand in front of the partial sums they are made of.  unit: what 1 is in the product of
 * the terms. */
static cfp_status means(cfp_backend *backend, float *mean, cuda_reduction *sum, double unit)
{
    const cuda_view *x = &sum->term[0];
    const int64_t count = (int64_t)x->n * x->c;
    const size_t front = ((size_t)count * sizeof *mean + 255) / 256 * 256;
    void *memory;
    sum->over_t = sum->over_h = sum->over_w = true;
    sum->scale = 1 / ((double)x->t * x->h * x->w * unit);
    sum->dst = cuda_view_at(NULL, CFP_FLOAT32, (cfp_shape){x->n, x->c, 1, 1, 1}, x->c);
    CFP_TRY(cuda_aside(backend, &memory, front + cuda_reduce_bytes(sum)));
    sum->dst.data = memory;
    sum->partial = (double *)((char *)memory + front);
    CUDA_TRY(backend, cuda_reduce(sum, backend->stream));
    CFP_TRY(fetch(backend, mean, memory, count));
    return check_range(backend, mean, count);
}

cfp_status cuda_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x)
{
    cuda_reduction sum = {.term = {cuda_view_of(x)}, .n_terms = 1};
    return means(backend, mean, &sum, 1);
}

cfp_status cuda_channel_mean_product(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                     const cfp_tensor *g)
{
    cuda_reduction sum = {.term = {cuda_view_of(x), cuda_view_of(g)}, .n_terms = 2};
    return means(backend, mean, &sum, backend->gradient_unit);
}

static cfp_status put_keep(cfp_backend *backend, void *to, const uint8_t *keep, int channels)
{
    CUDA_TRY(backend,
             cudaMemcpyAsync(to, keep, (size_t)channels, cudaMemcpyHostToDevice, backend->stream));
    return CFP_OK;
}

cfp_status cuda_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                            const cfp_tensor *g, const uint8_t *keep)
{
    const int64_t positions = cfp_positions(x->shape);
    const cuda_view from = cuda_view_of(x), times = g != NULL ? cuda_view_of(g) : cuda_no_view();
    void *memory;
    CFP_TRY(cuda_aside(backend, &memory, (size_t)positions * sizeof *map + (size_t)x->shape.c));
    uint8_t *const on_device = (uint8_t *)((float *)memory + positions);
    CFP_TRY(put_keep(backend, on_device, keep, x->shape.c));
    CUDA_TRY(backend, cuda_sum_channels(memory, &from, &times, on_device, backend->stream));
    CFP_TRY(fetch(backend, map, memory, positions));
    for (int64_t p = 0; p < positions && g != NULL; p++)
        map[p] /= backend->gradient_unit;
    return check_range(backend, map, positions);
}

cfp_status cuda_gate(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                     const cfp_tensor *y)
{
    const cuda_view diff = cuda_view_of(dy);
    const cuda_slope op = {.dx = diff,
                           .dy = diff,
                           .value = cuda_view_of(y),
                           .activation = cuda_activation_of(activation),
                           .from_output = true};
    CUDA_TRY(backend, cuda_apply_slope(&op, backend->stream));
    return CFP_OK;
}

cfp_status cuda_mask(cfp_backend *backend, cfp_tensor *x, const uint8_t *keep)
{
    const cuda_view view = cuda_view_of(x);
    void *memory;
    CFP_TRY(cuda_aside(backend, &memory, (size_t)x->shape.c));
    CFP_TRY(put_keep(backend, memory, keep, x->shape.c));
    CUDA_TRY(backend, cuda_mask_channels(&view, memory, backend->stream));
    return CFP_OK;
}

cfp_status cuda_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    const cuda_view to = cuda_view_of(dst);
    const cuda_combination op = {.dst = to, .src = {to, cuda_view_of(src)}, .n_src = 2};
    CUDA_TRY(backend, cuda_combine(&op, backend->stream));
    return CFP_OK;
}

cfp_status cuda_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    const size_t bytes = (size_t)cfp_stored(src) * cuda_size_of(src->type);
    CUDA_TRY(backend, cudaMemcpyAsync(dst->data, src->data, bytes, cudaMemcpyDeviceToDevice,
                                      backend->stream));
    return CFP_OK;
}

cfp_status cuda_one_hot(cfp_backend *backend, cfp_tensor *x, int channel)
{
    const size_t bytes = (size_t)cfp_stored(x) * cuda_size_of(x->type);
    const cuda_view view = cuda_view_of(x);
    const cuda_box one = {.to = cuda_number(x->data, x->type, (int64_t)channel * view.stride_c),
                          .to_type = x->type,
                          .value = backend->gradient_unit,
                          .n = 1,
                          .dims = 1,
                          .extent = {1}};
    CUDA_TRY(backend, cudaMemsetAsync(x->data, 0, bytes, backend->stream));
    CUDA_TRY(backend, cuda_copy_box(&one, backend->stream));
    return CFP_OK;
}
