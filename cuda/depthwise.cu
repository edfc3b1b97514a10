/* depthwise.cu - convolutions whose kernels read one channel each: groups = channels.
 *
 * cuDNN has no tensor-core engine for them, and there is nothing to multiply matrices of: they are
 * bound by memory.  One thread takes V channels of one position; taps of neighbouring positions
 * come from the cache, and so do the weights, which lie with the channels side by side; they are
 * few, and stay float32.  V is more than 1 where each channel has one kernel. */
#include "lanes.h"

/* Adds weight * from over one tap; `from` and the weights at the channels that the thread has. */
template <int V, class S>
static __device__ void add_tap(pack<V> *sum, const float *weight, const S *from)
{
    const pack<V> w = load<V>(weight), x = load<V>(from);
    for (int k = 0; k < V; k++)
        sum->v[k] += w.v[k] * x.v[k];
}

template <class S, int V> static __global__ void depthwise_forward_kernel(cuda_depthwise op)
{
    const cuda_windows &win = op.windows;
    const cuda_view &x = win.x, &y = win.y;
    const int n = blockIdx.y, kernels = y.c / x.c;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(y);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(y, i);
        const int t0 = at.t * win.stride[0] - win.pad_begin[0];
        const int h0 = at.h * win.stride[1] - win.pad_begin[1];
        const int w0 = at.w * win.stride[2] - win.pad_begin[2];
        pack<V> sum = splat<V>(0);
        if (at.c < y.c) {
            const int c = V == 1 ? at.c / kernels : at.c;
            if (op.bias != NULL)
                sum = load<V>(op.bias + at.c);
            for (int a = 0; a < win.kernel[0]; a++)
                for (int b = 0; b < win.kernel[1]; b++)
                    for (int d = 0; d < win.kernel[2]; d++) {
                        const int t = t0 + a * win.dilation[0], h = h0 + b * win.dilation[1];
                        const int w = w0 + d * win.dilation[2];
                        if (t < 0 || t >= x.t || h < 0 || h >= x.h || w < 0 || w >= x.w)
                            continue;
                        const int tap = (a * win.kernel[1] + b) * win.kernel[2] + d;
                        add_tap<V>(&sum, op.weight + (int64_t)tap * y.lanes + at.c,
                                   address<S>(x, offset_of(x, n, t, h, w, c)));
                    }
            if (op.add.data != NULL) {
                const pack<V> add =
                    load<V>(address<S>(op.add, offset_of(op.add, n, at.position, at.c)));
                for (int k = 0; k < V; k++)
                    sum.v[k] += add.v[k];
            }
            sum = activate<V>(op.activation, sum);
        }
        store_channels<V>(address<S>(y, offset_of(y, n, at.position, at.c)), sum, at.c, y.c);
    }
}

/* The output along one axis that read input i through tap k; -1: none. */
static __device__ int reader(const cuda_windows &win, int axis, int i, int k, int outputs)
{
    const int from = i + win.pad_begin[axis] - k * win.dilation[axis];
    const int out = from / win.stride[axis];
    return from >= 0 && out * win.stride[axis] == from && out < outputs ? out : -1;
}

template <class S, int V> static __global__ void depthwise_backward_kernel(cuda_depthwise op)
{
    const cuda_windows &win = op.windows;
    const cuda_view &x = win.x, &y = win.y;
    const int n = blockIdx.y, kernels = y.c / x.c;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(x, i);
        pack<V> sum = splat<V>(0);
        for (int a = 0; a < win.kernel[0] && at.c < x.c; a++)
            for (int b = 0; b < win.kernel[1]; b++)
                for (int d = 0; d < win.kernel[2]; d++) {
                    const int t = reader(win, 0, at.t, a, y.t), h = reader(win, 1, at.h, b, y.h);
                    const int w = reader(win, 2, at.w, d, y.w);
                    if (t < 0 || h < 0 || w < 0)
                        continue;
                    const int tap = (a * win.kernel[1] + b) * win.kernel[2] + d;
                    for (int j = 0; j < kernels; j++) {
                        const int o = at.c * kernels + j;
                        add_tap<V>(&sum, op.weight + (int64_t)tap * y.lanes + o,
                                   address<S>(y, offset_of(y, n, t, h, w, o)));
                    }
                }
        store_channels<V>(address<S>(x, offset_of(x, n, at.position, at.c)), sum, at.c, x.c);
    }
}

template <class S> static bool all_go_wide(const cuda_depthwise &op)
{
    const cuda_view &x = op.windows.x, &y = op.windows.y;
    return x.c == y.c && goes_wide<S>(x, x) && goes_wide<S>(y, x) &&
           (op.add.data == NULL || goes_wide<S>(op.add, x));
}

template <class S> static void depthwise_forward(const cuda_depthwise &op, cudaStream_t stream)
{
    const bool wide = all_go_wide<S>(op);
    const cuda_view &y = op.windows.y;
    const dim3 grid = grid_of(count_of(y, wide ? WIDE<S> : 1), y.n);
    if (wide)
        LAUNCH((depthwise_forward_kernel<S, WIDE<S>>), grid, THREADS, stream, op);
    else
        LAUNCH((depthwise_forward_kernel<S, 1>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_depthwise_forward(const cuda_depthwise *op, cudaStream_t stream)
{
    FOR_TYPE(op->windows.x.type, depthwise_forward, *op, stream);
    return cudaGetLastError();
}

template <class S> static void depthwise_backward(const cuda_depthwise &op, cudaStream_t stream)
{
    const bool wide = all_go_wide<S>(op);
    const cuda_view &x = op.windows.x;
    const dim3 grid = grid_of(count_of(x, wide ? WIDE<S> : 1), x.n);
    if (wide)
        LAUNCH((depthwise_backward_kernel<S, WIDE<S>>), grid, THREADS, stream, op);
    else
        LAUNCH((depthwise_backward_kernel<S, 1>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_depthwise_backward(const cuda_depthwise *op, cudaStream_t stream)
{
    FOR_TYPE(op->windows.x.type, depthwise_backward, *op, stream);
    return cudaGetLastError();
}
