/* query.h - the question that is asked about a network and a clip: the choices of SPEC section 1.
 */
#pragma once
#include "../backend/relevance.h"
#include "../model/model.h"

typedef enum cfp_mask { CFP_MASK_SELECTED, CFP_MASK_NONE } cfp_mask;
/* CFP_TARGET_BY_HEAD has no word.  It becomes odds, or logit if the model has no log-odds (SPEC).
 */
typedef enum cfp_target {
    CFP_TARGET_ODDS,
    CFP_TARGET_MARGIN,
    CFP_TARGET_LOGIT,
    CFP_TARGET_BY_HEAD
} cfp_target;
/* CFP_BASELINE_CLIP has no word: the command line gives the path of a clip instead. */
typedef enum cfp_baseline {
    CFP_BASELINE_ZERO,
    CFP_BASELINE_BLANK,
    CFP_BASELINE_FREEZE,
    CFP_BASELINE_REVERSE,
    CFP_BASELINE_SHUFFLE,
    CFP_BASELINE_CLIP
} cfp_baseline;
typedef enum cfp_tubes { CFP_TUBES_LAYERS, CFP_TUBES_KERNELS, CFP_TUBES_NONE } cfp_tubes;
typedef enum cfp_interp { CFP_INTERP_LINEAR, CFP_INTERP_SPLINE } cfp_interp;

/* The words of the command line and of the files, indexed by enumerator; NULL at the end. */
extern const char *const cfp_rule_names[];            /* cfp reference grad */
extern const char *const cfp_propagate_names[];       /* edge path */
extern const char *const cfp_normalise_names[];       /* minmax max */
extern const char *const cfp_class_relevance_names[]; /* weights contribution contrast */
extern const char *const cfp_mask_names[];            /* selected none */
extern const char *const cfp_target_names[];          /* odds margin logit */
extern const char *const cfp_baseline_names[];        /* zero blank freeze reverse shuffle */
extern const char *const cfp_tubes_names[];           /* layers kernels none */
extern const char *const cfp_interp_names[];          /* linear spline */

enum { CFP_MOST_STEPS = 1000 };

typedef struct cfp_query {
    cfp_rule rule;
    double theta; /* in [0, 1]; a channel is selected if its relevance, as float32, is >= theta */
    int depth;    /* deepest layer that is visited, or CFP_ALL_DEPTHS */
    int top;      /* at most so many channels of each kernel are selected; 0: no limit */
    cfp_propagate propagate;
    cfp_normalise normalise;
    cfp_class_relevance class_relevance;
    cfp_target target; /* for rule grad and CFP_CLASS_CONTRAST */
    /* Rule grad: */
    cfp_mask mask;             /* which kernels pass the gradient on */
    cfp_baseline baseline;     /* what activations are compared with */
    const char *baseline_path; /* for CFP_BASELINE_CLIP: that clip */
    uint64_t seed;             /* for CFP_BASELINE_SHUFFLE */
    int steps;                 /* points whose gradients are averaged; 1: the clip itself */
    double turn_down; /* in (0, 1]: the gradient is taken in a network that is turned down to this
                       * fraction of its strength; 1: it is not turned down */
    cfp_tubes tubes;
    const char *layers; /* a glob (fnmatch): layers whose names match get tubes; NULL: all */
} cfp_query;

/* The defaults of the command line: cfp, 0.6, all depths, edge, minmax, weights, selected, the
 * target by the head, zero, 1 step, not turned down, layers. */
cfp_query cfp_query_default(void);
/* What explain asks where the user chooses no rule: the question whose answers named the kernels
 * that matter best (tools/study; the README has the table).  It is grad, with the gradient of the
 * whole network turned down to 0.25, compared with a blank clip, nothing masked, theta 0.1. */
cfp_query cfp_query_recommended(void);

/* CFP_USAGE: the choices have no meaning together, as grad with paths.  The message starts with the
 * option. */
CFP_CHECKED cfp_status cfp_query_check(cfp_ctx *ctx, const cfp_query *query);
/* The word of a query's baseline, or the path of its clip. */
const char *cfp_baseline_word(const cfp_query *query);
