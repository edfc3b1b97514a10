/* cpu_dnnl.h - all that cfp-gpu knows of oneDNN: convolutions, forward and backward-data.
 *
 * The one idea: everybody else asks for a convolution over the block layouts of tensor.h and gets
 * one, or CFP_UNSUPPORTED.  What differs between oneDNN 2 and 3 stays in cpu_dnnl_compat.h.
 * Not here: which layout is good for what (cpu_conv.c). */
#pragma once
#include "../backend.h"

typedef struct cpu_dnnl cpu_dnnl;           /* an engine and a stream */
typedef struct cpu_dnnl_conv cpu_dnnl_conv; /* a convolution, compiled, with its weights */

/* How the residual operand comes to the destination. */
typedef enum cpu_residual {
    CPU_ADD_NONE,
    CPU_ADD_IN_PLACE, /* it stands in dst already ("sum") */
    CPU_ADD_BESIDE    /* it has memory of its own ("binary") */
} cpu_residual;

typedef struct cpu_conv_ask {
    cfp_shape src, dst;
    int src_block, dst_block; /* layouts: 1, 4, 8 or 16 */
    int groups;
    cfp_window window;
    bool has_bias;
    cpu_residual add;           /* forward only */
    const cfp_node *activation; /* forward only; one that cpu_dnnl_activates, or NULL */
    bool backward;              /* backward-data: from dst (its gradient) to src */
} cpu_conv_ask;

/* From now on oneDNN keeps to AVX2; before its first use only. */
void cpu_dnnl_limit_to_avx2(void);
/* "oneDNN 2.6.3" */
void cpu_dnnl_describe(char *text, size_t bytes);

cfp_status cpu_dnnl_open(cpu_dnnl **out, cfp_ctx *ctx);
void cpu_dnnl_close(cpu_dnnl **dnnl); /* accepts NULL inside; nulls */

/* Whether oneDNN computes the activation as a post-op, as exactly as ref does. */
bool cpu_dnnl_activates(const cfp_node *activation);

/* weight: (O, I/groups, kT, kH, kW), plain; it is copied in the order that the convolution likes,
 * unless `like` (may be NULL) holds the same order already: then like's copy is shared, and like
 * must live longer.  bias: [O], borrowed, read where ask->has_bias says so.
 * CFP_UNSUPPORTED: oneDNN has no such convolution, or none whose bits are the same for any number
 * of threads: it takes the first implementation whose name is on a list of such (cpu_dnnl_desc.c).
 */
cfp_status cpu_dnnl_conv_open(cpu_dnnl_conv **out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              const float *weight, const float *bias, const cpu_dnnl_conv *like);
void cpu_dnnl_conv_close(cpu_dnnl_conv **conv);

size_t cpu_dnnl_conv_scratch(const cpu_dnnl_conv *conv); /* bytes that run wants */

/* Forward: src -> dst, with added read where the ask said CPU_ADD_BESIDE (else NULL).  Backward:
 * src and dst are the gradients, and src is written.  Layouts are those of the ask. */
cfp_status cpu_dnnl_conv_run(cpu_dnnl_conv *conv, float *src, float *dst, const float *added,
                             void *scratch);
