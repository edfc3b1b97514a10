/* cpu_dnnl.c - see cpu_dnnl.h.  Makes a convolution from its descriptor (cpu_dnnl_desc.c), runs it
 * and frees it.
 *
 * Memory objects are made once and get their data pointers at each run.  The caller provides the
 * scratch pad, so that all convolutions of a network share one. */
#include "cpu_dnnl_desc.h"
#include <stdio.h>
#include <string.h>

struct cpu_dnnl_conv {
    cpu_dnnl *dnnl; /* borrowed */
    cpu_conv_ask ask;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, dst, weights, bias, added, scratch; /* NULL: not taken */
    dnnl_memory_desc_t weights_desc;
    float *weights_memory; /* in the order of weights_desc: own_weights, or another's */
    float *own_weights;    /* NULL where the memory is shared */
    size_t scratch_bytes;
    const float *plain_weight, *plain_bias; /* of the model, which lives longer */
    struct cpu_dnnl_conv *next; /* the same for another number of clips; NULL: none was needed */
    void *own_scratch;          /* where that needs more than its caller's; else NULL */
};

void cpu_dnnl_limit_to_avx2(void)
{
    (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2); /* has no effect after oneDNN's first use */
}

void cpu_dnnl_describe(char *text, size_t bytes)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, bytes, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

cfp_status cpu_dnnl_open(cpu_dnnl **out, cfp_ctx *ctx)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    cpu_dnnl *dnnl = *out;
    dnnl->ctx = ctx;
    DNNL_TRY(ctx, dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0));
    DNNL_TRY(ctx, dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_in_order));
    return CFP_OK;
}

void cpu_dnnl_close(cpu_dnnl **dnnl)
{
    if (*dnnl == NULL)
        return;
    if ((*dnnl)->stream != NULL)
        dnnl_stream_destroy((*dnnl)->stream);
    if ((*dnnl)->engine != NULL)
        dnnl_engine_destroy((*dnnl)->engine);
    cfp_free(*dnnl);
    *dnnl = NULL;
}

/* Copies to another layout.  All implementations give the same values. */
static cfp_status reorder(cpu_dnnl *dnnl, dnnl_memory_t from, dnnl_memory_t to)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    const_dnnl_memory_desc_t from_desc, to_desc;
    DNNL_TRY(dnnl->ctx, dnnl_memory_get_memory_desc(from, &from_desc));
    DNNL_TRY(dnnl->ctx, dnnl_memory_get_memory_desc(to, &to_desc));
    DNNL_TRY(dnnl->ctx, dnnl_reorder_primitive_desc_create(&desc, from_desc, dnnl->engine, to_desc,
                                                           dnnl->engine, NULL));
    dnnl_status_t st = dnnl_primitive_create(&primitive, desc);
    dnnl_primitive_desc_destroy(desc);
    if (st == dnnl_success) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        st = dnnl_primitive_execute(primitive, dnnl->stream, 2, args);
        if (st == dnnl_success)
            st = dnnl_stream_wait(dnnl->stream);
        dnnl_primitive_destroy(primitive);
    }
    DNNL_TRY(dnnl->ctx, st /* dnnl_reorder */);
    return CFP_OK;
}

/* Copies the weights from the order `plain` to the one that the primitive chose. */
static cfp_status order_weights(cpu_dnnl_conv *conv, const float *weight,
                                const_dnnl_memory_desc_t plain, const cpu_dnnl_conv *like)
{
    cpu_dnnl *dnnl = conv->dnnl;
    const const_dnnl_memory_desc_t chosen = cpu_md(&conv->weights_desc);
    dnnl_memory_t from;
    void *const plain_memory = (void *)(uintptr_t)weight; /* oneDNN only reads it */

    if (like != NULL && dnnl_memory_desc_equal(cpu_md(&like->weights_desc), chosen)) {
        conv->weights_memory = like->weights_memory;
    } else if (dnnl_memory_desc_equal(plain, chosen)) {
        conv->weights_memory = plain_memory; /* of the model, which lives longer than all steps */
    } else {
        CFP_TRY_ALLOC(dnnl->ctx, conv->own_weights,
                      dnnl_memory_desc_get_size(chosen) / sizeof(float) + 1);
        conv->weights_memory = conv->own_weights;
    }
    DNNL_TRY(dnnl->ctx,
             dnnl_memory_create(&conv->weights, chosen, dnnl->engine, conv->weights_memory));
    if (conv->own_weights == NULL)
        return CFP_OK;
    DNNL_TRY(dnnl->ctx, dnnl_memory_create(&from, plain, dnnl->engine, plain_memory));
    const cfp_status st = reorder(dnnl, from, conv->weights);
    dnnl_memory_destroy(from);
    return st;
}

