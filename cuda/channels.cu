/* channels.cu - selected channels: the others set to zero; their sum at each position, a tube's
 * map; the one of a class set to one.
 *
 * mask: one thread a number, writes only.  sum: one warp a position, reads only what is demanded,
 * in double. */
#include "warp.h"

static __global__ void mask_channels_kernel(cuda_view x, const cfp_demand *demand)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(x, i);
        if (at.c < x.c && demand[(int64_t)n * x.c + at.c] < 0)
            x.data[offset_of(x, n, at.position, at.c)] = 0;
    }
}

extern "C" cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand,
                                          cudaStream_t stream)
{
    LAUNCH(mask_channels_kernel, grid_of(count_of(*x, 1), x->n), THREADS, stream, *x, demand);
    return cudaGetLastError();
}

static __global__ void sum_channels_kernel(float *map, cuda_view x, cuda_view g,
                                           const cfp_demand *demand, int thetas, bool positive)
{
    const int positions = x.t * x.h * x.w, q = blockIdx.y, n = q / thetas;
    const cfp_demand *mine = demand + (int64_t)q * x.c;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double sum = 0;
        for (int c = threadIdx.x; c < x.c; c += WARP)
            if (mine[c] >= 0)
                sum += (double)x.data[offset_of(x, n, p, c)] *
                       (g.data != NULL ? g.data[offset_of(g, n, p, c)] : 1);
        sum = warp_sum(sum);
        if (threadIdx.x == 0)
            map[(int64_t)q * positions + p] = positive && !(sum > 0) ? 0 : (float)sum;
    }
}

extern "C" cudaError_t cuda_sum_channels(float *map, const cuda_view *x, const cuda_view *g,
                                         const cfp_demand *demand, int questions, int thetas,
                                         bool positive, cudaStream_t stream)
{
    const dim3 grid(grid_of_warps(*x).x, (unsigned)questions);
    LAUNCH_JOINED(sum_channels_kernel, grid, dim3(WARP, WARPS), stream, map, *x, *g, demand, thetas,
                  positive);
    return cudaGetLastError();
}

static __global__ void set_ones_kernel(cuda_view x, const int32_t *channel)
{
    const int n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n < x.n)
        x.data[offset_of(x, n, 0, channel[n])] = 1;
}

extern "C" cudaError_t cuda_set_ones(const cuda_view *x, const int32_t *channel,
                                     cudaStream_t stream)
{
    LAUNCH(set_ones_kernel, dim3((unsigned)((x->n + THREADS - 1) / THREADS)), THREADS, stream, *x,
           channel);
    return cudaGetLastError();
}
