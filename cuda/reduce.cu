/* reduce.cu - sums over axes of a product of tensors: channel means, the global pool, the gradient
 * of what was broadcast.
 *
 * Two kernels, so that many blocks can share a long sum and the result is the same every run: the
 * first cuts the reduced elements into slices, the second adds the slices in order.  A block is 32
 * results (channels, side by side in memory) x 8 rows of threads, which share a slice.  Everything
 * is summed in double.  Bytes: each term once, and 8 for each result of a slice. */
#include "lanes.h"

enum { RESULTS = 32, ROWS = 8, LEAST_SLICE = 16 * ROWS, MOST_BLOCKS = 2048 };

/* A set of places in C x T x H x W, channels fastest. */
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
    const unsigned most = columns < MOST_BLOCKS ? MOST_BLOCKS / columns : 1;
    const unsigned wanted = (p.terms + LEAST_SLICE - 1) / LEAST_SLICE;
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

/* TERMS: their number where it is known, else 0. */
template <class S, int TERMS>
static __device__ double product(const cuda_reduction &op, int n, steps at)
{
    const int terms = TERMS > 0 ? TERMS : op.n_terms;
    double x = number<S>(op.term[0], offset_of(op.term[0], n, at.t, at.h, at.w, at.c));
    for (int k = 1; k < terms; k++)
        x *= number<S>(op.term[k], offset_of(op.term[k], n, at.t, at.h, at.w, at.c));
    return x;
}
/* The same where only positions are reduced, and follow one another. */
template <class S, int TERMS>
static __device__ double product_at(const cuda_reduction &op, int n, int position, int c)
{
    const int terms = TERMS > 0 ? TERMS : op.n_terms;
    double x = number<S>(op.term[0], offset_of(op.term[0], n, position, c));
    for (int k = 1; k < terms; k++)
        x *= number<S>(op.term[k], offset_of(op.term[k], n, position, c));
    return x;
}

template <class S, bool POSITIONS, int TERMS> static __global__ void reduce_kernel(reduce_plan p)
{
    __shared__ double sums[ROWS][RESULTS];
    const unsigned result = blockIdx.x * RESULTS + threadIdx.x;
    const int n = (int)blockIdx.z;
    const unsigned first = blockIdx.y * p.slice, end = first + p.slice;
    const unsigned last = end < p.terms ? end : p.terms;
    double sum = 0;
    if (result < p.results) {
        const steps kept = unfold(p.kept, result);
        /* Several loads under way at a time: one does not fill a GPU's memory bus. */
        if (POSITIONS) {
            UNROLL_BY_4
            for (unsigned i = first + threadIdx.y; i < last; i += ROWS)
                sum += product_at<S, TERMS>(p.op, n, (int)i, kept.c);
        } else {
            for (unsigned i = first + threadIdx.y; i < last; i += ROWS) {
                const steps r = unfold(p.reduced, i);
                sum += product<S, TERMS>(p.op, n,
                                         {kept.c + r.c, kept.t + r.t, kept.h + r.h, kept.w + r.w});
            }
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

extern "C" size_t cuda_reduce_bytes(const cuda_reduction *op)
{
    const reduce_plan p = plan_of(op);
    return (size_t)op->dst.n * p.slices * p.results * sizeof(double);
}

static bool follows(const cuda_view &x)
{
    return (x.h == 1 || x.stride_h == (int64_t)x.w * x.stride_w) &&
           (x.t == 1 || x.stride_t == (int64_t)x.h * x.w * x.stride_w);
}

template <class S> static void add_slices(const reduce_plan &p, cudaStream_t stream)
{
    LAUNCH(add_slices_kernel<S>, grid_of(p.results, p.op.dst.n), THREADS, stream, p);
}

template <class S>
static void reduce(const cuda_reduction *op, const reduce_plan &p, cudaStream_t stream)
{
    bool positions = !op->over_c && op->over_t && op->over_h && op->over_w;
    for (int k = 0; k < op->n_terms; k++)
        positions = positions && follows(op->term[k]);
    const dim3 grid((p.results + RESULTS - 1) / RESULTS, p.slices, (unsigned)op->dst.n);
    const dim3 block(RESULTS, ROWS);
    if (positions && op->n_terms == 1)
        LAUNCH_JOINED((reduce_kernel<S, true, 1>), grid, block, stream, p);
    else if (positions && op->n_terms == 2)
        LAUNCH_JOINED((reduce_kernel<S, true, 2>), grid, block, stream, p);
    else if (positions)
        LAUNCH_JOINED((reduce_kernel<S, true, 0>), grid, block, stream, p);
    else
        LAUNCH_JOINED((reduce_kernel<S, false, 0>), grid, block, stream, p);
}

extern "C" cudaError_t cuda_reduce(const cuda_reduction *op, cudaStream_t stream)
{
    const reduce_plan p = plan_of(op);
    FOR_TYPE(op->term[0].type, reduce, op, p, stream);
    FOR_TYPE(op->dst.type, add_slices, p, stream);
    return cudaGetLastError();
}
