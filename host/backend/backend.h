/* backend.h - the table of functions that every backend fills: ref, cpu, and cuda (a loadable
 * module).
 *
 * A backend runs the steps of a network, forward and backward-data, and provides the few primitives
 * that the method needs: means over positions, masks, the back-step of one layer (relevance.h).
 * host/method/ walks the network.  A backend only ever sees one step or one layer at a time.
 *
 * Memory: the data of a tensor is memory from the backend's own alloc(), in the layout (block) that
 * its step_open() chose.  If `host_memory` is true, host code may read and write it.  Such a
 * backend may use entries of ref, whose functions work on any block (tensor.h).
 *
 * A module cfp_NAME.so exports one symbol, `cfp_backend_module`, a cfp_backend_api. */
#pragma once
#include "../model/model.h"
#include "relevance.h"
#include "render.h"

#define CFP_BACKEND_ABI 8

typedef struct cfp_backend cfp_backend; /* an open device; each backend defines its own struct */

typedef enum cfp_precision { CFP_FP32, CFP_TF32, CFP_BF16, CFP_FP16 } cfp_precision;

/* Phases of the program, shown by profilers as categories of the NVTX domain "cfp". */
typedef enum cfp_range_kind {
    CFP_RANGE_DECODE = 1,
    CFP_RANGE_LOAD,
    CFP_RANGE_FORWARD,
    CFP_RANGE_BACKWARD,
    CFP_RANGE_DESCENT,
    CFP_RANGE_TUBES,
    CFP_RANGE_WRITE
} cfp_range_kind;

/* What autotune chose for one computation of one shape, or read from its file. */
typedef struct cfp_tuned {
    const char *what; /* the computation in words; valid as long as the backend */
    int candidate;    /* its rank in the library's own estimate of speed, from 0 */
    int64_t engine;   /* the library's number for the chosen engine */
    float ms;         /* time measured when it was chosen */
} cfp_tuned;

typedef struct cfp_device_request {
    int ordinal;             /* N of cuda:N; else 0 */
    int threads;             /* host threads; 0: all that this process may use */
    cfp_precision precision; /* a backend without it returns CFP_UNSUPPORTED */
    const char *module_dir;  /* absolute folder that is searched first for modules; NULL: none */
    const char *autotune;    /* file of choices to use and to extend; NULL: no autotune */
    const char *lanes;       /* cpu: "avx512", "avx2", "plain"; NULL: the widest that works here */
} cfp_device_request;

/* A step computes one node, and what is fused into it:
 *
 *     dst = activation( op(src...) + src[n_src - 1] if adds )
 *
 * Only conv3d and linear add.  The added operand (a residual connection) is the LAST source and has
 * the shape of dst.  Only conv3d, linear, batchnorm and add have an activation. */
typedef struct cfp_step {
    const cfp_model *model;
    const cfp_node *node;       /* the op, its attributes and its folded parameters */
    const cfp_node *activation; /* a POINTWISE node that is fused into the step, or NULL */
    bool adds;                  /* the last source is added before the activation */
    int n_src;                  /* number of sources, with the added one */
    bool backward;              /* step_backward will be called */
    /* Set by step_open: */
    void *plan;           /* belongs to the backend; step_close frees it */
    size_t scratch_bytes; /* size of the scratch memory at run time; steps share it */
} cfp_step;

/* Rule grad: the value v(o, i) of each selected pair of a kernel and a channel (SPEC).  A pair is
 * selected if a bit of step->edges is set in any question of the clip.
 *
 *     v(n, o, i) = mean over T, H, W of x(i) times the part of its gradient that comes through o
 *                = 1 / (T*H*W) * sum over taps of weight(o, i) * sum over positions of dy(o) * x(i)
 */
