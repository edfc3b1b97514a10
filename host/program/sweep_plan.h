/* sweep_plan.h - reads the options of `sweep`: lists of thetas, queries and classes.
 *
 * Queries that mean the same are kept once.  An option that a query's rule does not use has its
 * default, and an empty field in the rows (cfp_sweep_words). */
#pragma once
#include "../model/model.h"
#include "options.h"

enum { CFP_MAX_THETAS = 100001 }; /* 0:1:0.00001 */

typedef struct cfp_sweep_plan {
    double *theta;
    int n_thetas;
    cfp_query *query;
    int n_queries;
    int *class_index; /* [n_classes] of --class, in the order given */
    int n_classes;    /* 0: explain the top_classes most probable classes of each clip */
    int top_classes;
} cfp_sweep_plan;

/* Makes the plan, without the classes, for which the model is needed.  CFP_USAGE, and the message
 * starts with the option. */
CFP_CHECKED cfp_status cfp_sweep_plan_make(cfp_sweep_plan *out, cfp_ctx *ctx,
                                           const cfp_config *config);
CFP_CHECKED cfp_status cfp_sweep_plan_classes(cfp_sweep_plan *plan, cfp_ctx *ctx,
                                              const cfp_model *model, const char *list);
void cfp_sweep_plan_free(cfp_sweep_plan *plan);

/* Reads the list of --class, names and indices.  (*index)[*n] has each class once, in the order
 * given; the caller frees it with cfp_free, after a failure, too.  list NULL: does nothing. */
CFP_CHECKED cfp_status cfp_classes_parse(int **index, int *n, cfp_ctx *ctx, const cfp_model *model,
                                         const char *list);
/* Returns CFP_USAGE.  The message says that the word is none of names (which end with NULL), and
 * suggests a similar one. */
cfp_status cfp_unknown_word(cfp_ctx *ctx, const char *option, const char *word,
                            const char *const *names);

/* Reads A:B:STEP or a list of numbers into (*out)[*n], which the caller frees with cfp_free. */
CFP_CHECKED cfp_status cfp_thetas_parse(double **out, int *n, cfp_ctx *ctx, const char *text);

/* The choices of a query as words; NULL for an option that its rule does not use. */
typedef struct cfp_sweep_words {
    const char *rule, *mask, *propagate, *normalise, *class_relevance;
} cfp_sweep_words;
cfp_sweep_words cfp_sweep_words_of(const cfp_query *query);
