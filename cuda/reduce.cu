/* reduce.cu - sums of a product of tensors over some axes: channel means, the global pool, the
 * gradient of a broadcast operand.  All sums are in double, in an order that is the same in every
 * run.
 *
 * Sums over positions, if channels are contiguous: one kernel.  A thread loads 16 bytes of channels
 * of four positions at once, because one such load does not use a GPU's memory bandwidth.  Several
 * blocks divide a long sum into slices; the block that finishes last adds the slices in order.
 * Memory traffic: each term once, and 8 bytes for each result of a slice.
 *
 * Sums over other axes or in other layouts: two kernels, one number at a time. */
#include "packs.h"

enum { RESULTS = 32, ROWS = 8, MIN_SLICE = 16 * ROWS, MAX_BLOCKS = 2048 };

/* A box of positions in C x T x H x W, counted with channels fastest. */
struct extents {
    unsigned c, t, h, w;
};

struct reduce_plan {
    cuda_reduction op;
    extents kept, reduced;
    unsigned results, terms; /* of one clip; numbers added for each */
    unsigned slices, slice;  /* terms of one slice */
};

static reduce_plan plan_of(const cuda_reduction *op)
{
    const cuda_view &x = op->term[0];
    reduce_plan p = {*op, {}, {}, 0, 0, 0, 0};
    p.kept = {op->over_c ? 1u : x.c, op->over_t ? 1u : x.t, op->over_h ? 1u : x.h,
              op->over_w ? 1u : x.w};
    p.reduced = {op->over_c ? x.c : 1u, op->over_t ? x.t : 1u, op->over_h ? x.h : 1u,
                 op->over_w ? x.w : 1u};
    p.results = p.kept.c * p.kept.t * p.kept.h * p.kept.w;
    p.terms = p.reduced.c * p.reduced.t * p.reduced.h * p.reduced.w;
    const unsigned columns = (p.results + RESULTS - 1) / RESULTS;
    const unsigned most = columns < MAX_BLOCKS ? MAX_BLOCKS / columns : 1;
    const unsigned wanted = (p.terms + MIN_SLICE - 1) / MIN_SLICE;
    p.slices = wanted < most ? wanted : most;
    p.slice = (p.terms + p.slices - 1) / p.slices;
    return p;
}

struct steps {
    int c, t, h, w;
};
static __device__ steps unfold(extents e, unsigned i)
{
    steps at;
    at.c = (int)(i % e.c), i /= e.c;
    at.w = (int)(i % e.w), i /= e.w;
    at.h = (int)(i % e.h), at.t = (int)(i / e.h);
    return at;
}

template <class S> static __device__ double product(const cuda_reduction &op, int n, steps at)
{
    double x = number<S>(op.term[0], offset_of(op.term[0], n, at.t, at.h, at.w, at.c));
    for (int k = 1; k < op.n_terms; k++)
        x *= number<S>(op.term[k], offset_of(op.term[k], n, at.t, at.h, at.w, at.c));
    return x;
}

template <class S> static __global__ void reduce_kernel(reduce_plan p)
{
    __shared__ double sums[ROWS][RESULTS];
    const unsigned result = blockIdx.x * RESULTS + threadIdx.x;
    const int n = (int)blockIdx.z;
    const unsigned first = blockIdx.y * p.slice, end = first + p.slice;
    const unsigned last = end < p.terms ? end : p.terms;
    double sum = 0;
    if (result < p.results) {
        const steps kept = unfold(p.kept, result);
        for (unsigned i = first + threadIdx.y; i < last; i += ROWS) {
            const steps r = unfold(p.reduced, i);
            sum += product<S>(p.op, n, {kept.c + r.c, kept.t + r.t, kept.h + r.h, kept.w + r.w});
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || result >= p.results)
        return;
    sum = 0;
    for (int row = 0; row < ROWS; row++)
        sum += sums[row][threadIdx.x];
    p.op.partial[((size_t)n * p.slices + blockIdx.y) * p.results + result] = sum;
}

template <class S> static __global__ void add_slices_kernel(reduce_plan p)
{
    const int n = blockIdx.y;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < p.results;
         i += gridDim.x * blockDim.x) {
        double sum = 0;
        for (unsigned s = 0; s < p.slices; s++)
            sum += p.op.partial[((size_t)n * p.slices + s) * p.results + i];
        const steps at = unfold(p.kept, i);
        round_to(address<S>(p.op.dst, offset_of(p.op.dst, n, at.t, at.h, at.w, at.c)),
                 (float)(sum * p.op.scale));
    }
}

