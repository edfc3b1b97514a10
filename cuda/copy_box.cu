/* copy_box.cu - strided copies and fills.  They do every op that only moves numbers, every change
 * of layout, and the rearrangement of weights.
 *
 * Axes that are contiguous in both memories are merged.  The others are ordered so that
 * neighbouring threads write neighbouring numbers.  Memory traffic: each number is read once and
 * written once. */
#include "packs.h"

template <class TO, class FROM, int V>
static __global__ void copy_box_kernel(const __grid_constant__ cuda_box b, unsigned count)
{
    TO *const to = static_cast<TO *>(b.to) + blockIdx.y * b.to_n;
    const FROM *const from = static_cast<const FROM *>(b.from) + blockIdx.y * b.from_n;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count;
         i += gridDim.x * blockDim.x) {
        int64_t at = 0, was = 0;
        unsigned rest = i;
        for (int d = b.dims - 1; d >= 0; d--) {
            const unsigned extent = (unsigned)b.extent[d], k = rest % extent;
            at += (int64_t)k * b.to_stride[d], was += (int64_t)k * b.from_stride[d];
            rest /= extent;
        }
        store<V>(to + at, b.from != NULL ? load<V>(from + was) : splat<V>(b.value));
    }
}

static void swap_axes(cuda_box *b, int i, int k)
{
    const cuda_box was = *b;
    b->extent[i] = was.extent[k], b->extent[k] = was.extent[i];
    b->to_stride[i] = was.to_stride[k], b->to_stride[k] = was.to_stride[i];
    b->from_stride[i] = was.from_stride[k], b->from_stride[k] = was.from_stride[i];
}

static void drop_axis(cuda_box *b, int d)
{
    for (int i = d; i + 1 < b->dims; i++)
        swap_axes(b, i, i + 1);
    b->dims--;
}

/* Sorts the axes by their stride in `to`, longest first, drops axes of length 1 and merges axes
 * that are contiguous in both memories. */
static void simplify(cuda_box *b)
{
    for (int d = b->dims - 1; d >= 0; d--)
        if (b->extent[d] == 1 && b->dims > 1)
            drop_axis(b, d);
    for (int i = 0; i < b->dims; i++)
        for (int k = i + 1; k < b->dims; k++)
            if (b->to_stride[k] > b->to_stride[i])
                swap_axes(b, i, k);
    for (int d = b->dims - 1; d > 0; d--)
        if (b->to_stride[d - 1] == b->extent[d] * (int64_t)b->to_stride[d] &&
            (b->from == NULL ||
             b->from_stride[d - 1] == b->extent[d] * (int64_t)b->from_stride[d])) {
            b->extent[d] *= b->extent[d - 1];
            drop_axis(b, d - 1);
        }
}

/* True if the innermost axis can be copied V numbers at a time. */
static bool takes(const cuda_box *b, int v)
{
    const int last = b->dims - 1;
    bool fits = b->extent[last] % v == 0 && b->to_stride[last] == 1 &&
                (b->n == 1 || (b->to_n % v == 0 && b->from_n % v == 0)) &&
                (uintptr_t)b->to % 16 == 0 && (uintptr_t)b->from % 16 == 0 &&
                (b->from == NULL || b->from_stride[last] == 1);
    for (int d = 0; d < last; d++)
        fits = fits && b->to_stride[d] % v == 0 && (b->from == NULL || b->from_stride[d] % v == 0);
    return fits;
}

template <class TO, class FROM> static void copy(cuda_box b, cudaStream_t stream)
{
    constexpr int V = (WIDE<TO>) > (WIDE<FROM>) ? WIDE<TO> : WIDE<FROM>;
    const bool wide = takes(&b, V);
    if (wide) {
        b.extent[b.dims - 1] /= V;
        b.to_stride[b.dims - 1] = b.from_stride[b.dims - 1] = V;
    }
    int64_t count = 1;
    for (int d = 0; d < b.dims; d++)
        count *= b.extent[d];
    if (count == 0 || b.n == 0)
        return;
    const dim3 grid = grid_of(count, b.n);
    if (wide)
        LAUNCH((copy_box_kernel<TO, FROM, V>), grid, THREADS, stream, b, (unsigned)count);
    else
        LAUNCH((copy_box_kernel<TO, FROM, 1>), grid, THREADS, stream, b, (unsigned)count);
}

/* Copies between two types, one of which is S, or within S. */
template <class S> static void copy_half(const cuda_box &b, cudaStream_t stream)
{
    if (b.to_type == CFP_FLOAT32)
        copy<float, S>(b, stream);
    else if (b.from_type == CFP_FLOAT32)
        copy<S, float>(b, stream);
    else
        copy<S, S>(b, stream);
}
template <> void copy_half<float>(const cuda_box &b, cudaStream_t stream)
{
    copy<float, float>(b, stream);
}

extern "C" cudaError_t cuda_copy_box(const cuda_box *box, cudaStream_t stream)
{
    cuda_box b = *box;
    simplify(&b);
    if (b.from == NULL)
        b.from_type = b.to_type;
    FOR_TYPE(b.to_type == CFP_FLOAT32 ? b.from_type : b.to_type, copy_half, b, stream);
    return cudaGetLastError();
}
