/* actions.h - a network with several heads: one class of each head together, such as a verb and a
 * noun, are an ACTION.  Its probability is the product of theirs. */
#pragma once
#include "explain.h"

enum { CFP_MOST_ACTIONS = 1000 }; /* they are sorted by insertion */

typedef struct cfp_actions {
    int n;               /* how many were found, the most probable first */
    double *probability; /* [n] */
    int *class_index;    /* [n][n_heads], each within its head */
    int capacity;
    double *next; /* [capacity], and [capacity][n_heads]: while the next head is added */
    int *next_class;
} cfp_actions;

/* Takes memory for the `most` most probable actions, at most CFP_MOST_ACTIONS.  The caller closes
 * *out, after a failure, too.
 */
CFP_CHECKED cfp_status cfp_actions_open(cfp_actions *out, cfp_ctx *ctx, const cfp_model *model,
                                        int most);
void cfp_actions_close(cfp_actions *actions); /* accepts {0} */
/* Finds them.  probability: of all classes of all heads (cfp_probabilities).  Of equally probable
 * actions, the one whose first class has the lower index comes first, then the second. */
void cfp_actions_find(cfp_actions *actions, const cfp_model *model, const float *probability);

/* Of the explanations of all heads, from the first on: the names of their classes with a space
 * between them, such as "cut onion" (NULL: out of memory; the caller frees it), and the product of
 * their probabilities. */
char *cfp_action_name(cfp_ctx *ctx, const cfp_explanation *first);
double cfp_action_probability(const cfp_explanation *first);
