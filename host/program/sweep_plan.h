/* sweep_plan.h - what `sweep` is asked: its thetas, its queries, its classes, from lists of words.
 *
 * Queries that mean the same stand here once.  What a query's rule does not know has the default,
 * and a row shows it as an empty field (cfp_sweep_words). */
#pragma once
#include "../model/model.h"
#include "options.h"

enum { CFP_MOST_THETAS = 100001 }; /* 0:1:0.00001 */

typedef struct cfp_sweep_plan {
    double *theta;
    int n_thetas;
    cfp_query *query;
    int n_queries;
    int *class_index; /* of --class, in the order given */
    int n_classes;    /* 0: the top_classes most probable of each clip */
    int top_classes;
} cfp_sweep_plan;

/* All but the classes, which need the model.  CFP_USAGE, the message starts with the option. */
CFP_CHECKED cfp_status cfp_sweep_plan_make(cfp_sweep_plan *out, cfp_ctx *ctx,
                                           const cfp_config *config);
CFP_CHECKED cfp_status cfp_sweep_plan_classes(cfp_sweep_plan *plan, cfp_ctx *ctx,
                                              const cfp_model *model, const char *list);
void cfp_sweep_plan_free(cfp_sweep_plan *plan);

/* --class: a list of names and indices; each class once, in the order given.  *index is the
 * caller's to cfp_free, after a failure too; list NULL: nothing happens. */
CFP_CHECKED cfp_status cfp_classes_parse(int **index, int *n, cfp_ctx *ctx, const cfp_model *model,
                                         const char *list);
/* CFP_USAGE: a word of --option that is none of names (NULL behind the last), with a near one. */
cfp_status cfp_unknown_word(cfp_ctx *ctx, const char *option, const char *word,
                            const char *const *names);

/* A:B:STEP or a list of numbers; the array is the caller's to cfp_free. */
CFP_CHECKED cfp_status cfp_thetas_parse(double **out, int *n, cfp_ctx *ctx, const char *text);

/* The words of a query's choices; NULL where its rule does not know the option. */
typedef struct cfp_sweep_words {
    const char *rule, *mask, *propagate, *normalise, *class_relevance;
} cfp_sweep_words;
cfp_sweep_words cfp_sweep_words_of(const cfp_query *query);
