/* trace.h - a network in motion on one device: steps, tensors, memory; forward and backward.
 *
 * The trace knows which tensors a question needs and nothing of relevance.  explain.h is its public
 * face; this header is for host/method/ and for the tests.
 *
 * Words: a STEP is one thing the backend computes: a node (its head) and what was fused behind it,
 * up to its tail.  A VALUE is a tensor that exists in memory: the output of a tail (or the clip),
 * numbered by that node.  Nodes whose output is no value were fused away. */
#pragma once
#include "explain.h"
#include "ledger.h"
#include "memory.h"

typedef struct cfp_trace_step {
    cfp_step step;
    int head, tail; /* nodes; the same where nothing was fused */
    int *src;       /* [step.n_src] values */
    bool mean;      /* the channel means of its value are wanted */
    bool active;    /* takes part in the backward pass */
} cfp_trace_step;

typedef struct cfp_trace_request {
    bool means;          /* keep the channel means of what kernel layers (to `depth`) read */
    bool backward;       /* a backward pass will follow, through kernel layers to `depth` */
    bool clip_gradient;  /* ... and on to the clip's own channels */
    int depth;           /* CFP_ALL_DEPTHS or the deepest kernel layer of interest */
    const uint8_t *keep; /* [n_nodes] the values that hold these nodes' outputs stay; NULL: none */
    bool keep_all;       /* tests: every value and every gradient stays */
    bool again;          /* the backward pass may run several times after one forward pass */
    const cfp_query *query; /* what the descent will be asked; NULL: there is none */
    /* Without a query: one whose --baseline, --steps and --turn-down all that will be asked share;
     * NULL: they look at the clip alone. */
    const cfp_query *compares;
    cfp_batch batch;     /* all 0: one clip, the query's theta */
    const char *smaller; /* for who has no memory: the options to try; NULL: those of explain */
} cfp_trace_request;

/* What is enqueued as a whole, and so can be recorded. */
typedef enum cfp_work {
    CFP_WORK_FORWARD,
    CFP_WORK_DESCENT,
    CFP_WORK_MAPS,
    CFP_WORK_COUNT
} cfp_work;

/* What a walk is for.  Where the points of --steps come in parts, the walks over all parts first
 * gather what each channel has to do with the target; then the selection is known, and the walks
 * over all parts again weigh its edges and make its maps. */
typedef enum cfp_walk { CFP_WALK_WHOLE, CFP_WALK_GATHER, CFP_WALK_WEIGH } cfp_walk;

typedef struct cfp_part {
    cfp_walk walk;
    int count;        /* points of this part, the first `count` entries from entries.first on */
    bool first, last; /* part of its walk */
} cfp_part;

struct cfp_trace {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    cfp_query query; /* the request's */
    double *theta;   /* [thetas] */
    cfp_trace_request request;
    cfp_entries entries;
    cfp_part part;
    float *logits;         /* [clips x entries][classes] of the last forward pass */
    const cfp_clip *other; /* CFP_BASELINE_CLIP: the caller's */
    cfp_ledger *ledger;
    cfp_ledger *means; /* cfp_trace_ask: owns the channel means that `ledger` points to; or NULL */
    cfp_back_step *rule_step; /* [n_nodes] of kernel layers of interest (rules.h) */
    int n_steps;
    cfp_trace_step *step;
    int *holder;       /* [n_nodes] the value that holds a node's output; -1: fused away, unused */
    int *step_of;      /* [n_nodes] the step that a node is part of; -1: none */
    cfp_tensor *value; /* [n_nodes] by tail */
    bool *used;        /* [n_nodes] upstream of the logits */
    bool *turned;      /* [n_nodes] the value is a convolution's map, and turned down; or NULL */
    float turn_down;   /* by how much each map is, with turned */
    bool *map_made;    /* [n_nodes] the descent made this layer's raw map on its way (grad) */
    void *recording[CFP_WORK_COUNT]; /* NULL: none */
    int runs[CFP_WORK_COUNT];        /* how often each was enqueued */
    bool records;                    /* false: never */
    void *arena;
    size_t arena_bytes, unshared_bytes;
    void *scratch;
    /* Backward pass: */
    cfp_tensor *diff;  /* [n_nodes] by value; data NULL where no gradient is wanted */
    cfp_tensor *share; /* [n_nodes] by value: room for a second contribution to its gradient */
    bool *diff_ready;  /* [n_nodes] the gradient holds something in this pass */
    void *blended[2];  /* room for a value and a gradient of the clips alone (cfp_blend) */
    void *unturned;    /* with turned: room for any value */
};

CFP_CHECKED cfp_status cfp_trace_open_request(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                              const cfp_device *device,
                                              const cfp_trace_request *request);

/* Enqueues `work`.  The first time as it is, since libraries load then what they need; the second
 * time it is recorded, and from the third on replayed, where the backend can (recording.c). */
CFP_CHECKED cfp_status cfp_trace_enqueue(cfp_trace *trace, cfp_work work,
                                         cfp_status (*enqueue)(cfp_trace *trace));

