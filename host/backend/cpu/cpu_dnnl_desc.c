/* cpu_dnnl_desc.c - see cpu_dnnl_desc.h.  Written for oneDNN 2.x, where a primitive descriptor
 * comes from an op descriptor; oneDNN 3 has none, and this is the file that would differ. */
#include "cpu_dnnl_desc.h"
#include <string.h>

#if DNNL_VERSION_MAJOR != 2
#error "cfp-gpu is written for oneDNN 2.x (Debian 12: libdnnl-dev 2.6.3)"
#endif

static const char *status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "not implemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "failed";
    }
}

cfp_status cpu_dnnl_failed(cfp_ctx *ctx, dnnl_status_t status, const char *call)
{
    const cfp_status st = status == dnnl_out_of_memory   ? CFP_NOMEM
                          : status == dnnl_unimplemented ? CFP_UNSUPPORTED
                                                         : CFP_DEVICE;
    return cfp_fail(ctx, st, "oneDNN: %.*s: %s", (int)strcspn(call, "("), call,
                    status_text(status));
}

/* The eltwise algorithm of an activation.  dnnl_eltwise_undef: none that is as exact as ref's.
 * (hardsigmoid came with 2.7.) */
static dnnl_alg_kind_t eltwise(const cfp_node *activation, float *alpha, float *beta)
{
    *alpha = *beta = 0;
    switch (activation->op) {
    case CFP_OP_RELU:
        return dnnl_eltwise_relu;
    case CFP_OP_LEAKYRELU:
        *alpha = activation->negative_slope;
        return dnnl_eltwise_relu;
    case CFP_OP_RELU6:
        *beta = 6;
        return dnnl_eltwise_clip;
    case CFP_OP_SILU:
        *alpha = 1;
        return dnnl_eltwise_swish;
    case CFP_OP_HARDSWISH:
        return dnnl_eltwise_hardswish;
    default: /* sigmoid too: logistic(0) is not 0, and the zero lanes must stay so */
        return dnnl_alg_kind_undef;
    }
}

bool cpu_dnnl_activates(const cfp_node *activation)
{
    float alpha, beta;
    return eltwise(activation, &alpha, &beta) != dnnl_alg_kind_undef;
}

static dnnl_format_tag_t tag_of(int block)
{
    switch (block) {
    case 1:
        return dnnl_ncdhw;
    case 4:
        return dnnl_nCdhw4c;
    case 8:
        return dnnl_nCdhw8c;
    case 16:
        return dnnl_nCdhw16c;
    default:
        return dnnl_format_tag_undef;
    }
}

static dnnl_status_t tensor_desc(dnnl_memory_desc_t *desc, cfp_shape s, int block)
{
    const dnnl_dims_t dims = {s.n, s.c, s.t, s.h, s.w};
    return dnnl_memory_desc_init_by_tag(desc, 5, dims, dnnl_f32, tag_of(block));
}

dnnl_status_t cpu_dnnl_weight_desc(dnnl_memory_desc_t *desc, const cpu_conv_ask *ask, bool any)
{
    const int *k = ask->window.kernel, g = ask->groups;
    const dnnl_dims_t dense = {ask->dst.c, ask->src.c, k[0], k[1], k[2]};
    const dnnl_dims_t grouped = {g, ask->dst.c / g, ask->src.c / g, k[0], k[1], k[2]};
    if (g > 1)
        return dnnl_memory_desc_init_by_tag(desc, 6, grouped, dnnl_f32,
                                            any ? dnnl_format_tag_any : dnnl_goidhw);
    return dnnl_memory_desc_init_by_tag(desc, 5, dense, dnnl_f32,
                                        any ? dnnl_format_tag_any : dnnl_oidhw);
}

static dnnl_status_t set_post_ops(dnnl_primitive_attr_t attr, const cpu_conv_ask *ask,
                                  const dnnl_memory_desc_t *dst)
{
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
    if (ask->add == CPU_ADD_IN_PLACE)
        st = dnnl_post_ops_append_sum(ops, 1.0f);
    else if (ask->add == CPU_ADD_BESIDE)
        st = dnnl_post_ops_append_binary(ops, dnnl_binary_add, dst);
    if (st == dnnl_success && ask->activation != NULL) {
        float alpha, beta;
        const dnnl_alg_kind_t kind = eltwise(ask->activation, &alpha, &beta);
        st = dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta);
    }
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(attr, ops); /* copies */
    dnnl_post_ops_destroy(ops);
    return st;
}

struct problem { /* the ask in oneDNN's terms */
    dnnl_memory_desc_t src, dst, weights, bias;
    dnnl_dims_t stride, dilation, pad_begin, pad_end;
};

static cfp_status state_problem(struct problem *p, cfp_ctx *ctx, const cpu_conv_ask *ask)
{
    const dnnl_dims_t channels = {ask->dst.c};
    DNNL_TRY(ctx, tensor_desc(&p->src, ask->src, ask->src_block));
    DNNL_TRY(ctx, tensor_desc(&p->dst, ask->dst, ask->dst_block));
    DNNL_TRY(ctx, cpu_dnnl_weight_desc(&p->weights, ask, true));
    DNNL_TRY(ctx, dnnl_memory_desc_init_by_tag(&p->bias, 1, channels, dnnl_f32, dnnl_x));
    for (int i = 0; i < 3; i++) {
        p->stride[i] = ask->window.stride[i];
        p->dilation[i] = ask->window.dilation[i] - 1;
        p->pad_begin[i] = ask->window.pad_begin[i];
        p->pad_end[i] = ask->window.pad_end[i];
    }
    return CFP_OK;
}

cfp_status cpu_dnnl_conv_desc(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              dnnl_primitive_attr_t attr)
{
    struct problem p;
    dnnl_convolution_desc_t forward, backward;
    const dnnl_memory_desc_t *bias = ask->has_bias ? &p.bias : NULL;
    CFP_TRY(state_problem(&p, dnnl->ctx, ask));
    DNNL_TRY(dnnl->ctx, set_post_ops(attr, ask, &p.dst));
    DNNL_TRY(dnnl->ctx,
             dnnl_dilated_convolution_forward_desc_init(
                 &forward, ask->backward ? dnnl_forward_training : dnnl_forward_inference,
                 dnnl_convolution_direct, &p.src, &p.weights, ask->backward ? NULL : bias, &p.dst,
                 p.stride, p.dilation, p.pad_begin, p.pad_end));
    if (!ask->backward) {
        DNNL_TRY(dnnl->ctx, dnnl_primitive_desc_create(out, &forward, attr, dnnl->engine, NULL));
        return CFP_OK;
    }
    /* A forward descriptor of the same problem is asked for as a hint; which one does not matter
     * to a convolution, so its weights may be in any order. */
    dnnl_primitive_desc_t hint;
    DNNL_TRY(dnnl->ctx, dnnl_primitive_desc_create(&hint, &forward, NULL, dnnl->engine, NULL));
    dnnl_status_t st = dnnl_dilated_convolution_backward_data_desc_init(
        &backward, dnnl_convolution_direct, &p.src, &p.weights, &p.dst, p.stride, p.dilation,
        p.pad_begin, p.pad_end);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(out, &backward, attr, dnnl->engine, hint);
    dnnl_primitive_desc_destroy(hint);
    DNNL_TRY(dnnl->ctx, st /* dnnl_convolution_backward_data */);
    return CFP_OK;
}
