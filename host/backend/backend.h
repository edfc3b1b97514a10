/* backend.h - the table of functions that every backend fills: ref, cpu, and cuda (a loadable
 * module).
 *
 * A backend runs the steps of a network forward and backward-data, and the few primitives that the
 * method needs: pooled means, masks, the back-step of one layer (relevance.h).  host/method/ walks
 * the network; each call concerns one step or one layer.
 *
 * Memory: a tensor's data was allocated by alloc() of the same backend, in the layout (block) that
 * its step_open() chose.  host_memory is true if host code may read and write such data.  A backend
 * in host memory may put ref's functions into its own table: they work on any block (tensor.h).
 *
 * Errors: a function that fails writes the reason to the ctx that open() was given.
 *
 * A module cfp_NAME.so exports one symbol, `cfp_backend_module`, a cfp_backend_api. */
#pragma once
#include "../model/model.h"
#include "relevance.h"
#include "render.h"

/* Raised whenever a type of this file, of model.h, of relevance.h or of render.h changes. */
#define CFP_BACKEND_ABI 11

typedef struct cfp_backend cfp_backend; /* an open device; each backend defines its own struct */

typedef enum cfp_precision { CFP_FP32, CFP_TF32, CFP_BF16, CFP_FP16 } cfp_precision;

/* What the program does in a range that a profiler shows: the categories of NVTX domain "cfp". */
typedef enum cfp_range_kind {
    CFP_RANGE_DECODE = 1,
    CFP_RANGE_LOAD,
    CFP_RANGE_FORWARD,
    CFP_RANGE_BACKWARD,
    CFP_RANGE_DESCENT,
    CFP_RANGE_TUBES,
    CFP_RANGE_WRITE
} cfp_range_kind;

/* One choice of autotune, for one computation of one shape: measured now or read from its file. */
typedef struct cfp_tuned {
    const char *what; /* the computation in words; lives as long as the backend */
    int candidate;  /* its place in the library's own order, which starts with the best guess, 0 */
    int64_t engine; /* the library's number of it */
    float ms;       /* measured when it was chosen */
} cfp_tuned;

typedef struct cfp_device_request {
    int ordinal;             /* cuda:N; 0 otherwise */
    int threads;             /* host threads; 0: all that the process may use */
    cfp_precision precision; /* CFP_UNSUPPORTED if the backend lacks it */
    const char *module_dir;  /* absolute; searched for modules before all others; NULL: none */
    const char *autotune;    /* file of choices: read, and new ones are added; NULL: no autotune */
    const char *lanes;       /* cpu: "avx512", "avx2" or "plain"; NULL: the widest available */
} cfp_device_request;

/* One step of the network: a node, with an addition and an activation that were fused with it.
 *
 *     dst = activation( op(src...) + src[n_src - 1] if adds )
 *
 * Only conv3d and linear add.  The added operand (a residual connection) is the LAST source and has
 * the shape of dst.  Only conv3d, linear, batchnorm and add have an activation. */
typedef struct cfp_step {
    const cfp_model *model;
    const cfp_node *node;       /* the op, its attributes and folded parameters */
    const cfp_node *activation; /* the POINTWISE node fused with it, or NULL */
    bool adds;                  /* the last source is added before the activation */
    int n_src;                  /* number of sources, with the added one */
    bool backward;              /* step_backward will be called */
    /* Set by step_open: */
    void *plan;           /* owned by the backend; step_close releases it */
    size_t scratch_bytes; /* size of the scratch memory that a run needs; all steps share it */
} cfp_step;

/* Rule grad: how much each selected pair of a kernel and a channel adds to the target (SPEC,
 * v(o,i)).  A pair is selected if its bit of step->edges is set for any question of the clip.
 *
 *     v(n, o, i) = mean over T, H, W of x(i) times the part of its gradient that comes through o
 *                = 1 / (T*H*W) * sum over taps of weight(o, i) * sum over positions of dy(o) * x(i)
 */
typedef struct cfp_pairs {
    const cfp_back_step *step;
    const cfp_node *node; /* conv3d or linear: its window and groups */
    const float *weight;  /* its weights, in backend memory */
    const cfp_tensor *x;  /* [clips] what the layer reads */
    const cfp_tensor *dy; /* [clips] the gradient at the kernels' own output, masked */
    float *value;         /* [clips][O][C / groups]; other pairs' values are not written */
    bool adds;            /* value += instead of = */
} cfp_pairs;