typedef struct cfp_pairs {
    const cfp_back_step *step;
    const cfp_node *node; /* conv3d or linear: its window and groups */
    const float *weight;  /* its weights, in memory of the backend */
    const cfp_tensor *x;  /* [clips] the input of the layer */
    const cfp_tensor *dy; /* [clips] the gradient by the output of the kernels, masked */
    float *value;         /* [clips][O][C / groups]; only selected pairs are written */
    bool adds;            /* add to the old values */
} cfp_pairs;

typedef struct cfp_backend_api {
    uint32_t abi;     /* CFP_BACKEND_ABI; abi and size stay first in all versions */
    uint32_t size;    /* sizeof(cfp_backend_api): detects a module of another version */
    const char *name; /* its name in --device */
    bool host_memory; /* host code may read and write the data of tensors */

    /* Opens a device.  On failure (CFP_DEVICE, CFP_UNSUPPORTED) the message of ctx says why. */
    cfp_status (*open)(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request);
    void (*close)(cfp_backend **backend); /* *backend may be NULL, and is NULL after */
    /* A text like "oneDNN 2.6.3, AVX-512, 2 threads", for logs and run.json; valid as long as the
     * backend. */
    const char *(*describe)(const cfp_backend *backend);

    /* Memory.  alloc returns `bytes` bytes, aligned for any tensor.  free_bytes is how much more
     * could be allocated. */
    cfp_status (*alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*release)(cfp_backend *backend, void *memory);
    size_t (*free_bytes)(cfp_backend *backend);
    size_t (*tensor_bytes)(const cfp_tensor *x); /* reads shape and block, not the data */
    /* Copy between float32 in the order N C T H W on the host and a tensor.  download waits until
     * the data has arrived. */
    cfp_status (*upload)(cfp_backend *backend, cfp_tensor *dst, const float *plain);
    cfp_status (*download)(cfp_backend *backend, float *plain, const cfp_tensor *src);

    /* Steps.  step_open is given the shapes, blocks and types of the sources (data is NULL).  It
     * chooses dst->block and dst->type, and prepares weights.  The step may then run any number of
     * times, with tensors of the same shapes and blocks.  dst may use the memory of the added
     * source, but of no other source. */
    cfp_status (*step_open)(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                            cfp_tensor *dst);
    cfp_status (*step_forward)(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch);
    /* The gradient of the op alone, WITHOUT the operations fused into the step (gate and the
     * caller's accumulate do these).  It reads diff_dst and overwrites diff_src[k]; a NULL
     * diff_src[k] is not computed.  A gradient has the shape and block of its value.  src and dst
     * are the values of the forward pass.  src[k] may be NULL if the op's backward pass does not
     * read it (cfp_op_backward_reads), and so may dst. */
    cfp_status (*step_backward)(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch);
    void (*step_close)(cfp_backend *backend, cfp_step *step);

    /* Primitives of the method.  Pointers other than tensors are memory of the backend.  Work is
     * enqueued in order; only fetch waits for it. */
    cfp_status (*fill)(cfp_backend *backend, void *memory, int byte, size_t bytes);
    cfp_status (*put)(cfp_backend *backend, void *memory, const void *host, size_t bytes);
    /* After put returns, the caller may change or free `host`. */
    cfp_status (*fetch)(cfp_backend *backend, void *host, const void *memory, size_t bytes);
    /* mean[n * C + c] = mean over T, H, W of x(n, c), accumulated in double or as accurately. */
    cfp_status (*channel_mean)(cfp_backend *backend, float *mean, const cfp_tensor *x);
    /* mean[n * C + c] = mean over T, H, W of x * g, which have the same shape and block. */
    cfp_status (*channel_mean_product)(cfp_backend *backend, float *mean, const cfp_tensor *x,
                                       const cfp_tensor *g);
    /* For each question q: map[q * T*H*W + position] = sum of x (times g unless NULL) of clip q /
     * thetas over the channels with demand[q * C + c].  There are `questions` questions.  If
     * positive, negative sums become 0. */
    cfp_status (*channel_sum)(cfp_backend *backend, float *map, const cfp_tensor *x,
                              const cfp_tensor *g, const cfp_demand *demand, int questions,
                              int thetas, bool positive);
    /* dy *= derivative of the activation, in place, computed from its OUTPUT y.  This is possible
     * for relu, relu6, leakyrelu, sigmoid and hardsigmoid; other activations are never fused if the
     * backward pass is needed.  demand: also masks dy, as `mask` does; NULL: no mask. */
    cfp_status (*gate)(cfp_backend *backend, const cfp_node *activation, cfp_tensor *dy,
                       const cfp_tensor *y, const cfp_demand *demand, int entries);
    /* x(n, c) becomes 0 if demand[n / entries * C + c] is CFP_NOT_DEMANDED. */
    cfp_status (*mask)(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries);
    /* x(n, c) = other(0, c) if where[n * C + c] is not 0, or if `where` is NULL.  other is one clip
     * with the shape, block and type of x; NULL: zeros.  Other channels are not written.  Lanes
     * after the last channel stay 0 if they were 0, and become 0 if `where` is NULL. */
    cfp_status (*replace)(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                          const uint8_t *where);
    /* dst has the clips, src all entries of each clip; shape, block and type are otherwise
     * equal. */
    cfp_status (*blend)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                        const cfp_blend *blend);
    /* dst = src with one entry of each clip turned down (relevance.h); dst may be src. */
    cfp_status (*turn)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                       const cfp_turn *turn);
    /* dst += src, of the same shape, block and type. */
    cfp_status (*accumulate)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* dst = src, of the same shape, block and type. */
    cfp_status (*copy)(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src);
    /* Writes the gradient of the target by the logits: x(n, c) = value[n * C + c]; x has one
     * position. A backend may hold gradients times a power of two.  seed multiplies by it, and
     * channel_mean_product, channel_sum with g and weigh_pairs divide by it, so no caller sees
     * it. */
    cfp_status (*seed)(cfp_backend *backend, cfp_tensor *x, const float *value);
    /* Relevance, and the propagation of demands (relevance.h). */
    cfp_status (*route)(cfp_backend *backend, const cfp_demand_route *route);
    cfp_status (*back_step)(cfp_backend *backend, const cfp_back_step *step);
    /* Rule grad: weigh_pairs computes the values of the pairs that a back-step selected.
     * pick_edges keeps the bit of those with a positive value, which are the edges, and counts them
     * in n_edges. */
    cfp_status (*weigh_pairs)(cfp_backend *backend, const cfp_pairs *pairs);
    cfp_status (*pick_edges)(cfp_backend *backend, const cfp_back_step *step);
    /* Lists the edges that a back-step kept for one question, sorted by o, then i. */
    cfp_status (*list_edges)(cfp_backend *backend, const cfp_back_step *step, int question,
                             cfp_edge *edge);

    /* Decoded frames (T x H x W x 3), in memory from host_alloc.  A device with its own memory can
     * copy such memory while it computes; other host memory works, too. upload_frames
     * enqueues, for clip `clip` of dst, (rgb / scale - mean) / std of cfp_input_spec, in the layout
     * of dst, with zeros in unused lanes.  It may return before the copy is done.  *done is then a
     * ticket: call frames_wait with it before rgb is written again.  A ticket of 0 means that the
     * copy is done.  Tickets increase; waiting for one waits for all earlier ones. */
    cfp_status (*host_alloc)(cfp_backend *backend, void **out, size_t bytes);
    void (*host_release)(cfp_backend *backend, void *memory);
    cfp_status (*upload_frames)(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                                const cfp_input_spec *input, uint64_t *done);
    cfp_status (*frames_wait)(cfp_backend *backend, uint64_t done);

    /* The entries from here on are optional: NULL if a backend does not need them. */

    /* Starts to copy frames to the device, while it computes; a later upload_frames of the same
     * memory uses this copy.  If the backend has no memory for it, nothing happens.  frames_wait
     * for this ticket also discards a copy that was never used, and host_release discards all. */
    cfp_status (*stage_frames)(cfp_backend *backend, const uint8_t *rgb, size_t bytes,
                               uint64_t *done);

    /* For profilers: nested ranges of host calls, and the part of the run that is worth
     * recording. */
    void (*range_begin)(cfp_backend *backend, cfp_range_kind kind, const char *name, double flop);
    void (*range_end)(cfp_backend *backend);
    void (*profile)(cfp_backend *backend, bool on);

    /* Tubes over the clip (render.h); pointers are memory of the backend.  overlay colours one
     * frame, rgb, in place with one frame of a volume.  NULL: the host does both, with the same
     * bits. */
    cfp_status (*render)(cfp_backend *backend, const cfp_render *op);
    cfp_status (*overlay)(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                          const float *frame);

    /* Recording: what is enqueued between record_begin and record_end becomes one graph of
     * launches. record_end runs it once, and each replay runs it again, without further work of the
     * host. With keep = false, record_end discards the graph and runs nothing.  If the work cannot
     * be recorded, record_end sets *recording to NULL and the message of ctx, and runs nothing.  If
     * memory that the graph uses has moved, replay sets *stale and runs nothing. */
    cfp_status (*record_begin)(cfp_backend *backend);
    cfp_status (*record_end)(cfp_backend *backend, void **recording, bool keep);
    cfp_status (*replay)(cfp_backend *backend, void *recording, bool *stale);
    void (*record_free)(cfp_backend *backend, void *recording);
    cfp_status (*wait)(cfp_backend *backend); /* waits until all enqueued work is done */

    /* Choice i of autotune that the steps of this backend use; false if there are fewer. */
    bool (*tuned)(const cfp_backend *backend, int i, cfp_tuned *row);
} cfp_backend_api;