static cfp_status open_weights(cpu_dnnl_conv *conv, const float *weight, const cpu_dnnl_conv *like)
{
    dnnl_memory_desc_t plain;
    DNNL_TRY(conv->dnnl->ctx, cpu_dnnl_weight_desc(&plain, &conv->ask, false));
    const cfp_status st = order_weights(conv, weight, cpu_md(&plain), like);
    cpu_md_close(&plain);
    return st;
}

/* Makes a memory object for query `what` of the descriptor; each run sets its data pointer. */
static cfp_status open_memory(dnnl_memory_t *out, cpu_dnnl *dnnl, dnnl_primitive_desc_t desc,
                              dnnl_query_t what)
{
    const const_dnnl_memory_desc_t md = dnnl_primitive_desc_query_md(desc, what, 0);
    DNNL_TRY(dnnl->ctx, dnnl_memory_create(out, md, dnnl->engine, DNNL_MEMORY_NONE));
    return CFP_OK;
}

static cfp_status open_primitive(cpu_dnnl_conv *conv, dnnl_primitive_desc_t desc, const float *bias)
{
    cpu_dnnl *dnnl = conv->dnnl;
    const bool backward = conv->ask.backward;
    dnnl_memory_desc_t bias_desc;
    const dnnl_dims_t channels = {conv->ask.dst.c};

    DNNL_TRY(dnnl->ctx,
             dnnl_memory_desc_clone(&conv->weights_desc,
                                    dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0)));
    conv->scratch_bytes =
        dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0));

    CFP_TRY(
        open_memory(&conv->src, dnnl, desc, backward ? dnnl_query_diff_src_md : dnnl_query_src_md));
    CFP_TRY(
        open_memory(&conv->dst, dnnl, desc, backward ? dnnl_query_diff_dst_md : dnnl_query_dst_md));
    CFP_TRY(open_memory(&conv->scratch, dnnl, desc, dnnl_query_scratchpad_md));
    if (conv->ask.add == CPU_ADD_BESIDE)
        CFP_TRY(open_memory(&conv->added, dnnl, desc, dnnl_query_dst_md));
    if (conv->ask.has_bias && !backward) {
        DNNL_TRY(dnnl->ctx,
                 dnnl_memory_desc_create_with_tag(&bias_desc, 1, channels, dnnl_f32, dnnl_x));
        const dnnl_status_t st = dnnl_memory_create(&conv->bias, cpu_md(&bias_desc), dnnl->engine,
                                                    (void *)(uintptr_t)bias);
        cpu_md_close(&bias_desc);
        if (st != dnnl_success)
            return cpu_dnnl_failed(dnnl->ctx, st, "dnnl_memory_create");
    }
    DNNL_TRY(dnnl->ctx, dnnl_primitive_create(&conv->primitive, desc));
    return CFP_OK;
}

