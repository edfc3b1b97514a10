/* analyser.h - the method at work: a network in motion, the question that is asked of it, and what
 * the method keeps meanwhile.
 *
 * explain.h has the functions that everybody calls.  This header is for host/method/, for the
 * metrics that look inside, and for the tests. */
#pragma once
#include "explain.h"
#include "ledger.h"

/* What a walk is for.  If the points of --steps come in parts, the walks over all parts first
 * GATHER what each channel has to do with the target.  Then the selection is known, and the walks
 * over all parts WEIGH its edges and make its maps. */
typedef enum cfp_walk { CFP_WALK_WHOLE, CFP_WALK_GATHER, CFP_WALK_WEIGH } cfp_walk;

/* A part of the points of --steps. */
typedef struct cfp_part {
    cfp_walk walk;
    int count;        /* points in it */
    bool first, last; /* it is the first, the last part of its walk */
} cfp_part;

struct cfp_analyser {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    cfp_trace *trace;       /* the network, which is shown the points */
    cfp_trace *plain;       /* the same for the clip as it is; NULL: the point is the clip */
    cfp_trace *other_trace; /* the same for the baseline; NULL: there is none */
    bool other_shown;       /* it holds the baseline of all clips */
    /* The question: */
    cfp_query query; /* theta apart */
    int clips, thetas;
    double *theta;         /* [thetas] */
    cfp_entries entries;   /* what the network is shown for each clip */
    const cfp_clip *other; /* CFP_BASELINE_CLIP: that clip, the caller's */
    cfp_part part;         /* what the next walk is about */
    bool means;            /* channel means are wanted, for the rules cfp and reference */
    bool unlisted;         /* as in cfp_batch */
    bool edgeless;         /* as in cfp_batch */
    int apart_side;        /* > 0: tubes are taken apart, to maps of at most that side */
    /* What the method keeps: */
    cfp_ledger *ledger;       /* of the question */
    cfp_ledger *mean_ledger;  /* cfp_analyser_ask: the channel means, for all questions; or NULL */
    cfp_back_step *rule_step; /* [n_nodes] of the kernel layers of interest (rules.h) */
    bool *map_made;           /* [n_nodes] the walk has made this layer's raw map (rule grad) */
    cfp_apart_list apart;     /* of the last question, until its explanation takes them */
    cfp_recording descent, maps;
};

/* An analyser for any number of questions, which are asked by cfp_analyser_ask. */
typedef struct cfp_analyser_request {
    bool means;          /* a question has the rule cfp or reference */
    bool backward;       /* a question has the rule grad */
    int depth;           /* the deepest kernel layer of any question, or CFP_ALL_DEPTHS */
    const uint8_t *keep; /* [n_nodes] outputs that stay after a forward pass; NULL: none */
    /* A query whose baseline, steps and turn_down all questions share; NULL: they are about the
     * clip alone. */
    const cfp_query *compares;
    const char *smaller; /* the options that a message names if memory is short; NULL: the usual */
} cfp_analyser_request;
CFP_CHECKED cfp_status cfp_analyser_open_request(cfp_analyser **out, cfp_ctx *ctx,
                                                 const cfp_model *model, const cfp_device *device,
                                                 const cfp_analyser_request *request);
/* From now on cfp_descend answers `query`, at its theta, about the last forward pass.  May be
 * called any number of times.  No tubes are made. */
CFP_CHECKED cfp_status cfp_analyser_ask(cfp_analyser *analyser, const cfp_query *query);
/* The same query at another theta. */
CFP_CHECKED cfp_status cfp_analyser_set_theta(cfp_analyser *analyser, double theta);

/* The options that a message names if memory is short. */
#define CFP_SMALLER "--depth, --layers or --tubes none"
