/* evaluate.h - one run of `evaluate`: measures the methods' answers, clip by clip.
 *
 * The network is opened once for ablations, once for volumes, and once more for each method that
 * scores kernels.  Rows are handed on as soon as they are known: for each class the rows about
 * kernels, then the rows about volumes. */
#pragma once
#include "kernel_metrics.h"
#include "volume_metrics.h"

typedef struct cfp_evaluation cfp_evaluation;

typedef struct cfp_eval_request {
    cfp_kernel_request kernels; /* its target serves the volumes, too */
    const cfp_volume_ask *volume;
    int n_volumes;
    uint8_t volume_metrics[CFP_METRIC_COUNT]; /* flags */
    cfp_volume_metric_settings volumes;
    cfp_fill fill;
    const cfp_clip *fill_clip; /* CFP_FILL_CLIP: that clip; borrowed */
    const int *class_index;    /* [n_classes] the classes that are asked about */
    int n_classes;             /* 0: the top_classes most probable of each clip */
    int top_classes;
    int n_clips; /* of the whole run, for progress */
} cfp_eval_request;

/* The caller owns the request and all that it points to; both must outlive the evaluation.  The
 * target may be CFP_TARGET_BY_HEAD. */
CFP_CHECKED cfp_status cfp_evaluation_open(cfp_evaluation **out, cfp_ctx *ctx,
                                           const cfp_model *model, const cfp_device *device,
                                           const cfp_eval_request *request);
void cfp_evaluation_close(cfp_evaluation **evaluation); /* accepts NULL inside; nulls */

/* For CFP_FILL_CLIPS: to be called once for every clip, before the first clip is evaluated. */
CFP_CHECKED cfp_status cfp_evaluation_gather(cfp_evaluation *evaluation, const cfp_clip *clip);
/* Hands on all rows of one clip.  If it fails, some rows may have been handed on before. */
CFP_CHECKED cfp_status cfp_evaluate_clip(cfp_evaluation *evaluation, const cfp_clip *clip,
                                         cfp_eval_emit emit);
/* To be called for a clip that could not be read, so that progress counts it. */
void cfp_evaluation_skip(cfp_evaluation *evaluation);
