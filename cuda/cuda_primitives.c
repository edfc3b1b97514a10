/* cuda_primitives.c - the method's primitives on tensors: means, sums, masks, copies. */
#include "cuda_backend.h"

/* Numbers of float16 above 65504 are infinite, and every sum with one is infinite or NaN.  This
 * checks the sums that the method uses; the next fetch fails if it found one. */
static cfp_status watch_floats(cfp_backend *backend, const float *x, int64_t count)
{
    if (backend->overflow != NULL)
        CUDA_TRY(backend, cuda_watch(x, CFP_FLOAT32, count, backend->overflow, backend->stream));
    return CFP_OK;
}

cfp_status cuda_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                             const cfp_tensor *g)
{
    const cfp_shape shape = x->shape;
    const double unit = g != NULL ? backend->gradient_unit : 1;
    cuda_reduction sum = {
        .dst = cuda_view_at(mean, CFP_FLOAT32, (cfp_shape){shape.n, shape.c, 1, 1, 1}, shape.c),
        .term = {cuda_view_of(x), g != NULL ? cuda_view_of(g) : cuda_no_view()},
        .n_terms = g != NULL ? 2 : 1,
        .over_t = true,
        .over_h = true,
        .over_w = true,
        .scale = 1 / ((double)cfp_positions(shape) * unit)};
    CFP_TRY(cuda_sum(backend, &sum));
    return watch_floats(backend, mean, (int64_t)shape.n * shape.c);
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

static cuda_view view_or_none(const cfp_tensor *x)
{
    return x != NULL ? cuda_view_of(x) : cuda_no_view();
}

/* A mask alone writes only what it changes, and a residual alone is a copy. */
cfp_status cuda_gate(cfp_backend *backend, const cfp_gating *g)
{
    const cuda_gating op = {.dy = cuda_view_of(g->dy),
                            .more = view_or_none(g->more),
                            .y = view_or_none(g->activation != NULL ? g->y : NULL),
                            .residual = view_or_none(g->residual),
                            .activation = cuda_activation_of(g->activation),
                            .residual_adds = g->residual_adds,
                            .demand = g->demand,
                            .entries = g->entries};
    const bool alone = g->more == NULL && g->activation == NULL;
    if (alone && g->residual == NULL)
        CUDA_TRY(backend, cuda_mask_channels(&op.dy, op.demand, op.entries, backend->stream));
    else if (alone && g->demand == NULL && !g->residual_adds)
        return cuda_copy(backend, g->residual, g->dy);
    else
        CUDA_TRY(backend, cuda_gate_gradient(&op, backend->stream));
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

/* A tensor that may be missing: then the view's data is NULL. */
static cuda_view view_of_any(const cfp_tensor *x)
{
    return x != NULL ? cuda_view_of(x) : (cuda_view){.n = 1};
}

cfp_status cuda_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_turn *turn)
{
    const cuda_view to = cuda_view_of(dst), from = cuda_view_of(src), towards = view_of_any(other);
    CUDA_TRY(backend, cuda_turn_entries(&to, &from, &towards, turn, backend->stream));
    return cuda_watch_tensor(backend, dst);
}

cfp_status cuda_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                      const cfp_tensor *other, const cfp_blend *blend)
{
    const cuda_view to = cuda_view_of(dst), from = cuda_view_of(src), minus = view_of_any(other);
    CUDA_TRY(backend, cuda_blend_entries(&to, &from, &minus, blend, backend->stream));
    return cuda_watch_tensor(backend, dst);
}