/* What a gradient goes through at the end of a step, in one pass:
 *
 *     dy += more
 *     dy *= derivative of the activation, computed from its OUTPUT y
 *     residual = dy, or residual += dy
 *     dy (n, c) = 0 where demand[n / entries * C + c] is CFP_NOT_DEMANDED
 *
 * A line whose operand is NULL is left out.  All tensors have the shape, block and type of dy, and
 * memory of their own.  Each line's result is rounded to that type. */
typedef struct cfp_gating {
    cfp_tensor *dy;
    const cfp_tensor *more;
    const cfp_node *activation; /* one of cfp_gate_from_output: others are never fused where
                                 * backward is wanted */
    const cfp_tensor *y;        /* read only if there is an activation */
    cfp_tensor *residual;
    bool residual_adds; /* residual += dy instead of = */
    const cfp_demand *demand;
    int entries;
} cfp_gating;

/* Frames of a clip, T x H x W x 3 bytes, from the host into a tensor.  Every backend has this
 * sub-table; those in host memory use ref's.
 *
 * A backend with memory of its own copies frames that lie in host_alloc's memory while the device
 * computes.  Other host memory is accepted, too.  Copies are numbered in the order in which they
 * begin: `done` receives the number, and waiting for one waits for all earlier ones.  0 means that
 * no copy is under way. */
typedef struct cfp_frames_api {
    /* Enqueues clip `clip` of dst = (rgb / scale - mean) / std of cfp_input_spec, in dst's own
     * layout with its zero lanes.  It may return before rgb has been read: wait for `done` before
     * you write to rgb again. */
    cfp_status (*upload)(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                         const cfp_input_spec *input, uint64_t *done);
    /* Begins to copy frames to the device, ahead of the upload of the same memory, which then uses
     * the copy.  Begins nothing, and sets `done` to 0, if the device holds as many staged clips as
     * it can, or reads host memory anyway. */
    cfp_status (*stage)(cfp_backend *backend, const uint8_t *rgb, size_t bytes, uint64_t *done);
    /* Waits for copy `done`.  Forgets those frames if they were staged but not uploaded.
     * host_release forgets all staged frames. */
    cfp_status (*wait)(cfp_backend *backend, uint64_t done);
} cfp_frames_api;

/* Tubes drawn over the clip (render.h).  All pointers are into backend memory.  A backend without
 * this sub-table leaves both to the host, which computes the same bits. */
typedef struct cfp_render_api {
    cfp_status (*tube)(cfp_backend *backend, const cfp_render *op);
    /* Colours one frame, rgb, in place by the same frame of a volume. */
    cfp_status (*overlay)(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                          const float *frame);
} cfp_render_api;

/* Recording: what is enqueued between begin and end is kept as one graph, which one call launches
 * again. */
typedef struct cfp_record_api {
    cfp_status (*begin)(cfp_backend *backend);
    /* keep: runs what was recorded and gives a handle to it.  If it cannot be recorded, *recording
     * is NULL, ctx's message says why, and nothing has run.  keep false: drops the recording, and
     * nothing runs. */
    cfp_status (*end)(cfp_backend *backend, void **recording, bool keep);
    /* Enqueues the recording again.  Sets *stale, and enqueues nothing, if memory that the
     * recording uses has moved. */
    cfp_status (*replay)(cfp_backend *backend, void *recording, bool *stale);
    void (*release)(cfp_backend *backend, void *recording);
} cfp_record_api;

/* What profilers are given: ranges of host calls, which nest, and the part of the run to collect.
 */
typedef struct cfp_profile_api {
    /* flop: floating-point operations in the range; 0: not stated. */
    void (*range_begin)(cfp_backend *backend, cfp_range_kind kind, const char *name, double flop);
    void (*range_end)(cfp_backend *backend);
    void (*collect)(cfp_backend *backend, bool on);
} cfp_profile_api;

