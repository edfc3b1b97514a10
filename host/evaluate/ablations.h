/* ablations.h - the target of one clip under ablation, every set of kernels run once.
 *
 * Metrics, methods and classes ask for many sets, and often for the same ones: random sets of a
 * size, the kernels of a small layer one by one.  Each set runs through the network once for each
 * clip; then its answer is kept, for all classes.  So what costs time is the number of different
 * sets, and equal sets give equal numbers to the last bit. */
#pragma once
#include "../method/query.h"
#include "../network/replay.h"

typedef struct cfp_ablations cfp_ablations;

CFP_CHECKED cfp_status cfp_ablations_open(cfp_ablations **out, cfp_ctx *ctx, const cfp_model *model,
                                          cfp_replay *replay, cfp_target target);
void cfp_ablations_close(cfp_ablations **ablations); /* accepts NULL inside; nulls */

/* The replay has a new clip: forgets all answers.  logits: the clip's, with nothing ablated. */
CFP_CHECKED cfp_status cfp_ablations_clip(cfp_ablations *ablations, const float *logits,
                                          const int *class_index, int n_classes);

/* ablated[n_sets][O]: 1 where a kernel of the layer is ablated.  z[n_sets][classes of the clip];
 * NULL: the answers are only to be had later. */
CFP_CHECKED cfp_status cfp_ablate(cfp_ablations *ablations, int layer, const uint8_t *ablated,
                                  int n_sets, double *z);
/* Several layers at once: ablated[n_sets][kernels of layer[0], of layer[1], ...]. */
CFP_CHECKED cfp_status cfp_ablate_together(cfp_ablations *ablations, const int *layer, int n_layers,
                                           const uint8_t *ablated, int n_sets, double *z);
/* The target of the clip's k-th class with nothing ablated. */
double cfp_ablations_whole(const cfp_ablations *ablations, int k);
