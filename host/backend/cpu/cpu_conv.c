/* cpu_conv.c - conv3d and linear by oneDNN, in the blocks that tensors have from layer to layer.
 *
 * A convolution works in the layout of its tensors if oneDNN has an allowed kernel for that
 * (cpu_dnnl.h); if not, in blocks on both sides.  If oneDNN has no such kernel either, our own
 * plain sum computes it (cpu_direct.h), from any layout to blocks.  Where the layouts differ,
 * tensors are converted in scratch memory.
 *
 * oneDNN can add the residual operand in dst ("sum"), or read it from its own memory ("binary").  A
 * step may need either, so both are compiled; they share their weights. */
#include "cpu_direct.h"
#include <string.h>

typedef struct conv {
    cpu_dnnl_conv *forward;  /* adds what stands in dst, where the step adds; NULL: own_forward */
    cpu_dnnl_conv *beside;   /* adds what stands elsewhere; NULL: it is copied to dst first */
    cpu_dnnl_conv *backward; /* NULL: own_backward, or not asked for */
    cpu_direct *own_forward, *own_backward; /* where oneDNN has no kernel */
    int src_block, dst_block;               /* what forward works in */
    int back_src_block, back_dst_block;
    cfp_shape front_src, back_src; /* of the source, or of the source thinned out (see thinned) */
    const cfp_node *afterwards;    /* activation that oneDNN does not do exactly */
} conv;

static cfp_window window_of(const cfp_node *node)
{
    static const cfp_window point = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}};
    return node->op == CFP_OP_LINEAR ? point : node->window;
}

static bool conv_takes(const cfp_backend *backend, const cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)backend, (void)src, (void)dst;
    return cfp_is_kernel_layer(step->node);
}

/* Opens a convolution of oneDNN in the layout of *ask, or else in blocks on both sides; *ask then
 * holds the layout that was chosen.  CFP_UNSUPPORTED: there is neither, and *ask is unchanged. */
static cfp_status open_dnnl(cpu_dnnl_conv **out, const cfp_backend *backend, cpu_conv_ask *ask,
                            const cfp_node *node)
{
    const int width = backend->lanes->width;
    cpu_conv_ask blocks = *ask;
    cfp_status st = cpu_dnnl_conv_open(out, backend->dnnl, ask, node->weight, node->bias, NULL);
    blocks.src_block = blocks.dst_block = width;
    if (st != CFP_UNSUPPORTED || (ask->src_block == width && ask->dst_block == width))
        return st;
    st = cpu_dnnl_conv_open(out, backend->dnnl, &blocks, node->weight, node->bias, NULL);
    if (st == CFP_OK)
        *ask = blocks;
    return st;
}

static cpu_conv_ask state(const cfp_step *step, const cfp_tensor *src, const cfp_tensor *dst)
{
    return (cpu_conv_ask){.src = src->shape,
                          .dst = dst->shape,
                          .src_block = src->block,
                          .dst_block = dst->block,
                          .groups = cfp_max_int(step->node->groups, 1),
                          .window = window_of(step->node),
                          .has_bias = step->node->bias != NULL};
}

/* True for a kernel of 1 x 1 x 1 with a stride, which reads only every stride-th position. oneDNN's
 * kernel for it takes 14.5 ms where 8.9 suffice (256 -> 512 channels, 8 x 56 x 56, one thread), and
 * backward it has only gemm, 3 times slower.  So the positions that are read are copied, and a
 * convolution without stride runs on the copy; backward, its result is spread over zeros. */
static bool thinned(const cfp_window *w)
{
    const bool point = w->kernel[0] * w->kernel[1] * w->kernel[2] == 1;
    const bool pads = w->pad_begin[0] || w->pad_begin[1] || w->pad_begin[2] || w->pad_end[0] ||
                      w->pad_end[1] || w->pad_end[2];
    return point && !pads && w->stride[0] * w->stride[1] * w->stride[2] > 1;
}

/* Opens our own sum for *ask, from the layout of its source to blocks. */
static cfp_status open_own(cpu_direct **out, const cfp_backend *backend, cpu_conv_ask *ask,
                           const cfp_node *node)
{
    const int width = backend->lanes->width;
    *(ask->backward ? &ask->src_block : &ask->dst_block) = width;
    const cfp_tensor src = {.shape = ask->src, .block = ask->src_block};
    const cfp_tensor dst = {.shape = ask->dst, .block = ask->dst_block};
    return ask->backward ? cpu_direct_open(out, backend, node, &ask->window, &src, &dst, true)
                         : cpu_direct_open(out, backend, node, &ask->window, &dst, &src, false);
}

