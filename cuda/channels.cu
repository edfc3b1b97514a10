/* channels.cu - selected channels: the others set to zero; their sum at each position, a tube's
 * map.
 *
 * mask: one thread a number, writes only.  sum: one warp a position, reads only what is kept, in
 * double. */
#include "warp.h"

template <class S> static __global__ void mask_channels_kernel(cuda_view x, const uint8_t *keep)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(x, i);
        if (at.c < x.c && !keep[at.c])
            round_to(address<S>(x, offset_of(x, n, at.position, at.c)), 0);
    }
}

template <class S>
static void mask_channels(const cuda_view &x, const uint8_t *keep, cudaStream_t stream)
{
    LAUNCH(mask_channels_kernel<S>, grid_of(count_of(x, 1), x.n), THREADS, stream, x, keep);
}

extern "C" cudaError_t cuda_mask_channels(const cuda_view *x, const uint8_t *keep,
                                          cudaStream_t stream)
{
    FOR_TYPE(x->type, mask_channels, *x, keep, stream);
    return cudaGetLastError();
}

template <class S>
static __global__ void sum_channels_kernel(float *map, cuda_view x, cuda_view g,
                                           const uint8_t *keep)
{
    const int positions = x.t * x.h * x.w;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double sum = 0;
        for (int c = threadIdx.x; c < x.c; c += WARP)
            if (keep[c])
                sum += (double)number<S>(x, offset_of(x, 0, p, c)) *
                       (g.data != NULL ? number<S>(g, offset_of(g, 0, p, c)) : 1);
        sum = warp_sum(sum);
        if (threadIdx.x == 0)
            map[p] = (float)sum;
    }
}

template <class S>
static void sum_channels(float *map, const cuda_view &x, const cuda_view &g, const uint8_t *keep,
                         cudaStream_t stream)
{
    const dim3 grid(grid_of_warps(x).x, 1);
    LAUNCH_JOINED(sum_channels_kernel<S>, grid, dim3(WARP, WARPS), stream, map, x, g, keep);
}

extern "C" cudaError_t cuda_sum_channels(float *map, const cuda_view *x, const cuda_view *g,
                                         const uint8_t *keep, cudaStream_t stream)
{
    FOR_TYPE(x->type, sum_channels, map, *x, *g, keep, stream);
    return cudaGetLastError();
}
