/* evaluate_plan.h - reads the options of `evaluate`: lists of metrics, methods and fractions. */
#pragma once
#include "../evaluate/evaluate.h"
#include "options.h"

/* The method that is what explain does without --rule. */
#define CFP_METHOD_EXPLAIN "explain"

typedef struct cfp_evaluate_plan {
    cfp_eval_request request; /* its pointers lead to the members below */
    cfp_score_method *method;
    cfp_volume_ask *volume;
    cfp_volume_settings *own; /* the settings of each volume */
    char *words;              /* the list of methods, cut into words */
    double *share;
    int *class_index;
    bool other, fill_clip; /* --baseline, --fill name clips */
} cfp_evaluate_plan;

/* Makes the plan, without the classes, for which the model is needed, and without the clips.
 * CFP_USAGE, and the message starts with the option. */
CFP_CHECKED cfp_status cfp_evaluate_plan_make(cfp_evaluate_plan *out, cfp_ctx *ctx,
                                              const cfp_config *config);
CFP_CHECKED cfp_status cfp_evaluate_plan_classes(cfp_evaluate_plan *plan, cfp_ctx *ctx,
                                                 const cfp_model *model, const char *list);
/* Sets the clips of --baseline and --fill.  The caller keeps them open as long as the plan. */
void cfp_evaluate_plan_clips(cfp_evaluate_plan *plan, const cfp_clip *other, const cfp_clip *fill);
void cfp_evaluate_plan_free(cfp_evaluate_plan *plan);
