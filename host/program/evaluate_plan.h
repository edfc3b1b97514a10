/* evaluate_plan.h - what `evaluate` is asked: its metrics, methods and shares, from lists of words.
 */
#pragma once
#include "../evaluate/evaluate.h"
#include "options.h"

typedef struct cfp_evaluate_plan {
    cfp_eval_request request; /* points to what follows */
    cfp_score_method *method;
    cfp_volume_ask *volume;
    cfp_volume_settings *own; /* of each volume */
    char *words;              /* the list of methods, cut into words */
    double *share;
    int *class_index;
    bool other, fill_clip; /* --baseline, --fill name clips */
} cfp_evaluate_plan;

/* All but the classes, which need the model, and the clips.  CFP_USAGE, the message starts with the
 * option. */
CFP_CHECKED cfp_status cfp_evaluate_plan_make(cfp_evaluate_plan *out, cfp_ctx *ctx,
                                              const cfp_config *config);
CFP_CHECKED cfp_status cfp_evaluate_plan_classes(cfp_evaluate_plan *plan, cfp_ctx *ctx,
                                                 const cfp_model *model, const char *list);
/* The clips of --baseline and --fill, which stay the caller's. */
void cfp_evaluate_plan_clips(cfp_evaluate_plan *plan, const cfp_clip *other, const cfp_clip *fill);
void cfp_evaluate_plan_free(cfp_evaluate_plan *plan);
