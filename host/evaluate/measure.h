/* measure.h - what all metrics of volumes use.  Private to host/evaluate/. */
#pragma once
#include "masks.h"
#include "random.h"
#include "volume_metrics.h"

typedef struct cfp_measured {
    double value, chance, percentile; /* NaN: none */
    int draws;                        /* -1: none */
    char definition[512];
} cfp_measured;

struct cfp_volume_evaluation {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_volume_metric_settings settings;
    const cfp_volume_ask *ask;
    int n_asks;
    cfp_probe *probe;
    cfp_volume_maker *maker;
    cfp_shape shape; /* of an input */
    /* The clip and the class that are being measured: */
    const cfp_clip *clip;
    cfp_volume_subject subject;
    float *x, *base;        /* the clip and its base */
    float *changed;         /* a further clip */
    cfp_score whole, blank; /* of x and of base */
    double *by_chance;      /* [draws] AUC of random orders */
    bool has_chance;
    cfp_truth truth;
    uint8_t *near; /* [T x H x W] pointing: less than the tolerance away from the mask */
    bool has_near;
};
typedef struct cfp_volume_evaluation cfp_measuring;

/* A metric of one volume.  *out is empty; the metric fills the members that it has. */
typedef cfp_status cfp_measure(cfp_measured *out, cfp_measuring *m, const cfp_volume *volume);
cfp_measure cfp_measure_deletion, cfp_measure_insertion; /* curves.c */
cfp_measure cfp_measure_drop, cfp_measure_increase;      /* measure_change.c */
cfp_measure cfp_measure_infidelity, cfp_measure_shuffle; /* ... */
cfp_measure cfp_measure_freeze, cfp_measure_reverse;     /* ... */
cfp_measure cfp_measure_energy, cfp_measure_pointing;    /* measure_truth.c */
cfp_measure cfp_measure_rank_accuracy, cfp_measure_iou;  /* ... */
cfp_measure cfp_measure_temporal_pointing;               /* ... */
/* max-sensitivity, of all volumes of an ask at once: value[list->n]. */
cfp_status cfp_measure_sensitivity(double *value, cfp_measuring *m, int ask,
                                   const cfp_volume_list *list);

/* The random stream of a metric, for this clip and class. */
cfp_random cfp_measure_stream(const cfp_measuring *m, const char *what);
/* order[T]: the frames, sorted by the sum of the volume over each, the highest first. */
cfp_status cfp_order_frames(int *order, const cfp_measuring *m, const float *s);
