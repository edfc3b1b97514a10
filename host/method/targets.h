/* targets.h - where a demand ends up: the kernel layers that it comes to on its way back.
 *
 * Only kernel layers ask what they rest on; everything between them passes channels on (SPEC
 * "Routing").  So the way from one kernel layer to the next is composed once, beforehand, and the
 * walk itself goes from kernel layer to kernel layer. */
#pragma once
#include "../model/model.h"

typedef struct cfp_destination {
    int node;       /* the kernel layer */
    int32_t *map;   /* [n] the kernel that channel j comes from; -1: none; NULL: kernel j */
    int32_t *there; /* the ledger's: the same in the backend's memory */
} cfp_destination;

typedef struct cfp_targets {
    int n;
    cfp_destination *target;
} cfp_targets;

/* Those of the channels of `node`'s output, which may be a kernel layer itself.  wanted: [n_nodes]
 * true for the kernel layers of interest.  first_only: of an add only the first input counts (rule
 * reference). */
CFP_CHECKED cfp_status cfp_targets_find(cfp_targets *out, cfp_ctx *ctx, const cfp_model *model,
                                        int node, bool first_only, const bool *wanted);
void cfp_targets_free(cfp_targets *targets);