template <class S> static void add_slices(const reduce_plan &p, cudaStream_t stream)
{
    LAUNCH(add_slices_kernel<S>, grid_of(p.results, p.op.dst.n), THREADS, stream, p);
}

template <class S> static void reduce_any(const reduce_plan &p, cudaStream_t stream)
{
    const dim3 grid((p.results + RESULTS - 1) / RESULTS, p.slices, (unsigned)p.op.dst.n);
    LAUNCH_JOINED(reduce_kernel<S>, grid, dim3(RESULTS, ROWS), stream, p);
}

/* --- sums over positions, channels contiguous --- */

enum { IN_FLIGHT = 4, MIN_ROUNDS = 2 * IN_FLIGHT, MAX_SLICES = 512 };
enum { MAX_WIDTH = 8, MIN_WIDTH = 4, ENOUGH_BLOCKS = 128 };

/* A block has `rows` rows of `width` threads; each thread has 16 bytes of channels. */
struct column_plan {
    cuda_reduction op;
    int positions, slices, slice; /* positions of one slice */
    int width, rows, columns;
};

static bool follows(const cuda_view &x)
{
    return (x.h == 1 || x.stride_h == (int64_t)x.w * x.stride_w) &&
           (x.t == 1 || x.stride_t == (int64_t)x.h * x.w * x.stride_w);
}

template <class S> static bool sums_columns(const cuda_reduction &op)
{
    bool fits = !op.over_c && op.over_t && op.over_h && op.over_w && op.n_terms <= 2;
    for (int k = 0; k < op.n_terms; k++)
        fits = fits && follows(op.term[k]) && goes_wide<S>(op.term[k], op.term[0]);
    return fits;
}

/* The division does not depend on the number of clips, so each is summed as it would be alone. */
static void divide(column_plan *p, int packs, int width)
{
    p->width = width;
    p->rows = THREADS / width;
    p->columns = (packs + width - 1) / width;
    const int least = p->rows * MIN_ROUNDS, wanted = (p->positions + least - 1) / least;
    p->slices = wanted < MAX_SLICES ? wanted : MAX_SLICES;
    p->slice = (p->positions + p->slices - 1) / p->slices;
}

static column_plan columns_of(const cuda_reduction *op, int per_thread)
{
    const cuda_view &x = op->term[0];
    column_plan p = {*op, x.t * x.h * x.w, 1, 0, 1, 1, 1};
    const int packs = x.lanes / per_thread;
    int width = 1;
    while (width < MAX_WIDTH && width < packs)
        width *= 2;
    divide(&p, packs, width);
    if (p.columns * p.slices < ENOUGH_BLOCKS && width > MIN_WIDTH) /* deep layers */
        divide(&p, packs, MIN_WIDTH);
    if ((int64_t)p.columns * x.n > CUDA_COUNTERS) { /* there are blocks enough */
        p.slices = 1;
        p.slice = p.positions;
    }
    return p;
}

/* Writes to sum[V] the sum over positions i, i + step, ... below `end`. */
template <class S, int V, int TERMS>
static __device__ void add_positions(double *sum, const cuda_reduction &op, int n, int c, int i,
                                     int step, int end)
{
    const S *x = address<S>(op.term[0], offset_of(op.term[0], n, 0, c));
    const S *y = TERMS > 1 ? address<S>(op.term[1], offset_of(op.term[1], n, 0, c)) : x;
    const int64_t next_x = op.term[0].stride_w, next_y = TERMS > 1 ? op.term[1].stride_w : 0;
    for (; i + (IN_FLIGHT - 1) * step < end; i += IN_FLIGHT * step) {
        pack<V> a[IN_FLIGHT], b[IN_FLIGHT];
        for (int k = 0; k < IN_FLIGHT; k++) {
            a[k] = load<V>(x + (i + k * step) * next_x);
            if (TERMS > 1)
                b[k] = load<V>(y + (i + k * step) * next_y);
        }
        for (int k = 0; k < IN_FLIGHT; k++)
            for (int v = 0; v < V; v++)
                sum[v] += TERMS > 1 ? (double)a[k].v[v] * (double)b[k].v[v] : (double)a[k].v[v];
    }
    for (; i < end; i += step) {
        const pack<V> a = load<V>(x + i * next_x);
        const pack<V> b = TERMS > 1 ? load<V>(y + i * next_y) : a;
        for (int v = 0; v < V; v++)
            sum[v] += TERMS > 1 ? (double)a.v[v] * (double)b.v[v] : (double)a.v[v];
    }
}

