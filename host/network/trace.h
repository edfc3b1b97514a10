/* trace.h - a network in motion on one device: its steps, its tensors and their memory, the forward
 * pass and the backward pass.
 *
 * This folder runs a network for anybody: for the method, for the metrics, for the tests.  It knows
 * nothing of relevance.
 *
 *     STEP    one thing that the backend computes: a node, which is the step's HEAD, and the nodes
 *             that were fused with it.  The last of them is the step's TAIL.
 *     VALUE   a tensor that is in memory: the input (number 0) or the output of a tail, which has
 *             that node's number.  A node whose output is no value was fused away.
 *     ENTRY   one of several inputs that belong to the same clip.  The entries of a clip are
 *             neighbours in every tensor: entry k of clip n is number n * entries + k.
 *
 * Several traces can run the same network for different inputs: one of them needs a backward pass,
 * another one only its logits.  A trace may borrow the steps of another one, with their weights. */
#pragma once
#include "../backend/backend.h"
#include "memory.h"

typedef struct cfp_trace_step {
    cfp_step step;
    int head, tail; /* nodes; the same one if nothing was fused */
    int *src;       /* [step.n_src] values */
    bool active;    /* the backward pass goes through it */
} cfp_trace_step;

/* What a trace is opened for.  The caller owns everything that the request points to and may free
 * it once the trace is open. */
typedef struct cfp_trace_request {
    int clips;           /* in a batch; 0: one */
    int entries;         /* of each clip; 0: one */
    bool backward;       /* a backward pass will follow, to the kernel layers within `depth` */
    bool clip_gradient;  /* the backward pass goes on to the input */
    bool again;          /* the backward pass may run several times after one forward pass */
    int depth;           /* the deepest kernel layer of interest, or CFP_ALL_DEPTHS */
    const uint8_t *keep; /* [n_nodes] not 0: the output of this node stays in memory; NULL: none */
    bool keep_all;       /* every value and every gradient stays in memory */
    const uint8_t *turned; /* [n_nodes] not 0: the output of this node is turned down; NULL: none */
    float alpha;           /* how far: y becomes b + alpha * (y - b), see cfp_trace.towards */
    struct cfp_trace
        *like;           /* whose steps this trace borrows, if the backend allows it; it must live
                          * longer, and have at least as many clips x entries.  NULL: none */
    int spare;           /* how many buffers of cfp_trace.spare to plan */
    const char *smaller; /* if memory is short: the options to make smaller; NULL: none */
} cfp_trace_request;

enum { CFP_TRACE_SPARES = 2 };

/* Work that is enqueued as a whole.  A backend may record it and then replay it, as a CUDA graph.
 */
typedef struct cfp_recording {
    const char *name; /* for messages: "forward pass" */
    void *memory;     /* the backend's recording; NULL: none */
    int runs;         /* how often the work has been enqueued without a recording */
} cfp_recording;

/* Opened by cfp_trace_open.  Others read the members, and write only `mean`, `spare` and
 * `towards`. */
typedef struct cfp_trace {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    cfp_trace_request request; /* without its pointers */
    int clips, entries;
    int n_steps;
    cfp_trace_step *step; /* [n_steps] in the order in which they run */
    bool borrows;         /* the plans of the steps are those of request.like */
    int *holder;          /* [n_nodes] the value that holds a node's output; -1: none */
    int *step_of;         /* [n_nodes] the step that a node is part of; -1: none */
    bool *used;           /* [n_nodes] the logits depend on this node */
    cfp_tensor *value;    /* [n_nodes] by value */
    float **mean;         /* [n_nodes] by value: if the caller sets one, the forward pass writes the
                           * mean over T, H, W there, [clips x entries][C] in backend memory */
    float *logits;        /* [clips x entries][classes] of the last forward pass */
    cfp_recording forward;
    bool records; /* false: nothing is recorded */
    void *arena;
    size_t arena_bytes, unshared_bytes;
    void *scratch;                 /* of any step */
    void *spare[CFP_TRACE_SPARES]; /* the caller's during the backward pass; each has the capacity
                                    * for one entry of each clip of any value */
    /* The backward pass: */
    cfp_tensor *diff;  /* [n_nodes] the gradient of a value; data NULL: none is wanted */
    cfp_tensor *aside; /* [n_nodes] a further contribution to it, before it is added */
    bool *diff_ready;  /* [n_nodes] diff holds a gradient of this pass */
    bool *lies_aside;  /* [n_nodes] a contribution in `aside` is still to be added to diff */
    /* A network that is turned down: */
    bool *turned;                    /* [n_nodes] by value; NULL: none is */
    const struct cfp_trace *towards; /* it holds each b that a value is turned to: for each clip, or
                                      * one for all of them; NULL: b is 0 */
    void *unturned;                  /* the capacity for any value that is */
} cfp_trace;

