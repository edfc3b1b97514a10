/* cpu_places.c - copies along T, H, W that use an input element several times (pad by edges or by
 * reflection, upsample) or join tensors (concat along T, H or W), in any layout.
 *
 * Each axis has a table: which input each output comes from, and in reverse which outputs an input
 * went to.  Backward adds those up, so no two threads write to one place. */
#include "cpu.h"
#include <string.h>

typedef struct axis_table {
    int *from;  /* [outputs] */
    int *first; /* [inputs + 1] where the outputs of an input start in `to` */
    int *to;    /* [outputs] */
} axis_table;

typedef struct repeats {
    axis_table axis[3];
} repeats;

static bool repeats_takes(const cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)backend;
    return cfp_repeats(step->node) && src[0]->block == dst->block;
}

static cfp_status open_axis(axis_table *t, cfp_ctx *ctx, const cfp_node *node, int axis, int in,
                            int out)
{
    CFP_TRY_ALLOC(ctx, t->from, out);
    CFP_TRY_ALLOC(ctx, t->to, out);
    CFP_TRY_ALLOC(ctx, t->first, in + 1);
    for (int o = 0; o < out; o++)
        t->from[o] = cfp_repeated_place(node, axis, in, o);
    for (int i = 0, end = 0; i < in; i++) {
        t->first[i] = end;
        for (int o = 0; o < out; o++)
            if (t->from[o] == i)
                t->to[end++] = o;
        t->first[i + 1] = end;
    }
    return CFP_OK;
}

static cfp_status repeats_open(void **own, cfp_backend *backend, cfp_step *step,
                               const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const cfp_shape in = src[0]->shape, out = dst->shape;
    repeats *r;
    CFP_TRY_ALLOC(backend->ctx, r, 1);
    *own = r;
    CFP_TRY(open_axis(&r->axis[0], backend->ctx, step->node, 0, in.t, out.t));
    CFP_TRY(open_axis(&r->axis[1], backend->ctx, step->node, 1, in.h, out.h));
    return open_axis(&r->axis[2], backend->ctx, step->node, 2, in.w, out.w);
}

static void repeats_close(void *own)
{
    repeats *r = own;
    for (int a = 0; r != NULL && a < 3; a++) {
        cfp_free(r->axis[a].from);
        cfp_free(r->axis[a].first);
        cfp_free(r->axis[a].to);
    }
    cfp_free(r);
}

static cfp_status repeats_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)step, (void)scratch;
    const repeats *r = own;
    const cfp_shape in = src[0]->shape, out = dst->shape;
    const int block = dst->block;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < (int64_t)out.n * cfp_blocks(dst); b++)
        for (int t = 0; t < out.t; t++)
            for (int h = 0; h < out.h; h++) {
                const int64_t row = (b * in.t + r->axis[0].from[t]) * in.h + r->axis[1].from[h];
                const float *from = src[0]->data + row * in.w * block;
                float *to = dst->data + ((b * out.t + t) * out.h + h) * out.w * block;
                for (int w = 0; w < out.w; w++)
                    memcpy(to + (int64_t)w * block, from + (int64_t)r->axis[2].from[w] * block,
                           (size_t)block * sizeof(float));
            }
    return CFP_OK;
}

/* Adds the row of outputs that starts at dy to the row of inputs at dx. */
static void add_row(float *dx, const float *dy, const axis_table *w, int inputs, int block)
{
    for (int i = 0; i < inputs; i++)
        for (int k = w->first[i]; k < w->first[i + 1]; k++)
            for (int l = 0; l < block; l++)
                dx[(int64_t)i * block + l] += dy[(int64_t)w->to[k] * block + l];
}

static cfp_status repeats_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)step, (void)src, (void)dst, (void)scratch;
    const repeats *r = own;
    const cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return CFP_OK;
    const cfp_shape in = dx->shape, out = diff_dst->shape;
    const axis_table *at = &r->axis[0], *ah = &r->axis[1];
    const int block = dx->block;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < (int64_t)in.n * cfp_blocks(dx); b++)
        for (int i = 0; i < in.t; i++)
            for (int j = 0; j < in.h; j++) {
                float *mine = dx->data + ((b * in.t + i) * in.h + j) * in.w * block;
                memset(mine, 0, (size_t)in.w * (size_t)block * sizeof *mine);
                for (int t = at->first[i]; t < at->first[i + 1]; t++)
                    for (int h = ah->first[j]; h < ah->first[j + 1]; h++) {
                        const int64_t row = (b * out.t + at->to[t]) * out.h + ah->to[h];
                        add_row(mine, diff_dst->data + row * out.w * block, &r->axis[2], in.w,
                                block);
                    }
            }
    return CFP_OK;
}

/* concat along T, H or W: for each block of channels and each place on the axes before, a stretch
 * of every source follows that of the one before. */

static bool joins_takes(const cfp_backend *backend, const cfp_step *step,
                        const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)backend;
    if (step->node->op != CFP_OP_CONCAT || cfp_concat_axis(step->node) == 1)
        return false;
    for (int k = 0; k < step->n_src; k++)
        if (src[k]->block != dst->block)
            return false;
    return true;
}

static int64_t stretch(const cfp_tensor *x, int axis) /* numbers from this axis on */
{
    const cfp_shape s = x->shape;
    return (int64_t)x->block * s.w * (axis < 4 ? s.h : 1) * (axis < 3 ? s.t : 1);
}

static cfp_status joins_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)backend, (void)scratch;
    const int axis = cfp_concat_axis(step->node);
    const int64_t whole = stretch(dst, axis);
    int64_t at = 0;
    for (int k = 0; k < step->n_src; k++) {
        const int64_t part = stretch(src[k], axis);
        for (int64_t i = 0; i < cfp_stored(src[k]) / part; i++)
            memcpy(dst->data + i * whole + at, src[k]->data + i * part,
                   (size_t)part * sizeof(float));
        at += part;
    }
    return CFP_OK;
}

static cfp_status joins_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, const cfp_tensor *dst,
                                 const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                 void *scratch)
{
    (void)own, (void)backend, (void)src, (void)dst, (void)scratch;
    const int axis = cfp_concat_axis(step->node);
    const int64_t whole = stretch(diff_dst, axis);
    int64_t at = 0;
    for (int k = 0; k < step->n_src; k++) {
        const cfp_shape s = step->model->node[step->node->input[k]].shape;
        const cfp_tensor like = {.shape = {diff_dst->shape.n, s.c, s.t, s.h, s.w},
                                 .block = diff_dst->block};
        const int64_t part = stretch(&like, axis);
        for (int64_t i = 0; diff_src[k] != NULL && i < cfp_stored(&like) / part; i++)
            memcpy(diff_src[k]->data + i * part, diff_dst->data + i * whole + at,
                   (size_t)part * sizeof(float));
        at += part;
    }
    return CFP_OK;
}

const cpu_kernel cpu_repeats = {.takes = repeats_takes,
                                .open = repeats_open,
                                .forward = repeats_forward,
                                .backward = repeats_backward,
                                .close = repeats_close};
const cpu_kernel cpu_joins = {
    .takes = joins_takes, .forward = joins_forward, .backward = joins_backward};
