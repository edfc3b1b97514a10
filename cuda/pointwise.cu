/* pointwise.cu - functions of one element, and their slopes: batchnorm, activations, a
 * convolution's bias, residual and activation if cuDNN does not fuse them, and the pass over a
 * gradient that adds, gates and masks it.
 *
 * One thread computes V channels of one position.  Memory traffic: each operand once. */
#include "packs.h"

template <class S, int V> static __global__ void apply_kernel(cuda_pointwise op)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.dst);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.dst, i);
        pack<V> x = splat<V>(0);
        if (at.c < op.dst.c) {
            x = load<V>(address<S>(op.src, offset_of(op.src, n, at.position, at.c)));
            if (op.scale != NULL) {
                const pack<V> scale = load<V>(op.scale + at.c);
                for (int k = 0; k < V; k++)
                    x.v[k] *= scale.v[k];
            }
            if (op.shift != NULL) {
                const pack<V> shift = load<V>(op.shift + at.c);
                for (int k = 0; k < V; k++)
                    x.v[k] += shift.v[k];
            }
            if (op.add.data != NULL) {
                const pack<V> add =
                    load<V>(address<S>(op.add, offset_of(op.add, n, at.position, at.c)));
                for (int k = 0; k < V; k++)
                    x.v[k] += add.v[k];
            }
            if (op.slope != NULL) {
                const pack<V> slope = load<V>(op.slope + at.c);
                for (int k = 0; k < V; k++)
                    x.v[k] = x.v[k] < 0 ? slope.v[k] * x.v[k] : x.v[k];
            } else {
                x = activate<V>(op.activation, x);
            }
        }
        store_channels<V>(address<S>(op.dst, offset_of(op.dst, n, at.position, at.c)), x, at.c,
                          op.dst.c);
    }
}

template <class S> static void apply(const cuda_pointwise &op, cudaStream_t stream)
{
    const bool wide = goes_wide<S>(op.dst, op.dst) && goes_wide<S>(op.src, op.dst) &&
                      (op.add.data == NULL || goes_wide<S>(op.add, op.dst));
    const dim3 grid = grid_of(count_of(op.dst, wide ? WIDE<S> : 1), op.dst.n);
    if (wide)
        LAUNCH((apply_kernel<S, WIDE<S>>), grid, THREADS, stream, op);
    else
        LAUNCH((apply_kernel<S, 1>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_apply(const cuda_pointwise *op, cudaStream_t stream)
{
    FOR_TYPE(op->dst.type, apply, *op, stream);
    return cudaGetLastError();
}

/* At a kink the slope is that of the flat side, as in ref. */
static __device__ float slope_at_output(const cuda_activation &a, float y)
{
    switch (a.function) {
    case CUDA_RELU:
        return y > 0 ? 1 : 0;
    case CUDA_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case CUDA_LEAKYRELU: /* y has the sign of x, because negative_slope >= 0 */
        return y > 0 ? 1 : a.parameter[0];
    case CUDA_SIGMOID:
        return y * (1 - y);
    case CUDA_HARDSIGMOID:
        return y > 0 && y < 1 ? 1.0f / 6 : 0;
    case CUDA_TANH:
        return 1 - y * y;
    case CUDA_CLIP:
        return y > a.parameter[0] && y < a.parameter[1] ? 1 : 0;
    default:
        return 1;
    }
}
/* For the activations whose slope cannot be computed from the output. */
static __device__ float slope_at_input(const cuda_activation &a, float x)
{
    const float *p = a.parameter;
    const float s = sigmoid(x);
    switch (a.function) {
    case CUDA_HARDSWISH:
        return x <= -3 ? 0 : x < 3 ? x / 3 + 0.5f : 1;
    case CUDA_ELU:
        return x > 0 ? p[1] : p[1] * (p[0] * (p[2] * expf(p[2] * x)));
    case CUDA_GELU:
        return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
    case CUDA_GELU_TANH: {
        const float t = gelu_tanh(x), inner = 0.79788456f * (1 + 0.134145f * x * x);
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * inner;
    }
    case CUDA_MISH: {
        const float t = tanhf(softplus(x, 1, 20));
        return t + x * s * (1 - t * t);
    }
    case CUDA_SOFTPLUS:
        return p[0] * x > p[1] ? 1 : sigmoid(p[0] * x);
    default: /* silu */
        return s * (1 + x * (1 - s));
    }
}

template <class S, int V> static __global__ void slope_kernel(cuda_slope op)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.dx);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.dx, i);
        pack<V> dx = splat<V>(0);
        if (at.c < op.dx.c) {
            dx = load<V>(address<S>(op.dy, offset_of(op.dy, n, at.position, at.c)));
            const pack<V> x =
                load<V>(address<S>(op.value, offset_of(op.value, n, at.position, at.c)));
            const pack<V> slope = op.slope != NULL ? load<V>(op.slope + at.c) : splat<V>(0);
            for (int k = 0; k < V; k++)
                dx.v[k] *= op.slope != NULL ? (x.v[k] > 0 ? 1 : slope.v[k])
                           : op.from_output ? slope_at_output(op.activation, x.v[k])
                                            : slope_at_input(op.activation, x.v[k]);
        }
        store_channels<V>(address<S>(op.dx, offset_of(op.dx, n, at.position, at.c)), dx, at.c,
                          op.dx.c);
    }
}