cfp_status cpu_dnnl_conv_open(cpu_dnnl_conv **out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              const float *weight, const float *bias, const cpu_dnnl_conv *like)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;

    CFP_TRY_ALLOC(dnnl->ctx, *out, 1);
    (*out)->dnnl = dnnl;
    (*out)->ask = *ask;
    (*out)->plain_weight = weight;
    (*out)->plain_bias = bias;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    cfp_status st =
        status == dnnl_success ? CFP_OK : cpu_dnnl_failed(dnnl->ctx, status, "dnnl_attr");
    if (st == CFP_OK)
        st = cpu_dnnl_conv_desc(&desc, dnnl, ask, attr);
    if (st == CFP_OK)
        st = open_primitive(*out, desc, bias);
    if (st == CFP_OK)
        st = open_weights(*out, weight, like);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    if (st != CFP_OK)
        cpu_dnnl_conv_close(out);
    return st;
}

void cpu_dnnl_conv_close(cpu_dnnl_conv **conv)
{
    cpu_dnnl_conv *c = *conv;
    if (c == NULL)
        return;
    cpu_dnnl_conv_close(&c->next); /* borrows our weights */
    cfp_free(c->own_scratch);
    const dnnl_memory_t memory[] = {c->src, c->dst, c->weights, c->bias, c->added, c->scratch};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (memory[i] != NULL)
            dnnl_memory_destroy(memory[i]);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
    cpu_md_close(&c->weights_desc);
    cfp_free(c->own_weights);
    cfp_free(c);
    *conv = NULL;
}

size_t cpu_dnnl_conv_scratch(const cpu_dnnl_conv *conv)
{
    return conv->scratch_bytes;
}

/* Makes the same convolution for n clips. */
static cfp_status open_for(cpu_dnnl_conv **out, const cpu_dnnl_conv *conv, int n)
{
    cpu_conv_ask ask = conv->ask;
    ask.src.n = ask.dst.n = n;
    CFP_TRY(cpu_dnnl_conv_open(out, conv->dnnl, &ask, conv->plain_weight, conv->plain_bias, conv));
    if ((*out)->scratch_bytes <= conv->scratch_bytes)
        return CFP_OK;
    (*out)->own_scratch = cfp_alloc(conv->dnnl->ctx, (*out)->scratch_bytes, 1);
    if ((*out)->own_scratch != NULL)
        return CFP_OK;
    cpu_dnnl_conv_close(out);
    return CFP_NOMEM;
}

static cfp_status run(cpu_dnnl_conv *conv, float *src, float *dst, const float *added,
                      void *scratch);

cfp_status cpu_dnnl_conv_run(cpu_dnnl_conv *conv, int n, float *src, float *dst, const float *added,
                             void *scratch)
{
    cpu_dnnl_conv *of = conv;
    while (of != NULL && of->ask.src.n != n)
        of = of->next;
    if (of == NULL) {
        CFP_TRY(open_for(&of, conv, n));
        of->next = conv->next;
        conv->next = of;
    }
    return run(of, src, dst, added, of->own_scratch != NULL ? of->own_scratch : scratch);
}

static cfp_status run(cpu_dnnl_conv *conv, float *src, float *dst, const float *added,
                      void *scratch)
{
    cfp_ctx *ctx = conv->dnnl->ctx;
    const bool backward = conv->ask.backward;
    dnnl_exec_arg_t args[6];
    int n = 0;

    DNNL_TRY(ctx, dnnl_memory_set_data_handle(conv->src, src));
    DNNL_TRY(ctx, dnnl_memory_set_data_handle(conv->dst, dst));
    DNNL_TRY(ctx, dnnl_memory_set_data_handle(conv->scratch, scratch));
    args[n++] = (dnnl_exec_arg_t){backward ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, conv->src};
    args[n++] = (dnnl_exec_arg_t){backward ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, conv->dst};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, conv->weights};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, conv->scratch};
    if (conv->bias != NULL)
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, conv->bias};
    if (conv->added != NULL) {
        DNNL_TRY(ctx, dnnl_memory_set_data_handle(conv->added, (void *)(uintptr_t)added));
        args[n++] =
            (dnnl_exec_arg_t){DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, conv->added};
    }
    DNNL_TRY(ctx, dnnl_primitive_execute(conv->primitive, conv->dnnl->stream, n, args));
    DNNL_TRY(ctx, dnnl_stream_wait(conv->dnnl->stream));
    return CFP_OK;
}