/* Adds the sums of the block's rows; thread i returns result i of the block. */
template <int V> static __device__ double add_rows(double *sums, const double *sum, int i)
{
    const int results = (int)blockDim.x * V;
    for (int v = 0; v < V; v++)
        sums[threadIdx.y * results + threadIdx.x * V + v] = sum[v];
    __syncthreads();
    double all = 0;
    for (int row = 0; i < results && row < (int)blockDim.y; row++)
        all += sums[row * results + i];
    return all;
}

static __device__ void store_result(const cuda_reduction &op, int n, int c, double sum)
{
    const cuda_view &dst = op.dst;
    const int64_t at = offset_of(dst, n, 0, c);
    const float x = (float)(sum * op.scale);
    if (dst.type == CFP_FLOAT32)
        round_to(address<float>(dst, at), x);
    else if (dst.type == CFP_BFLOAT16)
        round_to(address<bfloat16>(dst, at), x);
    else
        round_to(address<float16>(dst, at), x);
}

/* True in the block that finishes the last slice of its column: all slices are stored then. */
static __device__ bool is_last(const column_plan &p, int n)
{
    __shared__ bool last;
    __syncthreads(); /* the slice is stored */
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        __threadfence();
        const unsigned most = (unsigned)p.slices - 1;
        last = atomicInc(&p.op.counter[n * p.columns + blockIdx.x], most) == most;
        __threadfence();
    }
    __syncthreads();
    return last;
}

template <class S, int V, int TERMS>
static __global__ void sum_columns_kernel(const __grid_constant__ column_plan p)
{
    __shared__ double sums[THREADS * V];
    const int n = (int)blockIdx.z, i = threadIdx.y * p.width + threadIdx.x;
    const int lanes = p.op.term[0].lanes, first_lane = blockIdx.x * p.width * V;
    const int c = first_lane + threadIdx.x * V, mine = first_lane + i;
    const int first = blockIdx.y * p.slice, end = first + p.slice;
    double sum[V] = {};
    if (c < lanes)
        add_positions<S, V, TERMS>(sum, p.op, n, c, first + threadIdx.y, p.rows,
                                   end < p.positions ? end : p.positions);
    double all = add_rows<V>(sums, sum, i);
    const bool stores = i < p.width * V && mine < lanes;
    if (p.slices > 1) {
        double *const partial = p.op.partial + (size_t)n * p.slices * lanes;
        if (stores)
            partial[(size_t)blockIdx.y * lanes + mine] = all;
        if (!is_last(p, n))
            return;
        for (int v = 0; v < V; v++)
            sum[v] = 0;
        for (int s = threadIdx.y; s < p.slices && c < lanes; s += p.rows)
            for (int v = 0; v < V; v++)
                sum[v] += partial[(size_t)s * lanes + c + v];
        all = add_rows<V>(sums, sum, i);
    }
    if (stores && mine < p.op.dst.c)
        store_result(p.op, n, mine, all);
}

template <class S> static bool reduce(const cuda_reduction *op, size_t *bytes, cudaStream_t stream)
{
    constexpr int V = WIDE<S>;
    if (!sums_columns<S>(*op))
        return false;
    const column_plan p = columns_of(op, V);
    *bytes = p.slices > 1 ? (size_t)op->dst.n * p.slices * op->term[0].lanes * sizeof(double) : 0;
    const dim3 grid((unsigned)p.columns, (unsigned)p.slices, (unsigned)op->dst.n);
    const dim3 block((unsigned)p.width, (unsigned)p.rows);
    if (op->n_terms == 1 && stream != NULL)
        LAUNCH_JOINED((sum_columns_kernel<S, V, 1>), grid, block, stream, p);
    else if (stream != NULL)
        LAUNCH_JOINED((sum_columns_kernel<S, V, 2>), grid, block, stream, p);
    return true;
}

extern "C" size_t cuda_reduce_bytes(const cuda_reduction *op)
{
    size_t bytes;
    if (FOR_TYPE(op->term[0].type, reduce, op, &bytes, NULL))
        return bytes;
    const reduce_plan p = plan_of(op);
    return (size_t)op->dst.n * p.slices * p.results * sizeof(double);
}

extern "C" cudaError_t cuda_reduce(const cuda_reduction *op, cudaStream_t stream)
{
    size_t bytes;
    if (FOR_TYPE(op->term[0].type, reduce, op, &bytes, stream))
        return cudaGetLastError();
    const reduce_plan p = plan_of(op);
    FOR_TYPE(op->term[0].type, reduce_any, p, stream);
    FOR_TYPE(op->dst.type, add_slices, p, stream);
    return cudaGetLastError();
}
