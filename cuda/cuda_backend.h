/* cuda_backend.h - between the C files of the CUDA backend: the opened device, how a CUDA failure
 * becomes a message, tensors as views, and who runs which op. */
#pragma once
#include "conv.h"
#include "kernels.h"
#include "ranges.h"

/* Lanes of a tensor's channels: a multiple of this, which tensor cores and 16-byte loads like. */
enum { CUDA_LANES = 8 };

struct cfp_backend {
    cfp_ctx *ctx;
    cudaStream_t stream; /* everything runs on it, in order */
    cuda_dnn *dnn;
    cfp_precision precision;
    cuda_ranges *ranges; /* for profilers */
    void *aside;         /* working memory of uploads, downloads and sums, grown as needed */
    size_t aside_bytes;
    char text[160]; /* describe */
};

/* Turns a CUDA status into a failure with the call and CUDA's words, and clears CUDA's own record.
 */
cfp_status cuda_failed(cfp_ctx *ctx, cudaError_t status, const char *call);
#define CUDA_TRY(backend, call)                                                                    \
    do {                                                                                           \
        const cudaError_t status_ = (call);                                                        \
        if (status_ != cudaSuccess)                                                                \
            return cuda_failed((backend)->ctx, status_, #call);                                    \
    } while (0)

/* The cuDNN that is loaded, counted as in its header: 91900 is 9.19.0. */
int cuda_dnn_version(void);

/* Working memory that lasts until the next call asks for more. */
CFP_CHECKED cfp_status cuda_aside(cfp_backend *backend, void **out, size_t bytes);
/* Device memory with `count` floats of the host in front and zeros behind, up to `room`. */
CFP_CHECKED cfp_status cuda_new_floats(cfp_backend *backend, float **out, const float *values,
                                       int64_t count, int64_t room);

static inline int cuda_lanes(int channels) /* of a tensor that we lay out */
{
    return (channels + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES;
}

/* Tensors are plain (block 1) or channels last in one block. */
cuda_view cuda_view_of(const cfp_tensor *x);
/* Channels last, this many lanes, at `data`. */
cuda_view cuda_view_at(float *data, cfp_shape shape, int lanes);
static inline cuda_view cuda_no_view(void)
{
    return (cuda_view){.data = NULL};
}
/* x as a source of something of `shape`: axes of 1 serve the whole axis. */
cuda_view cuda_broadcast(cuda_view x, cfp_shape shape);
bool cuda_same_layout(const cuda_view *a, const cuda_view *b);

/* The box that all channels and positions of `to` and `from` (or a value) make. */
cuda_box cuda_box_of(const cuda_view *to, const cuda_view *from);
/* dst = src of the same shape in any layouts, zero lanes included. */
CFP_CHECKED cfp_status cuda_relayout(cfp_backend *backend, const cuda_view *dst,
                                     const cuda_view *src);
CFP_CHECKED cfp_status cuda_zero_lanes(cfp_backend *backend, const cuda_view *x);
/* Sums with the backend's own working memory. */
CFP_CHECKED cfp_status cuda_sum(cfp_backend *backend, cuda_reduction *reduction);

cuda_activation cuda_activation_of(const cfp_node *activation); /* NULL: CUDA_NOTHING */

/* One op: how a step of it is opened, run and closed; open and close NULL where there is nothing to
 * prepare.  forward applies what is fused behind.  backward is as in cfp_backend_api. */
typedef struct cuda_op {
    cfp_status (*open)(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                       const cfp_tensor *dst);
    cfp_status (*forward)(cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst, void *scratch);
    cfp_status (*backward)(cfp_backend *backend, const cfp_step *step, const cfp_tensor *const *src,
                           const cfp_tensor *dst, const cfp_tensor *diff_dst,
                           cfp_tensor *const *diff_src, void *scratch);
    void (*close)(cfp_backend *backend, cfp_step *step);
} cuda_op;

extern const cuda_op cuda_op_kernel, cuda_op_depthwise; /* conv3d, linear */
extern const cuda_op cuda_op_batchnorm, cuda_op_activation, cuda_op_softmax;
extern const cuda_op cuda_op_maxpool, cuda_op_avgpool, cuda_op_globalavgpool;
extern const cuda_op cuda_op_combine; /* add, mul */
extern const cuda_op cuda_op_move;    /* identity, flatten, concat, pad, slice, channel_shuffle */

/* Entries of cfp_backend_api. */
cfp_status cuda_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst);
cfp_status cuda_step_forward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
cfp_status cuda_step_backward(cfp_backend *backend, const cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst,
                              const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                              void *scratch);
void cuda_step_close(cfp_backend *backend, cfp_step *step);
cfp_status cuda_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x);
cfp_status cuda_channel_mean_product(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                     const cfp_tensor *g);
cfp_status cuda_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                            const cfp_tensor *g, const uint8_t *keep);
cfp_status cuda_gate(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                     const cfp_tensor *y);
cfp_status cuda_mask(cfp_backend *backend, cfp_tensor *x, const uint8_t *keep);
cfp_status cuda_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_one_hot(cfp_backend *backend, cfp_tensor *x, int channel);
void cuda_backend_range_begin(cfp_backend *backend, cfp_range_kind kind, const char *name,
                              double flop);
void cuda_backend_range_end(cfp_backend *backend);
void cuda_profile(cfp_backend *backend, bool on);
