/* watch.cu - finds numbers that exceeded float16's range: they are infinite or NaN.
 *
 * One thread takes 16 bytes and sets `seen` to 1 if it finds one.  Memory traffic: the numbers
 * once, directly after they were written. */
#include "packs.h"

template <class S, int V> static __global__ void watch_kernel(const S *x, int64_t count, int *seen)
{
    for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V; i < count;
         i += (int64_t)gridDim.x * blockDim.x * V) {
        const pack<V> at = load<V>(x + i);
        bool finite = true;
        for (int k = 0; k < V; k++)
            finite = finite && isfinite(at.v[k]);
        if (!finite)
            atomicMax(seen, 1);
    }
}

template <class S> static void watch(const void *x, int64_t count, int *seen, cudaStream_t stream)
{
    constexpr int V = WIDE<S>;
    const S *const from = static_cast<const S *>(x);
    if (count % V == 0 && (uintptr_t)x % 16 == 0)
        LAUNCH((watch_kernel<S, V>), grid_of(count / V, 1), THREADS, stream, from, count, seen);
    else
        LAUNCH((watch_kernel<S, 1>), grid_of(count, 1), THREADS, stream, from, count, seen);
}

extern "C" cudaError_t cuda_watch(const void *x, cfp_type type, int64_t count, int *seen,
                                  cudaStream_t stream)
{
    FOR_TYPE(type, watch, x, count, seen, stream);
    return cudaGetLastError();
}
