/* cpu_dnnl_desc.c - see cpu_dnnl_desc.h.  Written for oneDNN 3 (cpu_dnnl_compat.h for 2.x). */
#include "cpu_dnnl_desc.h"
#include <string.h>

static const char *status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "has no such primitive";
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

/* The eltwise algorithm of an activation; dnnl_eltwise_undef if none is as exact as ref's.
 * (hardsigmoid is new in 2.7.) */
static dnnl_alg_kind_t eltwise(const cfp_node *activation, float *alpha, float *beta)
{
    *alpha = *beta = 0;
    switch (activation->op) {
    case CFP_OP_RELU:
        return dnnl_eltwise_relu;
    case CFP_OP_LEAKYRELU:
        *alpha = activation->parameter[0];
        return dnnl_eltwise_relu;
    case CFP_OP_RELU6:
        *beta = 6;
        return dnnl_eltwise_clip;
    case CFP_OP_SILU:
        *alpha = 1;
        return dnnl_eltwise_swish;
    case CFP_OP_HARDSWISH: /* x * clip(alpha x + beta, 0, 1); 2.x has these built in */
        *alpha = 1.0f / 6;
        *beta = 0.5f;
        return dnnl_eltwise_hardswish;
    default: /* also sigmoid: logistic(0) is not 0, and the zero lanes must stay zero */
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
    return dnnl_memory_desc_create_with_tag(desc, 5, dims, dnnl_f32, tag_of(block));
}

dnnl_status_t cpu_dnnl_weight_desc(dnnl_memory_desc_t *desc, const cpu_conv_ask *ask, bool any)
{
    const int *k = ask->window.kernel, g = ask->groups;
    const dnnl_dims_t dense = {ask->dst.c, ask->src.c, k[0], k[1], k[2]};
    const dnnl_dims_t grouped = {g, ask->dst.c / g, ask->src.c / g, k[0], k[1], k[2]};
    if (g > 1)
        return dnnl_memory_desc_create_with_tag(desc, 6, grouped, dnnl_f32,
                                                any ? dnnl_format_tag_any : dnnl_goidhw);
    return dnnl_memory_desc_create_with_tag(desc, 5, dense, dnnl_f32,
                                            any ? dnnl_format_tag_any : dnnl_oidhw);
}

static dnnl_status_t set_post_ops(dnnl_primitive_attr_t attr, const cpu_conv_ask *ask,
                                  const_dnnl_memory_desc_t dst)
{
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
    if (ask->add == CPU_ADD_IN_PLACE)
        st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
    else if (ask->add == CPU_ADD_BESIDE)
        st = dnnl_post_ops_append_binary(ops, dnnl_binary_add, dst);
    if (st == dnnl_success && ask->activation != NULL) {
        float alpha, beta;
        const dnnl_alg_kind_t kind = eltwise(ask->activation, &alpha, &beta);
        st = dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
    }
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(attr, ops); /* copies */
    dnnl_post_ops_destroy(ops);
    return st;
}

struct problem { /* the requested convolution in oneDNN's terms */
    dnnl_memory_desc_t src, dst, weights, bias;
    dnnl_dims_t stride, dilation, pad_begin, pad_end;
};

static cfp_status state_problem(struct problem *p, cfp_ctx *ctx, const cpu_conv_ask *ask)
{
    const dnnl_dims_t channels = {ask->dst.c};
    DNNL_TRY(ctx, tensor_desc(&p->src, ask->src, ask->src_block));
    DNNL_TRY(ctx, tensor_desc(&p->dst, ask->dst, ask->dst_block));
    DNNL_TRY(ctx, cpu_dnnl_weight_desc(&p->weights, ask, true));
    DNNL_TRY(ctx, dnnl_memory_desc_create_with_tag(&p->bias, 1, channels, dnnl_f32, dnnl_x));
    for (int i = 0; i < 3; i++) {
        p->stride[i] = ask->window.stride[i];
        p->dilation[i] = ask->window.dilation[i] - 1;
        p->pad_begin[i] = ask->window.pad_begin[i];
        p->pad_end[i] = ask->window.pad_end[i];
    }
    return CFP_OK;
}

static void close_problem(struct problem *p)
{
    cpu_md_close(&p->src);
    cpu_md_close(&p->dst);
    cpu_md_close(&p->weights);
    cpu_md_close(&p->bias);
}

/* True for implementations whose results do not depend on the number of threads: in these, one
 * thread sums each output, in an order that the shape decides.  gemm is not one of them, because it
 * divides sums by the number of threads.  Unknown implementations are not used ("brgconv:...", and
 * wrappers such as "jit_uni_ncsp:...").  oneDNN's "ref" is slower than our own sum (cpu_direct.h).
 */
static bool is_thread_fixed(const_dnnl_primitive_desc_t desc)
{
    static const char *const kinds[] = {"jit:", "jit_1x1:", "jit_dw:"};
    static const char *const isas[] = {"sse41", "avx", "avx2", "avx512_common", "avx512_core"};
    const char *name = NULL;
    if (dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        return false;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
            const size_t begin = strlen(kinds[k]);
            if (strncmp(name, kinds[k], begin) == 0 && strcmp(name + begin, isas[i]) == 0)
                return true;
        }
    return false;
}

static bool is_any(const_dnnl_primitive_desc_t desc)
{
    (void)desc;
    return true;
}

static dnnl_status_t convolution_forward(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl,
                                         const struct problem *p, dnnl_prop_kind_t kind,
                                         const_dnnl_memory_desc_t bias,
                                         const_dnnl_primitive_attr_t attr, cpu_pd_accepts *accepts)
{
    return cpu_convolution_forward(out, dnnl->engine, kind, dnnl_convolution_direct,
                                   cpu_md(&p->src), cpu_md(&p->weights), bias, cpu_md(&p->dst),
                                   p->stride, p->dilation, p->pad_begin, p->pad_end, attr, accepts);
}

/* oneDNN wants a forward descriptor of the same problem as a hint.  Any one will do, so its weights
 * may be in any order. */
static cfp_status convolution_backward(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl,
                                       const struct problem *p, const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t hint;
    DNNL_TRY(dnnl->ctx,
             convolution_forward(&hint, dnnl, p, dnnl_forward_training, NULL, NULL, is_any));
    const dnnl_status_t st =
        cpu_convolution_backward_data(out, dnnl->engine, dnnl_convolution_direct, cpu_md(&p->src),
                                      cpu_md(&p->weights), cpu_md(&p->dst), p->stride, p->dilation,
                                      p->pad_begin, p->pad_end, hint, attr, is_thread_fixed);
    dnnl_primitive_desc_destroy(hint);
    return st == dnnl_success ? CFP_OK : cpu_dnnl_failed(dnnl->ctx, st, "convolution_backward");
}

static cfp_status desc_of(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                          struct problem *p, dnnl_primitive_attr_t attr)
{
    CFP_TRY(state_problem(p, dnnl->ctx, ask));
    DNNL_TRY(dnnl->ctx, set_post_ops(attr, ask, cpu_md(&p->dst)));
    if (ask->backward)
        return convolution_backward(out, dnnl, p, attr);
    DNNL_TRY(dnnl->ctx,
             convolution_forward(out, dnnl, p, dnnl_forward_inference,
                                 ask->has_bias ? cpu_md(&p->bias) : NULL, attr, is_thread_fixed));
    return CFP_OK;
}

cfp_status cpu_dnnl_conv_desc(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              dnnl_primitive_attr_t attr)
{
    struct problem p = {0};
    const cfp_status st = desc_of(out, dnnl, ask, &p, attr);
    close_problem(&p);
    return st;
}
