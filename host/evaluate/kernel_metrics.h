/* kernel_metrics.h - the metrics of SPEC section 7 that are about kernels.  Some ablate kernels,
 * some compare selections.
 *
 * README.md has each metric's definition and what it was checked against. */
#pragma once
#include "ablations.h"
#include "row.h"
#include "scores.h"

typedef enum cfp_kernel_metric {
    CFP_KERNEL_DROP,
    CFP_KERNEL_KEEP,
    CFP_PYRAMID_KEEP,
    CFP_PYRAMID_DROP,
    CFP_KERNEL_RANK,
    CFP_CLASS_JACCARD,
    CFP_WEIGHT_JACCARD,
    CFP_KERNEL_METRIC_COUNT
} cfp_kernel_metric;

extern const char *const cfp_kernel_metric_names[]; /* by metric; NULL behind the last */

/* What ablated channels hold instead. */
typedef enum cfp_fill {
    CFP_FILL_BLANK, /* what they hold for a blank clip */
    CFP_FILL_ZERO,
    CFP_FILL_FREEZE, /* what they hold for this clip, frozen at its middle frame */
    CFP_FILL_REVERSE,
    CFP_FILL_SHUFFLE,
    CFP_FILL_CLIPS, /* their mean over all clips of the call */
    CFP_FILL_CLIP   /* for another clip */
} cfp_fill;

extern const char *const cfp_fill_names[]; /* of all but the last; NULL behind them */

/* In the list `share`: the kernels that the method selects at theta. */
#define CFP_SHARE_SELECTED (-1.0)

typedef struct cfp_kernel_request {
    const cfp_score_method *method;
    int n_methods;
    uint8_t metrics[CFP_KERNEL_METRIC_COUNT]; /* flags */
    const char *layers;                       /* glob (fnmatch) on names; NULL: all */
    int depth;                                /* deepest layer, or CFP_ALL_DEPTHS */
    const double *share;                      /* in (0, 1], or CFP_SHARE_SELECTED */
    int n_shares;
    int draws;
    uint64_t seed;
    cfp_target target; /* one that the model has */
    const char *fill;  /* for the rows: a word of cfp_fill_names, or the clip's path */
} cfp_kernel_request;

/* The clip that is being measured.  Its classes are those that are asked about, then further ones
 * with which only class-jaccard compares. */
typedef struct cfp_kernel_subject {
    cfp_ctx *ctx;
    const cfp_model *model;
    const cfp_device *device;
    const cfp_kernel_request *request;
    const cfp_clip *clip;
    const float *input, *fill; /* normalised; fill NULL: zero */
    cfp_random stream;         /* of the seed and the frames of the clip */
    const int *class_index;    /* [n_classes] */
    int n_classes;
    const int *rival; /* [n_classes] place of the class to compare with; -1: there is none */
    cfp_ablations *ablations;
    cfp_scores *scores; /* [n_methods][n_classes]; those of `exact` are made here */
    /* [n_methods][n_classes][n_nodes]: the metric, NaN while it is not known; and how many kernels
     * the layer of the permuted network selected. */
    double *weight_jaccard;
    int *permuted_count;
    uint8_t *exact;     /* [n_nodes] its scores are there */
    uint8_t *noted;     /* [n_nodes] what is to be said of a layer has been said */
    cfp_replay *replay; /* for costs */
    /* Called when a part of the work begins, with the part's cost (cfp_replay_cost).  The part
     * before it is done then. */
    void (*part)(void *cookie, double cost);
    void *cookie;
} cfp_kernel_subject;

static inline cfp_scores *cfp_scores_of(const cfp_kernel_subject *s, int method, int k)
{
    return &s->scores[method * s->n_classes + k];
}

/* Fills `layer`, which has the capacity for n_nodes, with the layers that get rows, by depth.
 * Returns how many there are. */
int cfp_kernel_layers(int *layer, const cfp_model *model, const cfp_kernel_request *request);
/* CFP_USAGE: no layer of the model gets a row. */
CFP_CHECKED cfp_status cfp_kernel_request_check(cfp_ctx *ctx, const cfp_model *model,
                                                const cfp_kernel_request *request);

/* Estimates what the ablations of one clip cost.  The costs of its parts add up to this. */
CFP_CHECKED cfp_status cfp_kernel_cost(double *cost, const cfp_kernel_subject *subject,
                                       int n_asked);

/* Hands on the rows of class number k of the subject, one of those that are asked about. */
CFP_CHECKED cfp_status cfp_kernel_metrics(cfp_kernel_subject *subject, int k, int n_asked,
                                          cfp_eval_emit emit);
