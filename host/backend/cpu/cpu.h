/* cpu.h - inside the cpu backend: what its files share.
 *
 * The one idea: a step is taken by the first kernel of a short list (cpu_backend.c) that can do it
 * better than ref's plain loops; whatever none takes, and every direction that a kernel leaves
 * empty, is lent by ref.  So every op always works, and a faster kernel is one more row.
 * Tensors are in blocks as wide as a vector register from layer to layer; only the clip is plain.
 */
#pragma once
#include "cpu_dnnl.h"
#include "lanes.h"

struct cfp_backend {
    cfp_ctx *ctx; /* borrowed: messages and memory */
    int threads;
    const cpu_lanes *lanes; /* the widest that this machine runs */
    cpu_dnnl *dnnl;
    char *room; /* what a primitive of the method works in, kept from call to call (cpu_room) */
    size_t room_bytes;
    char description[96];
};

/* One way to compute a step. */
typedef struct cpu_kernel {
    /* Whether it wants this step, by shapes, layouts and attributes.  dst->block is chosen. */
    bool (*takes)(const cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                  const cfp_tensor *dst);
    /* Prepares *own, NULL before, and asks for step->scratch_bytes; NULL: nothing to prepare.
     * CFP_UNSUPPORTED: ref is to do it after all.  Whatever it returns, close comes after. */
    cfp_status (*open)(void **own, cfp_backend *backend, cfp_step *step,
                       const cfp_tensor *const *src, const cfp_tensor *dst);
    cfp_status (*forward)(const void *own, cfp_backend *backend, const cfp_step *step,
                          const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
    /* As step_backward in backend.h; NULL: lent by ref. */
    cfp_status (*backward)(const void *own, cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src, const cfp_tensor *dst,
                           const cfp_tensor *diff_dst, cfp_tensor *const *diff_src, void *scratch);
    void (*close)(void *own); /* NULL: cfp_free */
} cpu_kernel;

extern const cpu_kernel cpu_linear, cpu_winograd, cpu_winograd_groups, cpu_grouped, cpu_stem,
    cpu_conv, cpu_batchnorm, cpu_activation, cpu_add, cpu_mul, cpu_maxpool, cpu_avgpool,
    cpu_globalavgpool, cpu_flatten, cpu_channels, cpu_positions;

/* For the tests: as open, with the given kernels instead of the widest (an AVX-512 machine also
 * runs AVX2 and plain C). */
cfp_status cpu_open_with(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request,
                         const cpu_lanes *lanes);

/* True where every source and dst is in blocks as wide as a vector. */
static inline bool cpu_in_lanes(const cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst)
{
    for (int k = 0; k < step->n_src; k++)
        if (src[k]->block != backend->lanes->width)
            return false;
    return dst->block == backend->lanes->width;
}

/* src to dst, the same shape in another layout. */
void cpu_relayout(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);

/* The activation of a step on dst in place, in any layout; NULL: none. */
void cpu_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_node *activation);
/* dst = activation(a + b), all of one shape, a in dst's layout, b in any; dst may be b. */
void cpu_add_activate(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *a,
                      const cfp_tensor *b, const cfp_node *activation);

/* Bytes rounded up, so that what follows in a scratch pad is aligned to a cache line. */
static inline size_t cpu_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Room of so many bytes, aligned to a cache line, until the next call. */
cfp_status cpu_room(char **out, cfp_backend *backend, size_t bytes);

/* The sums over the positions of x (times g unless NULL), [n][blocks][lanes], in scratch of so many
 * bytes. */
size_t cpu_sums_bytes(const cfp_backend *backend, const cfp_tensor *x);
const double *cpu_sums(const cfp_backend *backend, const cfp_tensor *x, const cfp_tensor *g,
                       void *scratch);

/* Entries of cfp_backend_api that live in cpu_primitives.c. */
cfp_status cpu_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain);
cfp_status cpu_download(cfp_backend *backend, float *plain, const cfp_tensor *src);
cfp_status cpu_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x);
cfp_status cpu_channel_mean_product(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                    const cfp_tensor *g);
cfp_status cpu_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive);
cfp_status cpu_gate(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                    const cfp_tensor *y, const cfp_demand *demand, int entries);
cfp_status cpu_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status cpu_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                          cfp_edge *edge);
cfp_status cpu_mask(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries);
cfp_status cpu_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where);
cfp_status cpu_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_blend *blend);
/* cpu_pairs.c */
cfp_status cpu_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
cfp_status cpu_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cpu_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