/* Splits the network into steps, plans its memory and takes it.  CFP_NOMEM: the message says in
 * numbers how much is missing.  ctx, model and device must outlive the trace.  On failure *out is
 * NULL. */
CFP_CHECKED cfp_status cfp_trace_open(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                      const cfp_device *device, const cfp_trace_request *request);
void cfp_trace_close(cfp_trace **trace); /* accepts NULL inside, and leaves NULL there */

typedef struct cfp_trace_facts {
    int n_steps;
    size_t arena_bytes;    /* one allocation: values, gradients, scratch */
    size_t unshared_bytes; /* what it would be if no two buffers shared memory */
} cfp_trace_facts;
cfp_trace_facts cfp_trace_describe(const cfp_trace *trace);

/* --- the forward pass --- */

/* input: [clips x entries][C x T x H x W], plain, normalised (cfp_clip_normalise).  logits:
 * [clips][classes], those of the first entry of each clip.  Returns when the device is done.
 * CFP_FORMAT: a logit is NaN or infinite; the message names the node. */
CFP_CHECKED cfp_status cfp_trace_forward(cfp_trace *trace, const float *input, float *logits);
/* The same for frames of bytes, rgb[clips x entries] of T x H x W x 3.  The device normalises them,
 * with the same result to the last bit.  For models that read at most CFP_FRAME_CHANNELS,
 * and for clips of numbers, which are normalised by the processor. */
enum { CFP_FRAME_CHANNELS = 3 };
CFP_CHECKED cfp_status cfp_trace_forward_frames(cfp_trace *trace, const uint8_t *const *rgb,
                                                float *logits);

/* Parts of a forward pass, for replay.c.  The first enqueues one step; src has the capacity for its
 * n_src.  The second waits for the logits of every entry, [clips x entries][classes], and refuses
 * NaN and infinity. */
CFP_CHECKED cfp_status cfp_trace_run_step(cfp_trace *trace, const cfp_trace_step *step,
                                          const cfp_tensor **src);
CFP_CHECKED cfp_status cfp_trace_fetch_logits(cfp_trace *trace, float *logits);

/* What the model's head, softmax or sigmoid, makes of logits[n_classes].  Of a model with heads,
 * each head makes its own part, and the sum of each part is 1.  Computed in double.
 * probabilities may be logits. */
void cfp_probabilities(float *probabilities, const cfp_model *model, const float *logits);

/* The tensor that holds a node's output after the forward pass; NULL: it was fused away. */
static inline const cfp_tensor *cfp_trace_value(const cfp_trace *trace, int node)
{
    return trace->holder[node] < 0 ? NULL : &trace->value[trace->holder[node]];
}

/* Its channel means, if trace->mean says where they are; else NULL. */
static inline const float *cfp_trace_mean(const cfp_trace *trace, int node)
{
    return trace->holder[node] < 0 ? NULL : trace->mean[trace->holder[node]];
}

/* --- recording (recording.c) --- */

/* Enqueues work, by `enqueue(cookie)` or by a replay of its recording.  The first time it is only
 * enqueued, because libraries then load what they need.  The second time it is recorded, if the
 * backend can.  From the third time on it is replayed. */
CFP_CHECKED cfp_status cfp_trace_enqueue(cfp_trace *trace, cfp_recording *recording,
                                         cfp_status (*enqueue)(void *cookie), void *cookie);
/* For work that will be enqueued anew, because something that it reads has moved; and at the end.
 */