/* Opens *out for the ask, thinned where that is possible without a change of layout. */
static cfp_status open_thinned(cpu_dnnl_conv **out, const cfp_backend *backend, cpu_conv_ask *ask,
                               const cfp_node *node)
{
    const cpu_conv_ask whole = *ask;
    if (thinned(&ask->window)) {
        ask->src = ask->dst;
        ask->src.c = whole.src.c;
        for (int i = 0; i < 3; i++)
            ask->window.stride[i] = 1;
        const cfp_status st = open_dnnl(out, backend, ask, node);
        if (st != CFP_UNSUPPORTED && (st != CFP_OK || ask->src_block == whole.src_block))
            return st;
        cpu_dnnl_conv_close(out);
        *ask = whole;
    }
    return open_dnnl(out, backend, ask, node);
}

static cfp_status open_forward(conv *c, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *src, const cfp_tensor *dst)
{
    cpu_conv_ask ask = state(step, src, dst);
    ask.add = step->adds ? CPU_ADD_IN_PLACE : CPU_ADD_NONE;
    if (step->activation != NULL && cpu_dnnl_activates(step->activation))
        ask.activation = step->activation;
    else
        c->afterwards = step->activation;
    cfp_status st = open_thinned(&c->forward, backend, &ask, step->node);
    if (st == CFP_UNSUPPORTED) {
        st = open_own(&c->own_forward, backend, &ask, step->node);
        c->afterwards = step->activation;
    }
    if (st != CFP_OK)
        return st;
    c->front_src = ask.src;
    c->src_block = ask.src_block;
    c->dst_block = ask.dst_block;
    if (!step->adds || c->forward == NULL || ask.dst_block != dst->block)
        return CFP_OK;

    ask.add = CPU_ADD_BESIDE;
    st = cpu_dnnl_conv_open(&c->beside, backend->dnnl, &ask, step->node->weight, step->node->bias,
                            c->forward);
    return st == CFP_UNSUPPORTED ? CFP_OK : st;
}

static cfp_status open_backward(conv *c, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *src, const cfp_tensor *dst)
{
    cpu_conv_ask ask = state(step, src, dst);
    ask.backward = true;
    cfp_status st = open_thinned(&c->backward, backend, &ask, step->node);
    if (st == CFP_UNSUPPORTED)
        st = open_own(&c->own_backward, backend, &ask, step->node);
    if (st != CFP_OK)
        return st;
    c->back_src = ask.src;
    c->back_src_block = ask.src_block;
    c->back_dst_block = ask.dst_block;
    return CFP_OK;
}

static size_t bytes_of(cfp_shape shape, int block)
{
    const cfp_tensor x = {.shape = shape, .block = block, .data = NULL};
    return cpu_aligned((size_t)cfp_stored(&x) * sizeof(float));
}

static size_t scratch_of(const cpu_dnnl_conv *dnnl)
{
    return dnnl == NULL ? 0 : cpu_aligned(cpu_dnnl_conv_scratch(dnnl));
}

static cfp_status conv_open(void **own, cfp_backend *backend, cfp_step *step,
                            const cfp_tensor *const *src, const cfp_tensor *dst)
{
    conv *c;
    CFP_TRY_ALLOC(backend->ctx, c, 1);
    *own = c;
    CFP_TRY(open_forward(c, backend, step, src[0], dst));
    size_t inside = scratch_of(c->forward), outside;
    if (scratch_of(c->beside) > inside)
        inside = scratch_of(c->beside);
    outside = bytes_of(c->front_src, c->src_block) + bytes_of(dst->shape, c->dst_block);
    step->scratch_bytes = inside + outside;
    if (!step->backward)
        return CFP_OK;

    CFP_TRY(open_backward(c, backend, step, src[0], dst));
    outside = bytes_of(dst->shape, c->back_dst_block) + bytes_of(c->back_src, c->back_src_block);
    const size_t back = scratch_of(c->backward) + outside;
    if (back > step->scratch_bytes)
        step->scratch_bytes = back;
    return CFP_OK;
}

static void conv_close(void *own)
{
    conv *c = own;
    if (c == NULL)
        return;
    cpu_dnnl_conv_close(&c->beside); /* borrows forward's weights */
    cpu_dnnl_conv_close(&c->forward);
    cpu_dnnl_conv_close(&c->backward);
    cpu_direct_close(&c->own_forward);
    cpu_direct_close(&c->own_backward);
    cfp_free(c);
}

/* The shape for another number of clips than the step was opened for. */
static cfp_shape of_clips(cfp_shape shape, int n)
{
    shape.n = n;
    return shape;
}

/* The tensor itself if it has this shape and layout, else a new tensor in scratch memory. */
static cfp_tensor in_layout(const cfp_tensor *x, cfp_shape shape, int block, char **scratch)
{
    if (x->block == block && cfp_shape_equal(x->shape, shape))
        return *x;
    const cfp_tensor y = {.shape = shape, .block = block, .data = (float *)(void *)*scratch};
    *scratch += bytes_of(shape, block);
    return y;
}

