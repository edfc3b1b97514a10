/* norm.cu - norms by the clip's own statistics: instancenorm, groupnorm and layernorm, and their
 * gradients (host/backend/ref/ref_norm.c has the formulas).  Sums are in double.
 *
 * A group: one block adds up all positions of its channels, then each thread computes single
 * elements. Memory traffic: the source twice, for the gradient dy twice, too.  A layernorm: one
 * warp takes one position. */
#include "warp.h"

/* Every thread of the block gets the sum; the order is that of the threads. */
static __device__ double block_sum(double x, double *aside)
{
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    double total = 0;
    x = warp_sum(x);
    __syncthreads(); /* all have read what lies aside */
    if (lane == 0)
        aside[warp] = x;
    __syncthreads();
    for (int i = 0; i < WARPS; i++)
        total += aside[i];
    return total;
}

/* The sums of one group of a clip: of (x - mean)^power, or of z and z * h if there is a dy. */
template <class S> static __global__ void group_kernel(cuda_norm op)
{
    __shared__ double aside[WARPS];
    const int n = blockIdx.y, positions = op.x.t * op.x.h * op.x.w;
    const int channels = op.x.c / op.groups, first = blockIdx.x * channels;
    const int64_t count = (int64_t)channels * positions;
    double *sums = op.sums + ((int64_t)n * op.groups + blockIdx.x) * CUDA_NORM_SUMS;
    double mean = 0, square = 0, z = 0, along = 0;
    for (int64_t i = threadIdx.x; i < count; i += THREADS)
        mean +=
            number<S>(op.x, offset_of(op.x, n, (int)(i / channels), first + (int)(i % channels)));
    mean = block_sum(mean, aside) / count;
    for (int64_t i = threadIdx.x; i < count; i += THREADS) {
        const int p = (int)(i / channels), c = first + (int)(i % channels);
        const double off = number<S>(op.x, offset_of(op.x, n, p, c)) - mean;
        square += off * off;
        if (op.dy.data == NULL)
            continue;
        const double dy = (double)op.gamma[c] * number<S>(op.dy, offset_of(op.dy, n, p, c));
        z += dy;
        along += dy * off;
    }
    square = block_sum(square, aside);
    z = block_sum(z, aside);
    along = block_sum(along, aside);
    if (threadIdx.x > 0)
        return;
    const double scale = 1 / sqrt(square / count + op.eps);
    sums[0] = mean, sums[1] = scale, sums[2] = z / count, sums[3] = along * scale / count;
}

template <class S> static __global__ void group_apply_kernel(cuda_norm op)
{
    const int n = blockIdx.y, channels = op.x.c / op.groups;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < places<1>(op.dst);
         i += gridDim.x * blockDim.x) {
        const place at = place_of<1>(op.dst, i);
        double y = 0;
        if (at.c < op.dst.c) {
            const double *sums =
                op.sums + ((int64_t)n * op.groups + at.c / channels) * CUDA_NORM_SUMS;
            const double x = number<S>(op.x, offset_of(op.x, n, at.position, at.c));
            const double h = (x - sums[0]) * sums[1];
            if (op.dy.data == NULL)
                y = h * op.gamma[at.c] + op.beta[at.c];
            else
                y = sums[1] * ((double)op.gamma[at.c] *
                                   number<S>(op.dy, offset_of(op.dy, n, at.position, at.c)) -
                               sums[2] - h * sums[3]);
        }
        round_to(address<S>(op.dst, offset_of(op.dst, n, at.position, at.c)), (float)y);
    }
}

template <class S> static __global__ void layer_kernel(cuda_norm op)
{
    const int lane = threadIdx.x, n = blockIdx.y, positions = op.x.t * op.x.h * op.x.w;
    const bool backward = op.dy.data != NULL;
    for (int p = blockIdx.x * WARPS + threadIdx.y; p < positions; p += gridDim.x * WARPS) {
        double mean = 0, square = 0, z = 0, along = 0;
        for (int c = lane; c < op.x.c; c += WARP)
            mean += number<S>(op.x, offset_of(op.x, n, p, c));
        mean = warp_sum(mean) / op.x.c;
        for (int c = lane; c < op.x.c; c += WARP) {
            const double off = number<S>(op.x, offset_of(op.x, n, p, c)) - mean;
            const double dy =
                backward ? (double)op.gamma[c] * number<S>(op.dy, offset_of(op.dy, n, p, c)) : 0;
            square += off * off;
            z += dy;
            along += dy * off;
        }
        const double scale = 1 / sqrt(warp_sum(square) / op.x.c + op.eps);
        z = warp_sum(z) / op.x.c;
        along = warp_sum(along) * scale / op.x.c;
        for (int c = lane; c < op.dst.lanes; c += WARP) {
            double y = 0;
            if (c < op.dst.c) {
                const double h = (number<S>(op.x, offset_of(op.x, n, p, c)) - mean) * scale;
                y = backward ? scale * ((double)op.gamma[c] *
                                            number<S>(op.dy, offset_of(op.dy, n, p, c)) -
                                        z - h * along)
                             : h * op.gamma[c] + op.beta[c];
            }
            round_to(address<S>(op.dst, offset_of(op.dst, n, p, c)), (float)y);
        }
    }
}

template <class S> static void normalise(const cuda_norm &op, cudaStream_t stream)
{
    if (op.groups == 0) {
        LAUNCH_JOINED(layer_kernel<S>, grid_of_warps(op.x), dim3(WARP, WARPS), stream, op);
        return;
    }
    LAUNCH_JOINED(group_kernel<S>, dim3((unsigned)op.groups, (unsigned)op.x.n), THREADS, stream,
                  op);
    LAUNCH(group_apply_kernel<S>, grid_of(count_of(op.dst, 1), op.dst.n), THREADS, stream, op);
}

extern "C" cudaError_t cuda_normalise(const cuda_norm *op, cudaStream_t stream)
{
    FOR_TYPE(op->dst.type, normalise, *op, stream);
    return cudaGetLastError();
}
