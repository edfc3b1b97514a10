/* relevance.cu - relevance: which channels each kernel depends on, and how demands pass backwards.
 * relevance.h describes the operations, relevance_math.h has the formulas.
 *
 * back_step: one warp takes one kernel (a row of the layer in one question).  It reads the row of
 * kernel means a few times, after the first from the cache.  A selected channel's demand is raised
 * by an integer atomicMax.  Its result does not depend on the order, so every run gives the same
 * bits.  This file is compiled with -fmad=false: host and device must select the same channels. */
#include "warp.h"
#include "../host/backend/relevance_math.h"

static __device__ double warp_least(double x)
{
    for (int d = WARP / 2; d > 0; d /= 2) {
        const double other = __shfl_xor_sync(~0u, x, d);
        x = other < x ? other : x;
    }
    return x;
}
static __device__ double warp_most(double x)
{
    return -warp_least(-x);
}

static __device__ void raise_to(cfp_demand *to, cfp_demand demand)
{
    static_assert(sizeof(cfp_demand) == sizeof(long long), "atomicMax takes long long");
    atomicMax(reinterpret_cast<long long *>(to), static_cast<long long>(demand));
}
/* Raises the demand on a channel that the layer reads and, if that changed it, the demands on the
 * targets that it leads to.  Most kernels that select a channel find its demand raised already. */
static __device__ void raise_child(const cfp_back_step &s, int q, int channel, cfp_demand demand)
{
    cfp_demand *const child = s.child + (int64_t)q * s.channels + channel;
    if (atomicMax(reinterpret_cast<long long *>(child), static_cast<long long>(demand)) >= demand)
        return;
    for (int t = 0; t < s.n_targets; t++) {
        const cfp_demand_target target = s.target[t];
        const int i = target.map != NULL ? target.map[channel] : channel;
        if (i >= 0)
            raise_to(&target.to[(int64_t)q * target.n_to + i], demand);
    }
}

static __global__ void route_kernel(cfp_demand_route r)
{
    const int q = blockIdx.y;
    for (int j = blockIdx.x * blockDim.x + threadIdx.x; j < r.n_from; j += gridDim.x * blockDim.x) {
        const cfp_demand demand = r.from[(int64_t)q * r.n_from + j];
        const int i = r.map != NULL ? r.map[j] : j;
        if (demand >= 0 && i >= 0)
            raise_to(&r.to[(int64_t)q * r.n_to + i], demand);
    }
}

extern "C" cudaError_t cuda_route_demands(const cfp_demand_route *route, cudaStream_t stream)
{
    LAUNCH(route_kernel, grid_of(route->n_from, route->questions), THREADS, stream, *route);
    return cudaGetLastError();
}

/* What scoring needs of the whole row of kernel means; all lanes return it. */
static __device__ cfp_row row_of(const cfp_back_step &s, int clip, int o)
{
    const int n = cfp_span_length(&s), lane = threadIdx.x;
    cfp_row row = {INFINITY, cfp_highest_from_zero(&s) ? 0 : -INFINITY, 0, 0};
    if (s.rule == CFP_RULE_GRAD) { /* the maximum of the layer, not of the group */
        for (int c = lane; c < s.channels; c += WARP) {
            const double v = s.input[(int64_t)clip * s.channels + c];
            row.high = v > row.high ? v : row.high;
        }
        row.high = warp_most(row.high);
        return row;
    }
    const bool divides = cfp_inflates(&s);
    for (int j = 0; divides && j < n; j++) /* in the order of the published code, by each lane */
        row.sum += cfp_value(&s, clip, o, j);
    for (int j = lane; j < n; j += WARP) {
        const double value = cfp_value(&s, clip, o, j), v = divides ? value / row.sum : value;
        row.low = v < row.low ? v : row.low;
        row.high = v > row.high ? v : row.high;
    }
    row.low = warp_least(row.low);
    row.high = warp_most(row.high);
    if (!cfp_divides_by_best(&s))
        return row;
    float best = 0;
    for (int j = lane; j < n; j += WARP)
        best = fmaxf(best, cfp_relevance(&s, &row, cfp_value(&s, clip, o, j)));
    row.best = warp_max(best);
    return row;
}

/* A kernel being scored. */
struct scored {
    int clip, o, n;
    double gain, theta;
    cfp_row row;
};

/* r of the lane's channel; below 0 if it is not relevant or there is no such channel. */
static __device__ float relevance_at(const cfp_back_step &s, const scored &k, int j)
{
    if (j >= k.n)
        return -1;
    const float r = cfp_relevance(&s, &k.row, cfp_value(&s, k.clip, k.o, j));
    return k.gain * (double)r >= k.theta ? r : -1; /* NaN compares false */
}

/* How many of the span's relevant channels have a relevance of at least `least`. */
static __device__ int count_from(const cfp_back_step &s, const scored &k, float least)
{
    int count = 0;
    for (int base = 0; base < k.n; base += WARP)
        count += __popc(__ballot_sync(~0u, relevance_at(s, k, base + threadIdx.x) >= least));
    return count;
}