/* few(p) = many(p * stride), for all positions p of few. */
static void thin_out(const cfp_backend *backend, cfp_tensor *few, const cfp_tensor *many,
                     const int stride[3])
{
    const cfp_shape s = few->shape, in = many->shape;
    const int64_t blocks = (int64_t)s.n * cfp_blocks(few), block = few->block;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int t = 0; t < s.t; t++)
            for (int h = 0; h < s.h; h++) {
                const int64_t row = (b * in.t + t * stride[0]) * in.h + h * stride[1];
                const float *from = many->data + row * in.w * block;
                float *to = few->data + ((b * s.t + t) * s.h + h) * s.w * block;
                for (int w = 0; w < s.w; w++)
                    memcpy(to + w * block, from + w * stride[2] * block,
                           (size_t)block * sizeof *to);
            }
}

/* many(p * stride) = few(p), and 0 elsewhere. */
static void spread(const cfp_backend *backend, cfp_tensor *many, const cfp_tensor *few,
                   const int stride[3])
{
    const cfp_shape s = many->shape, in = few->shape;
    const int64_t blocks = (int64_t)s.n * cfp_blocks(many), block = many->block;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int t = 0; t < s.t; t++)
            for (int h = 0; h < s.h; h++) {
                float *to = many->data + ((b * s.t + t) * s.h + h) * s.w * block;
                memset(to, 0, (size_t)(s.w * block) * sizeof *to);
                if (t % stride[0] != 0 || h % stride[1] != 0)
                    continue;
                const int64_t row = (b * in.t + t / stride[0]) * in.h + h / stride[1];
                const float *from = few->data + row * in.w * block;
                for (int w = 0; w < in.w; w++)
                    memcpy(to + w * stride[2] * block, from + w * block,
                           (size_t)block * sizeof *to);
            }
}

/* If the residual operand is in dst, the convolution is computed in scratch memory and then added.
 */
static void own_forward(const conv *c, const cfp_backend *backend, const cfp_step *step,
                        const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    cfp_tensor to = *dst;
    if (step->adds)
        to.data = scratch;
    cpu_direct_run(c->own_forward, backend, &to, src[0]);
    if (step->adds)
        cpu_add_activate(backend, dst, &to, src[step->n_src - 1], c->afterwards);
    else
        cpu_activate(backend, dst, c->afterwards);
}

static cfp_status conv_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const conv *c = own;
    if (c->own_forward != NULL) {
        own_forward(c, backend, step, src, dst, scratch);
        return CFP_OK;
    }
    char *rest = scratch;
    const cfp_tensor *added = step->adds ? src[step->n_src - 1] : NULL;
    const int n = dst->shape.n;
    cfp_tensor from = in_layout(src[0], of_clips(c->front_src, n), c->src_block, &rest);
    cfp_tensor to = in_layout(dst, dst->shape, c->dst_block, &rest);

    if (!cfp_shape_equal(from.shape, src[0]->shape))
        thin_out(backend, &from, src[0], step->node->window.stride);
    else if (from.data != src[0]->data)
        cpu_relayout(backend, &from, src[0]);
    const bool apart = added != NULL && added->data != dst->data && added->block == to.block;
    if (apart && c->beside != NULL) {
        CFP_TRY(cpu_dnnl_conv_run(c->beside, n, from.data, to.data, added->data, rest));
    } else {
        if (added != NULL && added->data != to.data)
            cpu_relayout(backend, &to, added);
        CFP_TRY(cpu_dnnl_conv_run(c->forward, n, from.data, to.data, NULL, rest));
    }
    if (to.data != dst->data)
        cpu_relayout(backend, dst, &to);
    cpu_activate(backend, dst, c->afterwards);
    return CFP_OK;
}

static cfp_status conv_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    (void)src, (void)dst;
    const conv *c = own;
    char *rest = scratch;
    cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return CFP_OK;
    const int n = diff_dst->shape.n;
    cfp_tensor from = in_layout(diff_dst, diff_dst->shape, c->back_dst_block, &rest);
    cfp_tensor to = in_layout(dx, of_clips(c->back_src, n), c->back_src_block, &rest);

    if (from.data != diff_dst->data)
        cpu_relayout(backend, &from, diff_dst);
    if (c->own_backward != NULL)
        cpu_direct_run(c->own_backward, backend, &to, &from);
    else
        CFP_TRY(cpu_dnnl_conv_run(c->backward, n, to.data, from.data, NULL, rest));
    if (!cfp_shape_equal(to.shape, dx->shape))
        spread(backend, dx, &to, step->node->window.stride);
    else if (to.data != dx->data)
        cpu_relayout(backend, dx, &to);
    return CFP_OK;
}

const cpu_kernel cpu_conv = {.takes = conv_takes,
                             .open = conv_open,
                             .forward = conv_forward,
                             .backward = conv_backward,
                             .close = conv_close};
