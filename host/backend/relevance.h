/* relevance.h - the descent of one layer, as a backend computes it: which channels a kernel relies
 * on, and how demands go upstream.  host/method/descent.c decides the order of the layers.
 *
 * Several questions are answered at once.  A QUESTION is one clip with one theta.  There are clips
 * x thetas of them; those of a clip are neighbours, so question q is about clip q / thetas.
 *
 * A DEMAND is the relevance R (SPEC section 1) of one channel in one question, stored as the bits
 * of a double.  Non-negative doubles have the same order as their bits.  So demands are merged by
 * an integer maximum, and the order in which they are merged does not matter.
 *
 * All arrays are backend memory. */
#pragma once
#include "../base/base.h"
#include <string.h>

typedef enum cfp_rule { CFP_RULE_CFP, CFP_RULE_REFERENCE, CFP_RULE_GRAD, CFP_RULE_COUNT } cfp_rule;
typedef enum cfp_propagate {
    CFP_PROPAGATE_EDGE,
    CFP_PROPAGATE_PATH,
    /* Selects as EDGE does, but R is another number: for each path take its smallest r, and of
     * these the largest.  That is the highest theta at which EDGE still selects the channel.  So
     * one descent at the lowest theta answers all thetas (method/sweep.c).  Demands are floats, and
     * at least theta.  The command line does not offer it. */
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

/* An edge (SPEC section 1): from kernel `o` of a layer to channel `i` of the tensor that it reads.
 */
typedef struct cfp_edge {
    int32_t o, i;
    float relevance; /* r(o, i) in [0, 1] */
} cfp_edge;

/* Statistics of all channels of a kernel, which the relevance of each one needs. */
typedef struct cfp_row {
    double low, high; /* range of the values, by which the rule scales them */
    double sum;       /* rule reference: what values are divided by */
    float best;       /* above 0: relevances are divided by it (classifier, propagate path) */
} cfp_row;

/* A kernel layer upstream that gets demands: to[map[j]] is raised to the demand on channel j. */
typedef struct cfp_demand_target {
    cfp_demand *to;     /* [questions][n_to] */
    const int32_t *map; /* [channels] -1: goes nowhere; NULL: j to j */
    int n_to;
} cfp_demand_target;

/* The back-step of one kernel layer in all questions: for each demanded kernel, raises the demands
 * on the channels that are relevant to it. */
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
    cfp_demand *child;               /* [questions][C] raised to the R(i) that the layer demands */
    const cfp_demand_target *target; /* [n_targets] raised by what child is raised to */
    int n_targets;
    /* Its edges; NULL where none are kept.  Rows that are not demanded have n_edges 0 and nothing
     * else is written of them.  Rule grad: pairs, of which pick_edges makes edges. */
    int32_t *n_edges; /* [questions][O] */
    uint32_t *edges;  /* [questions][O][words] a bit for each channel of the kernel's span */
    cfp_row *row;     /* [questions][O] */
} cfp_back_step;

/* Combines the entries of each clip: dst(n) = scale * (sum of src(n * entries + k) over the first
 * `count` entries k) - other(n).  `other` is a tensor with one entry for each clip, or with a
 * single one for all clips; without it nothing is subtracted. */
typedef struct cfp_blend {
    int entries, count;
    double scale;
} cfp_blend;

/* Moves each entry of a clip towards the same clip's number in a tensor `other`: dst = b + alpha *
 * (x - b), where b is that number.  `other` is as for cfp_blend; without it, b = 0.  back: the
 * inverse, dst = b + (x - b) / alpha.  dst may be src. */
typedef struct cfp_turn {
    int entries;
    float alpha;
    bool back;
} cfp_turn;

/* Passes demands through a node that is no kernel layer: raises to[map[j]] to from[j]. */
typedef struct cfp_demand_route {
    const cfp_demand *from; /* [questions][n_from] */
    cfp_demand *to;         /* [questions][n_to] */
    const int32_t *map;     /* [n_from] -1: goes nowhere; NULL: j to j */
    int questions, n_from, n_to;
} cfp_demand_route;
