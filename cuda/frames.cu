/* frames.cu - converts frames of bytes to the network's input, in the layout of the tensor.
 *
 * One thread takes one pixel and writes its channels and the zero lanes after them.  Every
 * operation is rounded explicitly, whatever the compiler's options, so the results equal the host's
 * bit by bit.  Memory traffic per pixel: 3 bytes read, every lane written. */
#include "packs.h"

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
            store<V>(address<S>(f.dst, offset_of(f.dst, 0, (int)i, c)), x);
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
