/* volume_metrics.h - the metrics of SPEC section 7 that are about volumes.
 *
 * README.md has the definition of every metric, what its number means and what chance gives. */
#pragma once
#include "base_clip.h"
#include "row.h"
#include "volumes.h"

typedef enum cfp_volume_metric {
    CFP_METRIC_DELETION,
    CFP_METRIC_INSERTION,
    CFP_METRIC_DROP,
    CFP_METRIC_INCREASE,
    CFP_METRIC_ENERGY, /* this and the next four want a mask */
    CFP_METRIC_POINTING,
    CFP_METRIC_RANK_ACCURACY,
    CFP_METRIC_IOU,
    CFP_METRIC_TEMPORAL_POINTING,
    CFP_METRIC_INFIDELITY,
    CFP_METRIC_MAX_SENSITIVITY,
    CFP_METRIC_FREEZE,
    CFP_METRIC_REVERSE,
    CFP_METRIC_SHUFFLE, /* of the clip alone: one row, of no method */
    CFP_METRIC_COUNT
} cfp_volume_metric;

extern const char *const cfp_volume_metric_names[]; /* by metric */
/* The metric of this name, or -1. */
int cfp_volume_metric_named(const char *name);
bool cfp_volume_metric_wants_mask(cfp_volume_metric metric);

/* A part of the clip that is taken out as a whole: a voxel, a block of `block` x `block` pixels of
 * a frame, a frame, or a pixel in all frames. */
typedef enum cfp_unit { CFP_UNIT_VOXEL, CFP_UNIT_BLOCK, CFP_UNIT_FRAME, CFP_UNIT_TUBE } cfp_unit;
extern const char *const cfp_unit_names[];

typedef struct cfp_volume_metric_settings {
    cfp_volume_settings methods;
    /* For deletion and insertion; base also for drop, increase and infidelity.  points is --steps
     * of `evaluate` (SPEC section 7), not the number of points of rule grad. */
    int points;
    cfp_base base;
    cfp_unit unit;
    int block;
    bool least_first; /* the other order: what matters least goes (or comes) first */
    int draws;        /* random orders, for chance; 0: none */
    /* masks */
    const char *mask_path;
    double tolerance; /* pointing, in pixels; below 0: 15 / 224 of the short side */
    double
        iou_threshold; /* of the min-max normalised volume; below 0: as many voxels as the mask */
    /* the others */
    int infidelity_boxes;
    int sensitivity_draws;
    double sensitivity_radius;
    double frame_share; /* freeze, reverse: of the frames, those that matter most */
    int shuffles;
} cfp_volume_metric_settings;
cfp_volume_metric_settings cfp_volume_metric_settings_default(void);

/* What stays from clip to clip.  The caller owns the asks and the texts of the settings; they must
 * outlive it. */
typedef struct cfp_volume_evaluation cfp_volume_evaluation;
/* tick, where it is not NULL, is told of every input that has been through the network. */
CFP_CHECKED cfp_status cfp_volume_evaluation_open(cfp_volume_evaluation **out, cfp_ctx *ctx,
                                                  const cfp_model *model, const cfp_device *device,
                                                  const cfp_volume_metric_settings *settings,
                                                  const cfp_volume_ask *ask, int n_asks,
                                                  void (*tick)(void *cookie, int64_t inputs),
                                                  void *cookie);
void cfp_volume_evaluation_close(cfp_volume_evaluation **evaluation);

/* Measures every method by every metric in `metrics` (flags by enumerator), for one class of one
 * clip.  Rows are handed on by method, layer, metric.  A mask that does not fit is CFP_SHAPE or
 * CFP_FORMAT; the message names its file. */
CFP_CHECKED cfp_status cfp_eval_volumes(cfp_volume_evaluation *evaluation, const cfp_clip *clip,
                                        int class_index, const uint8_t metrics[CFP_METRIC_COUNT],
                                        cfp_eval_emit emit);
/* For progress: roughly how many inputs go through the network for one class of one clip. */
int64_t cfp_eval_volumes_cost(const cfp_volume_evaluation *evaluation,
                              const uint8_t metrics[CFP_METRIC_COUNT]);
