/* query.h - the question asked of a network and a clip: SPEC section 1's choices, nothing else. */
#pragma once
#include "../backend/relevance.h"

typedef enum cfp_tubes { CFP_TUBES_LAYERS, CFP_TUBES_KERNELS, CFP_TUBES_NONE } cfp_tubes;
typedef enum cfp_interp { CFP_INTERP_LINEAR, CFP_INTERP_SPLINE } cfp_interp;

/* The words of the command line and of the files, by enumerator. */
extern const char *const cfp_rule_names[];            /* cfp reference grad */
extern const char *const cfp_propagate_names[];       /* edge path */
extern const char *const cfp_normalise_names[];       /* minmax max */
extern const char *const cfp_class_relevance_names[]; /* weights contribution */
extern const char *const cfp_tubes_names[];           /* layers kernels none */
extern const char *const cfp_interp_names[];          /* linear spline */

#define CFP_ALL_DEPTHS -1

typedef struct cfp_query {
    cfp_rule rule;
    double theta; /* in [0, 1]; a relevance, rounded to float32, of at least theta selects */
    int depth;    /* deepest layer that is visited, or CFP_ALL_DEPTHS */
    int top;      /* at most so many channels of each kernel; 0: no limit */
    cfp_propagate propagate;
    cfp_normalise normalise;
    cfp_class_relevance class_relevance;
    cfp_tubes tubes;
    const char *layers; /* glob (fnmatch) on layer names: whose tubes are made; NULL: all */
} cfp_query;

/* What the command line starts from: cfp, 0.6, all depths, edge, minmax, weights, layers. */
cfp_query cfp_query_default(void);

/* CFP_USAGE where the combination has no meaning (grad knows no paths); the message starts with
 * the option. */
CFP_CHECKED cfp_status cfp_query_check(cfp_ctx *ctx, const cfp_query *query);
