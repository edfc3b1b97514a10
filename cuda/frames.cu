/* frames.cu - lays out the network's input: from frames of bytes, and from plain numbers, in the
 * layout and the type of the tensor, with its zero lanes.  The first layer reads it as it is.
 *
 * frames: a thread takes one pixel and writes its channels and the lanes after them.  Every
 * operation is rounded explicitly, whatever the compiler's options, so float32 equals the host's
 * bit by bit.  numbers: a thread writes 16 bytes of one position; threads next to each other read
 * neighbouring positions of a channel.  Memory traffic: what is there is read once, every lane is
 * written once. */
#include "packs.h"

/* Stores V lanes.  Sets *beyond to 1 if a finite number exceeds the range of S; NULL: S has the
 * range of float32. */
template <int V, class S> static __device__ void store_input(S *to, const pack<V> &x, int *beyond)
{
    store<V>(to, x);
    if (beyond == NULL)
        return;
    for (int k = 0; k < V; k++) {
        S stored;
        round_to(&stored, x.v[k]);
        if (isinf(widened(stored)) && !isinf(x.v[k]))
            atomicMax(beyond, 1);
    }
}

static __device__ float read_channel(const cuda_frames &f, const uint8_t *pixel, int c)
{
    const float scaled = __fdiv_rn((float)pixel[f.color[c]], f.scale);
    return __fdiv_rn(__fsub_rn(scaled, f.mean[c]), f.std[c]);
}

template <class S, int V>
static __global__ void frames_kernel(const __grid_constant__ cuda_frames f)
{
    const unsigned pixels = (unsigned)f.dst.t * f.dst.h * f.dst.w;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pixels;
         i += gridDim.x * blockDim.x) {
        const uint8_t *const pixel = f.rgb + (int64_t)i * 3;
        for (int c = 0; c < f.dst.lanes; c += V) {
            pack<V> x = splat<V>(0);
            for (int k = 0; k < V; k++)
                if (c + k < f.dst.c && c + k < CUDA_FRAME_CHANNELS)
                    x.v[k] = read_channel(f, pixel, c + k);
            store_input<V>(address<S>(f.dst, offset_of(f.dst, 0, (int)i, c)), x, f.beyond);
        }
    }
}

template <class S> static void lay_frames(const cuda_frames &op, cudaStream_t stream)
{
    const dim3 grid = grid_of((int64_t)op.dst.t * op.dst.h * op.dst.w, 1);
    if (goes_wide<S>(op.dst, op.dst))
        LAUNCH((frames_kernel<S, WIDE<S>>), grid, THREADS, stream, op);
    else
        LAUNCH((frames_kernel<S, 1>), grid, THREADS, stream, op);
}

extern "C" cudaError_t cuda_lay_frames(const cuda_frames *op, cudaStream_t stream)
{
    FOR_TYPE(op->dst.type, lay_frames, *op, stream);
    return cudaGetLastError();
}

template <class S, int V>
static __global__ void numbers_kernel(cuda_view dst, const float *plain, int *beyond)
{
    const int n = blockIdx.y, positions = dst.t * dst.h * dst.w;
    const float *const mine = plain + (int64_t)n * dst.c * positions;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<V>(dst);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<V>(dst, i);
        pack<V> x = splat<V>(0);
        for (int k = 0; k < V; k++)
            if (at.c + k < dst.c)
                x.v[k] = mine[(int64_t)(at.c + k) * positions + at.position];
        store_input<V>(address<S>(dst, offset_of(dst, n, at.position, at.c)), x, beyond);
    }
}

template <class S>
static void lay_numbers(const cuda_view &dst, const float *plain, int *beyond, cudaStream_t stream)
{
    const bool wide = goes_wide<S>(dst, dst);
    const dim3 grid = grid_of(count_of(dst, wide ? WIDE<S> : 1), dst.n);
    if (wide)
        LAUNCH((numbers_kernel<S, WIDE<S>>), grid, THREADS, stream, dst, plain, beyond);
    else
        LAUNCH((numbers_kernel<S, 1>), grid, THREADS, stream, dst, plain, beyond);
}

extern "C" cudaError_t cuda_lay_numbers(const cuda_view *dst, const float *plain, int *beyond,
                                        cudaStream_t stream)
{
    FOR_TYPE(dst->type, lay_numbers, *dst, plain, beyond, stream);
    return cudaGetLastError();
}
