/* cuda_relevance.c - the method's memory and its back-steps.  All work is enqueued; only fetch
 * waits for it. */
#include "cuda_backend.h"

cfp_status cuda_fill(cfp_backend *backend, void *memory, int byte, size_t bytes)
{
    CUDA_TRY(backend, cudaMemsetAsync(memory, byte, bytes, backend->stream));
    return CFP_OK;
}

cfp_status cuda_put(cfp_backend *backend, void *memory, const void *host, size_t bytes)
{
    return cuda_put_bytes(backend, memory, host, bytes);
}

cfp_status cuda_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes)
{
    CUDA_TRY(backend,
             cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, backend->stream));
    CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    return cuda_check_overflow(backend);
}

cfp_status cuda_route(cfp_backend *backend, const cfp_demand_route *route)
{
    CUDA_TRY(backend, cuda_route_demands(route, backend->stream));
    return CFP_OK;
}

cfp_status cuda_back_step(cfp_backend *backend, const cfp_back_step *step)
{
    CUDA_TRY(backend, cuda_back_step_layer(step, backend->stream));
    return CFP_OK;
}

cfp_status cuda_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs)
{
    const cfp_window *window = cfp_kernel_window(pairs->node);
    cuda_pairs op = {.step = *pairs->step,
                     .x = cuda_view_of(pairs->x),
                     .dy = cuda_view_of(pairs->dy),
                     .weight = pairs->weight,
                     .value = pairs->value,
                     .adds = pairs->adds};
    op.scale = 1 / ((double)cfp_positions(pairs->x->shape) * (double)backend->gradient_unit);
    for (int a = 0; a < 3; a++) {
        op.kernel[a] = window->kernel[a];
        op.stride[a] = window->stride[a];
        op.dilation[a] = window->dilation[a];
        op.pad_begin[a] = window->pad_begin[a];
    }
    CUDA_TRY(backend, cuda_weigh_layer_pairs(&op, backend->stream));
    return CFP_OK;
}

cfp_status cuda_pick_edges(cfp_backend *backend, const cfp_back_step *step)
{
    CUDA_TRY(backend, cuda_pick_layer_edges(step, backend->stream));
    return CFP_OK;
}

cfp_status cuda_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                           cfp_edge *edge)
{
    CUDA_TRY(backend, cuda_list_layer_edges(step, question, edge, backend->stream));
    return CFP_OK;
}
