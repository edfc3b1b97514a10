/* packs.h - what the kernels share: loads and stores of V channels, addresses of elements, the
 * activations. */
#pragma once
#include "storage.h"
#include <math.h>

enum { THREADS = 256 };

/* V neighbouring channels: as numbers of a kernel, and as stored in memory. */
template <int V> struct pack {
    float v[V];
};
template <class S, int V> struct alignas(V * sizeof(S) < 16 ? V * sizeof(S) : 16) stored {
    S v[V];
};

/* One load or store if they are at most 16 bytes. */
template <int V, class S> __device__ inline pack<V> load(const S *from)
{
    const stored<S, V> lying = *reinterpret_cast<const stored<S, V> *>(from);
    pack<V> x;
    for (int i = 0; i < V; i++)
        x.v[i] = widened(lying.v[i]);
    return x;
}
template <int V, class S> __device__ inline void store(S *to, const pack<V> &x)
{
    stored<S, V> lying;
    for (int i = 0; i < V; i++)
        round_to(&lying.v[i], x.v[i]);
    *reinterpret_cast<stored<S, V> *>(to) = lying;
}
/* The number at `offset` of a view, whose type is S. */
template <class S> __device__ inline S *address(const cuda_view &x, int64_t offset)
{
    return static_cast<S *>(x.data) + offset;
}
template <class S> __device__ inline float number(const cuda_view &x, int64_t offset)
{
    return widened(*address<S>(x, offset));
}
template <int V> __device__ inline pack<V> splat(float value)
{
    pack<V> x;
    for (int i = 0; i < V; i++)
        x.v[i] = value;
    return x;
}
/* Stores zeros in the lanes after the last channel. */
template <int V, class S>
__device__ inline void store_channels(S *to, pack<V> x, int c, int channels)
{
    for (int i = 0; i < V; i++)
        x.v[i] = c + i < channels ? x.v[i] : 0;
    store<V>(to, x);
}

/* Sets those of the V channels from c on to 0 that are not demanded. */
template <int V>
__device__ inline pack<V> masked(pack<V> x, const cfp_demand *demand, int c, int channels)
{
    for (int i = 0; i < V; i++)
        if (c + i < channels && demand[c + i] < 0)
            x.v[i] = 0;
    return x;
}

/* Offset of channel c at a position of clip n, in a view whose positions are contiguous. */
__device__ inline int64_t offset_of(const cuda_view &x, int n, int position, int c)
{
    return n * x.stride_n + (int64_t)position * x.stride_w + (int64_t)c * x.stride_c;
}
__device__ inline int64_t offset_of(const cuda_view &x, int n, int t, int h, int w, int c)
{
    return n * x.stride_n + (int64_t)t * x.stride_t + (int64_t)h * x.stride_h +
           (int64_t)w * x.stride_w + (int64_t)c * x.stride_c;
}

/* Channel and position of thread `i` of a clip.  Channels are fastest, so that a warp's loads are
 * contiguous. */
struct place {
    int t, h, w, position, c;
};
template <int V> __device__ inline place place_of(const cuda_view &x, unsigned i)
{
    const unsigned groups = (unsigned)x.lanes / V, h = (unsigned)x.h, w = (unsigned)x.w;
    const unsigned position = i / groups, row = position / w;
    return {(int)(row / h), (int)(row % h), (int)(position % w), (int)position,
            (int)(i % groups) * V};
}
template <int V> __device__ inline unsigned places(const cuda_view &x)
{
    return (unsigned)x.t * x.h * x.w * (x.lanes / V);
}

__device__ inline float clamped(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x; /* in this form NaN stays NaN */
}
__device__ inline float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}
__device__ inline float softplus(float x, float beta, float threshold)
{
    return beta * x > threshold ? x : log1pf(expf(beta * x)) / beta;
}
__device__ inline float gelu_tanh(float x) /* the tanh inside of gelu's approximation */
{
    return tanhf(0.79788456f * (x + 0.044715f * x * x * x));
}
__device__ inline float activate(const cuda_activation &a, float x)
{
    const float *p = a.parameter;
    switch (a.function) {
    case CUDA_RELU:
        return x < 0 ? 0 : x;
    case CUDA_RELU6:
        return clamped(x, 0, 6);
    case CUDA_LEAKYRELU:
        return x < 0 ? p[0] * x : x;
    case CUDA_SIGMOID:
        return sigmoid(x);
    case CUDA_SILU:
        return x * sigmoid(x);
    case CUDA_HARDSIGMOID:
        return clamped(x + 3, 0, 6) / 6;
    case CUDA_HARDSWISH:
        return x * clamped(x + 3, 0, 6) / 6;
    case CUDA_ELU:
        return x > 0 ? p[1] * x : p[1] * (p[0] * expm1f(p[2] * x));
    case CUDA_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    case CUDA_GELU_TANH:
        return 0.5f * x * (1 + gelu_tanh(x));
    case CUDA_MISH:
        return x * tanhf(softplus(x, 1, 20));
    case CUDA_TANH:
        return tanhf(x);
    case CUDA_SOFTPLUS:
        return softplus(x, p[0], p[1]);
    case CUDA_CLIP:
        return clamped(x, p[0], p[1]);
    default:
        return x;
    }
}
template <int V> __device__ inline pack<V> activate(const cuda_activation &a, pack<V> x)
{
    for (int i = 0; i < V; i++)
        x.v[i] = activate(a, x.v[i]);
    return x;
}

/* A grid of `count` threads for each of n clips; y is the clip. */
inline dim3 grid_of(int64_t count, int n)
{
    const int64_t blocks = (count + THREADS - 1) / THREADS;
    return dim3((unsigned)(blocks < 65536 ? blocks : 65536), (unsigned)n);
}
inline int64_t count_of(const cuda_view &x, int v)
{
    return (int64_t)x.t * x.h * x.w * (x.lanes / v);
}
/* True if x can be read WIDE<S> channels at a time, like `like`. */
template <class S> inline bool goes_wide(const cuda_view &x, const cuda_view &like)
{
    constexpr int V = WIDE<S>;
    return x.stride_c == 1 && x.lanes == like.lanes && x.lanes % V == 0 &&
           (x.stride_w % V == 0 || (int64_t)x.t * x.h * x.w == 1) &&
           (x.stride_n % V == 0 || x.n == 1) && (uintptr_t)x.data % 16 == 0;
}
