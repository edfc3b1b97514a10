/* backend.h - the table that every backend fills: ref, cpu, and cuda as a loadable module.
 *
 * A backend runs the steps of a network forward and backward-data and offers the few primitives
 * the method needs: pooled means, masks, the back-step of one layer (relevance.h).  host/method/
 * walks the network; a backend only ever sees one step or one layer at a time.
 *
 * Memory: tensors handed to a backend hold memory that its alloc() gave, in the layout (block)
 * that its step_open() chose.  `host_memory` says that host code may follow their pointers; every
 * such backend may lend entries from ref, whose functions work on any block (tensor.h).
 *
 * A module cfp_NAME.so exports one symbol, `cfp_backend_module`, a cfp_backend_api. */
#pragma once
#include "../model/model.h"
#include "relevance.h"
#include "render.h"

#define CFP_BACKEND_ABI 8

typedef struct cfp_backend cfp_backend; /* an opened device; each backend defines its own */

typedef enum cfp_precision { CFP_FP32, CFP_TF32, CFP_BF16, CFP_FP16 } cfp_precision;

/* What the program does, as a profiler shows it: categories of NVTX domain "cfp". */
typedef enum cfp_range_kind {
    CFP_RANGE_DECODE = 1,
    CFP_RANGE_LOAD,
    CFP_RANGE_FORWARD,
    CFP_RANGE_BACKWARD,
    CFP_RANGE_DESCENT,
    CFP_RANGE_TUBES,
    CFP_RANGE_WRITE
} cfp_range_kind;

/* What autotune has chosen for one computation of a shape, or was told by its file. */
typedef struct cfp_tuned {
    const char *what; /* the computation in words; lives as long as the backend */
    int candidate;    /* how many better ones, by the library's own guess, there were */
    int64_t engine;   /* the library's name for it */
    float ms;         /* as measured when it was chosen */
} cfp_tuned;

typedef struct cfp_device_request {
    int ordinal;             /* cuda:N; 0 otherwise */
    int threads;             /* host threads; 0: all that the process may use */
    cfp_precision precision; /* a backend refuses (CFP_UNSUPPORTED) what it lacks */
    const char *module_dir;  /* where modules are looked for first, absolute; NULL: nowhere else */
    const char *autotune;    /* file of choices to follow and to add to; NULL: no autotune */
    const char *lanes;       /* cpu: "avx512", "avx2" or "plain"; NULL: the widest that there is */
} cfp_device_request;

/* One thing to compute: a node, with what was fused behind it.
 *
 *     dst = activation( op(src...) + src[n_src - 1] if adds )
 *
 * Only conv3d and linear add (the residual connection; that operand is the LAST source, of dst's
 * shape), only conv3d, linear, batchnorm and add have an activation. */
typedef struct cfp_step {
    const cfp_model *model;
    const cfp_node *node;       /* the op, its attributes and folded parameters */
    const cfp_node *activation; /* a POINTWISE node fused behind, or NULL */
    bool adds;                  /* the last source is added before the activation */
    int n_src;                  /* sources, the added one included */
    bool backward;              /* backward_data will be asked for */
    /* Set by step_open: */
    void *plan;           /* the backend's own; released by step_close */
    size_t scratch_bytes; /* working memory it wants at run time, shared between steps */
} cfp_step;

/* Rule grad: what each selected pair of a kernel and a channel has to do with the target (SPEC,
 * v(o,i)).  A pair is selected where a bit of step->edges says so in any question of the clip.
 *
 *     pair(n, o, i) = mean over T, H, W of x(i) times the part of its gradient that came through o
 *                   = sum over taps of weight(o, i) * sum over positions of dy(o) * x(i), over
 * T*H*W
 */
typedef struct cfp_pairs {
    const cfp_back_step *step;
    const cfp_node *node; /* conv3d or linear: its window and groups */
    const float *weight;  /* its weights, in backend memory */
    const cfp_tensor *x;  /* [clips] what the layer reads */
    const cfp_tensor *dy; /* [clips] the gradient at the kernels' own output, masked */
    float *value;         /* [clips][O][C / groups]; of other pairs nothing is written */
    bool adds;            /* to what is there */
} cfp_pairs;

