/* ref.h - the backend that defines every op: plain loops, written to be read.
 *
 * Its functions work on host tensors of any block, so that another backend in host memory may lend
 * whichever it has no better version of.  Sums run in double. */
#pragma once
#include "../backend.h"

/* One op, told by step->node: forward, and backward-data as step_backward in backend.h describes
 * it (src, dst: NULL where cfp_op_backward_reads says so).  conv3d and linear add the last source
 * where step->adds; the activation fused behind is ref_step_forward's business.  Both write every
 * channel of what they are given, but not the zero lanes behind the last. */
typedef struct ref_op {
    void (*forward)(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst);
    void (*backward)(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                     const cfp_tensor *diff_dst, cfp_tensor *const *diff_src);
} ref_op;

extern const ref_op ref_op_table[CFP_OP_COUNT];

/* Elements of the activation and of its derivative at x (the INPUT). */
float ref_activation(const cfp_node *activation, float x);
float ref_activation_slope(const cfp_node *activation, float x);
/* The derivative told from the output y (backend.h, gate). */
float ref_gate(const cfp_node *activation, float y);

/* Zeroes the lanes behind the last channel (tensor.h). */
void ref_zero_lanes(cfp_tensor *x);

/* Entries of cfp_backend_api, usable by any backend in host memory (they read no cfp_backend, no
 * plan and no scratch). */
size_t ref_free_bytes(cfp_backend *backend);
size_t ref_tensor_bytes(const cfp_tensor *x);
cfp_status ref_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain);
cfp_status ref_upload_frames(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                             const cfp_input_spec *input, uint64_t *done);
cfp_status ref_frames_wait(cfp_backend *backend, uint64_t done);
cfp_status ref_download(cfp_backend *backend, float *plain, const cfp_tensor *src);
cfp_status ref_step_forward(cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
cfp_status ref_step_backward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, const cfp_tensor *dst,
                             const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                             void *scratch);
cfp_status ref_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x);
cfp_status ref_channel_mean_product(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                    const cfp_tensor *g);
cfp_status ref_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive);
cfp_status ref_gate_step(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                         const cfp_tensor *y, const cfp_demand *demand, int entries);
cfp_status ref_mask(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries);
cfp_status ref_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where);
cfp_status ref_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_blend *blend);
cfp_status ref_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status ref_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status ref_seed(cfp_backend *backend, cfp_tensor *x, const float *value);
cfp_status ref_fill(cfp_backend *backend, void *memory, int byte, size_t bytes);
cfp_status ref_put(cfp_backend *backend, void *memory, const void *host, size_t bytes);
cfp_status ref_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes);
cfp_status ref_route(cfp_backend *backend, const cfp_demand_route *route);
cfp_status ref_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status ref_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
/* True where a question of the clip selected the pair of kernel o and the j-th channel it reads. */
bool ref_is_pair(const cfp_back_step *step, int clip, int o, int j);
cfp_status ref_pick_edges(cfp_backend *backend, const cfp_back_step *step);
cfp_status ref_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                          cfp_edge *edge);
/* Some of their rows (question x kernels + o) or kernels, for who shares them out.  Threads that
 * run at a time need a ctx each. */
cfp_status ref_back_step_rows(cfp_ctx *ctx, const cfp_back_step *step, int64_t first, int64_t last);
cfp_status ref_list_edges_rows(cfp_ctx *ctx, const cfp_back_step *step, int question, int first,
                               int last, cfp_edge *edge);
