/* replay.h - a network that is run again with channels of its maps replaced: kernel ablation.
 *
 * SPEC section 7: ablating a set of kernels of layer m replaces their channels of m's map by what
 * they hold for another clip, and runs again what is downstream of that map.  Many sets of one clip
 * are run at once, as a batch.  What is upstream of the map, or beside it, comes from the one pass
 * of the clip and is never computed again.
 *
 * Two layers may share a map (the last convolution of a residual block and the block's projection):
 * then they have the same channels, and ablating a kernel of either gives the same logits.
 * cfp_map_node tells. */
#pragma once
#include "trace.h"

typedef struct cfp_replay cfp_replay;

/* sets: how many sets are run at once; 0: what suits the device and fits in memory.  Refuses in
 * numbers (CFP_NOMEM) what does not fit.  All layers share one set of opened steps. */
CFP_CHECKED cfp_status cfp_replay_open(cfp_replay **out, cfp_ctx *ctx, const cfp_model *model,
                                       const cfp_device *device, int sets);
void cfp_replay_close(cfp_replay **replay);
/* A call with fewer sets takes as long as one with so many: give many sets to one call. */
int cfp_replay_sets(const cfp_replay *replay);

/* For `fill` below, told apart by their addresses: the mean of the clips given to
 * cfp_replay_gather, and the fill of the call before. */
extern const float cfp_fill_gathered[1], cfp_fill_as_before[1];

/* The clip that is looked at, and what fills the channels that are ablated.  Both are normalised
 * C x T x H x W.  fill NULL: ablated channels become 0.  logits[n_classes]: of the clip, with
 * nothing ablated. */
CFP_CHECKED cfp_status cfp_replay_clip(cfp_replay *replay, const float *clip, const float *fill,
                                       float *logits);
/* Adds a clip to the mean of cfp_fill_gathered.  A call of cfp_replay_clip has to follow before
 * anything is replayed. */
CFP_CHECKED cfp_status cfp_replay_gather(cfp_replay *replay, const float *clip);

/* The logits of a set do not depend on the other sets of the call.  Those of a set without ablated
 * kernels may differ from the clip's own in their last digits, because a batch may be summed in
 * another order than one clip: who takes differences puts such a set into the call, and then what
 * changes nothing has a difference of exactly 0.
 *
 * ablated[n_sets][O]: other than 0 where kernel o of `layer` (a node number) is ablated.
 * logits[n_sets][n_classes].  Any n_sets. */
CFP_CHECKED cfp_status cfp_replay_layer(cfp_replay *replay, int layer, const uint8_t *ablated,
                                        int n_sets, float *logits);
/* All layers at once: ablated[node] is [n_sets][O] of that kernel layer, or NULL: nothing is
 * ablated there.  Where layers share a map, a channel is replaced where either says so. */
CFP_CHECKED cfp_status cfp_replay_network(cfp_replay *replay, const uint8_t *const *ablated,
                                          int n_sets, float *logits);

/* Method `activation`: mean over T, H, W of |map| of a layer for the clip, mean[O]. */
CFP_CHECKED cfp_status cfp_replay_activation(cfp_replay *replay, int layer, float *mean);

/* For progress: roughly the FLOP of a call with n_sets sets; layer -1: cfp_replay_network with
 * every layer ablated.  `done` is told the cost of each batch of sets when it is finished; the
 * costs of a call's batches add up to the call's.  Without `done` (NULL), cfp_progress counts the
 * sets of each call. */
double cfp_replay_cost(cfp_replay *replay, int layer, int n_sets);
void cfp_replay_watch(cfp_replay *replay, void (*done)(void *cookie, double cost), void *cookie);
