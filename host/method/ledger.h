/* ledger.h - the method's own memory on the backend: the demands on every kernel layer, what each
 * layer selected, channel means, raw maps, and the constants that the walk reads.
 *
 * It is one allocation, laid out before the walk.  The walk itself takes no memory and asks the
 * device nothing, so it can be enqueued, and recorded, as a whole.  What the host reads afterwards
 * lies together at the front, and is fetched in one piece. */
#pragma once
#include "../backend/backend.h"
#include "query.h"
#include "destinations.h"

/* How many questions are asked at once: each clip with each theta (relevance.h). */
typedef struct cfp_batch {
    int clips, thetas;
    const double *theta; /* [thetas] */
    bool unlisted;       /* edges are only counted, not listed */
    bool edgeless;       /* edges are not even counted: only selected kernels are wanted */
    int points;          /* at most so many points of --steps at once; 0: as memory allows */
    bool classes;        /* several classes will be explained after one forward pass */
    bool apart;          /* tubes are also taken apart (apart.h), if the host can read them */
} cfp_batch;

/* What a network is shown for each clip, besides the clip as it is.  The points of --steps, whose
 * gradients are averaged, are the entries of a clip (../network/trace.h).  With one step the only
 * point is the clip itself. */
typedef struct cfp_entries {
    int points;  /* how many there are at once */
    bool other;  /* there is a baseline, which is not zero */
    bool shared; /* the baseline is the same for all clips */
    bool turned; /* the point is the clip, in a network that is turned down (--turn-down) */
    bool plain;  /* no point is the clip as it is, so the clip is shown besides */
} cfp_entries;

/* What is kept of one node, in backend memory; NULL: not for this node. */
typedef struct cfp_ledger_node {
    float *mean; /* of a value that a kernel layer reads: [clips][C] */
    /* Kernel layers of interest: */
    cfp_demand *demand;        /* [questions][O] on its output */
    cfp_demand *child;         /* [questions][C of the tensor it reads] */
    int32_t *n_edges;          /* [questions][O] */
    uint32_t *edges;           /* [questions][O][words] */
    cfp_row *row;              /* [questions][O] */
    float *kernel_mean;        /* [O][C / groups] */
    float *kernel_scale;       /* [O] */
    float *map;                /* if a tube is wanted: [questions][T x H x W] */
    double *contrast;          /* the classifier, CFP_CLASS_CONTRAST: [clips][C it reads] */
    float *product;            /* rule grad: [clips][C it reads] mean of x(i) * G(i) */
    float *pair;               /* rule grad, not the classifier: [clips][O][C / groups] */
    float *weight;             /* rule grad: the kernels, [O][C / groups][taps] */
    cfp_demand_target *target; /* [destinations[i].n] where demands on what it reads go */
} cfp_ledger_node;

typedef struct cfp_ledger {
    cfp_device device;
    const cfp_model *model;
    int clips, thetas, questions;
    cfp_entries entries;
    bool in_parts;                  /* the points of --steps come in parts */
    bool edgeless;                  /* as in cfp_batch */
    cfp_ledger_node *node;          /* [n_nodes] */
    cfp_destinations *destinations; /* [n_nodes] of what kernel layer i reads; [0]: of the logits */
    char *memory;                   /* [bytes] */
    size_t bytes;
    size_t demand_bytes;    /* up to here: demands and children, which start as CFP_NOT_DEMANDED */
    size_t result_bytes;    /* up to here: edge counts; read after the walk */
    size_t map_bytes;       /* up to here: raw maps; read after the maps are made */
    char *seen;             /* the host's copy of the front; or `memory`, if the host can read it */
    double *theta;          /* [thetas] */
    cfp_demand *start;      /* [questions][classes] the demand that the walk starts from */
    float *seed;            /* rule grad: [clips x points][classes] the target's gradient */
    float *part_product;    /* in_parts: the product of one part, [clips][max C] */
    float *part_map;        /* in_parts: the map of one part, [questions][max T x H x W] */
    cfp_demand *one_demand; /* --tubes kernels: the channels of one kernel's tube, [max C] */
    float *one_map;         /* --tubes kernels: its map, [max T x H x W] */
    cfp_edge *edge_list, *edge_seen; /* [edges] a list of edges, and the host's copy */
    int64_t edges;                   /* their capacity, which grows */
} cfp_ledger;

/* What the ledger keeps of a node: its mean, what a kernel layer needs, a map. */
enum { CFP_WANT_MEAN = 1, CFP_WANT_LAYER = 2, CFP_WANT_MAP = 4 };

/* Lays the ledger out for a batch of questions, takes the memory and writes the constants.  wanted:
 * [n_nodes] of the bits above.  query NULL: only means are wanted.  CFP_NOMEM: the message says how
 * much is missing.  On failure *out is NULL. */
CFP_CHECKED cfp_status cfp_ledger_open(cfp_ledger **out, cfp_ctx *ctx, const cfp_model *model,
                                       const cfp_device *device, const cfp_query *query,
                                       const cfp_batch *batch, const cfp_entries *entries,
                                       const uint8_t *wanted);
void cfp_ledger_close(cfp_ledger **ledger); /* accepts NULL inside; nulls */

/* False: no question demands anything of this kernel layer, so its work can be left out; no result
 * depends on that.  Always true if the host cannot read the backend's memory. */
bool cfp_may_be_demanded(const cfp_ledger *ledger, int node);

/* The host's view of what was fetched. */
static inline const void *cfp_ledger_seen(const cfp_ledger *ledger, const void *memory)
{
    return ledger->seen + ((const char *)memory - ledger->memory);
}
/* The first waits for the walk, the second for the maps.  Both copy what the host reads. */
CFP_CHECKED cfp_status cfp_ledger_fetch_results(cfp_ledger *ledger);
CFP_CHECKED cfp_status cfp_ledger_fetch_maps(cfp_ledger *ledger);

/* Two buffers of n edges, in the backend's memory and on the host.  Valid until the next call. */
CFP_CHECKED cfp_status cfp_ledger_edge_buffers(cfp_ledger *ledger, cfp_ctx *ctx, int64_t n,
                                               cfp_edge **there, cfp_edge **here);