template <class S> static void apply_slope(const cuda_slope &op, cudaStream_t stream)
{
    const bool wide =
        goes_wide<S>(op.dx, op.dx) && goes_wide<S>(op.dy, op.dx) && goes_wide<S>(op.value, op.dx);
    const dim3 grid = grid_of(count_of(op.dx, wide ? WIDE<S> : 1), op.dx.n);
    if (wide)
        LAUNCH((slope_kernel<S, WIDE<S>>), grid, THREADS, stream, op);
    else
        LAUNCH((slope_kernel<S, 1>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_apply_slope(const cuda_slope *op, cudaStream_t stream)
{
    FOR_TYPE(op->dx.type, apply_slope, *op, stream);
    return cudaGetLastError();
}

/* x, rounded as if it were stored as S and loaded again. */
template <class S, int V> static __device__ pack<V> as_stored(pack<V> x)
{
    for (int k = 0; k < V; k++) {
        S s;
        round_to(&s, x.v[k]);
        x.v[k] = widened(s);
    }
    return x;
}
template <class S, int V>
static __device__ pack<V> load_if(bool wanted, const cuda_view &x, int64_t offset)
{
    return wanted ? load<V>(address<S>(x, offset)) : splat<V>(0);
}

/* All loads of a thread can be under way before the first number is used.  RELU: the activation is
 * a relu, the usual one, so nothing is chosen for each number. */
template <class S, int V, bool RELU>
static __global__ void gate_kernel(const __grid_constant__ cuda_gating op)
{
    const int n = blockIdx.y;
    const bool adds = op.more.data != NULL;
    const bool gates = RELU || op.activation.function != CUDA_NOTHING;
    cuda_activation activation = op.activation;
    if (RELU)
        activation.function = CUDA_RELU;
    const cfp_demand *const demand =
        op.demand != NULL ? op.demand + (int64_t)(n / op.entries) * op.dy.c : NULL;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(op.dy);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(op.dy, i);
        const int64_t offset = offset_of(op.dy, n, at.position, at.c);
        pack<V> g = load<V>(address<S>(op.dy, offset));
        const pack<V> more = load_if<S, V>(adds, op.more, offset);
        const pack<V> y = load_if<S, V>(gates, op.y, offset);
        const pack<V> before = load_if<S, V>(op.residual_adds, op.residual, offset);
        for (int k = 0; k < V && adds; k++)
            g.v[k] += more.v[k];
        g = as_stored<S>(g);
        for (int k = 0; k < V && gates; k++)
            g.v[k] = __fmul_rn(g.v[k], slope_at_output(activation, y.v[k]));
        g = as_stored<S>(g);
        if (op.residual.data != NULL) {
            pack<V> r = g;
            for (int k = 0; k < V && op.residual_adds; k++)
                r.v[k] += before.v[k];
            store_channels<V>(address<S>(op.residual, offset), r, at.c, op.dy.c);
        }
        if (demand != NULL)
            g = masked(g, demand, at.c, op.dy.c);
        store_channels<V>(address<S>(op.dy, offset), g, at.c, op.dy.c);
    }
}

template <class S> static void gate_gradient(const cuda_gating &op, cudaStream_t stream)
{
    const bool wide = goes_wide<S>(op.dy, op.dy) &&
                      (op.more.data == NULL || goes_wide<S>(op.more, op.dy)) &&
                      (op.y.data == NULL || goes_wide<S>(op.y, op.dy)) &&
                      (op.residual.data == NULL || goes_wide<S>(op.residual, op.dy));
    const dim3 grid = grid_of(count_of(op.dy, wide ? WIDE<S> : 1), op.dy.n);
    if (wide && op.activation.function == CUDA_RELU)
        LAUNCH((gate_kernel<S, WIDE<S>, true>), grid, THREADS, stream, op);
    else if (wide)
        LAUNCH((gate_kernel<S, WIDE<S>, false>), grid, THREADS, stream, op);
    else
        LAUNCH((gate_kernel<S, 1, false>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_gate_gradient(const cuda_gating *op, cudaStream_t stream)
{
    FOR_TYPE(op->dy.type, gate_gradient, *op, stream);
    return cudaGetLastError();
}
