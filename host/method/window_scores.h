/* window_scores.h - the scores of a clip over several windows of it (--windows).
 *
 * The probabilities of the windows are averaged, after softmax (or sigmoid), not their logits: the
 * test code of PySlowFast, mmaction2, torchvision and 3D-ResNets does so.  A window in which the
 * network is sure then counts no more than any other, however large its logits are. */
#pragma once
#include "../model/model.h"

typedef struct cfp_window_scores { /* {0} is valid; cfp_window_scores_begin allocates */
    const cfp_model *model;
    double *probability_sum, *logit_sum; /* [n_classes] */
    float *probability, *logit;          /* [n_classes] the means over the windows so far */
    /* [n_classes] most probable first.  Of a network with several heads: the classes of each head,
     * counted within it, from its first_class on. */
    int *rank;
    int windows;
    int n_parts;            /* heads; 1 if the network has none */
    int *top;               /* [n_parts] the most probable class of the last window alone */
    float *top_probability; /* [n_parts] */
} cfp_window_scores;

/* Begins a clip.  Call cfp_window_scores_free after the last one. */
CFP_CHECKED cfp_status cfp_window_scores_begin(cfp_window_scores *scores, cfp_ctx *ctx,
                                               const cfp_model *model);
/* Adds the logits of one window, and sets probability, logit and rank. */
void cfp_window_scores_add(cfp_window_scores *scores, const float *logits);
/* Fills rank[n_classes] with the indices of the classes: the largest logit first; of equal ones,
 * the lower index. */
void cfp_rank_classes(int *rank, const float *logits, int n_classes);
void cfp_window_scores_free(cfp_window_scores *scores);
