/* avgpool.cu - the mean of each window, and its gradient.
 *
 * A window's divisor is the number of its cells inside the input or, with count_include_pad, inside
 * the padded input.  One thread computes V channels of one position.  Memory traffic: each operand
 * once; what neighbouring windows share comes from the cache. */
#include "windows.h"

struct divisor {
    bool counts_pad;
};

static __device__ int counted(const cuda_windows &op, divisor d, int axis, int i, int size)
{
    const int first = i * op.stride[axis] - op.pad_begin[axis];
    const span cells =
        within({first, first + op.kernel[axis]}, {d.counts_pad ? -op.pad_begin[axis] : 0,
                                                  d.counts_pad ? size + op.pad_end[axis] : size});
    return cells.last > cells.first ? cells.last - cells.first : 0;
}
/* 1 / (number of cells that window (t, h, w) counts); 0 if it counts none. */
static __device__ float share(const cuda_windows &op, divisor d, int t, int h, int w)
{
    const float cells = (float)counted(op, d, 0, t, op.x.t) * (float)counted(op, d, 1, h, op.x.h) *
                        (float)counted(op, d, 2, w, op.x.w);
    return cells > 0 ? 1 / cells : 0;
}

template <class S, int V> static __global__ void avgpool_kernel(cuda_windows op, divisor d)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.y);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.y, i);
        pack<V> sum = splat<V>(0);
        const window_box b = inputs_of(op, at);
        for (int t = b.t.first; t < b.t.last && at.c < op.y.c; t++)
            for (int h = b.h.first; h < b.h.last; h++)
                for (int w = b.w.first; w < b.w.last; w++) {
                    const int position = (t * op.x.h + h) * op.x.w + w;
                    const pack<V> x = load<V>(address<S>(op.x, offset_of(op.x, n, position, at.c)));
                    for (int k = 0; k < V; k++)
                        sum.v[k] += x.v[k];
                }
        const float factor = share(op, d, at.t, at.h, at.w);
        for (int k = 0; k < V; k++)
            sum.v[k] *= factor;
        store_channels<V>(address<S>(op.y, offset_of(op.y, n, at.position, at.c)), sum, at.c,
                          op.y.c);
    }
}

template <class S, int V> static __global__ void avgpool_backward_kernel(cuda_windows op, divisor d)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.x, i);
        pack<V> sum = splat<V>(0);
        const window_box b = windows_over(op, at);
        for (int t = b.t.first; t < b.t.last && at.c < op.x.c; t++)
            for (int h = b.h.first; h < b.h.last; h++)
                for (int w = b.w.first; w < b.w.last; w++) {
                    const int window = (t * op.y.h + h) * op.y.w + w;
                    const pack<V> dy = load<V>(address<S>(op.y, offset_of(op.y, n, window, at.c)));
                    const float factor = share(op, d, t, h, w);
                    for (int k = 0; k < V; k++)
                        sum.v[k] += factor * dy.v[k];
                }
        store_channels<V>(address<S>(op.x, offset_of(op.x, n, at.position, at.c)), sum, at.c,
                          op.x.c);
    }
}

template <class S> static void avgpool(const cuda_windows &op, divisor d, cudaStream_t stream)
{
    const bool wide = windows_go_wide<S>(op);
    const dim3 grid = grid_of(count_of(op.y, wide ? WIDE<S> : 1), op.y.n);
    if (wide)
        LAUNCH((avgpool_kernel<S, WIDE<S>>), grid, THREADS, stream, op, d);
    else
        LAUNCH((avgpool_kernel<S, 1>), grid, THREADS, stream, op, d);
}

extern "C" cudaError_t cuda_avgpool(const cuda_windows *op, bool count_include_pad,
                                    cudaStream_t stream)
{
    FOR_TYPE(op->x.type, avgpool, *op, divisor{count_include_pad}, stream);
    return cudaGetLastError();
}

template <class S>
static void avgpool_backward(const cuda_windows &op, divisor d, cudaStream_t stream)
{
    const bool wide = windows_go_wide<S>(op);
    const dim3 grid = grid_of(count_of(op.x, wide ? WIDE<S> : 1), op.x.n);
    if (wide)
        LAUNCH((avgpool_backward_kernel<S, WIDE<S>>), grid, THREADS, stream, op, d);
    else
        LAUNCH((avgpool_backward_kernel<S, 1>), grid, THREADS, stream, op, d);
}

extern "C" cudaError_t cuda_avgpool_backward(const cuda_windows *op, bool count_include_pad,
                                             cudaStream_t stream)
{
    FOR_TYPE(op->x.type, avgpool_backward, *op, divisor{count_include_pad}, stream);
    return cudaGetLastError();
}
