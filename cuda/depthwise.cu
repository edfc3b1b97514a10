/* depthwise.cu - depth-wise convolutions: groups = channels, so each kernel reads one channel.
 *
 * cuDNN has no tensor-core engine for them, because they are no product of matrices: memory limits
 * their speed.  One thread computes V channels of one position.  Taps of neighbouring positions
 * come from the cache.  So do the weights, which are few and stay float32, with channels innermost.
 * V is greater than 1 if each channel has one kernel.
 *
 * The taps inside the input are found before the loops over them, axis by axis.  So a tap costs two
 * loads and V multiplications, and no comparison or division. */
#include "packs.h"

/* Adds weight * from for one tap; both pointers are at the thread's first channel. */
template <int V, class S>
static __device__ void add_tap(pack<V> *sum, const float *weight, const S *from)
{
    const pack<V> w = load<V>(weight), x = load<V>(from);
    for (int k = 0; k < V; k++)
        sum->v[k] += w.v[k] * x.v[k];
}

/* Along one axis, the taps that connect an element to the other side (output to inputs, or input to
 * outputs): `first`, then every `step`-th; and the elements of the other side. */
struct taps {
    int first, step, count;
    int at, next;
};

/* The taps from an output to the inputs of its window. */
static __device__ taps taps_of_output(const cuda_windows &win, int axis, int i, int inputs)
{
    const int dilation = win.dilation[axis], from = i * win.stride[axis] - win.pad_begin[axis];
    const int first = from < 0 ? (-from + dilation - 1) / dilation : 0;
    const int inside = from < inputs ? (inputs - from + dilation - 1) / dilation : 0;
    const int end = inside < win.kernel[axis] ? inside : win.kernel[axis];
    return {first, 1, end > first ? end - first : 0, from + first * dilation, dilation};
}

/* The taps from an input to the outputs that read it: those k for which i + pad - k * dilation is a
 * multiple of the stride, which is every `step`-th. */
static __device__ taps taps_of_input(const cuda_windows &win, int axis, int i, int step,
                                     int outputs)
{
    const int stride = win.stride[axis], dilation = win.dilation[axis];
    int k = 0, from = i + win.pad_begin[axis];
    for (; k < step && from % stride != 0; k++)
        from -= dilation;
    taps t = {k, step, 0, from / stride, -(step * dilation / stride)};
    if (k == step || from < 0)
        return t;
    if (t.at >= outputs) { /* skips outputs after the last */
        const int skipped = (t.at - outputs) / -t.next + 1;
        t.first += skipped * step;
        t.at += skipped * t.next;
    }
    if (t.first >= win.kernel[axis] || t.at < 0)
        return t;
    const int left = (win.kernel[axis] - 1 - t.first) / step, down = t.at / -t.next;
    t.count = (left < down ? left : down) + 1;
    return t;
}

/* Adds all taps.  `from` and `weight` are at the thread's first channel; the weights of
 * neighbouring taps are `lanes` numbers apart. */
template <int V, class S>
static __device__ void add_taps(pack<V> *sum, const cuda_windows &win, const cuda_view &view,
                                const taps tap[3], const float *weight, int lanes, const S *from)
{
    const int64_t row = (int64_t)lanes * win.kernel[2], plane = row * win.kernel[1];
    weight += tap[0].first * plane + tap[1].first * row + (int64_t)tap[2].first * lanes;
    from += (int64_t)tap[0].at * view.stride_t + (int64_t)tap[1].at * view.stride_h +
            (int64_t)tap[2].at * view.stride_w;
    const int64_t next_t = (int64_t)tap[0].next * view.stride_t;
    const int64_t next_h = (int64_t)tap[1].next * view.stride_h;
    const int64_t next_w = (int64_t)tap[2].next * view.stride_w;
    for (int a = 0; a < tap[0].count; a++)
        for (int b = 0; b < tap[1].count; b++) {
            const float *w = weight + a * tap[0].step * plane + b * tap[1].step * row;
            const S *x = from + a * next_t + b * next_h;
            for (int d = 0; d < tap[2].count; d++, w += tap[2].step * lanes, x += next_w)
                add_tap<V>(sum, w, x);
        }
}

template <class S, int V>
static __global__ void depthwise_forward_kernel(const __grid_constant__ cuda_depthwise op)
{
    const cuda_windows &win = op.windows;
    const cuda_view &x = win.x, &y = win.y;
    const int n = blockIdx.y, kernels = y.c / x.c;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(y);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(y, i);
        pack<V> sum = splat<V>(0);
        if (at.c < y.c) {
            const int c = V == 1 ? at.c / kernels : at.c;
            const taps tap[3] = {taps_of_output(win, 0, at.t, x.t),
                                 taps_of_output(win, 1, at.h, x.h),
                                 taps_of_output(win, 2, at.w, x.w)};
            if (op.bias != NULL)
                sum = load<V>(op.bias + at.c);
            add_taps<V>(&sum, win, x, tap, op.weight + at.c, y.lanes,
                        address<S>(x, offset_of(x, n, 0, c)));
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

struct tap_steps {
    int axis[3];
};

template <class S, int V>
static __global__ void depthwise_backward_kernel(const __grid_constant__ cuda_depthwise op,
                                                 tap_steps step)
{
    const cuda_windows &win = op.windows;
    const cuda_view &x = win.x, &y = win.y;
    const int n = blockIdx.y, kernels = y.c / x.c;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(x);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(x, i);
        pack<V> sum = splat<V>(0);
        if (at.c < x.c) {
            const taps tap[3] = {taps_of_input(win, 0, at.t, step.axis[0], y.t),
                                 taps_of_input(win, 1, at.h, step.axis[1], y.h),
                                 taps_of_input(win, 2, at.w, step.axis[2], y.w)};
            for (int o = at.c * kernels; o < (at.c + 1) * kernels; o++)
                add_taps<V>(&sum, win, y, tap, op.weight + o, y.lanes,
                            address<S>(y, offset_of(y, n, 0, o)));
        }
        store_channels<V>(address<S>(x, offset_of(x, n, at.position, at.c)), sum, at.c, x.c);
    }
}

/* The distance between the taps that read one input, for each axis: the stride, divided by the
 * greatest common divisor of stride and dilation. */
static tap_steps steps_of(const cuda_windows &win)
{
    tap_steps step;
    for (int a = 0; a < 3; a++) {
        int common = win.stride[a], rest = win.dilation[a] % common;
        while (rest != 0) {
            const int next = common % rest;
            common = rest;
            rest = next;
        }
        step.axis[a] = win.stride[a] / common;
    }
    return step;
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
    const tap_steps step = steps_of(op.windows);
    const dim3 grid = grid_of(count_of(x, wide ? WIDE<S> : 1), x.n);
    if (wide)
        LAUNCH((depthwise_backward_kernel<S, WIDE<S>>), grid, THREADS, stream, op, step);
    else
        LAUNCH((depthwise_backward_kernel<S, 1>), grid, THREADS, stream, op, step);
}

extern "C" cudaError_t cuda_depthwise_backward(const cuda_depthwise *op, cudaStream_t stream)
{
    FOR_TYPE(op->windows.x.type, depthwise_backward, *op, stream);
    return cudaGetLastError();
}
