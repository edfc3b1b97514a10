/* cpu.h - declarations that the files of the cpu backend share.
 *
 * The backend has a list of kernels (cpu_backend.c).  The first kernel that accepts a step runs it.
 * If no kernel accepts the step, or the kernel has no backward pass, ref runs it.  So every op
 * always works, and a faster kernel is one more row in the list.
 * Between layers, tensors are in blocks as wide as a vector register.  Only the clip is plain. */
#pragma once
#include "cpu_dnnl.h"
#include "lanes.h"

struct cfp_backend {
    cfp_ctx *ctx; /* borrowed: messages and memory */
    int threads;
    const cpu_lanes *lanes; /* the widest that this machine runs */
    cpu_dnnl *dnnl;
    char *workspace; /* memory for primitives, kept between calls (cpu_workspace) */
    size_t workspace_bytes;
    char description[96];
};

/* One way to compute a step. */
typedef struct cpu_kernel {
    /* True if it accepts the step, by shapes, layouts and attributes.  dst->block is already set.
     */
    bool (*takes)(const cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                  const cfp_tensor *dst);
    /* Prepares *own, which is NULL before, and sets step->scratch_bytes.  NULL: nothing to prepare.
     * CFP_UNSUPPORTED: ref runs the step instead.  close is called after success and failure. */
    cfp_status (*open)(void **own, cfp_backend *backend, cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst);
    cfp_status (*forward)(const void *own, cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
    /* As step_backward in backend.h; NULL: ref runs it. */
    cfp_status (*backward)(const void *own, cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src, const cfp_tensor *dst,
                           const cfp_tensor *diff_dst, cfp_tensor *const *diff_src, void *scratch);
    void (*close)(void *own); /* NULL: cfp_free */
} cpu_kernel;

extern const cpu_kernel cpu_linear, cpu_winograd, cpu_winograd_groups, cpu_grouped, cpu_stem,
    cpu_conv, cpu_batchnorm, cpu_groupnorm, cpu_layernorm, cpu_activation, cpu_add, cpu_mul,
    cpu_maxpool, cpu_avgpool, cpu_globalavgpool, cpu_flatten, cpu_channels, cpu_positions,
    cpu_repeats, cpu_joins;

/* For tests: opens the backend with these kernels instead of the widest ones.  (A machine with
 * AVX-512 also runs AVX2 and plain C.) */
cfp_status cpu_open_with(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request,
                         const cpu_lanes *lanes);

/* True if all sources and dst are in blocks as wide as a vector. */
static inline bool cpu_in_lanes(const cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst)
{
    for (int k = 0; k < step->n_src; k++)
        if (src[k]->block != backend->lanes->width)
            return false;
    return dst->block == backend->lanes->width;
}

/* Copies src to dst, which has the same shape and another layout. */
void cpu_relayout(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);

/* Applies an activation to dst in place, in any layout; NULL: does nothing. */
void cpu_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_node *activation);
/* dst = activation(a + b).  All have one shape.  a has dst's layout, b may have any; dst may be b.
 */
void cpu_add_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *a,
                      const cfp_tensor *b, const cfp_node *activation);

/* Rounds up, so that the next part of a scratch pad is aligned to a cache line. */
static inline size_t cpu_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Working memory, aligned to a cache line and valid until the next call. */
cfp_status cpu_workspace(char **out, cfp_backend *backend, size_t bytes);

/* Sums x (times g unless NULL) over the positions, to [n][blocks][lanes].  cpu_sums_bytes is the
 * size of the scratch memory that it needs. */
size_t cpu_sums_bytes(const cfp_backend *backend, const cfp_tensor *x);
const double *cpu_sums(const cfp_backend *backend, const cfp_tensor *x, const cfp_tensor *g,
                       void *scratch);

/* Entries of cfp_backend_api that live in cpu_primitives.c. */
cfp_status cpu_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain);
cfp_status cpu_download(cfp_backend *backend, float *plain, const cfp_tensor *src);
cfp_status cpu_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                            const cfp_tensor *g);
cfp_status cpu_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive);
cfp_status cpu_gate(cfp_backend *backend, const cfp_gating *gating);
cfp_status cpu_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status cpu_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                          cfp_edge *edge);
cfp_status cpu_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where);
cfp_status cpu_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_blend *blend);
cfp_status cpu_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                    const cfp_tensor *other, const cfp_turn *turn);
/* cpu_pairs.c */
cfp_status cpu_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
cfp_status cpu_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cpu_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