typedef struct cfp_backend_api {
    uint32_t abi;     /* CFP_BACKEND_ABI; abi and size stay the first two for ever */
    uint32_t size;    /* sizeof(cfp_backend_api): a module of another version is found out by it */
    const char *name; /* the word after --device */
    bool host_memory; /* host code may read and write tensor data */

    /* Opens a device.  CFP_DEVICE or CFP_UNSUPPORTED if it cannot; ctx's message says why.  ctx
     * must outlive the backend. */
    cfp_status (*open)(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request);
    void (*close)(cfp_backend **backend); /* accepts NULL inside; nulls */
    /* For logs and run.json: "oneDNN 2.6.3, AVX-512, 2 threads".  Lives as long as the backend. */
    const char *(*describe)(const cfp_backend *backend);

    /* Memory.  alloc's is aligned for any tensor.  free_bytes: how much alloc could still give. */
    cfp_status (*alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*release)(cfp_backend *backend, void *memory);
    /* Host memory that the device copies to and from fastest. */
    cfp_status (*host_alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*host_release)(cfp_backend *backend, void *memory);
    size_t (*free_bytes)(cfp_backend *backend);
    size_t (*tensor_bytes)(const cfp_tensor *x); /* by shape, block and type; data is not read */
    /* Copies plain N C T H W float32 on the host to a tensor and back.  upload has read `plain`
     * when it returns; download waits for the device. */
    cfp_status (*upload)(cfp_backend *backend, cfp_tensor *dst, const float *plain);
    cfp_status (*download)(cfp_backend *backend, float *plain, const cfp_tensor *src);

    /* Chooses the block and the type of the clip, x, by `first`, the first step that reads it as
     * its source 0.  NULL: block 1 and float32. */
    void (*clip_layout)(cfp_backend *backend, const cfp_step *first, cfp_tensor *x);
    /* Steps.  step_open is given shapes and the sources' blocks and types (data is NULL).  It
     * chooses dst->block and dst->type and prepares the weights.  The step can then be run any
     * number of times, with tensors of the same shapes, blocks and types; in host memory also with
     * fewer clips.  dst may share the memory
     * of the ADDED source, and of no other. */
    cfp_status (*step_open)(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                            cfp_tensor *dst);
    cfp_status (*step_forward)(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
    /* The gradient through the op alone, WITHOUT the fused addition and activation (the caller does
     * those by accumulate and gate): from diff_dst to diff_src[k], which is overwritten.  Where
     * diff_src[k] is NULL nothing is computed.  A diff tensor has its value's shape and block.  src
     * and dst are the values of the forward pass; src[k] and dst may be NULL if the op's backward
     * does not read them (cfp_backward_reads). */
    cfp_status (*step_backward)(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch);
    void (*step_close)(cfp_backend *backend, cfp_step *step);

    /* Primitives of the method.  All pointers, except `host`, are to backend memory.  Calls are
     * enqueued in order; only fetch waits for the device.  put has read `host` when it returns. */
    cfp_status (*fill)(cfp_backend *backend, void *memory, int byte, size_t bytes);
    cfp_status (*put)(cfp_backend *backend, void *memory, const void *host, size_t bytes);
    cfp_status (*fetch)(cfp_backend *backend, void *host, const void *memory, size_t bytes);
    /* mean[n * C + c] = mean over T, H, W of x (n, c), or of x * g unless g is NULL.  g is a
     * gradient of x's shape and block.  Sums are as precise as in double. */
    cfp_status (*channel_mean)(cfp_backend *backend, float *mean, const cfp_tensor *x,
                               const cfp_tensor *g);
    /* map[q * T*H*W + position] = sum of x, or of x * g unless g is NULL, of clip q / thetas over
     * the channels c that question q demands: demand[q * C + c].  q < questions.  positive: sums
     * below 0 become 0. */
    cfp_status (*channel_sum)(cfp_backend *backend, float *map, const cfp_tensor *x,
                              const cfp_tensor *g, const cfp_demand *demand, int questions,
                              int thetas, bool positive);
    cfp_status (*gate)(cfp_backend *backend, const cfp_gating *gating);
    /* x (n, c) = other (0, c) if where[n * C + c] is not 0; where NULL: all channels.  other is one
     * clip of x's shape, block and type; NULL: zeros.  Other channels are not written.  Lanes after
     * the last channel are 0 afterwards if they were 0 before or where is NULL. */
    cfp_status (*replace)(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                          const uint8_t *where);
    /* dst has one entry for each clip, src all entries of each clip, other (may be NULL) one for
     * each clip or one for all (relevance.h).  Otherwise their shapes, blocks and types are the
     * same. */
    cfp_status (*blend)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                        const cfp_tensor *other, const cfp_blend *blend);
    /* dst = src turned down towards other (relevance.h), which may be NULL; dst may be src. */
    cfp_status (*turn)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                       const cfp_tensor *other, const cfp_turn *turn);
    /* dst += src, of the same shape, block and type. */
    cfp_status (*accumulate)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* dst = src, of the same shape, block and type. */
    cfp_status (*copy)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* x (n, c), of one position, = value[n * C + c]: the gradient of the target by the logits.  A
     * backend may hold gradients times a power of two: seed multiplies by it; channel_mean and
     * channel_sum, if they are given g, and weigh_pairs divide by it. */
    cfp_status (*seed)(cfp_backend *backend, cfp_tensor *x, const float *value);
    /* Relevance, and the propagation of demands (relevance.h). */
    cfp_status (*route)(cfp_backend *backend, const cfp_demand_route *route);
    cfp_status (*back_step)(cfp_backend *backend, const cfp_back_step *step);
    /* Rule grad: weigh_pairs computes the values of the pairs that a back-step selected.
     * pick_edges keeps the bits of pairs whose value is above 0, clears the other bits and counts
     * the kept ones in n_edges. */
    cfp_status (*weigh_pairs)(cfp_backend *backend, const cfp_pairs *pairs);
    cfp_status (*pick_edges)(cfp_backend *backend, const cfp_back_step *step);
    /* Writes the edges that a back-step kept for one question, ordered by o, then i. */
    cfp_status (*list_edges)(cfp_backend *backend, const cfp_back_step *step, int question,
                             cfp_edge *edge);

    /* Choice i that autotune made for this backend's steps; false after the last.  NULL: the
     * backend has nothing to tune. */
    bool (*tuned)(const cfp_backend *backend, int i, cfp_tuned *row);

    /* Sub-tables.  A backend has all functions of one or, except for frames, may have NULL instead
     * of it. */
    const cfp_frames_api *frames;
    const cfp_render_api *render;
    const cfp_record_api *record;
    const cfp_profile_api *profile;
} cfp_backend_api;

