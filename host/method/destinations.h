/* destinations.h - finds the kernel layers at which a demand arrives.
 *
 * Only kernel layers select channels; the nodes between them pass each channel on (SPEC "Routing").
 * So the routes between two kernel layers are composed once, beforehand, and the walk goes from
 * kernel layer to kernel layer. */
#pragma once
#include "../model/model.h"

typedef struct cfp_destination {
    int node;       /* the kernel layer */
    int32_t *map;   /* [channels] the kernel that channel j comes from; -1: none; NULL: kernel j */
    int32_t *there; /* map in the backend's memory, which belongs to the ledger */
} cfp_destination;

typedef struct cfp_destinations {
    int n;
    cfp_destination *target;
} cfp_destinations;

/* Finds where demands on the channels of a node's output arrive; the node may be a kernel layer
 * itself.  wanted: [n_nodes] true for the kernel layers of interest.  first_only: only the first
 * input of an add counts, as in rule reference.  The caller frees *out.  On failure it is empty. */
CFP_CHECKED cfp_status cfp_destinations_find(cfp_destinations *out, cfp_ctx *ctx,
                                             const cfp_model *model, int node, bool first_only,
                                             const bool *wanted);
void cfp_destinations_free(cfp_destinations *destinations);
