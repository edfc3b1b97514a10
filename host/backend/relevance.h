/* relevance.h - the arithmetic of the method as a backend runs it, layer by layer: which channels a
 * kernel rests on, and how demands travel back.  host/method/descent.c says in which order.
 *
 * Several questions are answered at once.  A QUESTION is one clip held against one theta: there are
 * clips x thetas of them, those of a clip side by side, and question q is of clip q / thetas.
 *
 * A DEMAND is R (SPEC section 1) of one channel in one question, kept as the bits of that double:
 * numbers that are not negative stand in the same order as their bits, so demands that meet are
 * merged by an integer maximum, which has the same result in whatever order they come.
 *
 * All arrays are backend memory. */
#pragma once
#include "../base/base.h"
#include <string.h>

typedef enum cfp_rule { CFP_RULE_CFP, CFP_RULE_REFERENCE, CFP_RULE_GRAD, CFP_RULE_COUNT } cfp_rule;
typedef enum cfp_propagate {
    CFP_PROPAGATE_EDGE,
    CFP_PROPAGATE_PATH,
    /* Selects as EDGE does, but R is the smallest r along the path, of the path where that is the
     * largest.  This is the highest theta at which EDGE still selects the channel.  So one descent
     * at the lowest theta answers every theta (method/sweep.c).  Demands are floats, and at least
     * theta.  Not a choice of the command line. */
    CFP_PROPAGATE_WIDEST
} cfp_propagate;
typedef enum cfp_normalise { CFP_NORMALISE_MINMAX, CFP_NORMALISE_MAX } cfp_normalise;
typedef enum cfp_class_relevance {
    CFP_CLASS_WEIGHTS,
    CFP_CLASS_CONTRIBUTION,
    CFP_CLASS_CONTRAST
} cfp_class_relevance;

typedef int64_t cfp_demand;
#define CFP_NOT_DEMANDED ((cfp_demand)-1) /* every byte is 0xff */

static inline cfp_demand cfp_demand_of(double relevance) /* >= 0 */
{
    cfp_demand bits;
    memcpy(&bits, &relevance, sizeof bits);
    return bits;
}
static inline double cfp_demanded_relevance(cfp_demand demand) /* not of CFP_NOT_DEMANDED */
{
    double relevance;
    memcpy(&relevance, &demand, sizeof relevance);
    return relevance;
}

/* SPEC "edge": kernel `o` of a layer rests on channel `i` of the tensor that the layer reads. */
typedef struct cfp_edge {
    int32_t o, i;
    float relevance; /* r(o, i) in [0, 1] */
} cfp_edge;

/* What scoring one kernel's channels needs to know of all of them. */
typedef struct cfp_row {
    double low, high; /* of the values, as its rule scales them */
    double sum;       /* rule reference: what values are divided by */
    float best;       /* above 0: relevances are divided by it (classifier, propagate path) */
} cfp_row;

/* A kernel layer that a demand comes to: its to[map[j]] is raised by channel j. */
typedef struct cfp_demand_target {
    cfp_demand *to;     /* [questions][n_to] */
    const int32_t *map; /* [channels] -1: goes nowhere; NULL: j to j */
    int n_to;
} cfp_demand_target;

/* One kernel layer in all questions: for every demanded kernel, the channels that are relevant to
 * it join the demand on what the layer reads. */
typedef struct cfp_back_step {
    /* The layer. */
    int kernels, channels, groups; /* O; C of the tensor that it reads */
    bool classifier;               /* SPEC "At the classifier" */
    const float *kernel_mean;      /* [O][C / groups] */
    const float *kernel_scale;     /* [O] or NULL: 1 */
    double weight_min, weight_max; /* of kernel_mean; read at the classifier */
    const float *input;            /* [clips][C] mean of x(i); rule grad: mean of x(i) * G(i) */
    const double *contrast;        /* CFP_CLASS_CONTRAST, at the classifier: [clips][C] what weighs
                                      input: sum over kernels k of g_k * kernel_mean(k, i) */
    const float *pair;             /* rule grad: [clips][O][C / groups] what a pair has to do with
                                      the target (cfp_pairs); NULL, at the classifier: input */
    /* The questions. */
    cfp_rule rule;
    cfp_propagate propagate;
    cfp_normalise normalise;
    cfp_class_relevance class_relevance;
    int top; /* at most so many channels of each kernel; 0: no limit */
    int clips, thetas;
    const double *theta;      /* [thetas] */
    const cfp_demand *demand; /* [questions][O] */
    /* The answers. */
    cfp_demand *child; /* [questions][C] raised to the R(i) that the layer demands */
    const cfp_demand_target *target; /* [n_targets] raised by what child is raised to */
    int n_targets;
    /* Its edges; NULL where none are kept.  Rows that are not demanded have n_edges 0 and nothing
     * else is written of them.  Rule grad: pairs, of which pick_edges makes edges. */
    int32_t *n_edges; /* [questions][O] */
    uint32_t *edges;  /* [questions][O][words] a bit for each channel of the kernel's span */
    cfp_row *row;     /* [questions][O] */
} cfp_back_step;

/* Entries of a clip in a tensor whose clips have several: dst(n) = scale * (sum of src(n * entries
 * + k) over `count` of them from `first` on), minus src(n * entries + minus) unless minus < 0. */
typedef struct cfp_blend {
    int entries, first, count, minus;
    double scale;
} cfp_blend;

/* Demands on a node's output that pass through it: to[map[j]] is raised to from[j]. */
typedef struct cfp_demand_route {
    const cfp_demand *from; /* [questions][n_from] */
    cfp_demand *to;         /* [questions][n_to] */
    const int32_t *map;     /* [n_from] -1: goes nowhere; NULL: j to j */
    int questions, n_from, n_to;
} cfp_demand_route;