/* profile's range_begin and range_end; nothing if the backend has no such sub-table. */
static inline void cfp_range_begin(const cfp_backend_api *api, cfp_backend *backend,
                                   cfp_range_kind kind, const char *name, double flop)
{
    if (api->profile != NULL)
        api->profile->range_begin(backend, kind, name, flop);
}
static inline void cfp_range_end(const cfp_backend_api *api, cfp_backend *backend)
{
    if (api->profile != NULL)
        api->profile->range_end(backend);
}

/* Which values step_backward of an op reads: the planner of memory keeps those. */
typedef struct cfp_backward_reads {
    bool src, dst;
} cfp_backward_reads;
cfp_backward_reads cfp_op_backward_reads(cfp_op op);
/* True if the op copies some input elements several times along T, H, W: pad by the edges or by
 * reflection, upsample.  cfp_repeated_place: the input that output i of an axis (0, 1, 2 = T, H, W)
 * comes from; extent: of the input. */
bool cfp_repeats(const cfp_node *node);
int cfp_repeated_place(const cfp_node *node, int axis, int extent, int i);
/* The window of a kernel layer; a linear layer is a convolution with one tap. */
const cfp_window *cfp_kernel_window(const cfp_node *node);
/* True if the activation's derivative can be computed from its output alone, as `gate` does. */
bool cfp_gate_from_output(cfp_op op);
/* True if a step can end in this activation.  A prelu, whose slopes are one a channel, is a step of
 * its own. */
static inline bool cfp_can_end_step(const cfp_node *activation)
{
    return cfp_is_activation(activation) && activation->op != CFP_OP_PRELU;
}

/* An opened device. */
typedef struct cfp_device {
    const cfp_backend_api *api;
    cfp_backend *backend;
} cfp_device;

/* Opens the device of this name: "ref", "cpu", "cuda", "cuda:1" or "auto".  auto is cuda if that
 * opens, else cpu; the log says which and why.  CFP_USAGE for an unknown name (the message starts
 * with "--device: "), CFP_DEVICE if the device cannot be opened.  Modules are searched for in
 * request->module_dir, beside the executable and in the library directory, never in the current
 * directory.  cfp_device_close accepts a zeroed device. */
CFP_CHECKED cfp_status cfp_device_open(cfp_device *out, cfp_ctx *ctx, const char *name,
                                       const cfp_device_request *request);
void cfp_device_close(cfp_device *device);
/* How many bytes may still be allocated on the device.  In host memory max_memory of ctx limits
 * them, too.  *whose receives words for a message: which limit it is. */
size_t cfp_device_free(const char **whose, const cfp_device *device, const cfp_ctx *ctx);

/* For `cfp-gpu devices`: device i of those that the program knows; false after the last. */
typedef struct cfp_device_row {
    char name[16];
    bool ready;
    char detail[256]; /* its description, or why it cannot be opened */
} cfp_device_row;
bool cfp_device_list(cfp_device_row *row, int i, const cfp_device_request *request);

extern const cfp_backend_api cfp_backend_ref;
extern const cfp_backend_api cfp_backend_cpu;
