/* channels.cu - operations on selected channels.
 *
 * mask sets channels to zero that are not demanded.  replace writes another clip's channels over
 * selected ones.  sum adds the demanded channels at each position: a tube's map.  set_values writes
 * the gradient of the logits.  blend and turn combine a clip's entries (cfp_blend, cfp_turn).
 *
 * mask: a thread takes 16 bytes and writes only what is not demanded.  replace: a thread takes V
 * channels of a position and reads them only if it keeps some.  blend, turn: a thread takes one
 * number, in double.  sum: a warp takes one position, reads only demanded channels, in double. */
#include "warp.h"
#include "../host/backend/turn_math.h"

template <class S, int V>
static __global__ void mask_channels_kernel(cuda_view x, const cfp_demand *demand, int entries)
{
    const int n = blockIdx.y;
    const cfp_demand *const mine = demand + (int64_t)(n / entries) * x.c;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(x, i);
        bool all = true; /* stay */
        for (int k = 0; k < V && at.c + k < x.c; k++)
            all = all && mine[at.c + k] >= 0;
        if (all)
            continue;
        S *const lying = address<S>(x, offset_of(x, n, at.position, at.c));
        store<V>(lying, masked(load<V>(lying), mine, at.c, x.c));
    }
}

template <class S>
static void mask_channels(const cuda_view &x, const cfp_demand *demand, int entries,
                          cudaStream_t stream)
{
    const bool wide = goes_wide<S>(x, x);
    const dim3 grid = grid_of(count_of(x, wide ? WIDE<S> : 1), x.n);
    if (wide)
        LAUNCH((mask_channels_kernel<S, WIDE<S>>), grid, THREADS, stream, x, demand, entries);
    else
        LAUNCH((mask_channels_kernel<S, 1>), grid, THREADS, stream, x, demand, entries);
}

extern "C" cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand, int entries,
                                          cudaStream_t stream)
{
    FOR_TYPE(x->type, mask_channels, *x, demand, entries, stream);
    return cudaGetLastError();
}

/* Which of V neighbouring channels are replaced, as bits.  Lanes after the last channel are only
 * replaced if `where` is NULL. */
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

/* The numbers of one entry are contiguous, including the lanes after the last channel.  minus: one
 * entry for each clip, `apart` numbers from the last one; apart 0: one for all.  NULL: none. */
template <class S>
static __global__ void blend_kernel(S *dst, const S *src, const S *minus, int64_t apart,
                                    int64_t size, cfp_blend b)
{
    const int n = blockIdx.y;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < size;
         i += (int64_t)gridDim.x * blockDim.x) {
        const S *x = src + (int64_t)n * b.entries * size + i;
        double sum = 0;
        for (int k = 0; k < b.count; k++)
            sum += widened(x[k * size]);
        sum *= b.scale;
        if (minus != nullptr)
            sum -= widened(minus[n * apart + i]);
        round_to(&dst[(int64_t)n * size + i], (float)sum);
    }
}

template <class S>
static void blend_entries(const cuda_view &dst, const cuda_view &src, const cuda_view &other,
                          const cfp_blend &b, cudaStream_t stream)
{
    const int64_t size = count_of(dst, 1), apart = other.n > 1 ? size : 0;
    LAUNCH(blend_kernel<S>, grid_of(size, dst.n), THREADS, stream, static_cast<S *>(dst.data),
           static_cast<const S *>(src.data), static_cast<const S *>(other.data), apart, size, b);
}

extern "C" cudaError_t cuda_blend_entries(const cuda_view *dst, const cuda_view *src,
                                          const cuda_view *other, const cfp_blend *blend,
                                          cudaStream_t stream)
{
    FOR_TYPE(dst->type, blend_entries, *dst, *src, *other, *blend, stream);
    return cudaGetLastError();
}

/* x, rounded as if it were stored as an S and loaded again. */
template <class S> static __device__ float after_storing(float x)
{
    S s;
    round_to(&s, x);
    return widened(s);
}

/* One thread computes one number; blockIdx.y is the entry, counted over all clips.  other: as for
 * blend_kernel. */
template <class S>
static __global__ void turn_kernel(S *dst, const S *src, const S *other, int64_t apart,
                                   int64_t size, cfp_turn op)
{
    const int n = blockIdx.y;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < size;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float x = widened(src[n * size + i]), a = op.alpha;
        const float b = other == nullptr ? 0.0f : widened(other[n / op.entries * apart + i]);
        round_to(&dst[n * size + i],
                 op.back ? cfp_turned_back(x, b, a, after_storing<S>(cfp_turned(0, b, a)),
                                           after_storing<S>(cfp_turned(1, b, a)),
                                           after_storing<S>(cfp_turned(6, b, a)))
                         : cfp_turned(x, b, a));
    }
}

template <class S>
static void turn_entries(const cuda_view &dst, const cuda_view &src, const cuda_view &other,
                         const cfp_turn &op, cudaStream_t stream)
{
    const int64_t size = count_of(dst, 1), apart = other.n > 1 ? size : 0;
    LAUNCH(turn_kernel<S>, grid_of(size, dst.n), THREADS, stream, static_cast<S *>(dst.data),
           static_cast<const S *>(src.data), static_cast<const S *>(other.data), apart, size, op);
}

extern "C" cudaError_t cuda_turn_entries(const cuda_view *dst, const cuda_view *src,
                                         const cuda_view *other, const cfp_turn *turn,
                                         cudaStream_t stream)
{
    FOR_TYPE(dst->type, turn_entries, *dst, *src, *other, *turn, stream);
    return cudaGetLastError();
}
