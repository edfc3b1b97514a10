/* combine.cu - add and mul of up to four tensors, broadcast by strides of 0.
 *
 * One thread computes V channels of one position.  If each operand's positions are contiguous, or
 * it has only one (a gate of C numbers), T, H and W are handled as one axis.  Memory traffic: each
 * operand once. */
#include "packs.h"

template <class S, int V, bool LINEAR>
static __device__ pack<V> operand(const cuda_view &x, int n, const place &at)
{
    const int64_t offset =
        LINEAR ? offset_of(x, n, at.position, at.c) : offset_of(x, n, at.t, at.h, at.w, at.c);
    return x.stride_c == 0 ? splat<V>(number<S>(x, offset)) : load<V>(address<S>(x, offset));
}

template <class S, int V, bool LINEAR> static __global__ void combine_kernel(cuda_combination op)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.dst);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.dst, i);
        pack<V> x = splat<V>(0);
        if (at.c < op.dst.c) {
            x = operand<S, V, LINEAR>(op.src[0], n, at);
            for (int s = 1; s < op.n_src; s++) {
                const pack<V> y = operand<S, V, LINEAR>(op.src[s], n, at);
                for (int k = 0; k < V; k++)
                    x.v[k] = op.multiplies ? x.v[k] * y.v[k] : x.v[k] + y.v[k];
            }
            x = activate<V>(op.activation, x);
        }
        store_channels<V>(address<S>(op.dst, offset_of(op.dst, n, at.position, at.c)), x, at.c,
                          op.dst.c);
    }
}

static bool is_linear(const cuda_view &x, const cuda_view &whole)
{
    return (whole.h == 1 || x.stride_h == (int64_t)whole.w * x.stride_w) &&
           (whole.t == 1 || x.stride_t == (int64_t)whole.h * whole.w * x.stride_w);
}
/* True if x can be read WIDE<S> channels at a time: its channels are contiguous as in `like`, or it
 * has one channel for all. */
template <class S> static bool serves_wide(const cuda_view &x, const cuda_view &like)
{
    constexpr int V = WIDE<S>;
    if (x.stride_c == 0)
        return true;
    return x.stride_c == 1 && x.lanes == like.lanes && x.stride_n % V == 0 && x.stride_t % V == 0 &&
           x.stride_h % V == 0 && x.stride_w % V == 0 && (uintptr_t)x.data % 16 == 0;
}

template <class S> static void combine(const cuda_combination &op, cudaStream_t stream)
{
    bool wide = goes_wide<S>(op.dst, op.dst), linear = true;
    for (int s = 0; s < op.n_src; s++) {
        wide = wide && serves_wide<S>(op.src[s], op.dst);
        linear = linear && is_linear(op.src[s], op.dst);
    }
    const dim3 grid = grid_of(count_of(op.dst, wide ? WIDE<S> : 1), op.dst.n);
    if (wide && linear)
        LAUNCH((combine_kernel<S, WIDE<S>, true>), grid, THREADS, stream, op);
    else if (wide)
        LAUNCH((combine_kernel<S, WIDE<S>, false>), grid, THREADS, stream, op);
    else if (linear)
        LAUNCH((combine_kernel<S, 1, true>), grid, THREADS, stream, op);
    else
        LAUNCH((combine_kernel<S, 1, false>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_combine(const cuda_combination *op, cudaStream_t stream)
{
    FOR_TYPE(op->dst.type, combine, *op, stream);
    return cudaGetLastError();
}
