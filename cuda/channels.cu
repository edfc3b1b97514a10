/* channels.cu - selected channels: the others set to zero; their sum at each position, a tube's
 * map; the one of a class set to one.
 *
 * mask: one thread a number, writes only.  sum: one warp a position, reads only what is demanded,
 * in double. */
#include "warp.h"

template <class S>
static __global__ void mask_channels_kernel(cuda_view x, const cfp_demand *demand)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(x, i);
        if (at.c < x.c && demand[(int64_t)n * x.c + at.c] < 0)
            round_to(address<S>(x, offset_of(x, n, at.position, at.c)), 0);
    }
}

template <class S>
static void mask_channels(const cuda_view &x, const cfp_demand *demand, cudaStream_t stream)
{
    LAUNCH(mask_channels_kernel<S>, grid_of(count_of(x, 1), x.n), THREADS, stream, x, demand);
}

extern "C" cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand,
                                          cudaStream_t stream)
{
    FOR_TYPE(x->type, mask_channels, *x, demand, stream);
    return cudaGetLastError();
}

template <class S> static __global__ void sum_channels_kernel(cuda_channel_sums op)
{
    const cuda_view &x = op.x, &g = op.g;
    const int positions = x.t * x.h * x.w, q = blockIdx.y, n = q / op.thetas;
    const cfp_demand *demand = op.demand + (int64_t)q * x.c;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double sum = 0;
        for (int c = threadIdx.x; c < x.c; c += WARP)
            if (demand[c] >= 0)
                sum += (double)number<S>(x, offset_of(x, n, p, c)) *
                       (g.data != NULL ? number<S>(g, offset_of(g, n, p, c)) : 1);
        sum = warp_sum(sum) * op.scale;
        if (threadIdx.x == 0)
            op.map[(int64_t)q * positions + p] = op.positive && sum < 0 ? 0 : (float)sum;
    }
}

template <class S> static void sum_channels(const cuda_channel_sums &op, cudaStream_t stream)
{
    const dim3 grid(grid_of_warps(op.x).x, (unsigned)op.questions);
    LAUNCH_JOINED(sum_channels_kernel<S>, grid, dim3(WARP, WARPS), stream, op);
}

extern "C" cudaError_t cuda_sum_channels(const cuda_channel_sums *op, cudaStream_t stream)
{
    FOR_TYPE(op->x.type, sum_channels, *op, stream);
    return cudaGetLastError();
}

template <class S>
static __global__ void set_ones_kernel(cuda_view x, const int32_t *channel, float one)
{
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n < x.n)
        round_to(address<S>(x, offset_of(x, n, 0, channel[n])), one);
}

template <class S>
static void set_ones(const cuda_view &x, const int32_t *channel, float one, cudaStream_t stream)
{
    LAUNCH(set_ones_kernel<S>, dim3((unsigned)((x.n + THREADS - 1) / THREADS)), THREADS, stream, x,
           channel, one);
}

extern "C" cudaError_t cuda_set_ones(const cuda_view *x, const int32_t *channel, float one,
                                     cudaStream_t stream)
{
    FOR_TYPE(x->type, set_ones, *x, channel, one, stream);
    return cudaGetLastError();
}
