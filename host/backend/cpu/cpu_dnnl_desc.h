/* cpu_dnnl_desc.h - describes a convolution in oneDNN's terms; only for cpu_dnnl.c and
 * cpu_dnnl_desc.c. */
#pragma once
#include "cpu_dnnl.h"
#include "cpu_dnnl_compat.h"

struct cpu_dnnl {
    cfp_ctx *ctx; /* borrowed: messages and memory */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* Sets the message "oneDNN: <call>: <why>"; returns the matching status. */
cfp_status cpu_dnnl_failed(cfp_ctx *ctx, dnnl_status_t status, const char *call);

#define DNNL_TRY(ctx, call)                                                                        \
    do {                                                                                           \
        const dnnl_status_t status_ = (call);                                                      \
        if (status_ != dnnl_success)                                                               \
            return cpu_dnnl_failed((ctx), status_, #call);                                         \
    } while (0)

/* Describes the weights: plain, as the model has them, or `any`, so that the primitive chooses. The
 * caller closes *desc. */
dnnl_status_t cpu_dnnl_weight_desc(dnnl_memory_desc_t *desc, const cpu_conv_ask *ask, bool any);

/* Makes the primitive descriptor; the post-ops go to attr.  The caller destroys *out. */
cfp_status cpu_dnnl_conv_desc(dnnl_primitive_desc_t *out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              dnnl_primitive_attr_t attr);
