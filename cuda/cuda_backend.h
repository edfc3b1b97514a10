/* cuda_backend.h - what the C files of the CUDA backend share: the opened device, failures of CUDA,
 * tensors as views, the functions of each op, and the entries of the table. */
#pragma once
#include "conv.h"
#include "kernels.h"
#include "linear.h"
#include "ranges.h"
#include "tune.h"

/* The number of lanes is a multiple of this, as tensor cores and 16-byte loads need. */
enum { CUDA_LANES = 8 };

typedef struct cuda_frames_ring cuda_frames_ring; /* cuda_frames.c */

struct cfp_backend {
    cfp_ctx *ctx;
    cudaStream_t stream; /* of all work except copies of frames */
    cuda_dnn *dnn;
    cuda_blas *blas; /* NULL: not needed yet, or missing: */
    bool blas_missing;
    cuda_tuning *tuning; /* NULL: no autotune */
    cfp_precision precision;
    float gradient_unit; /* stored gradients are multiplied by this power of two (cuda_step.c) */
    int *overflow; /* fp16: in device memory, 1 after a number exceeded the range; else NULL */
    cuda_ranges *ranges;      /* for profilers */
    unsigned *counters;       /* of finished blocks, for sums; [CUDA_COUNTERS] */
    void *aside;              /* working memory of uploads, downloads and sums; see cuda_aside */
    cuda_frames_ring *frames; /* NULL: there were no frames yet */
    size_t aside_bytes;
    char *staging;  /* pinned memory from which put copies; NULL: no put yet */
    size_t staged;  /* bytes of it that copies may still read */
    char text[160]; /* of describe() */
};

