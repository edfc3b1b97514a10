/* cpu_pool.c - maxpool3d, avgpool3d and globalavgpool by the kernels of lane_pool.c and
 * lane_sum.c. */
#include "cpu.h"
#include <string.h>

static bool pool_takes(const cfp_backend *backend, const cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst, cfp_op op)
{
    return step->node->op == op && cpu_in_lanes(backend, step, src, dst);
}

static bool maxpool_takes(const cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return pool_takes(backend, step, src, dst, CFP_OP_MAXPOOL3D);
}

static bool avgpool_takes(const cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return pool_takes(backend, step, src, dst, CFP_OP_AVGPOOL3D);
}

/* The number of cells of window a that count along one axis: those in the input and, with
 * count_include_pad, those in the padding.  Cells behind the padding, which only the last window of
 * ceil_mode reaches, never count. */
static int cells(const cfp_node *node, int axis, int a, int size)
{
    const cfp_window *w = &node->window;
    const int first = a * w->stride[axis] - w->pad_begin[axis];
    const int begin = node->count_include_pad ? -w->pad_begin[axis] : 0;
    const int end = node->count_include_pad ? size + w->pad_end[axis] : size;
    return cfp_min_int(first + w->kernel[axis], end) - cfp_max_int(first, begin);
}

typedef struct pool {
    lane_window axis[3];
    float *weight; /* of the three axes, one after the other */
} pool;

static cfp_status pool_open(void **own, cfp_backend *backend, cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const cfp_node *node = step->node;
    const int in[3] = {src[0]->shape.t, src[0]->shape.h, src[0]->shape.w};
    const int out[3] = {dst->shape.t, dst->shape.h, dst->shape.w};
    pool *p;
    CFP_TRY_ALLOC(backend->ctx, p, 1);
    *own = p;
    CFP_TRY_ALLOC(backend->ctx, p->weight, (int64_t)out[0] + out[1] + out[2]);
    float *weight = p->weight;
    for (int i = 0; i < 3; i++) {
        p->axis[i] = (lane_window){.count = out[i],
                                   .kernel = node->window.kernel[i],
                                   .stride = node->window.stride[i],
                                   .pad = node->window.pad_begin[i],
                                   .weight = weight};
        for (int a = 0; a < out[i]; a++) {
            const int counted = cells(node, i, a, in[i]);
            *weight++ = counted > 0 ? 1.0f / (float)counted : 0;
        }
    }
    return CFP_OK;
}

static void pool_close(void *own)
{
    pool *p = own;
    if (p != NULL)
        cfp_free(p->weight);
    cfp_free(p);
}

static lane_pool job_of(const pool *p)
{
    return (lane_pool){.axis = {p->axis[0], p->axis[1], p->axis[2]}};
}

static cfp_status pool_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)scratch;
    lane_pool job = job_of(own);
    job.src_shape = src[0]->shape;
    job.dst_shape = dst->shape;
    job.src = src[0]->data;
    job.dst = dst->data;
    if (step->node->op == CFP_OP_MAXPOOL3D)
        backend->lanes->maxpool(&job, backend->threads);
    else
        backend->lanes->avgpool(&job, backend->threads);
    return CFP_OK;
}

static cfp_status pool_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    lane_pool job = job_of(own);
    job.src_shape = diff_src[0]->shape;
    job.dst_shape = diff_dst->shape;
    job.diff_dst = diff_dst->data;
    job.diff_src = diff_src[0]->data;
    if (step->node->op == CFP_OP_MAXPOOL3D) {
        job.src = src[0]->data;
        backend->lanes->maxpool_back(&job, backend->threads);
    } else {
        backend->lanes->avgpool_back(&job, backend->threads);
    }
    return CFP_OK;
}

static bool global_takes(const cfp_backend *backend, const cfp_step *step,
                         const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return pool_takes(backend, step, src, dst, CFP_OP_GLOBALAVGPOOL);
}

static cfp_status global_open(void **own, cfp_backend *backend, cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)own, (void)dst;
    step->scratch_bytes = cpu_sums_bytes(backend, src[0]);
    return CFP_OK;
}

static cfp_status global_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)step;
    const double *sums = cpu_sums(backend, src[0], NULL, scratch);
    const double positions = (double)cfp_positions(src[0]->shape);
    for (int64_t i = 0; i < cfp_stored(dst); i++)
        dst->data[i] = (float)(sums[i] / positions);
    return CFP_OK;
}

static cfp_status global_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst,
                                  const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                  void *scratch)
{
    (void)own, (void)step, (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cfp_tensor *dx = diff_src[0];
    const int width = dx->block;
    const int64_t positions = cfp_positions(dx->shape);
    const int64_t blocks = (int64_t)dx->shape.n * cfp_blocks(dx);
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < blocks; b++) {
        float each[LANES_MAX];
        for (int lane = 0; lane < width; lane++)
            each[lane] = (float)(diff_dst->data[b * width + lane] / (double)positions);
        for (int64_t p = 0; p < positions; p++)
            memcpy(dx->data + (b * positions + p) * width, each, (size_t)width * sizeof(float));
    }
    return CFP_OK;
}

const cpu_kernel cpu_maxpool = {.takes = maxpool_takes,
                                .open = pool_open,
                                .forward = pool_forward,
                                .backward = pool_backward,
                                .close = pool_close};
const cpu_kernel cpu_avgpool = {.takes = avgpool_takes,
                                .open = pool_open,
                                .forward = pool_forward,
                                .backward = pool_backward,
                                .close = pool_close};
const cpu_kernel cpu_globalavgpool = {.takes = global_takes,
                                      .open = global_open,
                                      .forward = global_forward,
                                      .backward = global_backward};
