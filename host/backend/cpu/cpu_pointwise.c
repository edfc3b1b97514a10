/* cpu_pointwise.c - batchnorm, activations, add and mul by the kernels of lane_map.c.
 *
 * add and mul run here if all inputs have one shape, or if one of two is C x 1 x 1 x 1 (the gate of
 * a squeeze-and-excitation block).  Such a vector is then the scale or the shift of the kernel
 * `map`. ref does other broadcasts. */
#include "cpu.h"
#include "../ref/ref.h"
#include <string.h>

void cpu_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_node *activation)
{
    if (activation == NULL)
        return;
    const lane_map job = {
        .shape = dst->shape, .src = dst->data, .activation = activation, .dst = dst->data};
    backend->lanes->map(&job, backend->threads);
}

void cpu_add_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *a,
                      const cfp_tensor *b, const cfp_node *activation)
{
    if (b->block != dst->block)
        cpu_relayout(backend, dst, b);
    const cfp_tensor *added = b->block != dst->block ? dst : b;
    backend->lanes->join(dst->data, a->data, added->data, dst->shape, LANE_ADD, activation,
                         backend->threads);
}

/* batchnorm: `own` is the scale, then the shift, both padded to whole blocks */

static bool batchnorm_takes(const cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return step->node->op == CFP_OP_BATCHNORM && cpu_in_lanes(backend, step, src, dst);
}

static cfp_status batchnorm_open(void **own, cfp_backend *backend, cfp_step *step,
                                 const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)src;
    const int stored = cfp_blocks(dst) * dst->block, channels = dst->shape.c;
    float *both;
    CFP_TRY_ALLOC(backend->ctx, both, 2 * (size_t)stored);
    *own = both;
    memcpy(both, step->node->scale, (size_t)channels * sizeof *both);
    memcpy(both + stored, step->node->shift, (size_t)channels * sizeof *both);
    return CFP_OK;
}

static cfp_status batchnorm_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)scratch;
    const float *scale = own;
    const lane_map job = {.shape = dst->shape,
                          .src = src[0]->data,
                          .scale = scale,
                          .shift = scale + cfp_blocks(dst) * dst->block,
                          .activation = step->activation,
                          .dst = dst->data};
    backend->lanes->map(&job, backend->threads);
    return CFP_OK;
}

static cfp_status batchnorm_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, const cfp_tensor *dst,
                                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                     void *scratch)
{
    (void)step, (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const lane_map job = {
        .shape = diff_dst->shape, .src = diff_dst->data, .scale = own, .dst = diff_src[0]->data};
    backend->lanes->map(&job, backend->threads);
    return CFP_OK;
}

/* activations on their own */

static bool activation_takes(const cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return cfp_is_activation(step->node) && cpu_in_lanes(backend, step, src, dst);
}

/* A prelu: `own` is its slopes, padded to whole blocks. */
static cfp_status activation_open(void **own, cfp_backend *backend, cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)src;
    float *slope;
    if (step->node->op != CFP_OP_PRELU)
        return CFP_OK;
    CFP_TRY_ALLOC(backend->ctx, slope, (size_t)cfp_blocks(dst) * (size_t)dst->block);
    *own = slope;
    memcpy(slope, step->node->slope, (size_t)dst->shape.c * sizeof *slope);
    return CFP_OK;
}

static cfp_status activation_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                     const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)scratch;
    const lane_map job = {.shape = dst->shape,
                          .src = src[0]->data,
                          .activation = step->node,
                          .slope = own,
                          .dst = dst->data};
    backend->lanes->map(&job, backend->threads);
    return CFP_OK;
}

static cfp_status activation_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                      const cfp_tensor *const *src, const cfp_tensor *dst,
                                      const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                      void *scratch)
{
    (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const bool from_output = cfp_gate_from_output(step->node->op);
    const cfp_tensor *value = from_output ? dst : src[0];
    const lane_slope job = {.shape = diff_dst->shape,
                            .dy = diff_dst->data,
                            .value = value->data,
                            .activation = step->node,
                            .slope = own,
                            .from_output = from_output,
                            .dst = diff_src[0]->data};
    backend->lanes->slope(&job, backend->threads);
    return CFP_OK;
}

/* add, mul */

static bool is_vector(const cfp_tensor *x)
{
    return cfp_positions(x->shape) == 1;
}

/* The index of the source that is a vector over the channels of the other; -1: both have one shape.
 */
static int vector_among(const cfp_tensor *const *src, const cfp_tensor *dst)
{
    if (cfp_shape_equal(src[0]->shape, dst->shape))
        return cfp_shape_equal(src[1]->shape, dst->shape) ? -1 : 1;
    return 0;
}

static bool join_takes(const cfp_backend *backend, const cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst, cfp_op op)
{
    if (step->node->op != op || !cpu_in_lanes(backend, step, src, dst))
        return false;
    int whole = 0, vectors = 0;
    for (int k = 0; k < step->n_src; k++) {
        const bool same = cfp_shape_equal(src[k]->shape, dst->shape);
        whole += same;
        vectors += !same && is_vector(src[k]) && src[k]->shape.c == dst->shape.c;
    }
    return whole == step->n_src || (step->n_src == 2 && whole == 1 && vectors == 1);
}

static bool add_takes(const cfp_backend *backend, const cfp_step *step,
                      const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return join_takes(backend, step, src, dst, CFP_OP_ADD);
}

static bool mul_takes(const cfp_backend *backend, const cfp_step *step,
                      const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return join_takes(backend, step, src, dst, CFP_OP_MUL);
}

static cfp_status join_open(void **own, cfp_backend *backend, cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)own, (void)src;
    step->scratch_bytes = step->backward ? cpu_sums_bytes(backend, dst) : 0;
    return CFP_OK;
}

