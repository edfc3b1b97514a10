/* cuda_views.c - tensors as views (pointers with strides), and copies between views. */
#include "cuda_backend.h"

static cuda_view shaped(void *data, cfp_type type, cfp_shape s)
{
    return (cuda_view){
        .data = data, .type = type, .n = s.n, .c = s.c, .t = s.t, .h = s.h, .w = s.w};
}

cuda_view cuda_view_at(void *data, cfp_type type, cfp_shape shape, int lanes)
{
    cuda_view x = shaped(data, type, shape);
    x.lanes = lanes;
    x.stride_c = 1;
    x.stride_w = lanes;
    x.stride_h = x.stride_w * shape.w;
    x.stride_t = x.stride_h * shape.h;
    x.stride_n = (int64_t)x.stride_t * shape.t;
    return x;
}

cuda_view cuda_view_of(const cfp_tensor *x)
{
    if (x->block > 1 ||
        cfp_positions(x->shape) == 1) /* with one position, plain is channels last, too */
        return cuda_view_at(x->data, x->type, x->shape, cfp_blocks(x) * x->block);
    cuda_view plain = shaped(x->data, x->type, x->shape);
    plain.lanes = plain.c;
    plain.stride_w = 1;
    plain.stride_h = plain.w;
    plain.stride_t = plain.h * plain.w;
    plain.stride_c = plain.t * plain.stride_t;
    plain.stride_n = (int64_t)plain.c * plain.stride_c;
    return plain;
}

cuda_view cuda_broadcast(cuda_view x, cfp_shape shape)
{
    x.stride_c = x.c == shape.c ? x.stride_c : 0;
    x.stride_t = x.t == shape.t ? x.stride_t : 0;
    x.stride_h = x.h == shape.h ? x.stride_h : 0;
    x.stride_w = x.w == shape.w ? x.stride_w : 0;
    x.c = shape.c, x.t = shape.t, x.h = shape.h, x.w = shape.w;
    return x;
}

cuda_box cuda_box_of(const cuda_view *to, const cuda_view *from)
{
    cuda_box box = {.to = to->data,
                    .to_type = to->type,
                    .n = to->n,
                    .dims = 4,
                    .to_n = to->stride_n,
                    .extent = {to->t, to->h, to->w, to->c},
                    .to_stride = {to->stride_t, to->stride_h, to->stride_w, to->stride_c}};
    if (from == NULL)
        return box;
    const int stride[4] = {from->stride_t, from->stride_h, from->stride_w, from->stride_c};
    box.from = from->data;
    box.from_type = from->type;
    box.from_n = from->stride_n;
    for (int d = 0; d < 4; d++)
        box.from_stride[d] = stride[d];
    return box;
}

cfp_status cuda_zero_lanes(cfp_backend *backend, const cuda_view *x)
{
    cuda_view lanes = *x;
    if (x->lanes == x->c)
        return CFP_OK;
    lanes.data = cuda_number(x->data, x->type, x->c);
    lanes.c = x->lanes - x->c;
    const cuda_box box = cuda_box_of(&lanes, NULL);
    CUDA_TRY(backend, cuda_copy_box(&box, backend->stream));
    return CFP_OK;
}

cfp_status cuda_relayout(cfp_backend *backend, const cuda_view *dst, const cuda_view *src)
{
    const cuda_box box = cuda_box_of(dst, src);
    CUDA_TRY(backend, cuda_copy_box(&box, backend->stream));
    return cuda_zero_lanes(backend, dst);
}

cfp_status cuda_sum(cfp_backend *backend, cuda_reduction *reduction)
{
    void *memory;
    CFP_TRY(cuda_aside(backend, &memory, cuda_reduce_bytes(reduction)));
    reduction->partial = memory;
    reduction->counter = backend->counters;
    CUDA_TRY(backend, cuda_reduce(reduction, backend->stream));
    return CFP_OK;
}
