/* channels.cu - selected channels: the others set to zero, or to what another clip holds; their sum
 * at each position, a tube's map; the gradient of the logits set; entries of a clip blended into
 * one.
 *
 * mask: one thread a number, writes only.  replace: one thread V channels of a position; it reads
 * what it replaces only where it keeps some of the V.  blend: one thread a number, in double.  sum:
 * one warp a position, reads only what is demanded, in double. */
#include "warp.h"

template <class S>
static __global__ void mask_channels_kernel(cuda_view x, const cfp_demand *demand, int entries)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(x, i);
        if (at.c < x.c && demand[(int64_t)(n / entries) * x.c + at.c] < 0)
            round_to(address<S>(x, offset_of(x, n, at.position, at.c)), 0);
    }
}

template <class S>
static void mask_channels(const cuda_view &x, const cfp_demand *demand, int entries,
                          cudaStream_t stream)
{
    LAUNCH(mask_channels_kernel<S>, grid_of(count_of(x, 1), x.n), THREADS, stream, x, demand,
           entries);
}

extern "C" cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand, int entries,
                                          cudaStream_t stream)
{
    FOR_TYPE(x->type, mask_channels, *x, demand, entries, stream);
    return cudaGetLastError();
}

/* Which of V neighbouring channels are replaced, as bits; channels behind the last are where all
 * are. */
template <int V>
static __device__ unsigned replaced_lanes(const cuda_view &x, const uint8_t *where, int n, int c)
{
    unsigned bits = 0;
    if (where == NULL)
        return (1u << V) - 1;
    for (int k = 0; k < V; k++)
        if (c + k < x.c && where[(int64_t)n * x.c + c + k] != 0)
            bits |= 1u << k;
    return bits;
}

template <class S, int V>
static __global__ void replace_channels_kernel(cuda_view x, cuda_view other, const uint8_t *where)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(x, i);
        const unsigned bits = replaced_lanes<V>(x, where, n, at.c);
        if (bits == 0)
            continue;
        S *to = address<S>(x, offset_of(x, n, at.position, at.c));
        pack<V> taken = splat<V>(0);
        if (other.data != NULL)
            taken = load<V>(address<S>(other, offset_of(other, 0, at.position, at.c)));
        if (bits != (1u << V) - 1) {
            const pack<V> kept = load<V>(to);
            for (int k = 0; k < V; k++)
                taken.v[k] = bits >> k & 1 ? taken.v[k] : kept.v[k];
        }
        store<V>(to, taken);
    }
}

template <class S>
static void replace_channels(const cuda_view &x, const cuda_view &other, const uint8_t *where,
                             cudaStream_t stream)
{
    const bool wide = goes_wide<S>(x, x) && (other.data == NULL || goes_wide<S>(other, x));
    const dim3 grid = grid_of(count_of(x, wide ? WIDE<S> : 1), x.n);
    if (wide)
        LAUNCH((replace_channels_kernel<S, WIDE<S>>), grid, THREADS, stream, x, other, where);
    else
        LAUNCH((replace_channels_kernel<S, 1>), grid, THREADS, stream, x, other, where);
}

extern "C" cudaError_t cuda_replace_channels(const cuda_view *x, const cuda_view *other,
                                             const uint8_t *where, cudaStream_t stream)
{
    FOR_TYPE(x->type, replace_channels, *x, *other, where, stream);
    return cudaGetLastError();
}

template <class S> static __global__ void sum_channels_kernel(cuda_channel_sums op)
{
    const cuda_view &x = op.x, &g = op.g;
    const int positions = x.t * x.h * x.w, q = blockIdx.y, n = q / op.thetas;
    const cfp_demand *demand = op.demand + (int64_t)q * x.c;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double sum = 0;
        for (int c = threadIdx.x; c < x.c; c += WARP)
            if (demand[c] >= 0)
                sum += (double)number<S>(x, offset_of(x, n, p, c)) *
                       (g.data != NULL ? number<S>(g, offset_of(g, n, p, c)) : 1);
        sum = warp_sum(sum) * op.scale;
        if (threadIdx.x == 0)
            op.map[(int64_t)q * positions + p] = op.positive && sum < 0 ? 0 : (float)sum;
    }
}

template <class S> static void sum_channels(const cuda_channel_sums &op, cudaStream_t stream)
{
    const dim3 grid(grid_of_warps(op.x).x, (unsigned)op.questions);
    LAUNCH_JOINED(sum_channels_kernel<S>, grid, dim3(WARP, WARPS), stream, op);
}

extern "C" cudaError_t cuda_sum_channels(const cuda_channel_sums *op, cudaStream_t stream)
{
    FOR_TYPE(op->x.type, sum_channels, *op, stream);
    return cudaGetLastError();
}

template <class S>
static __global__ void set_values_kernel(cuda_view x, const float *value, float one)
{
    const int n = blockIdx.y;
    for (int c = blockIdx.x * blockDim.x + threadIdx.x; c < x.lanes; c += gridDim.x * blockDim.x)
        round_to(address<S>(x, offset_of(x, n, 0, c)),
                 c < x.c ? value[(int64_t)n * x.c + c] * one : 0);
}

template <class S>
static void set_values(const cuda_view &x, const float *value, float one, cudaStream_t stream)
{
    LAUNCH(set_values_kernel<S>, grid_of(x.lanes, x.n), THREADS, stream, x, value, one);
}

extern "C" cudaError_t cuda_set_values(const cuda_view *x, const float *value, float one,
                                       cudaStream_t stream)
{
    FOR_TYPE(x->type, set_values, *x, value, one, stream);
    return cudaGetLastError();
}

/* Numbers of one entry lie side by side, lanes behind the last channel included. */
template <class S>
static __global__ void blend_kernel(S *dst, const S *src, int64_t size, cfp_blend b)
{
    const int n = blockIdx.y;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < size;
         i += (int64_t)gridDim.x * blockDim.x) {
        const S *x = src + (int64_t)n * b.entries * size + i;
        double sum = 0;
        for (int k = b.first; k < b.first + b.count; k++)
            sum += widened(x[k * size]);
        sum *= b.scale;
        if (b.minus >= 0)
            sum -= widened(x[b.minus * size]);
        round_to(&dst[(int64_t)n * size + i], (float)sum);
    }
}

template <class S>
static void blend_entries(const cuda_view &dst, const cuda_view &src, const cfp_blend &b,
                          cudaStream_t stream)
{
    const int64_t size = count_of(dst, 1);
    LAUNCH(blend_kernel<S>, grid_of(size, dst.n), THREADS, stream, static_cast<S *>(dst.data),
           static_cast<const S *>(src.data), size, b);
}

extern "C" cudaError_t cuda_blend_entries(const cuda_view *dst, const cuda_view *src,
                                          const cfp_blend *blend, cudaStream_t stream)
{
    FOR_TYPE(dst->type, blend_entries, *dst, *src, *blend, stream);
    return cudaGetLastError();
}