/* Fails with a message of the call and CUDA's text, and clears CUDA's last error. */
cfp_status cuda_failed(cfp_ctx *ctx, cudaError_t status, const char *call);
#define CUDA_TRY(backend, call)                                                                    \
    do {                                                                                           \
        const cudaError_t status_ = (call);                                                        \
        if (status_ != cudaSuccess)                                                                \
            return cuda_failed((backend)->ctx, status_, #call);                                    \
    } while (0)

/* Fails with the message that this network exceeds float16's range, and what to use instead. */
cfp_status cuda_out_of_range(cfp_ctx *ctx);
/* Enqueues a check of x for numbers out of float16's range, if x is float16. */
CFP_CHECKED cfp_status cuda_watch_tensor(cfp_backend *backend, const cfp_tensor *x);
/* Where a kernel that stores to x reports a number out of x's range; NULL: x is not float16. */
int *cuda_beyond(const cfp_backend *backend, const cfp_tensor *x);
/* fp16: waits, and fails if a check since the last call found one. */
cfp_status cuda_check_overflow(cfp_backend *backend);

/* Working memory of at least `bytes`, owned by the backend.  The next call that asks for more
 * invalidates it. */
CFP_CHECKED cfp_status cuda_aside(cfp_backend *backend, void **out, size_t bytes);
/* Copies to the device.  It has read `host` when it returns: small pieces are copied to pinned
 * memory first, large ones are waited for.  (On machines where the GPU reads the host's memory
 * itself, a copy by CUDA from ordinary memory may still be under way when the call returns.) */
CFP_CHECKED cfp_status cuda_put_bytes(cfp_backend *backend, void *memory, const void *host,
                                      size_t bytes);
/* Allocates device memory and enqueues setting it to zero. */
CFP_CHECKED cfp_status cuda_new_bytes(cfp_backend *backend, void **out, size_t bytes);
/* Allocates `capacity` floats on the device: `count` of the host, then zeros. */
CFP_CHECKED cfp_status cuda_new_floats(cfp_backend *backend, float **out, const float *values,
                                       int64_t count, int64_t capacity);

static inline int cuda_lanes(int channels) /* of a tensor that this backend lays out */
{
    return (channels + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES;
}

/* The type of a step's result and gradients (cuda_step.c).  Sources of another type are copied. */
cfp_type cuda_type_of_step(const cfp_backend *backend, const cfp_step *step,
                           const cfp_tensor *const *src);
float cuda_gradient_unit(cfp_precision precision);

/* The view of a tensor, which is plain (block 1) or channels last in one block. */
cuda_view cuda_view_of(const cfp_tensor *x);
/* The view of a tensor in channels-last layout at `data`. */
cuda_view cuda_view_at(void *data, cfp_type type, cfp_shape shape, int lanes);
/* The address of number `i` after `data`. */
static inline void *cuda_number(void *data, cfp_type type, int64_t i)
{
    return (char *)data + i * (int64_t)cuda_size_of(type);
}
static inline cuda_view cuda_no_view(void)
{
    return (cuda_view){.data = NULL};
}
/* x with `shape`: axes of length 1 get stride 0. */
cuda_view cuda_broadcast(cuda_view x, cfp_shape shape);

/* The copy from `from` to `to` of all channels and positions; from NULL: a fill of `to`. */
cuda_box cuda_box_of(const cuda_view *to, const cuda_view *from);
/* dst = src, of the same shape, in any layouts and types.  Sets dst's zero lanes, too. */
CFP_CHECKED cfp_status cuda_relayout(cfp_backend *backend, const cuda_view *dst,
                                     const cuda_view *src);
CFP_CHECKED cfp_status cuda_zero_lanes(cfp_backend *backend, const cuda_view *x);
/* cuda_reduce with the backend's working memory and counters. */
CFP_CHECKED cfp_status cuda_sum(cfp_backend *backend, cuda_reduction *reduction);

cuda_activation cuda_activation_of(const cfp_node *activation); /* NULL: CUDA_NOTHING */

/* The sources of a step in the step's type (cuda_cast.c).  Sources of another type are copies at
 * the front of scratch. */
typedef struct cuda_casts {
    cfp_type type;
    int n;
    const cfp_tensor **src; /* [n], NULL if the step's is NULL */
    cfp_tensor **diff_src;
    cfp_tensor *copy; /* [2 n]: copies of the sources, then of their gradients */
    char *scratch;    /* the rest of it, for the op */
} cuda_casts;
/* For step_open: without data.  *bytes: scratch memory that the copies need. */
CFP_CHECKED cfp_status cuda_cast_shapes(cuda_casts *casts, cfp_backend *backend,
                                        const cfp_step *step, const cfp_tensor *const *src,
                                        cfp_type type, size_t *bytes);
/* Copies the sources that are not of `type`.  diff_src is NULL for the forward pass.  Else
 * gradients of another type are computed in copies, which cuda_cast_back copies to diff_src. */
CFP_CHECKED cfp_status cuda_cast_sources(cuda_casts *casts, cfp_backend *backend,
                                         const cfp_step *step, const cfp_tensor *const *src,
                                         cfp_tensor *const *diff_src, cfp_type type, void *scratch);
CFP_CHECKED cfp_status cuda_cast_back(const cuda_casts *casts, cfp_backend *backend,
                                      cfp_tensor *const *diff_src);
void cuda_casts_free(cuda_casts *casts);

/* The functions of one op.  open and close may be NULL.  forward does the fused addition and
 * activation, too; backward is as in cfp_backend_api. */
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
extern const cuda_op cuda_op_batchnorm, cuda_op_norm, cuda_op_activation, cuda_op_prelu,
    cuda_op_softmax;
extern const cuda_op cuda_op_maxpool, cuda_op_avgpool, cuda_op_globalavgpool;
extern const cuda_op cuda_op_combine; /* add, mul */
extern const cuda_op cuda_op_repeat;  /* pad by edges or reflection, upsample */
extern const cuda_op cuda_op_move;    /* identity, flatten, concat, pad, slice, channel_shuffle */

void cuda_frames_ring_close(cuda_frames_ring **ring); /* accepts NULL inside; nulls */

/* Entries of cfp_backend_api. */
cfp_status cuda_alloc(cfp_backend *backend, void **out, size_t bytes);
void cuda_release(cfp_backend *backend, void *memory);
size_t cuda_free_bytes(cfp_backend *backend);
cfp_status cuda_host_alloc(cfp_backend *backend, void **out, size_t bytes);
void cuda_host_release(cfp_backend *backend, void *memory);
void cuda_clip_layout(cfp_backend *backend, const cfp_step *first, cfp_tensor *x);
cfp_status cuda_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                          cfp_tensor *dst);
cfp_status cuda_step_forward(cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
cfp_status cuda_step_backward(cfp_backend *backend, const cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst,
                              const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                              void *scratch);
void cuda_step_close(cfp_backend *backend, cfp_step *step);
cfp_status cuda_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                             const cfp_tensor *g);
cfp_status cuda_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                            const cfp_tensor *g, const cfp_demand *demand, int questions,
                            int thetas, bool positive);
cfp_status cuda_gate(cfp_backend *backend, const cfp_gating *gating);
cfp_status cuda_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                        const uint8_t *where);
cfp_status cuda_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                      const cfp_tensor *other, const cfp_blend *blend);
cfp_status cuda_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_turn *turn);
cfp_status cuda_weigh_pairs(cfp_backend *backend, const cfp_pairs *pairs);
cfp_status cuda_pick_edges(cfp_backend *backend, const cfp_back_step *step);
cfp_status cuda_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
cfp_status cuda_seed(cfp_backend *backend, cfp_tensor *x, const float *value);
cfp_status cuda_fill(cfp_backend *backend, void *memory, int byte, size_t bytes);
cfp_status cuda_put(cfp_backend *backend, void *memory, const void *host, size_t bytes);
cfp_status cuda_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes);
cfp_status cuda_route(cfp_backend *backend, const cfp_demand_route *route);
cfp_status cuda_back_step(cfp_backend *backend, const cfp_back_step *step);
cfp_status cuda_list_edges(cfp_backend *backend, const cfp_back_step *step, int question,
                           cfp_edge *edge);
extern const cfp_frames_api cuda_frames_table;
extern const cfp_render_api cuda_render_table;
extern const cfp_record_api cuda_record_table;
extern const cfp_profile_api cuda_profile_table;
