/* render.cu - draws a tube over its clip: resizes and normalises its map, colours frames by it.
 * host/backend/render.h describes the operations, render_math.h has the formulas.
 *
 * Resizing: a thread computes every N-th voxel, N the number of threads, from the eight nearest
 * numbers of the map, which is small and stays in the cache.  It keeps the minimum and maximum of
 * its voxels; one block reduces those to the minimum and maximum of all.  A second pass over the
 * volume normalises it.  Minimum and maximum do not depend on the order.
 * Colouring: one thread takes one pixel, in place.
 * This file is compiled with -fmad=false: host and device must write the same bits. */
#include "warp.h"
#include "../host/backend/render_math.h"

constexpr unsigned MAX_BLOCKS = CFP_RENDER_BOUNDS / 2 / THREADS;

/* One of the host's three passes (T, then H, then W) for one voxel: a sum that starts at 0. */
static __device__ double between(const cfp_taps &taps, double first, double second)
{
    double sum = 0;
    sum += taps.weight[0] * first;
    sum += taps.weight[1] * second;
    return sum;
}

static __device__ float resized(const cfp_render &r, int t, int h, int w)
{
    const cfp_taps along_t = cfp_taps_linear(t, r.from[0], r.to[0]);
    const cfp_taps along_h = cfp_taps_linear(h, r.from[1], r.to[1]);
    const cfp_taps along_w = cfp_taps_linear(w, r.from[2], r.to[2]);
    const int plane = r.from[1] * r.from[2];
    double line[2], row[2];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            const float *at = r.map + along_h.at[j] * r.from[2] + along_w.at[i];
            line[j] = between(along_t, at[along_t.at[0] * plane], at[along_t.at[1] * plane]);
        }
        row[i] = between(along_h, line[0], line[1]);
    }
    return (float)between(along_w, row[0], row[1]);
}

static __global__ void resize_kernel(cfp_render r)
{
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned voxels = (unsigned)r.to[0] * r.to[1] * r.to[2];
    const unsigned height = (unsigned)r.to[1], width = (unsigned)r.to[2];
    float low = INFINITY, high = -INFINITY;
    for (unsigned p = thread; p < voxels; p += gridDim.x * blockDim.x) {
        const unsigned line = p / width;
        const float v = resized(r, (int)(line / height), (int)(line % height), (int)(p % width));
        low = v < low ? v : low;
        high = v > high ? v : high;
        r.volume[p] = v;
    }
    r.bounds[2 * thread] = low;
    r.bounds[2 * thread + 1] = high;
}

/* bounds holds `pairs` pairs of a minimum and a maximum.  Writes the minimum of all to bounds[0]
 * and the maximum to bounds[1].  One block of WARP warps. */
static __global__ void bounds_kernel(float *bounds, int pairs)
{
    __shared__ float lows[WARP], highs[WARP];
    const int lane = threadIdx.x, warp = threadIdx.y;
    float low = INFINITY, high = -INFINITY;
    UNROLL_BY_4
    for (int i = warp * WARP + lane; i < pairs; i += WARP * WARP) {
        low = fminf(low, bounds[2 * i]);
        high = fmaxf(high, bounds[2 * i + 1]);
    }
    low = -warp_max(-low);
    high = warp_max(high);
    if (lane == 0) {
        lows[warp] = low;
        highs[warp] = high;
    }
    __syncthreads();
    low = -warp_max(-lows[lane]);
    high = warp_max(highs[lane]);
    if (warp == 0 && lane == 0) {
        bounds[0] = low;
        bounds[1] = high;
    }
}

static __global__ void normalise_kernel(float *volume, unsigned voxels, const float *bounds)
{
    const float low = bounds[0], high = bounds[1];
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < voxels;
         p += gridDim.x * blockDim.x)
        volume[p] = cfp_tube_share(volume[p], low, high);
}

extern "C" cudaError_t cuda_render_tube(const cfp_render *op, cudaStream_t stream)
{
    const int64_t voxels = (int64_t)op->to[0] * op->to[1] * op->to[2];
    dim3 grid = grid_of(voxels, 1);
    grid.x = grid.x < MAX_BLOCKS ? grid.x : MAX_BLOCKS;
    LAUNCH(resize_kernel, grid, THREADS, stream, *op);
    LAUNCH_JOINED(bounds_kernel, dim3(1), dim3(WARP, WARP), stream, op->bounds,
                  (int)grid.x * THREADS);
    LAUNCH(normalise_kernel, grid_of(voxels, 1), THREADS, stream, op->volume, (unsigned)voxels,
           op->bounds);
    return cudaGetLastError();
}

static __global__ void overlay_kernel(const __grid_constant__ cfp_overlay op, uint8_t *rgb,
                                      const float *frame)
{
    const unsigned pixels = (unsigned)op.height * op.width, width = (unsigned)op.width;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < pixels;
         p += gridDim.x * blockDim.x)
        cfp_overlay_pixel(&op, rgb, frame, (int)(p / width), (int)(p % width));
}

extern "C" cudaError_t cuda_overlay_frame(const cfp_overlay *op, uint8_t *rgb, const float *frame,
                                          cudaStream_t stream)
{
    LAUNCH(overlay_kernel, grid_of((int64_t)op->height * op->width, 1), THREADS, stream, *op, rgb,
           frame);
    return cudaGetLastError();
}
