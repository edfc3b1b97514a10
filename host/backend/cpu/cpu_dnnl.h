/* cpu_dnnl.h - the interface to oneDNN: convolutions, forward and backward-data.
 *
 * Callers ask for a convolution over the block layouts of tensor.h and get one, or CFP_UNSUPPORTED.
 * Differences between oneDNN 2 and 3 are hidden in cpu_dnnl_compat.h.  cpu_conv.c chooses layouts.
 */
#pragma once
#include "../backend.h"

typedef struct cpu_dnnl cpu_dnnl;           /* an engine and a stream */
typedef struct cpu_dnnl_conv cpu_dnnl_conv; /* a convolution, compiled, with its weights */

/* How the residual operand is added. */
typedef enum cpu_residual {
    CPU_ADD_NONE,
    CPU_ADD_IN_PLACE, /* it is in dst already ("sum") */
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

/* Limits oneDNN to AVX2.  To be called before its first use. */
void cpu_dnnl_limit_to_avx2(void);
/* "oneDNN 2.6.3" */
void cpu_dnnl_describe(char *text, size_t bytes);

cfp_status cpu_dnnl_open(cpu_dnnl **out, cfp_ctx *ctx);
void cpu_dnnl_close(cpu_dnnl **dnnl); /* accepts NULL inside; nulls */

/* True if oneDNN can compute the activation as a post-op with the accuracy of ref. */
bool cpu_dnnl_activates(const cfp_node *activation);

/* Makes a convolution.  weight: (O, I/groups, kT, kH, kW), plain.  It is copied in the order that
 * the convolution wants.  If `like` (may be NULL) already has a copy in that order, that copy is
 * shared, and `like` must live longer.  bias: [O], borrowed; read if ask->has_bias.
 * Only implementations whose results do not depend on the number of threads are used; a list of
 * their names is in cpu_dnnl_desc.c.  CFP_UNSUPPORTED: oneDNN has none for this convolution. */
cfp_status cpu_dnnl_conv_open(cpu_dnnl_conv **out, cpu_dnnl *dnnl, const cpu_conv_ask *ask,
                              const float *weight, const float *bias, const cpu_dnnl_conv *like);
void cpu_dnnl_conv_close(cpu_dnnl_conv **conv);

size_t cpu_dnnl_conv_scratch(const cpu_dnnl_conv *conv); /* bytes that run wants */

/* Forward: computes dst from src; `added` is the residual operand of CPU_ADD_BESIDE, else NULL.
 * Backward: src and dst are gradients, and src is written.  Layouts are those of the ask.  n: the
 * number of clips in them; where it is not that of the ask, oneDNN is asked for the same
 * convolution once more. */
cfp_status cpu_dnnl_conv_run(cpu_dnnl_conv *conv, int n, float *src, float *dst, const float *added,
                             void *scratch);
