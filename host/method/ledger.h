/* ledger.h - what the method keeps beside tensors, in the backend's memory: the demands on every
 * node, what each kernel layer selected, channel means, raw maps; and the constants it reads.
 *
 * One allocation, laid out once, when the trace is opened: the walk itself takes no memory and asks
 * the device nothing, so it can be enqueued, and recorded, as a whole.  What the host wants to see
 * afterwards stands together in front and is fetched in one piece. */
#pragma once
#include "../backend/backend.h"
#include "query.h"
#include "targets.h"

/* How much is asked at once: every clip against every theta (relevance.h). */
typedef struct cfp_batch {
    int clips, thetas;
    const double *theta; /* [thetas] */
    bool unlisted;       /* edges are counted, and stay bits in the backend: nobody reads them */
    bool edgeless;       /* edges are not even looked for: only selected kernels are of interest */
    int points;          /* of --steps: so many at once; 0: as many as there is memory for */
    bool classes;        /* several classes will be asked about after one forward pass */
} cfp_batch;

/* A clip's entries in the tensors of a trace stand side by side: the clip itself first, then what
 * it is compared with (--baseline), then the points whose gradients are averaged (--steps; with one
 * step that point is the clip itself). */
typedef struct cfp_entries {
    int n;       /* of each clip */
    int other;   /* the baseline's; -1: zero, which needs none */
    int first;   /* the first of the points, */
    int count;   /* and how many there is room for */
    bool turned; /* the point is this clip in a network that is turned down (--turn-down) */
} cfp_entries;

/* What is kept of one node, in backend memory; NULL where it has no such thing. */
typedef struct cfp_ledger_node {
    float *mean; /* values that kernel layers read: [clips][C] */
    /* Kernel layers of interest: */
    cfp_demand *demand;        /* [questions][O] on its output */
    cfp_demand *child;         /* [questions][C of the tensor it reads] */
    int32_t *n_edges;          /* [questions][O]; with edges and row, where edges are kept */
    uint32_t *edges;           /* [questions][O][words] */
    cfp_row *row;              /* [questions][O] */
    float *kernel_mean;        /* [O][C / groups] */
    float *kernel_scale;       /* [O] */
    float *map;                /* where a tube is wanted: [questions][T x H x W] */
    double *contrast;          /* the classifier, CFP_CLASS_CONTRAST: [clips][C it reads] */
    float *product;            /* rule grad: [clips][C it reads] mean of x(i) * G(i) */
    float *pair;               /* rule grad, not the classifier: [clips][O][C / groups] */
    float *weight;             /* rule grad: the kernels, [O][C / groups][taps] */
    cfp_demand_target *target; /* [targets[i].n] those of what it reads */
} cfp_ledger_node;

typedef struct cfp_ledger {
    cfp_device device;
    const cfp_model *model;
    int clips, thetas, questions;
    cfp_entries entries;
    bool in_parts;         /* not all of --steps' points are there at once */
    bool edgeless;         /* the batch's */
    cfp_ledger_node *node; /* [n_nodes] */
    cfp_targets *targets;  /* [n_nodes] of what kernel layer i reads; [0]: of the logits */
    char *memory;          /* all of it, `bytes`: first ... */
    size_t bytes;
    size_t demand_bytes;    /* ... demands and children, which start as CFP_NOT_DEMANDED, */
    size_t result_bytes;    /* ... then edge counts: so far goes what is read after the walk, */
    size_t map_bytes;       /* ... then raw maps: and so far what is read after those */
    char *seen;             /* the host's copy of these; the memory itself where it may be read */
    double *theta;          /* [thetas] */
    cfp_demand *start;      /* [questions][classes] the demand that the walk starts from */
    float *seed;            /* rule grad: [clips x entries][classes] the target's gradient */
    float *part_product;    /* where points come in parts: [clips][most C] */
    float *part_map;        /* ... [questions][most T x H x W] */
    cfp_demand *one_demand; /* --tubes kernels: the channels of one kernel's tube, [most C] */
    float *one_map;         /* ... and its map, [most T x H x W] */
    cfp_edge *edge_room, *edge_seen; /* where edges are listed, and the host's copy; they grow */
    int64_t edges;
} cfp_ledger;

/* What a node is wanted for. */
enum { CFP_WANT_MEAN = 1, CFP_WANT_LAYER = 2, CFP_WANT_MAP = 4 };

/* Lays it out for a batch of questions, takes the memory and puts the constants there.  wanted:
 * [n_nodes] of the bits above; query NULL: nothing but means is wanted. */
CFP_CHECKED cfp_status cfp_ledger_open(cfp_ledger **out, cfp_ctx *ctx, const cfp_model *model,
                                       const cfp_device *device, const cfp_query *query,
                                       const cfp_batch *batch, const cfp_entries *entries,
                                       const uint8_t *wanted);
void cfp_ledger_close(cfp_ledger **ledger); /* accepts NULL inside; nulls */

/* The host's view of what was fetched. */
static inline const void *cfp_ledger_seen(const cfp_ledger *ledger, const void *memory)
{
    return ledger->seen + ((const char *)memory - ledger->memory);
}
/* Waits for the walk, and for the maps. */
CFP_CHECKED cfp_status cfp_ledger_fetch_results(cfp_ledger *ledger);
CFP_CHECKED cfp_status cfp_ledger_fetch_maps(cfp_ledger *ledger);

/* Room for n edges in the backend's memory and on the host, until the next call. */
CFP_CHECKED cfp_status cfp_ledger_edge_room(cfp_ledger *ledger, cfp_ctx *ctx, int64_t n,
                                            cfp_edge **there, cfp_edge **here);
