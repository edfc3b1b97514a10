/* pairs.cu - rule grad: how much each selected pair of a kernel and a channel adds to the target,
 * which is the pair's weight gradient times its weights (cfp_pairs in backend.h).
 *
 * A block takes 32 neighbouring kernels and one channel.  Its 8 rows of threads divide the
 * positions among them, tap by tap; their sums are added in a fixed order.  Blocks and kernels
 * without a selected pair do nothing.  All sums are in double. */
#include "warp.h"
#include "../host/backend/relevance_math.h"

enum { KERNELS = 32, ROWS = 8 };

/* True if a question of the clip selected the pair. */
static __device__ bool is_pair(const cfp_back_step &s, int clip, int o, int j)
{
    const int words = cfp_span_words(&s);
    for (int q = clip * s.thetas; q < (clip + 1) * s.thetas; q++) {
        const int64_t row = (int64_t)q * s.kernels + o;
        if (s.demand[row] >= 0 && s.edges[row * words + j / 32] >> j % 32 & 1)
            return true;
    }
    return false;
}

/* The sum of dy(o) * x(i) through one tap, over this row's part of the outputs. */
template <class X, class Y>
static __device__ double tap_sum(const cuda_pairs &p, int n, int o, int i, const int reach[3])
{
    const cuda_view &x = p.x, &dy = p.dy;
    const int rows = dy.t * dy.h;
    double sum = 0;
    for (int row = threadIdx.y; row < rows; row += ROWS) {
        const int t = row / dy.h, h = row % dy.h;
        const int from_t = t * p.stride[0] + reach[0], from_h = h * p.stride[1] + reach[1];
        if (from_t < 0 || from_t >= x.t || from_h < 0 || from_h >= x.h)
            continue;
        for (int w = 0; w < dy.w; w++) {
            const int from_w = w * p.stride[2] + reach[2];
            if (from_w >= 0 && from_w < x.w)
                sum += (double)number<Y>(dy, offset_of(dy, n, t, h, w, o)) *
                       (double)number<X>(x, offset_of(x, n, from_t, from_h, from_w, i));
        }
    }
    return sum;
}

/* The pair's sum of all taps over this row's part of the outputs. */
template <class X, class Y>
static __device__ double pair_sum(const cuda_pairs &p, int n, int o, int i, const float *weight)
{
    const int taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    double sum = 0;
    for (int tap = 0; tap < taps; tap++) {
        const int k[3] = {tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1],
                          tap % p.kernel[2]};
        int reach[3];
        for (int a = 0; a < 3; a++)
            reach[a] = k[a] * p.dilation[a] - p.pad_begin[a];
        sum += (double)weight[tap] * tap_sum<X, Y>(p, n, o, i, reach);
    }
    return sum;
}

template <class X, class Y> static __global__ void weigh_pairs_kernel(cuda_pairs p)
{
    __shared__ double sums[ROWS][KERNELS];
    const cfp_back_step &s = p.step;
    const int per_group = s.kernels / s.groups, span = cfp_span_length(&s);
    const int tiles = (per_group + KERNELS - 1) / KERNELS;
    const int group = blockIdx.x / tiles, within = blockIdx.x % tiles * KERNELS + threadIdx.x;
    const int o = group * per_group + within, n = blockIdx.z;
    const int taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    for (int j = blockIdx.y; j < span; j += gridDim.y) {
        const bool mine = within < per_group && is_pair(s, n, o, j);
        const int64_t pair = (int64_t)o * span + j;
        sums[threadIdx.y][threadIdx.x] =
            mine ? pair_sum<X, Y>(p, n, o, group * span + j, p.weight + pair * taps) : 0;
        __syncthreads();
        if (threadIdx.y == 0 && mine) {
            double sum = 0;
            for (int row = 0; row < ROWS; row++)
                sum += sums[row][threadIdx.x];
            float *to = &p.value[(int64_t)n * s.kernels * span + pair];
            *to = (float)(sum * p.scale + (p.adds ? (double)*to : 0.0));
        }
        __syncthreads();
    }
}

template <class X, class Y> static void weigh_types(const cuda_pairs &p, cudaStream_t stream)
{
    const int per_group = p.step.kernels / p.step.groups;
    const int tiles = (per_group + KERNELS - 1) / KERNELS;
    const int span = cfp_span_length(&p.step);
    const dim3 grid((unsigned)(tiles * p.step.groups), (unsigned)(span < 65535 ? span : 65535),
                    (unsigned)p.step.clips);
    LAUNCH_JOINED((weigh_pairs_kernel<X, Y>), grid, dim3(KERNELS, ROWS), stream, p);
}

template <class X> static void weigh_pairs(const cuda_pairs &p, cudaStream_t stream)
{
    if (p.dy.type == CFP_BFLOAT16)
        weigh_types<X, bfloat16>(p, stream);
    else if (p.dy.type == CFP_FLOAT16)
        weigh_types<X, float16>(p, stream);
    else
        weigh_types<X, float>(p, stream);
}

extern "C" cudaError_t cuda_weigh_layer_pairs(const cuda_pairs *pairs, cudaStream_t stream)
{
    FOR_TYPE(pairs->x.type, weigh_pairs, *pairs, stream);
    return cudaGetLastError();
}

/* One warp takes one kernel of a question, one lane one channel. */
static __global__ void pick_edges_kernel(cfp_back_step s)
{
    const int words = cfp_span_words(&s), lane = threadIdx.x, n = cfp_span_length(&s);
    const int rows = s.clips * s.thetas * s.kernels;
    for (int row = blockIdx.x * WARPS + threadIdx.y; row < rows; row += gridDim.x * WARPS) {
        const int clip = row / s.kernels / s.thetas, o = row % s.kernels;
        const bool demanded = s.demand[row] >= 0;
        int count = 0;
        for (int w = 0; demanded && w < words; w++) {
            const unsigned bits = s.edges[(int64_t)row * words + w];
            const int j = w * WARP + lane;
            const bool edge = j < n && (bits >> lane & 1) && cfp_edge_value(&s, clip, o, j) > 0;
            const unsigned kept = __ballot_sync(~0u, edge);
            count += __popc(kept);
            if (lane == 0)
                s.edges[(int64_t)row * words + w] = kept;
        }
        if (lane == 0)
            s.n_edges[row] = count;
    }
}

extern "C" cudaError_t cuda_pick_layer_edges(const cfp_back_step *step, cudaStream_t stream)
{
    const int64_t rows = (int64_t)step->clips * step->thetas * step->kernels;
    const int64_t blocks = (rows + WARPS - 1) / WARPS;
    const dim3 grid((unsigned)(blocks < 65536 ? blocks : 65536));
    LAUNCH_JOINED(pick_edges_kernel, grid, dim3(WARP, WARPS), stream, *step);
    return cudaGetLastError();
}
