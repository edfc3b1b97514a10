/* noise.cu - random numbers as operands of convolutions that autotune times.
 *
 * One thread writes one number, between -1 and 1.  The number depends only on its position and the
 * seed, so it is the same in every run. */
#include "packs.h"

/* The last step of the hash function MurmurHash3: mixes the bits of x. */
static __device__ unsigned mixed(unsigned x)
{
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

template <class S> static __global__ void noise_kernel(S *x, int64_t count, unsigned seed)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += (int64_t)gridDim.x * blockDim.x)
        round_to(&x[i], (float)(int)mixed(mixed((unsigned)i) + seed) / 2147483648.0f);
}

template <class S>
static void make_noise(void *x, int64_t count, unsigned seed, cudaStream_t stream)
{
    if (count > 0)
        LAUNCH(noise_kernel<S>, grid_of(count, 1), THREADS, stream, static_cast<S *>(x), count,
               seed);
}

extern "C" cudaError_t cuda_make_noise(void *x, cfp_type type, int64_t count, unsigned seed,
                                       cudaStream_t stream)
{
    FOR_TYPE(type, make_noise, x, count, seed, stream);
    return cudaGetLastError();
}