/* SPEC "--top": the lowest relevance that is kept, and how many channels of exactly that relevance
 * are kept (those with lower numbers).  Floats that are not negative are ordered like their bits,
 * so the lowest relevance is found bit by bit, from the highest bit down. */
struct cut {
    float least;
    int ties;
};
static __device__ cut cut_at_top(const cfp_back_step &s, const scored &k)
{
    if (s.top <= 0 || count_from(s, k, 0) <= s.top)
        return {0, k.n};
    unsigned bits = 0;
    for (int bit = 30; bit >= 0; bit--)
        if (count_from(s, k, __uint_as_float(bits | 1u << bit)) >= s.top)
            bits |= 1u << bit;
    const int above = count_from(s, k, __uint_as_float(bits + 1));
    return {__uint_as_float(bits), s.top - above};
}

static __global__ void back_step_kernel(cfp_back_step s)
{
    const int words = cfp_span_words(&s), lane = threadIdx.x;
    const int rows = s.clips * s.thetas * s.kernels;
    for (int row = blockIdx.x * WARPS + threadIdx.y; row < rows; row += gridDim.x * WARPS) {
        const cfp_demand demand = s.demand[row];
        if (demand < 0) {
            if (s.n_edges != NULL && lane == 0)
                s.n_edges[row] = 0;
            continue;
        }
        const int q = row / s.kernels, o = row % s.kernels;
        const double reached = __longlong_as_double(demand);
        scored k = {q / s.thetas, o, cfp_span_length(&s), 1, s.theta[q % s.thetas], {}};
        k.gain = s.propagate == CFP_PROPAGATE_PATH ? reached : 1.0;
        k.row = row_of(s, k.clip, o);
        cut stays = cut_at_top(s, k);
        const int first = cfp_span_first(&s, o);
        int count = 0;
        for (int base = 0; base < k.n; base += WARP) {
            const float r = relevance_at(s, k, base + lane);
            const unsigned ties = __ballot_sync(~0u, r >= 0 && r == stays.least);
            const bool early = __popc(ties & ((1u << lane) - 1)) < stays.ties;
            const bool selected = r > stays.least || (r >= 0 && r == stays.least && early);
            const unsigned word = __ballot_sync(~0u, selected);
            stays.ties -= __popc(ties);
            count += __popc(word);
            if (selected)
                raise_child(s, q, first + base + lane,
                            __double_as_longlong(cfp_propagated(&s, reached, r)));
            if (s.edges != NULL && lane == 0)
                s.edges[(int64_t)row * words + base / 32] = word;
        }
        if (s.n_edges != NULL && lane == 0) {
            s.n_edges[row] = count;
            s.row[row] = k.row;
        }
    }
}

extern "C" cudaError_t cuda_back_step_layer(const cfp_back_step *step, cudaStream_t stream)
{
    const int64_t rows = (int64_t)step->clips * step->thetas * step->kernels;
    const int64_t blocks = (rows + WARPS - 1) / WARPS;
    const dim3 grid((unsigned)(blocks < 65536 ? blocks : 65536));
    LAUNCH_JOINED(back_step_kernel, grid, dim3(WARP, WARPS), stream, *step);
    return cudaGetLastError();
}

/* One warp takes one kernel and counts the edges of the kernels before it. */
static __global__ void list_edges_kernel(cfp_back_step s, int question, cfp_edge *edge)
{
    const int words = cfp_span_words(&s), lane = threadIdx.x;
    const int64_t first_row = (int64_t)question * s.kernels;
    for (int o = blockIdx.x * WARPS + threadIdx.y; o < s.kernels; o += gridDim.x * WARPS) {
        const int64_t row = first_row + o;
        if (s.n_edges[row] == 0)
            continue;
        double before = 0; /* exact: whole numbers */
        for (int k = lane; k < o; k += WARP)
            before += s.n_edges[first_row + k];
        int64_t at = (int64_t)warp_sum(before);
        const cfp_row facts = s.row[row];
        const int first = cfp_span_first(&s, o);
        for (int w = 0; w < words; w++) {
            const unsigned word = s.edges[row * words + w];
            const int j = w * WARP + lane;
            if (word >> lane & 1) {
                const double v = cfp_edge_value(&s, question / s.thetas, o, j);
                edge[at + __popc(word & ((1u << lane) - 1))] = {o, first + j,
                                                                cfp_relevance(&s, &facts, v)};
            }
            at += __popc(word);
        }
    }
}

extern "C" cudaError_t cuda_list_layer_edges(const cfp_back_step *step, int question,
                                             cfp_edge *edge, cudaStream_t stream)
{
    const dim3 grid((unsigned)((step->kernels + WARPS - 1) / WARPS));
    LAUNCH_JOINED(list_edges_kernel, grid, dim3(WARP, WARPS), stream, *step, question, edge);
    return cudaGetLastError();
}
