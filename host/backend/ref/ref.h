/* ref.h - the backend that defines every op, as plain loops that are easy to read.
 *
 * Its functions work on host tensors of any block.  So another backend in host memory can use those
 * for which it has no faster version.  Sums are computed in double. */
#pragma once
#include "../backend.h"

/* The functions of an op: forward, and backward-data as step_backward in backend.h describes it.
 * step->node has the attributes.  src and dst may be NULL if cfp_op_backward_reads says that they
 * are not read.  conv3d and linear add the last source if step->adds.  ref_step_forward applies the
 * fused activation.  Both write all channels, but not the zero lanes behind the last. */
typedef struct ref_op {
    void (*forward)(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst);
    void (*backward)(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src);
} ref_op;

extern const ref_op ref_op_table[CFP_OP_COUNT];

/* The activation of one element, and its derivative, at x (the INPUT). */
float ref_activation(const cfp_node *activation, float x);
float ref_activation_slope(const cfp_node *activation, float x);
/* The derivative, computed from the output y (backend.h, gate). */
float ref_gate(const cfp_node *activation, float y);

/* Sets the lanes behind the last channel to zero (tensor.h). */
void ref_zero_lanes(cfp_tensor *x);

/* Entries of cfp_backend_api that every backend in host memory can use: they need no cfp_backend,
 * no plan and no scratch memory. */
extern const cfp_frames_api ref_frames;
size_t ref_free_bytes(cfp_backend *backend);
size_t ref_tensor_bytes(const cfp_tensor *x);
cfp_status ref_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain);
cfp_status ref_download(cfp_backend *backend, float *plain, const cfp_tensor *src);
cfp_status ref_step_forward(cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
cfp_status ref_step_backward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, const cfp_tensor *dst,
                             const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                             void *scratch);
cfp_status ref_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                            const cfp_tensor *g);
cfp_status ref_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive);
cfp_status ref_gate_step(cfp_backend *backend, const cfp_gating *gating);
cfp_status ref_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where);
cfp_status ref_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_blend *blend);
cfp_status ref_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                    const cfp_tensor *other, const cfp_turn *turn);
cfp_status ref_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status ref_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status ref_seed(cfp_backend *backend, cfp_tensor *x, const float *value);
cfp_status ref_fill(cfp_backend *backend, void *memory, int byte, size_t bytes);
cfp_status ref_put(cfp_backend *backend, void *memory, const void *host, size_t bytes);
cfp_status ref_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes);
cfp_status ref_route(cfp_backend *backend, const cfp_demand_route *route);
cfp_status ref_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status ref_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
/* True if a question of the clip selected the pair of kernel o and the j-th channel that it reads.
 */
bool ref_is_pair(const cfp_back_step *step, int clip, int o, int j);
cfp_status ref_pick_edges(cfp_backend *backend, const cfp_back_step *step);
cfp_status ref_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                          cfp_edge *edge);
/* Passes the layer's demands on its channels on to its targets. */
void ref_raise_targets(const cfp_back_step *step);
/* The same for some of the rows (question x kernels + o) or kernels, so that threads can divide
 * them.  Each thread needs its own ctx. */
cfp_status ref_back_step_rows(cfp_ctx *ctx, const cfp_back_step *step, int64_t first, int64_t last);
cfp_status ref_list_edges_rows(cfp_ctx *ctx, const cfp_back_step *step, int question, int first,
                               int last, cfp_edge *edge);