/* Call range_begin and range_end, if the backend has them. */
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

/* Which values step_backward of an op reads.  The others need not be kept in memory. */
typedef struct cfp_backward_reads {
    bool src, dst;
} cfp_backward_reads;
cfp_backward_reads cfp_op_backward_reads(cfp_op op);
/* The window of a kernel layer; a linear layer is a convolution with one tap. */
const cfp_window *cfp_kernel_window(const cfp_node *node);
/* True if `gate` can compute the derivative from the output alone. */
bool cfp_gate_from_output(cfp_op op);

/* An open device, as the rest of the program uses it. */
typedef struct cfp_device {
    const cfp_backend_api *api;
    cfp_backend *backend;
} cfp_device;

/* Opens the device that --device names: "ref", "cpu", "cuda", "cuda:1" or "auto".  auto is cuda if
 * it works, else cpu; the log says which, and why.  CFP_USAGE for an unknown word (the message
 * starts with "--device: "), CFP_DEVICE if the device cannot be opened.  Modules are searched for
 * next to the executable and in the install directory, never in the current directory. */
CFP_CHECKED cfp_status cfp_device_open(cfp_device *out, cfp_ctx *ctx, const char *name,
                                       const cfp_device_request *request);
void cfp_device_close(cfp_device *device);
/* How much memory of the device can still be used.  *whose, for messages, names the limit: the
 * device's memory, or for the host's memory what --max-memory leaves. */
size_t cfp_device_free(const char **whose, const cfp_device *device, const cfp_ctx *ctx);

/* Row i of the table of `cfp-gpu devices`; false if there are fewer rows. */
typedef struct cfp_device_row {
    char name[16];
    bool ready;
    char detail[256]; /* description, or why it cannot be used */
} cfp_device_row;
bool cfp_device_list(cfp_device_row *row, int i, const cfp_device_request *request);

extern const cfp_backend_api cfp_backend_ref;
extern const cfp_backend_api cfp_backend_cpu;
