/* replay.h - runs a network again with some channels of its maps replaced: kernel ablation.
 *
 * To ablate a set of kernels of layer m (SPEC section 7), their channels of m's map are replaced by
 * the same channels for another clip, the fill.  Then everything downstream of the map runs again.
 * Many sets run at once, as a batch.  All other values come from one forward pass of the clip and
 * are not computed again.
 *
 * Two layers can have one map, such as the last convolution of a residual block and the block's
 * projection.  Then ablating kernel o of either gives the same logits.  cfp_map_node says which map
 * a layer has. */
#pragma once
#include "trace.h"

typedef struct cfp_replay cfp_replay;

/* sets: how many sets run at once; 0: as many as suit the device and fit in memory.  CFP_NOMEM: the
 * message says how much memory is missing.  ctx and model must outlive the replay.  On failure *out
 * is NULL. */
CFP_CHECKED cfp_status cfp_replay_open(cfp_replay **out, cfp_ctx *ctx, const cfp_model *model,
                                       const cfp_device *device, int sets);
void cfp_replay_close(cfp_replay **replay); /* accepts NULL inside, and leaves NULL there */
/* How many sets run at once.  A call with fewer sets takes as long as a call with this many. */
int cfp_replay_sets(const cfp_replay *replay);

/* Two special values of `fill` below; their addresses count, not their contents.  The first is the
 * mean of the clips that cfp_replay_gather was given, the second is the fill of the last call. */
extern const float cfp_fill_gathered[1], cfp_fill_as_before[1];

/* Sets the clip, and the clip that fills ablated channels.  Both are C x T x H x W, normalised.
 * fill NULL: ablated channels become 0.  logits[n_classes] gets those of the clip with nothing
 * ablated. */
CFP_CHECKED cfp_status cfp_replay_clip(cfp_replay *replay, const float *clip, const float *fill,
                                       float *logits);
/* Adds a clip to the mean of cfp_fill_gathered.  Call cfp_replay_clip afterwards, before any of the
 * functions below. */
CFP_CHECKED cfp_status cfp_replay_gather(cfp_replay *replay, const float *clip);

/* Ablates kernels of one layer.  ablated[n_sets][O]: not 0 if kernel o of `layer` (a node's number)
 * is ablated.  logits[n_sets][n_classes].  n_sets may be any number.
 *
 * The logits of a set do not depend on the other sets of the call.  A set without ablated kernels
 * may differ from the clip's own logits in the last digits, because a batch may be summed in
 * another order than one clip.  To take differences, put such a set into the same call: then a set
 * that changes nothing has a difference of exactly 0. */
CFP_CHECKED cfp_status cfp_replay_layer(cfp_replay *replay, int layer, const uint8_t *ablated,
                                        int n_sets, float *logits);
/* Ablates kernels of several layers.  ablated[node] is [n_sets][O] of that kernel layer; NULL:
 * nothing is ablated there.  If two layers have one map, a channel is replaced if either says so.
 */
CFP_CHECKED cfp_status cfp_replay_network(cfp_replay *replay, const uint8_t *const *ablated,
                                          int n_sets, float *logits);

/* mean[O]: the mean over T, H, W of the absolute map of a layer, for the clip. */
CFP_CHECKED cfp_status cfp_replay_activation(cfp_replay *replay, int layer, float *mean);

/* For progress.  The cost is roughly the FLOP of a call with n_sets sets; layer -1: of
 * cfp_replay_network with every layer ablated.  After each batch of sets, `done` is called with the
 * batch's cost; the costs of its batches add up to the cost of a call.  If `done` is NULL,
 * cfp_progress counts the sets of each call. */
double cfp_replay_cost(cfp_replay *replay, int layer, int n_sets);
void cfp_replay_watch(cfp_replay *replay, void (*done)(void *cookie, double cost), void *cookie);