typedef struct cfp_backend_api {
    uint32_t abi;     /* CFP_BACKEND_ABI; abi and size stay first for ever */
    uint32_t size;    /* sizeof(cfp_backend_api): catches a stale module */
    const char *name; /* the word after --device */
    bool host_memory; /* host code may touch tensor data */

    /* Opens a device, or says in ctx's message why not (CFP_DEVICE, CFP_UNSUPPORTED). */
    cfp_status (*open)(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request);
    void (*close)(cfp_backend **backend); /* accepts NULL inside; nulls */
    /* "oneDNN 2.6.3, AVX-512, 2 threads": for logs and run.json.  Lives as long as the backend. */
    const char *(*describe)(const cfp_backend *backend);

    /* Memory.  alloc gives `bytes` aligned for any tensor; free_bytes what could still be had. */
    cfp_status (*alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*release)(cfp_backend *backend, void *memory);
    size_t (*free_bytes)(cfp_backend *backend);
    size_t (*tensor_bytes)(const cfp_tensor *x); /* from shape and block; data is not touched */
    /* Between plain N C T H W float32 on the host and a tensor; download waits for the device. */
    cfp_status (*upload)(cfp_backend *backend, cfp_tensor *dst, const float *plain);
    cfp_status (*download)(cfp_backend *backend, float *plain, const cfp_tensor *src);

    /* Steps.  step_open sees shapes and the sources' blocks and types (data is NULL), chooses
     * dst->block and dst->type and prepares weights; the same step is then run any number of times,
     * with tensors of those very shapes and blocks.  dst may share the memory of the ADDED source,
     * of no other. */
    cfp_status (*step_open)(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                            cfp_tensor *dst);
    cfp_status (*step_forward)(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
    /* Through the op alone, WITHOUT what was fused behind it (gate and the caller's accumulate do
     * that): from diff_dst to diff_src[k], overwriting; NULL entries are not wanted.  diff tensors
     * have their value's shape and block.  src and dst are the values of the forward pass; src[k]
     * may be NULL where the op's backward does not read it (cfp_backward_reads), dst likewise. */
    cfp_status (*step_backward)(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch);
    void (*step_close)(cfp_backend *backend, cfp_step *step);

    /* Primitives of the method.  What they read and write beside tensors (`memory`) is backend
     * memory; all of it is enqueued in order, and only fetch waits. */
    cfp_status (*fill)(cfp_backend *backend, void *memory, int byte, size_t bytes);
    cfp_status (*put)(cfp_backend *backend, void *memory, const void *host, size_t bytes);
    /* put: host may be written again, or freed, at once. */
    cfp_status (*fetch)(cfp_backend *backend, void *host, const void *memory, size_t bytes);
    /* mean[n * C + c] over T, H, W of x (n, c); double accumulation or as good. */
    cfp_status (*channel_mean)(cfp_backend *backend, float *mean, const cfp_tensor *x);
    /* mean over T, H, W of x * g, same shapes and blocks. */
    cfp_status (*channel_mean_product)(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                       const cfp_tensor *g);
    /* map[q * T*H*W + position] = sum of x (times g unless NULL) of clip q / thetas over the
     * channels that question q demands: demand[q * C + c]; `questions` of them.  positive: below 0
     * becomes 0. */
    cfp_status (*channel_sum)(cfp_backend *backend, float *map, const cfp_tensor *x,
                              const cfp_tensor *g, const cfp_demand *demand, int questions,
                              int thetas, bool positive);
    /* dy *= derivative of the activation, in place, told from its OUTPUT y (relu, relu6,
     * leakyrelu, sigmoid, hardsigmoid: the others are never fused where backward is wanted).
     * demand: masked as well, as below; NULL: not. */
    cfp_status (*gate)(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                       const cfp_tensor *y, const cfp_demand *demand, int entries);
    /* x (n, c) becomes 0 where demand[n / entries * C + c] is CFP_NOT_DEMANDED. */
    cfp_status (*mask)(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries);
    /* x (n, c) = other (0, c) where where[n * C + c] is not 0; where NULL: everywhere.  other is
     * one clip of x's shape, block and type; NULL: zeros.  Of other channels nothing is written;
     * lanes behind the last channel are 0 afterwards if they were, or if where is NULL. */
    cfp_status (*replace)(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                          const uint8_t *where);
    /* dst has the clips, src the entries of each; shape, block and type are the same otherwise. */
    cfp_status (*blend)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                        const cfp_blend *blend);
    /* dst = src with one entry of each clip turned down (relevance.h); dst may be src. */
    cfp_status (*turn)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                       const cfp_turn *turn);
    /* dst += src, same shape, block and type. */
    cfp_status (*accumulate)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* dst = src, same shape, block and type. */
    cfp_status (*copy)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* x (n, c), of one position, = value[n * C + c]: the gradient of the target by the logits.  A
     * backend may hold gradients times a power of two, which seed brings in and
     * channel_mean_product, channel_sum with g and weigh_pairs take out: nobody else sees it. */
    cfp_status (*seed)(cfp_backend *backend, cfp_tensor *x, const float *value);
    /* Relevance and the propagation of demands (relevance.h). */
    cfp_status (*route)(cfp_backend *backend, const cfp_demand_route *route);
    cfp_status (*back_step)(cfp_backend *backend, const cfp_back_step *step);
    /* Rule grad: the pairs that a back-step selected, and then which of them are edges: those whose
     * value is above 0 keep their bit, and n_edges counts them. */
    cfp_status (*weigh_pairs)(cfp_backend *backend, const cfp_pairs *pairs);
    cfp_status (*pick_edges)(cfp_backend *backend, const cfp_back_step *step);
    /* The edges that a back-step kept for one question, by o, then i. */
    cfp_status (*list_edges)(cfp_backend *backend, const cfp_back_step *step, int question,
                             cfp_edge *edge);

    /* Frames as they are decoded (T x H x W x 3), in memory that host_alloc gave: where the device
     * has memory of its own, such is copied while it computes (other memory serves, too).
     * upload_frames enqueues clip `clip` of dst = (rgb / scale - mean) / std of cfp_input_spec, in
     * dst's own layout, zero lanes included, and may return before it is done: `done` is then to be
     * waited for (frames_wait) before rgb is written again.  0: nothing is under way.  Numbers
     * rise: who waits for one has waited for all before it. */
    cfp_status (*host_alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*host_release)(cfp_backend *backend, void *memory);
    cfp_status (*upload_frames)(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                                const cfp_input_spec *input, uint64_t *done);
    cfp_status (*frames_wait)(cfp_backend *backend, uint64_t done);

    /* Optional from here on: NULL where a backend has no use for it. */

    /* Begins to copy frames that upload_frames will be asked for, beside what is computed
     * meanwhile; upload_frames of the same memory finds them there.  Where there is no room for
     * more nothing is begun.  frames_wait for this `done` also forgets them, if they were never
     * uploaded; host_release forgets all. */
    cfp_status (*stage_frames)(cfp_backend *backend, const uint8_t *rgb, size_t bytes,
                               uint64_t *done);

    /* For profilers: ranges of host calls, which nest, and the part of the run worth recording. */
    void (*range_begin)(cfp_backend *backend, cfp_range_kind kind, const char *name, double flop);
    void (*range_end)(cfp_backend *backend);
    void (*profile)(cfp_backend *backend, bool on);

    /* Tubes over the clip (render.h); pointers are into backend memory.  overlay colours one frame,
     * rgb, in place, by that frame of a volume.  NULL: the host does both, to the same bits. */
    cfp_status (*render)(cfp_backend *backend, const cfp_render *op);
    cfp_status (*overlay)(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                          const float *frame);

    /* Recording: what is enqueued between begin and end is kept as one graph of launches; end
     * enqueues it, and replay does again, without a word from the host.  keep false: end forgets
     * it, and nothing runs.  *recording NULL: it cannot be recorded, ctx's message says why, and
     * nothing ran.  *stale is set, and nothing done, where memory that the recording uses has
     * moved. */
    cfp_status (*record_begin)(cfp_backend *backend);
    cfp_status (*record_end)(cfp_backend *backend, void **recording, bool keep);
    cfp_status (*replay)(cfp_backend *backend, void *recording, bool *stale);
    void (*record_free)(cfp_backend *backend, void *recording);
    cfp_status (*wait)(cfp_backend *backend); /* until all that is enqueued is done */

    /* Choice i of autotune that this backend's steps run by; false past the last. */
    bool (*tuned)(const cfp_backend *backend, int i, cfp_tuned *row);
} cfp_backend_api;

