/* storage.h - the types of numbers in memory: float, bfloat16, float16.
 *
 * Kernels are templates over the storage type S and compute in float.  A load widens exactly; a
 * store rounds to the nearest, ties to even.  A launcher selects S by FOR_TYPE. */
#pragma once
#include "kernels.h"
#include "launch.h"
#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
typedef __nv_bfloat16 bfloat16;
typedef __half float16;
__device__ inline float widened(bfloat16 x)
{
    return __bfloat162float(x);
}
__device__ inline float widened(float16 x)
{
    return __half2float(x);
}
__device__ inline void round_to(bfloat16 *to, float x)
{
    *to = __float2bfloat16_rn(x);
}
__device__ inline void round_to(float16 *to, float x)
{
    *to = __float2half_rn(x);
}
#endif
__device__ inline float widened(float x)
{
    return x;
}
__device__ inline void round_to(float *to, float x)
{
    *to = x;
}

/* How many S one thread loads at once: 16 bytes, the widest load of a GPU.  Lanes are a multiple of
 * 8, so where float32 can be loaded four at a time the 2-byte types can be loaded eight at a time.
 */
template <class S> constexpr int WIDE = 16 / (int)sizeof(S);

/* Calls launch<S>(...) with the S that `type` names. */
#define FOR_TYPE(type, launch, ...)                                                                \
    ((type) == CFP_BFLOAT16  ? launch<bfloat16>(__VA_ARGS__)                                       \
     : (type) == CFP_FLOAT16 ? launch<float16>(__VA_ARGS__)                                        \
                             : launch<float>(__VA_ARGS__))
