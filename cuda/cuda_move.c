/* cuda_move.c - identity, flatten, concat, pad, slice, channel_shuffle.  Each is a strided copy
 * between an input and a part of the output; backward is the copy in the other direction. */
#include "cuda_backend.h"

/* Narrows `out` of a concat to the part that is input k. */
static void cut_part(const cfp_step *step, int k, cuda_view *out, const cuda_view *in)
{
    const int axis = cfp_concat_axis(step->node);
    const int strides[5] = {0, out->stride_c, out->stride_t, out->stride_h, out->stride_w};
    int64_t before = 0;
    for (int i = 0; i < k; i++) {
        const cfp_shape s = step->model->node[step->node->input[i]].shape;
        before += (const int[]){0, s.c, s.t, s.h, s.w}[axis];
    }
    out->data = cuda_number(out->data, out->type, before * strides[axis]);
    out->c = in->c, out->t = in->t, out->h = in->h, out->w = in->w;
}

/* Narrows `out` of a pad to the part that holds the input. */
static void cut_padding(const cfp_node *node, cuda_view *out, const cuda_view *in)
{
    const int *begin = node->window.pad_begin;
    const int64_t first = (int64_t)node->channels_begin * out->stride_c +
                          (int64_t)begin[0] * out->stride_t + (int64_t)begin[1] * out->stride_h +
                          (int64_t)begin[2] * out->stride_w;
    out->data = cuda_number(out->data, out->type, first);
    out->c = in->c, out->t = in->t, out->h = in->h, out->w = in->w;
}

/* Narrows `in` of a slice to the part that becomes the output. */
static void cut_slice(const cfp_node *node, const cuda_view *out, cuda_view *in)
{
    int *const strides[5] = {NULL, &in->stride_c, &in->stride_t, &in->stride_h, &in->stride_w};
    int *const stride = strides[node->axis];
    in->data = cuda_number(in->data, in->type, (int64_t)node->start * *stride);
    *stride *= node->step;
    in->c = out->c, in->t = out->t, in->h = out->h, in->w = out->w;
}

/* Views a flattened vector as the tensor that it was made of: channels, then positions. */
static void unflatten(cuda_view *out, const cuda_view *in)
{
    out->stride_w = out->stride_c;
    out->stride_h = out->stride_w * in->w;
    out->stride_t = out->stride_h * in->h;
    out->stride_c = out->stride_t * in->t;
    out->c = in->c, out->t = in->t, out->h = in->h, out->w = in->w;
}

/* Channel i * groups + g of the output is channel g * C / groups + i of the input. */
static cuda_box shuffle_box(const cfp_node *node, const cuda_view *out, const cuda_view *in)
{
    const int groups = node->groups, each = in->c / groups;
    cuda_box box = cuda_box_of(out, in);
    box.dims = 5;
    box.extent[3] = each, box.extent[4] = groups;
    box.to_stride[3] = groups * out->stride_c, box.to_stride[4] = out->stride_c;
    box.from_stride[3] = in->stride_c, box.from_stride[4] = each * in->stride_c;
    return box;
}

/* The copy that the op does for input k, from `in` to `out`. */
static cuda_box forward_box(const cfp_step *step, int k, cuda_view out, cuda_view in)
{
    const cfp_node *node = step->node;
    switch (node->op) {
    case CFP_OP_FLATTEN:
        unflatten(&out, &in);
        break;
    case CFP_OP_CONCAT:
        cut_part(step, k, &out, &in);
        break;
    case CFP_OP_PAD:
        cut_padding(node, &out, &in);
        break;
    case CFP_OP_SLICE:
        cut_slice(node, &out, &in);
        break;
    case CFP_OP_CHANNEL_SHUFFLE:
        return shuffle_box(node, &out, &in);
    default: /* identity */
        break;
    }
    return cuda_box_of(&out, &in);
}

/* The copy in the other direction, to `in`. */
static cuda_box reversed(const cuda_box *box, void *in)
{
    cuda_box back = *box;
    back.from = box->to, back.to = (char *)in + ((const char *)box->from - (char *)in);
    back.from_type = box->to_type, back.to_type = box->from_type;
    back.from_n = box->to_n, back.to_n = box->from_n;
    for (int d = 0; d < box->dims; d++)
        back.from_stride[d] = box->to_stride[d], back.to_stride[d] = box->from_stride[d];
    return back;
}

static cfp_status move_forward(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_view out = cuda_view_of(dst);
    (void)scratch;
    if (step->node->op == CFP_OP_PAD) {
        cuda_box all = cuda_box_of(&out, NULL);
        all.value = step->node->value;
        CUDA_TRY(backend, cuda_copy_box(&all, backend->stream));
    }
    for (int k = 0; k < step->n_src; k++) {
        const cuda_box box = forward_box(step, k, out, cuda_view_of(src[k]));
        CUDA_TRY(backend, cuda_copy_box(&box, backend->stream));
    }
    return cuda_zero_lanes(backend, &out);
}

static cfp_status move_backward(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    (void)src, (void)dst, (void)scratch;
    for (int k = 0; k < step->n_src; k++) {
        cfp_tensor *dx = diff_src[k];
        if (dx == NULL)
            continue;
        const cuda_view in = cuda_view_of(dx);
        if (step->node->op == CFP_OP_SLICE) { /* the gradient outside the slice is 0 */
            const size_t bytes = (size_t)cfp_stored(dx) * cuda_size_of(dx->type);
            CUDA_TRY(backend, cudaMemsetAsync(dx->data, 0, bytes, backend->stream));
        }
        const cuda_box box = forward_box(step, k, cuda_view_of(diff_dst), in);
        const cuda_box back = reversed(&box, in.data);
        CUDA_TRY(backend, cuda_copy_box(&back, backend->stream));
        CFP_TRY(cuda_zero_lanes(backend, &in));
    }
    return CFP_OK;
}

const cuda_op cuda_op_move = {NULL, move_forward, move_backward, NULL};
