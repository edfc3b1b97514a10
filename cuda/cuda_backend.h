/* cuda_backend.h - between the C files of the CUDA backend: the opened device, how a CUDA failure
 * becomes a message, tensors as views, and who runs which op. */
#pragma once
#include "conv.h"
#include "kernels.h"
#include "linear.h"
#include "ranges.h"
#include "tune.h"

/* Lanes of a tensor's channels: a multiple of this, which tensor cores and 16-byte loads like. */
enum { CUDA_LANES = 8 };

typedef struct cuda_frames_ring cuda_frames_ring; /* cuda_frames.c */

struct cfp_backend {
    cfp_ctx *ctx;
    cudaStream_t stream; /* everything but the copying of frames runs on it, in order */
    cuda_dnn *dnn;
    cuda_blas *blas; /* NULL: nothing has wanted it yet, or: */
    bool blas_missing;
    cuda_tuning *tuning; /* NULL: heuristics choose */
    cfp_precision precision;
    float gradient_unit; /* what 1 is in a gradient's memory: a power of two, see cuda_step.c */
    int *overflow;       /* fp16: on the device, 1 once a number went out of range; else NULL */
    cuda_ranges *ranges; /* for profilers */
    void *aside;         /* working memory of uploads, downloads and sums, grown as needed */
    cuda_frames_ring *frames; /* NULL: none came yet */
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

/* float16 ends at 65504: in one line what there is to do about a network that goes beyond it. */
cfp_status cuda_out_of_range(cfp_ctx *ctx);
/* Looks at what has been stored in x, if that is float16. */
CFP_CHECKED cfp_status cuda_watch_tensor(cfp_backend *backend, const cfp_tensor *x);
/* fp16: refuses what the watch has seen since it was asked last; waits. */
cfp_status cuda_check_overflow(cfp_backend *backend);

/* Working memory that lasts until the next call asks for more. */
CFP_CHECKED cfp_status cuda_aside(cfp_backend *backend, void **out, size_t bytes);
/* Device memory full of zeros. */
CFP_CHECKED cfp_status cuda_new_bytes(cfp_backend *backend, void **out, size_t bytes);
/* Device memory with `count` floats of the host in front and zeros behind, up to `room`. */
CFP_CHECKED cfp_status cuda_new_floats(cfp_backend *backend, float **out, const float *values,
                                       int64_t count, int64_t room);

static inline int cuda_lanes(int channels) /* of a tensor that we lay out */
{
    return (channels + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES;
}

/* What a step's tensors are in memory: its result, its gradients, and copies of those sources that
 * are otherwise (cuda_step.c). */
cfp_type cuda_type_of_step(const cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src);
float cuda_gradient_unit(cfp_precision precision);

/* Tensors are plain (block 1) or channels last in one block. */
cuda_view cuda_view_of(const cfp_tensor *x);
/* Channels last, this many lanes of `type`, at `data`. */
cuda_view cuda_view_at(void *data, cfp_type type, cfp_shape shape, int lanes);
/* Where number `i` from `data` on stands. */
static inline void *cuda_number(void *data, cfp_type type, int64_t i)
{
    return (char *)data + i * (int64_t)cuda_size_of(type);
}
static inline cuda_view cuda_no_view(void)
{
    return (cuda_view){.data = NULL};
}
/* x as a source of something of `shape`: axes of 1 serve the whole axis. */
cuda_view cuda_broadcast(cuda_view x, cfp_shape shape);

/* The box that all channels and positions of `to` and `from` (or a value) make. */
cuda_box cuda_box_of(const cuda_view *to, const cuda_view *from);
/* dst = src of the same shape in any layouts and types, zero lanes included. */
CFP_CHECKED cfp_status cuda_relayout(cfp_backend *backend, const cuda_view *dst,
                                     const cuda_view *src);
CFP_CHECKED cfp_status cuda_zero_lanes(cfp_backend *backend, const cuda_view *x);
/* Sums with the backend's own working memory. */
CFP_CHECKED cfp_status cuda_sum(cfp_backend *backend, cuda_reduction *reduction);

cuda_activation cuda_activation_of(const cfp_node *activation); /* NULL: CUDA_NOTHING */

/* What a step reads, in its own type (cuda_bring.c): the tensors themselves where they have it,
 * else copies at the front of scratch. */
typedef struct cuda_brought {
    cfp_type type;
    int n;
    const cfp_tensor **src; /* [n], NULL where the step's are */
    cfp_tensor **diff_src;
    cfp_tensor *copy; /* [2 n], of the sources, then of their gradients */
    char *scratch;    /* what is left of it for the op */
} cuda_brought;
/* As step_open sees them: without memory.  bytes: of scratch, for the copies. */
CFP_CHECKED cfp_status cuda_bring_shapes(cuda_brought *brought, cfp_backend *backend,
                                         const cfp_step *step, const cfp_tensor *const *src,
                                         cfp_type type, size_t *bytes);
/* Copies what is not of `type`.  diff_src NULL: forward; else gradients are made in copies, and
 * cuda_bring_back copies those to where they belong. */
CFP_CHECKED cfp_status cuda_bring(cuda_brought *brought, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *const *diff_src,
                                  cfp_type type, void *scratch);
CFP_CHECKED cfp_status cuda_bring_back(const cuda_brought *brought, cfp_backend *backend,
                                       cfp_tensor *const *diff_src);
void cuda_brought_free(cuda_brought *brought);

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

/* What a kernel layer multiplies with (cuda_product.c); as conv.h has it.  {NULL, NULL}: nothing.
 */
typedef struct cuda_product {
    cuda_conv *conv;
    cuda_linear *linear;
} cuda_product;
CFP_CHECKED cfp_status cuda_product_open(cuda_product *out, cfp_backend *backend,
                                         const cuda_conv_spec *spec);
size_t cuda_product_workspace(const cuda_product *product);
CFP_CHECKED cfp_status cuda_product_run(const cuda_product *product, cfp_backend *backend, void *x,
                                        const void *w, void *y, const void *z, const void *bias,
                                        void *workspace);
void cuda_product_close(cuda_product *product);

void cuda_frames_ring_close(cuda_frames_ring **ring); /* accepts NULL inside; nulls */

/* Entries of cfp_backend_api. */
cfp_status cuda_host_alloc(cfp_backend *backend, void **out, size_t bytes);
void cuda_host_release(cfp_backend *backend, void *memory);
cfp_status cuda_upload_frames(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                              const cfp_input_spec *input, uint64_t *done);
cfp_status cuda_stage_frames(cfp_backend *backend, const uint8_t *rgb, size_t bytes,
                             uint64_t *done);
cfp_status cuda_frames_wait(cfp_backend *backend, uint64_t done);
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
                            const cfp_tensor *g, const cfp_demand *demand, int questions,
                            int thetas, bool positive);
cfp_status cuda_gate(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                     const cfp_tensor *y, const cfp_demand *demand, int entries);
cfp_status cuda_mask(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries);
cfp_status cuda_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                        const uint8_t *where);
cfp_status cuda_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                      const cfp_blend *blend);
cfp_status cuda_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
cfp_status cuda_pick_edges(cfp_backend *backend, const cfp_back_step *step);
cfp_status cuda_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_seed(cfp_backend *backend, cfp_tensor *x, const float *value);
cfp_status cuda_fill(cfp_backend *backend, void *memory, int byte, size_t bytes);
cfp_status cuda_put(cfp_backend *backend, void *memory, const void *host, size_t bytes);
cfp_status cuda_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes);
cfp_status cuda_wait(cfp_backend *backend);
cfp_status cuda_route(cfp_backend *backend, const cfp_demand_route *route);
cfp_status cuda_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status cuda_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                           cfp_edge *edge);
cfp_status cuda_render(cfp_backend *backend, const cfp_render *op);
cfp_status cuda_overlay(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                        const float *frame);
cfp_status cuda_record_begin(cfp_backend *backend);
cfp_status cuda_record_end(cfp_backend *backend, void **recording, bool keep);
cfp_status cuda_replay(cfp_backend *backend, void *recording, bool *stale);
void cuda_record_free(cfp_backend *backend, void *recording);
void cuda_backend_range_begin(cfp_backend *backend, cfp_range_kind kind, const char *name,
                              double flop);
void cuda_backend_range_end(cfp_backend *backend);
void cuda_profile(cfp_backend *backend, bool on);
