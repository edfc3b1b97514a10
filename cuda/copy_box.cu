/* copy_box.cu - strided copies and fills: every op that only moves numbers, every change of layout,
 * and the rearrangement of weights.
 *
 * Axes that follow one another in both memories are made one, the rest is ordered so that
 * neighbouring threads write neighbouring numbers.  Bytes: each number read once, written once. */
#include "lanes.h"

template <int V>
static __global__ void copy_box_kernel(const __grid_constant__ cuda_box b, unsigned count)
{
    float *const to = b.to + blockIdx.y * b.to_n;
    const float *const from = b.from + blockIdx.y * b.from_n;
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

/* Longest stride of `to` first; no axis of 1; what is contiguous in both is one axis. */
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

static bool goes_in_fours(const cuda_box *b)
{
    const int last = b->dims - 1;
    bool fits = b->extent[last] % 4 == 0 && b->to_stride[last] == 1 &&
                (b->n == 1 || (b->to_n % 4 == 0 && b->from_n % 4 == 0)) &&
                (uintptr_t)b->to % 16 == 0 && (uintptr_t)b->from % 16 == 0 &&
                (b->from == NULL || b->from_stride[last] == 1);
    for (int d = 0; d < last; d++)
        fits = fits && b->to_stride[d] % 4 == 0 && (b->from == NULL || b->from_stride[d] % 4 == 0);
    return fits;
}

extern "C" cudaError_t cuda_copy_box(const cuda_box *box, cudaStream_t stream)
{
    cuda_box b = *box;
    simplify(&b);
    const bool fours = goes_in_fours(&b);
    if (fours) {
        b.extent[b.dims - 1] /= 4;
        b.to_stride[b.dims - 1] = b.from_stride[b.dims - 1] = 4;
    }
    int64_t count = 1;
    for (int d = 0; d < b.dims; d++)
        count *= b.extent[d];
    if (count == 0 || b.n == 0)
        return cudaSuccess;
    if (fours)
        LAUNCH(copy_box_kernel<4>, grid_of(count, b.n), THREADS, stream, b, (unsigned)count);
    else
        LAUNCH(copy_box_kernel<1>, grid_of(count, b.n), THREADS, stream, b, (unsigned)count);
    return cudaGetLastError();
}