/* dst = src op vector, per clip and channel. */
static void map_by(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                   const float *scale, const float *shift, const cfp_node *activation)
{
    const lane_map job = {.shape = dst->shape,
                          .src = src->data,
                          .scale = scale,
                          .shift = shift,
                          .per_clip = true,
                          .activation = activation,
                          .dst = dst->data};
    backend->lanes->map(&job, backend->threads);
}

static cfp_status join_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)scratch;
    const bool adds = step->node->op == CFP_OP_ADD;
    const int vector = vector_among(src, dst);
    if (vector >= 0) {
        const float *by = src[vector]->data;
        map_by(backend, dst, src[1 - vector], adds ? NULL : by, adds ? by : NULL, step->activation);
        return CFP_OK;
    }
    const cfp_tensor *sum = src[0];
    for (int k = 1; k < step->n_src; k++, sum = dst)
        backend->lanes->join(dst->data, sum->data, src[k]->data, dst->shape,
                             adds ? LANE_ADD : LANE_MUL,
                             k == step->n_src - 1 ? step->activation : NULL, backend->threads);
    return CFP_OK;
}

/* The gradient of a vector: the sum of dy (times x unless NULL) over the positions. */
static void sum_to_vector(const cfp_backend *backend, cfp_tensor *vector, const cfp_tensor *dy,
                          const cfp_tensor *x, void *scratch)
{
    const double *sums = cpu_sums(backend, dy, x, scratch);
    for (int64_t i = 0; i < cfp_stored(vector); i++)
        vector->data[i] = (float)sums[i];
}

static cfp_status add_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, const cfp_tensor *dst,
                               const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                               void *scratch)
{
    (void)own, (void)src, (void)dst;
    for (int k = 0; k < step->n_src; k++) {
        if (diff_src[k] == NULL)
            continue;
        if (cfp_shape_equal(diff_src[k]->shape, diff_dst->shape))
            CFP_TRY(cpu_copy(backend, diff_src[k], diff_dst));
        else
            sum_to_vector(backend, diff_src[k], diff_dst, NULL, scratch);
    }
    return CFP_OK;
}

static cfp_status mul_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, const cfp_tensor *dst,
                               const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                               void *scratch)
{
    (void)own;
    if (step->n_src != 2)
        return ref_step_backward(backend, step, src, dst, diff_dst, diff_src, scratch);
    const int vector = vector_among(src, diff_dst);
    for (int k = 0; k < 2; k++) {
        if (diff_src[k] == NULL)
            continue;
        if (k == vector)
            sum_to_vector(backend, diff_src[k], diff_dst, src[1 - k], scratch);
        else if (vector >= 0)
            map_by(backend, diff_src[k], diff_dst, src[vector]->data, NULL, NULL);
        else
            backend->lanes->join(diff_src[k]->data, diff_dst->data, src[1 - k]->data,
                                 diff_dst->shape, LANE_MUL, NULL, backend->threads);
    }
    return CFP_OK;
}

const cpu_kernel cpu_batchnorm = {.takes = batchnorm_takes,
                                  .open = batchnorm_open,
                                  .forward = batchnorm_forward,
                                  .backward = batchnorm_backward};
const cpu_kernel cpu_activation = {.takes = activation_takes,
                                   .open = activation_open,
                                   .forward = activation_forward,
                                   .backward = activation_backward};
const cpu_kernel cpu_add = {
    .takes = add_takes, .open = join_open, .forward = join_forward, .backward = add_backward};
const cpu_kernel cpu_mul = {
    .takes = mul_takes, .open = join_open, .forward = join_forward, .backward = mul_backward};
