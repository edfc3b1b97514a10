/* watch.cu - notices numbers of float16 that are none: infinite, beyond its range, or NaN.
 *
 * One thread takes 8 numbers.  Who finds one writes a 1: all write the same.  Bytes: the numbers
 * once, right behind their being written. */
#include "lanes.h"

template <int V> static __global__ void watch_kernel(const float16 *x, int64_t count, int *seen)
{
    for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V; i < count;
         i += (int64_t)gridDim.x * blockDim.x * V) {
        const pack<V> at = load<V>(x + i);
        bool finite = true;
        for (int k = 0; k < V; k++)
            finite = finite && fabsf(at.v[k]) <= 65504;
        if (!finite)
            *seen = 1;
    }
}

extern "C" cudaError_t cuda_watch(const void *x, int64_t count, int *seen, cudaStream_t stream)
{
    constexpr int V = WIDE<float16>;
    const float16 *const from = static_cast<const float16 *>(x);
    if (count % V == 0 && (uintptr_t)x % 16 == 0)
        LAUNCH(watch_kernel<V>, grid_of(count / V, 1), THREADS, stream, from, count, seen);
    else
        LAUNCH(watch_kernel<1>, grid_of(count, 1), THREADS, stream, from, count, seen);
    return cudaGetLastError();
}
