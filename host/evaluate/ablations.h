/* ablations.h - computes the target of one clip with sets of kernels ablated.  Each set runs once.
 *
 * Metrics, methods and classes ask for many sets, and often for the same ones: random sets of one
 * size, or the kernels of a small layer one by one.  A set runs through the network once for each
 * clip; then its answer is kept, for all classes.  So only different sets cost time, and equal sets
 * give equal numbers to the last bit. */
#pragma once
#include "../method/query.h"
#include "../network/replay.h"

typedef struct cfp_ablations cfp_ablations;

CFP_CHECKED cfp_status cfp_ablations_open(cfp_ablations **out, cfp_ctx *ctx, const cfp_model *model,
                                          cfp_replay *replay, cfp_target target);
void cfp_ablations_close(cfp_ablations **ablations); /* accepts NULL inside; nulls */

/* To be called when the replay has a new clip: forgets all answers.  logits: those of the clip with
 * nothing ablated. */
CFP_CHECKED cfp_status cfp_ablations_clip(cfp_ablations *ablations, const float *logits,
                                          const int *class_index, int n_classes);

/* Ablates kernels of one layer.  ablated[n_sets][O]: 1 if the kernel is ablated.  z[n_sets][classes
 * of the clip]: the targets; NULL: the sets only run, and a later call reads the answers. */
CFP_CHECKED cfp_status cfp_ablate(cfp_ablations *ablations, int layer, const uint8_t *ablated,
                                  int n_sets, double *z);
/* The same for several layers at once: ablated[n_sets][kernels of layer[0], of layer[1], ...]. */
CFP_CHECKED cfp_status cfp_ablate_together(cfp_ablations *ablations, const int *layer, int n_layers,
                                           const uint8_t *ablated, int n_sets, double *z);
/* The target of the clip's k-th class with nothing ablated. */
double cfp_ablations_whole(const cfp_ablations *ablations, int k);
