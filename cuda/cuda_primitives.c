/* cuda_primitives.c - what the method asks of tensors beside the ops. */
#include "cuda_backend.h"

/* float16 ends at 65504.  What went beyond it is infinite, and makes every sum that it enters
 * infinite or NaN: looked for here, where the method takes its numbers, and refused when something
 * is fetched. */
static cfp_status watch_floats(cfp_backend *backend, const float *x, int64_t count)
{
    if (backend->overflow != NULL)
        CUDA_TRY(backend, cuda_watch(x, CFP_FLOAT32, count, backend->overflow, backend->stream));
    return CFP_OK;
}

/* unit: what 1 is in the product of the terms. */
static cfp_status means(cfp_backend *backend, float *mean, cuda_reduction *sum, double unit)
{
    const cuda_view *x = &sum->term[0];
    sum->over_t = sum->over_h = sum->over_w = true;
    sum->scale = 1 / ((double)x->t * x->h * x->w * unit);
    sum->dst = cuda_view_at(mean, CFP_FLOAT32, (cfp_shape){x->n, x->c, 1, 1, 1}, x->c);
    CFP_TRY(cuda_sum(backend, sum));
    return watch_floats(backend, mean, (int64_t)x->n * x->c);
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

cfp_status cuda_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                            const cfp_tensor *g, const cfp_demand *demand, int questions,
                            int thetas, bool positive)
{
    const cuda_channel_sums op = {.map = map,
                                  .x = cuda_view_of(x),
                                  .g = g != NULL ? cuda_view_of(g) : cuda_no_view(),
                                  .demand = demand,
                                  .questions = questions,
                                  .thetas = thetas,
                                  .positive = positive,
                                  .scale = g != NULL ? 1 / (double)backend->gradient_unit : 1};
    CUDA_TRY(backend, cuda_sum_channels(&op, backend->stream));
    return watch_floats(backend, map, questions * cfp_positions(x->shape));
}

cfp_status cuda_gate(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                     const cfp_tensor *y, const cfp_demand *demand, int entries)
{
    const cuda_view diff = cuda_view_of(dy);
    const cuda_slope op = {.dx = diff,
                           .dy = diff,
                           .value = cuda_view_of(y),
                           .activation = cuda_activation_of(activation),
                           .from_output = true};
    CUDA_TRY(backend, cuda_apply_slope(&op, backend->stream));
    return demand != NULL ? cuda_mask(backend, dy, demand, entries) : CFP_OK;
}

cfp_status cuda_mask(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries)
{
    const cuda_view view = cuda_view_of(x);
    CUDA_TRY(backend, cuda_mask_channels(&view, demand, entries, backend->stream));
    return CFP_OK;
}

cfp_status cuda_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                        const uint8_t *where)
{
    const cuda_view to = cuda_view_of(x),
                    from = other != NULL ? cuda_view_of(other) : cuda_no_view();
    CUDA_TRY(backend, cuda_replace_channels(&to, &from, where, backend->stream));
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

cfp_status cuda_seed(cfp_backend *backend, cfp_tensor *x, const float *value)
{
    const cuda_view view = cuda_view_of(x);
    CUDA_TRY(backend, cuda_set_values(&view, value, backend->gradient_unit, backend->stream));
    return CFP_OK;
}

cfp_status cuda_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                      const cfp_blend *blend)
{
    const cuda_view to = cuda_view_of(dst), from = cuda_view_of(src);
    CUDA_TRY(backend, cuda_blend_entries(&to, &from, blend, backend->stream));
    return cuda_watch_tensor(backend, dst);
}
