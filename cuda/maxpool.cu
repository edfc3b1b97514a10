/* maxpool.cu - the maximum of each window, and its gradient.
 *
 * Backward is two kernels without atomics.  The first stores each window's winner: the first
 * position, in T, H, W order, that holds the maximum.  The second adds to each input the gradients
 * of the windows that it won, in the order of the windows.  One thread computes V channels of one
 * position.  Memory traffic: each operand once; what neighbouring windows share comes from the
 * cache. */
#include "windows.h"

/* Positions of x, one for each of V channels; -1: none. */
template <int V> struct alignas(V < 4 ? 4 * V : 16) winners {
    int at[V];
};
template <int V> struct best {
    pack<V> value;
    winners<V> won;
};

/* NaN is greater than all numbers, as in ref. */
template <class S, int V>
static __device__ best<V> maximum(const cuda_windows &op, const window_box &b, int n, int c)
{
    best<V> most = {splat<V>(-INFINITY), {}};
    for (int k = 0; k < V; k++)
        most.won.at[k] = -1;
    for (int t = b.t.first; t < b.t.last; t++)
        for (int h = b.h.first; h < b.h.last; h++)
            for (int w = b.w.first; w < b.w.last; w++) {
                const int position = (t * op.x.h + h) * op.x.w + w;
                const pack<V> x = load<V>(address<S>(op.x, offset_of(op.x, n, position, c)));
                for (int k = 0; k < V; k++)
                    if (most.won.at[k] < 0 || x.v[k] > most.value.v[k] || isnan(x.v[k]))
                        most.value.v[k] = x.v[k], most.won.at[k] = position;
            }
    return most;
}

template <class S, int V> static __global__ void maxpool_kernel(cuda_windows op, int *winner)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.y);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.y, i);
        best<V> most = {splat<V>(0), {}};
        if (at.c < op.y.c)
            most = maximum<S, V>(op, inputs_of(op, at), n, at.c);
        if (winner == NULL) {
            store_channels<V>(address<S>(op.y, offset_of(op.y, n, at.position, at.c)), most.value,
                              at.c, op.y.c);
            continue;
        }
        int *const to = winner + ((int64_t)n * places<V>(op.y) + i) * V;
        *reinterpret_cast<winners<V> *>(to) = most.won;
    }
}

template <class S> static void maxpool(const cuda_windows &op, int *winner, cudaStream_t stream)
{
    const bool wide = windows_go_wide<S>(op);
    const dim3 grid = grid_of(count_of(op.y, wide ? WIDE<S> : 1), op.y.n);
    if (wide)
        LAUNCH((maxpool_kernel<S, WIDE<S>>), grid, THREADS, stream, op, winner);
    else
        LAUNCH((maxpool_kernel<S, 1>), grid, THREADS, stream, op, winner);
}

extern "C" cudaError_t cuda_maxpool(const cuda_windows *op, int *winner, cudaStream_t stream)
{
    FOR_TYPE(op->x.type, maxpool, *op, winner, stream);
    return cudaGetLastError();
}

template <class S, int V>
static __global__ void maxpool_backward_kernel(cuda_windows op, const int *winner)
{
    const int n = blockIdx.y;
    const int64_t clip = (int64_t)op.y.t * op.y.h * op.y.w * op.y.lanes;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.x, i);
        pack<V> sum = splat<V>(0);
        const window_box b = windows_over(op, at);
        for (int t = b.t.first; t < b.t.last && at.c < op.x.c; t++)
            for (int h = b.h.first; h < b.h.last; h++)
                for (int w = b.w.first; w < b.w.last; w++) {
                    const int window = (t * op.y.h + h) * op.y.w + w;
                    const int *const from = winner + n * clip + (int64_t)window * op.y.lanes + at.c;
                    const winners<V> won = *reinterpret_cast<const winners<V> *>(from);
                    const pack<V> dy = load<V>(address<S>(op.y, offset_of(op.y, n, window, at.c)));
                    for (int k = 0; k < V; k++)
                        sum.v[k] += won.at[k] == at.position ? dy.v[k] : 0;
                }
        store_channels<V>(address<S>(op.x, offset_of(op.x, n, at.position, at.c)), sum, at.c,
                          op.x.c);
    }
}

template <class S>
static void maxpool_backward(const cuda_windows &op, const int *winner, cudaStream_t stream)
{
    const bool wide = windows_go_wide<S>(op);
    const dim3 grid = grid_of(count_of(op.x, wide ? WIDE<S> : 1), op.x.n);
    if (wide)
        LAUNCH((maxpool_backward_kernel<S, WIDE<S>>), grid, THREADS, stream, op, winner);
    else
        LAUNCH((maxpool_backward_kernel<S, 1>), grid, THREADS, stream, op, winner);
}

extern "C" cudaError_t cuda_maxpool_backward(const cuda_windows *op, const int *winner,
                                             cudaStream_t stream)
{
    FOR_TYPE(op->x.type, maxpool_backward, *op, winner, stream);
    return cudaGetLastError();
}