/* For a trace that was opened without a query: from now on cfp_descend answers `query` at its
 * theta, about the last forward pass, and may be called any number of times.  The request says
 * beforehand what any of the queries needs: means, backward, again, depth.  No tubes. */
CFP_CHECKED cfp_status cfp_trace_ask(cfp_trace *trace, const cfp_query *query);
/* The same query at another theta. */
CFP_CHECKED cfp_status cfp_trace_set_theta(cfp_trace *trace, double theta);
/* Takes the memory of the query at hand and puts its constants there (trace.c). */
CFP_CHECKED cfp_status cfp_trace_open_ledger(cfp_trace *trace);

/* Enqueues one step: its value from those of its sources; src: room for its n_src. */
CFP_CHECKED cfp_status cfp_trace_run_step(cfp_trace *trace, const cfp_trace_step *step,
                                          const cfp_tensor **src);
/* Waits for the logits of every entry, [clips x entries][classes]; refuses NaN and Inf by name. */
CFP_CHECKED cfp_status cfp_trace_fetch_logits(cfp_trace *trace, float *logits);

/* Splits the network into steps (steps.c): fills n_steps, step, holder, step_of, used. */
CFP_CHECKED cfp_status cfp_trace_fuse(cfp_trace *trace);
/* Decides lifetimes and takes the memory (trace_memory.c). */
CFP_CHECKED cfp_status cfp_trace_place(cfp_trace *trace);

static inline bool cfp_within_depth(const cfp_trace *trace, const cfp_node *node)
{
    return node->depth >= 0 &&
           (trace->request.depth == CFP_ALL_DEPTHS || node->depth <= trace->request.depth);
}
/* True where the gradient of a value is passed on to what made it; else only the share of each
 * kernel layer that reads it is looked at. */
static inline bool cfp_gradient_goes_on(const cfp_trace *trace, int value)
{
    const int maker = trace->step_of[value];
    return maker >= 0 ? trace->step[maker].active : trace->request.clip_gradient;
}
/* The tensor that holds a node's output after the forward pass; NULL where it was fused away. */
static inline const cfp_tensor *cfp_trace_value(const cfp_trace *trace, int node)
{
    return trace->holder[node] < 0 ? NULL : &trace->value[trace->holder[node]];
}
/* Its channel means, [clips][C] in the backend's memory; NULL where they were not asked for. */
static inline float *cfp_trace_mean(const cfp_trace *trace, int node)
{
    return trace->holder[node] < 0 ? NULL : trace->ledger->node[trace->holder[node]].mean;
}

/* --- the backward pass (backward.c), node by node in falling order --- */

/* Forgets all gradients and sets those of the logits: seed, [clips x entries][classes], is backend
 * memory. */
CFP_CHECKED cfp_status cfp_backward_start(cfp_trace *trace, const float *seed);
/* The gradient that has arrived at a node's output; NULL where there is none.  Complete once every
 * node behind it has been gone through, and until cfp_backward_leave(node). */
const cfp_tensor *cfp_trace_gradient(const cfp_trace *trace, int node);
/* For every node, before cfp_backward_through: where it is a step's tail, undoes what is fused
 * there: residual and activation, but an activation alone at a kernel layer, which
 * cfp_backward_through takes together with the mask. */
CFP_CHECKED cfp_status cfp_backward_leave(cfp_trace *trace, int node);
/* For every node: where it is a step's head, takes the gradient through the op and adds it to the
 * gradients of what the node reads.  Kernel layers first zero it for kernels that nobody demands
 * (demand NULL: keep all) and give the mean over T, H, W of x(i) * G(i) in product, [clips][C of
 * x], unless NULL, G being this layer's own share (SPEC rule grad).  Does nothing where no gradient
 * came.  demand and product: backend memory. */
CFP_CHECKED cfp_status cfp_backward_through(cfp_trace *trace, int node, const cfp_demand *demand,
                                            float *product);
/* A kernel layer that was gone through, and whose step back selected pairs: weighs them, adding to
 * what is there where `adds`. */
CFP_CHECKED cfp_status cfp_backward_weigh(cfp_trace *trace, int node, const cfp_back_step *step,
                                          const float *weight, float *value, bool adds);

/* Turns the value of a step down, and back into trace->unturned: *out is the value as its step made
 * it.  Where it is not turned down nothing happens, and *out is the value. */
CFP_CHECKED cfp_status cfp_turn_value(cfp_trace *trace, int value);
CFP_CHECKED cfp_status cfp_unturned_value(cfp_tensor *out, cfp_trace *trace, int value);

/* What rule grad multiplies, of the clips alone: a value less that of the baseline (x - x'), and
 * the mean of a gradient over the points of --steps; `out` may be what is given. */
CFP_CHECKED cfp_status cfp_blend_value(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *x);
CFP_CHECKED cfp_status cfp_blend_gradient(cfp_tensor *out, cfp_trace *trace, const cfp_tensor *g);
