/* warp.h - sums and maxima over the 32 threads of a warp.  Every thread returns the result.  The
 * order of a sum is that of the lanes. */
#pragma once
#include "packs.h"

enum { WARP = 32, WARPS = THREADS / WARP };

static __device__ inline double warp_sum(double x)
{
    for (int d = WARP / 2; d > 0; d /= 2)
        x += __shfl_xor_sync(~0u, x, d);
    return x;
}
static __device__ inline float warp_max(float x)
{
    for (int d = WARP / 2; d > 0; d /= 2)
        x = fmaxf(x, __shfl_xor_sync(~0u, x, d));
    return x;
}

/* A grid of one warp for each position; y is the clip. */
static inline dim3 grid_of_warps(const cuda_view &x)
{
    const int64_t blocks = ((int64_t)x.t * x.h * x.w + WARPS - 1) / WARPS;
    return dim3((unsigned)(blocks < 65536 ? blocks : 65536), (unsigned)x.n);
}
