/* softmax.cu - softmax over the channels of each position, and its gradient.
 *
 * One warp takes one position; sums are in double.  Memory traffic: the source three times, twice
 * of them from the cache. */
#include "warp.h"

template <class S> static __global__ void softmax_kernel(cuda_view dst, cuda_view src)
{
    const int lane = threadIdx.x, n = blockIdx.y, positions = src.t * src.h * src.w;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        float most = -INFINITY;
        double sum = 0;
        for (int c = lane; c < src.c; c += WARP)
            most = fmaxf(most, number<S>(src, offset_of(src, n, p, c)));
        most = warp_max(most);
        for (int c = lane; c < src.c; c += WARP)
            sum += expf(number<S>(src, offset_of(src, n, p, c)) - most);
        sum = warp_sum(sum);
        for (int c = lane; c < dst.lanes; c += WARP)
            round_to(address<S>(dst, offset_of(dst, n, p, c)),
                     c < dst.c ? (float)(expf(number<S>(src, offset_of(src, n, p, c)) - most) / sum)
                               : 0);
    }
}

template <class S>
static void softmax(const cuda_view &dst, const cuda_view &src, cudaStream_t stream)
{
    LAUNCH_JOINED(softmax_kernel<S>, grid_of_warps(src), dim3(WARP, WARPS), stream, dst, src);
}

extern "C" cudaError_t cuda_softmax(const cuda_view *dst, const cuda_view *src, cudaStream_t stream)
{
    FOR_TYPE(dst->type, softmax, *dst, *src, stream);
    return cudaGetLastError();
}

template <class S>
static __global__ void softmax_backward_kernel(cuda_view dx, cuda_view y, cuda_view dy)
{
    const int lane = threadIdx.x, n = blockIdx.y, positions = y.t * y.h * y.w;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double sum = 0;
        for (int c = lane; c < y.c; c += WARP)
            sum +=
                (double)number<S>(y, offset_of(y, n, p, c)) * number<S>(dy, offset_of(dy, n, p, c));
        sum = warp_sum(sum);
        for (int c = lane; c < dx.lanes; c += WARP)
            round_to(address<S>(dx, offset_of(dx, n, p, c)),
                     c < dx.c ? (float)(number<S>(y, offset_of(y, n, p, c)) *
                                        (number<S>(dy, offset_of(dy, n, p, c)) - sum))
                              : 0);
    }
}

template <class S>
static void softmax_backward(const cuda_view &dx, const cuda_view &y, const cuda_view &dy,
                             cudaStream_t stream)
{
    LAUNCH_JOINED(softmax_backward_kernel<S>, grid_of_warps(y), dim3(WARP, WARPS), stream, dx, y,
                  dy);
}

extern "C" cudaError_t cuda_softmax_backward(const cuda_view *dx, const cuda_view *y,
                                             const cuda_view *dy, cudaStream_t stream)
{
    FOR_TYPE(dx->type, softmax_backward, *dx, *y, *dy, stream);
    return cudaGetLastError();
}
