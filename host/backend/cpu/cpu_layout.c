/* cpu_layout.c - converts tensors between layouts: for the clip, downloads, flatten, and
 * convolutions that work in another block than their source has. */
#include "cpu.h"
#include <string.h>

enum { STRIP = 64 }; /* positions at a time: 2 x 64 x 16 floats fit the first-level cache */

/* Copies the channels [first, first + lanes) of one clip at the positions [start, end). */
static void move_strip(float *to, int to_block, const float *from, int from_block, int first,
                       int channels, int64_t positions, int64_t start, int64_t end)
{
    for (int c = first; c < first + channels; c++) {
        const int64_t at = (int64_t)(c / from_block) * positions * from_block + c % from_block;
        float *out = to + (int64_t)(c / to_block) * positions * to_block + c % to_block;
        for (int64_t p = start; p < end; p++)
            out[p * to_block] = from[at + p * from_block];
    }
}

void cpu_relayout(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    enum { GROUP = LANES_MAX };
    const cfp_shape s = dst->shape;
    const int64_t positions = cfp_positions(s);
    const int64_t to_clip = cfp_blocks(dst) * dst->block * positions;
    const int64_t from_clip = cfp_blocks(src) * src->block * positions;
    const int stored = cfp_blocks(dst) * dst->block; /* zero lanes included */
    const int64_t strips = (positions + STRIP - 1) / STRIP;

#pragma omp parallel for collapse(3) schedule(static) num_threads(backend->threads)
    for (int n = 0; n < s.n; n++)
        for (int first = 0; first < stored; first += GROUP)
            for (int64_t strip = 0; strip < strips; strip++) {
                const int64_t start = strip * STRIP;
                const int64_t end = start + STRIP < positions ? start + STRIP : positions;
                move_strip(dst->data + n * to_clip, dst->block, src->data + n * from_clip,
                           src->block, first, cfp_min_int(GROUP, s.c - first), positions, start,
                           end);
                for (int c = cfp_max_int(first, s.c); c < cfp_min_int(first + GROUP, stored); c++)
                    for (int64_t p = start; p < end; p++)
                        dst->data[n * to_clip + (c / dst->block * positions + p) * dst->block +
                                  c % dst->block] = 0;
            }
}

/* flatten: C x T x H x W in blocks to a vector, which is the plain order */

static bool flatten_takes(const cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)backend, (void)src, (void)dst;
    return step->node->op == CFP_OP_FLATTEN;
}

/* Clip n of a flattened vector, as the plain tensor that it came from. */
static cfp_tensor plain_clip(const cfp_tensor *vector, cfp_shape shape, int n)
{
    shape.n = 1;
    return (cfp_tensor){.shape = shape,
                        .block = 1,
                        .data = vector->data + (int64_t)n * cfp_blocks(vector) * vector->block};
}

static cfp_tensor one_clip(const cfp_tensor *x, int n)
{
    cfp_tensor clip = *x;
    clip.shape.n = 1;
    clip.data += n * cfp_stored(&clip);
    return clip;
}

static cfp_status flatten_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)step, (void)scratch;
    const int row = cfp_blocks(dst) * dst->block;
    for (int n = 0; n < dst->shape.n; n++) {
        cfp_tensor to = plain_clip(dst, src[0]->shape, n);
        const cfp_tensor from = one_clip(src[0], n);
        cpu_relayout(backend, &to, &from);
        memset(to.data + dst->shape.c, 0, (size_t)(row - dst->shape.c) * sizeof(float));
    }
    return CFP_OK;
}

static cfp_status flatten_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)own, (void)step, (void)src, (void)dst, (void)scratch;
    for (int n = 0; diff_src[0] != NULL && n < diff_dst->shape.n; n++) {
        const cfp_tensor from = plain_clip(diff_dst, diff_src[0]->shape, n);
        cfp_tensor to = one_clip(diff_src[0], n);
        cpu_relayout(backend, &to, &from);
    }
    return CFP_OK;
}

const cpu_kernel cpu_flatten = {
    .takes = flatten_takes, .forward = flatten_forward, .backward = flatten_backward};
