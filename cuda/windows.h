/* windows.h - which inputs a window reads, and which windows read an input, along one axis. */
#pragma once
#include "packs.h"

struct span { /* first <= i < last; empty if last <= first */
    int first, last;
};

static __device__ inline span within(span a, span b)
{
    return {a.first > b.first ? a.first : b.first, a.last < b.last ? a.last : b.last};
}
/* The inputs of window i of `size`; dilation 1. */
static __device__ inline span window_at(const cuda_windows &op, int axis, int i, int size)
{
    const int first = i * op.stride[axis] - op.pad_begin[axis];
    return within({first, first + op.kernel[axis]}, {0, size});
}
/* The windows of `count` that read input i; dilation 1. */
static __device__ inline span covering(const cuda_windows &op, int axis, int i, int count)
{
    const int stride = op.stride[axis], end = i + op.pad_begin[axis];
    const int begin = end - op.kernel[axis] + 1;
    const int first = begin > 0 ? (begin + stride - 1) / stride : 0;
    return within({first, end / stride + 1}, {0, count});
}

struct window_box {
    span t, h, w;
};
static __device__ inline window_box inputs_of(const cuda_windows &op, const place &y)
{
    return {window_at(op, 0, y.t, op.x.t), window_at(op, 1, y.h, op.x.h),
            window_at(op, 2, y.w, op.x.w)};
}
static __device__ inline window_box windows_over(const cuda_windows &op, const place &x)
{
    return {covering(op, 0, x.t, op.y.t), covering(op, 1, x.h, op.y.h),
            covering(op, 2, x.w, op.y.w)};
}

template <class S> static bool windows_go_wide(const cuda_windows &op)
{
    return goes_wide<S>(op.x, op.x) && goes_wide<S>(op.y, op.x);
}