/* range_begin and range_end of a backend that may have none. */
static inline void cfp_range_begin(const cfp_backend_api *api, cfp_backend *backend,
                                   cfp_range_kind kind, const char *name, double flop)
{
    if (api->range_begin != NULL)
        api->range_begin(backend, kind, name, flop);
}
static inline void cfp_range_end(const cfp_backend_api *api, cfp_backend *backend)
{
    if (api->range_end != NULL)
        api->range_end(backend);
}

/* What step_backward of an op reads: its own contract with the planner of memory. */
typedef struct cfp_backward_reads {
    bool src, dst;
} cfp_backward_reads;
cfp_backward_reads cfp_op_backward_reads(cfp_op op);
/* The window of a kernel layer: a linear layer is a convolution of one tap. */
const cfp_window *cfp_kernel_window(const cfp_node *node);
/* True where `gate` can tell the derivative from the output alone. */
bool cfp_gate_from_output(cfp_op op);

/* A device as the rest of the program holds it. */
typedef struct cfp_device {
    const cfp_backend_api *api;
    cfp_backend *backend;
} cfp_device;

/* Opens what --device names: "ref", "cpu", "cuda", "cuda:1", or "auto": cuda where it can be, else
 * cpu, and the log says which and why.  CFP_USAGE for an unknown word (message starts with
 * "--device: "), CFP_DEVICE where it cannot be opened.  Modules are looked for beside the
 * executable and in the install directory, never in the current directory. */
CFP_CHECKED cfp_status cfp_device_open(cfp_device *out, cfp_ctx *ctx, const char *name,
                                       const cfp_device_request *request);
void cfp_device_close(cfp_device *device);
/* What may still be taken of it, and for messages whose limit that is: the device's, or on the
 * processor what --max-memory leaves. */
size_t cfp_device_free(const char **whose, const cfp_device *device, const cfp_ctx *ctx);

/* For `cfp-gpu devices`: row i of what could run, and whether it can; false past the last. */
typedef struct cfp_device_row {
    char name[16];
    bool ready;
    char detail[256]; /* what it is, or why not */
} cfp_device_row;
bool cfp_device_list(cfp_device_row *row, int i, const cfp_device_request *request);

extern const cfp_backend_api cfp_backend_ref;
extern const cfp_backend_api cfp_backend_cpu;