void cfp_recording_forget(cfp_recording *recording, const cfp_trace *trace);
/* From now on nothing is recorded: profilers see every launch. */
void cfp_trace_run_live(cfp_trace *trace);

/* --- the backward pass (backward.c) ---
 *
 *     cfp_backward_start(trace, seed);
 *     for (int i = model->logits; i > 0; i--) {
 *         ... cfp_trace_gradient(trace, i) is complete here
 *         cfp_backward_tail(trace, i, NULL);
 *         cfp_backward_head(trace, i, NULL, NULL);
 *     }
 *
 * Everything is enqueued. */

/* Sets the gradients of the logits, and no others.  seed: [clips x entries][classes], backend
 * memory. */
CFP_CHECKED cfp_status cfp_backward_start(cfp_trace *trace, const float *seed);
/* *out: the gradient at a node's output; NULL: none came.  Complete when all nodes of higher number
 * are done, and valid until cfp_backward_tail(node). */
CFP_CHECKED cfp_status cfp_trace_gradient(const cfp_tensor **out, cfp_trace *trace, int node);
/* If the node is the tail of a step: takes the gradient back through the fused activation and gives
 * the residual its part.  If there is a residual, the gradient of each kernel of the step is then
 * set to 0 that `demand` does not have: what cfp_backward_head will be given for this step's head.
 * All this is one pass.  A kernel layer without a residual is left to cfp_backward_head, which does
 * the same there. */
CFP_CHECKED cfp_status cfp_backward_tail(cfp_trace *trace, int node, const cfp_demand *demand);

/* Is shown what a kernel layer reads, and the part of its gradient that came through this layer
 * alone.  Both tensors are valid during the call. */
typedef struct cfp_gradient_watch {
    cfp_status (*see)(void *cookie, const cfp_tensor *x, const cfp_tensor *g);
    void *cookie;
} cfp_gradient_watch;

/* If the node is the head of a step: takes the gradient back through the op and adds it to the
 * gradients of what the node reads.  A kernel layer first sets the gradient of each kernel to 0
 * that `demand` does not have: [clips][O] in backend memory; NULL: all kernels keep theirs.  (If it
 * has a residual, cfp_backward_tail has done so.)  It then calls watch->see, unless watch is NULL.
 * Does nothing if no gradient came. */
CFP_CHECKED cfp_status cfp_backward_head(cfp_trace *trace, int node, const cfp_demand *demand,
                                         const cfp_gradient_watch *watch);
/* After cfp_backward_head of a kernel layer: the gradient at the layer's own output, behind mask
 * and activation.  NULL: none came.  Valid until the next node. */
const cfp_tensor *cfp_backward_output(const cfp_trace *trace, int node);

/* --- inside this folder --- */

/* Fills n_steps, step, holder, step_of and used (steps.c). */
CFP_CHECKED cfp_status cfp_trace_fuse(cfp_trace *trace);
/* Decides how long each tensor lives and takes the memory (trace_memory.c). */
CFP_CHECKED cfp_status cfp_trace_place(cfp_trace *trace);
/* Turns a value down after its step has run; a value that is not to be turned down stays as it is
 * (backward.c). */
CFP_CHECKED cfp_status cfp_turn_value(cfp_trace *trace, int value);

/* True: the head, a kernel layer, is the first that needs the gradient behind the activation.  So
 * activation and mask are done there, in one pass over the gradient. */
static inline bool cfp_gated_at_head(const cfp_trace *trace, const cfp_trace_step *step)
{
    return !step->step.adds && cfp_is_kernel_layer(step->step.node) && trace->turned == NULL;
}

static inline bool cfp_within_depth(const cfp_trace *trace, const cfp_node *node)
{
    return node->depth >= 0 &&
           (trace->request.depth == CFP_ALL_DEPTHS || node->depth <= trace->request.depth);
}
/* True: the gradient of a value is passed on to the step that made it.  False: it is needed only to
 * look at the part that comes through each kernel layer. */
static inline bool cfp_gradient_goes_on(const cfp_trace *trace, int value)
{
    const int maker = trace->step_of[value];
    return maker >= 0 ? trace->step[maker].active : trace->request.clip_gradient;
}
