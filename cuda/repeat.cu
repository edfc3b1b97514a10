/* repeat.cu - copies along T, H, W that use an input element several times: padding by edges or by
 * reflection, and upsampling by whole factors.
 *
 * One thread computes one number.  Backward: a thread adds up all outputs that its input went to,
 * in float, in the order of the axes. */
#include "packs.h"

template <class S> static __global__ void repeat_kernel(cuda_repeat op)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(op.out);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(op.out, i);
        const int t = op.from[0][at.t], h = op.from[1][at.h], w = op.from[2][at.w];
        round_to(address<S>(op.out, offset_of(op.out, n, at.position, at.c)),
                 at.c < op.in.c ? number<S>(op.in, offset_of(op.in, n, t, h, w, at.c)) : 0);
    }
}

template <class S> static __global__ void repeat_backward_kernel(cuda_repeat op)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(op.in);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(op.in, i);
        float sum = 0;
        for (int t = op.first[0][at.t]; at.c < op.in.c && t < op.first[0][at.t + 1]; t++)
            for (int h = op.first[1][at.h]; h < op.first[1][at.h + 1]; h++)
                for (int w = op.first[2][at.w]; w < op.first[2][at.w + 1]; w++)
                    sum += number<S>(
                        op.out, offset_of(op.out, n, op.to[0][t], op.to[1][h], op.to[2][w], at.c));
        round_to(address<S>(op.in, offset_of(op.in, n, at.position, at.c)), sum);
    }
}

template <class S> static void repeat(const cuda_repeat &op, bool backward, cudaStream_t stream)
{
    const cuda_view &made = backward ? op.in : op.out;
    const dim3 grid = grid_of(count_of(made, 1), made.n);
    if (backward)
        LAUNCH(repeat_backward_kernel<S>, grid, THREADS, stream, op);
    else
        LAUNCH(repeat_kernel<S>, grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_repeat_places(const cuda_repeat *op, bool backward, cudaStream_t stream)
{
    FOR_TYPE(op->in.type, repeat, *op, backward, stream);
    return cudaGetLastError();
}
