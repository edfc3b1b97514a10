/* scores.h - methods that score kernels.  Each gives a number to each kernel of each layer, and
 * selects some of the kernels.
 *
 * README.md says what each method's number is. */
#pragma once
#include "../method/explain.h"
#include "random.h"

typedef enum cfp_score_kind {
    CFP_SCORE_CFP,
    CFP_SCORE_CFP_PATH,
    CFP_SCORE_REFERENCE,
    CFP_SCORE_GRAD,
    CFP_SCORE_GRAD_MASKED,
    CFP_SCORE_ACTIVATION,
    CFP_SCORE_GRADIENT_ACTIVATION,
    CFP_SCORE_EXACT,
    CFP_SCORE_RANDOM,
    CFP_SCORE_COUNT
} cfp_score_kind;

extern const char *const cfp_score_names[]; /* by kind; NULL behind the last */

/* How one number is made of the products activation x gradient at the positions of a channel. */
typedef enum cfp_score_form {
    CFP_FORM_SIGNED,   /* their mean */
    CFP_FORM_ABSOLUTE, /* the absolute value of their mean */
    CFP_FORM_POSITIONS /* the mean of their absolute values */
} cfp_score_form;

extern const char *const cfp_score_form_names[]; /* by form; NULL behind the last */

typedef struct cfp_score_method {
    const char *word; /* as it was given: what rows call it */
    bool selects;     /* only what it selects is asked for: a descent need not score kernels */
    cfp_score_kind kind;
    cfp_query query; /* the kind decides its rule, mask and propagate (cfp_score_query) */
    cfp_score_form form;
    const cfp_clip *other; /* query.baseline CFP_BASELINE_CLIP: that clip; borrowed */
} cfp_score_method;

/* Sets the rule, mask and propagate that the kind stands for. */
void cfp_score_query(cfp_query *query, cfp_score_kind kind);
/* True: the scores come from a forward or backward pass.  False for exact and random. */
bool cfp_score_descends(cfp_score_kind kind);

/* The scores of one method, for one class of one clip.  The arrays are indexed by node; an element
 * is NULL if the node gets no scores (cfp_is_scored). */
typedef struct cfp_scores {
    int n_nodes;
    double **score;     /* [O]; -INFINITY: the method has no score for this kernel */
    uint8_t **selected; /* [O] flags: selected at the method's theta */
    int *n_selected;    /* [n_nodes] */
} cfp_scores;

/* True: the node is a kernel layer within `depth`, and not the classifier. */
bool cfp_is_scored(const cfp_model *model, int node, int depth);

CFP_CHECKED cfp_status cfp_scores_open(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                                       int depth);
void cfp_scores_free(cfp_scores *scores); /* accepts {0} */
/* Selects the kernels of a layer whose score is at least theta times the highest.  If no score is
 * above 0, none is selected. */
void cfp_scores_select(cfp_scores *scores, int node, int kernels, double theta);

/* Makes the scores of a method for each class, out[n_classes]; cfp_score_descends must be true.
 * *analyser is the network of this method; NULL: it is opened, and the caller closes it
 * (cfp_analyser_close). */
CFP_CHECKED cfp_status cfp_scores_make(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                                       const cfp_device *device, cfp_analyser **analyser,
                                       const cfp_score_method *method, const cfp_clip *clip,
                                       const int *class_index, int n_classes);
/* The scores of `random`: uniform numbers from 0 to 1.  stream: that of the seed and the clip. */
void cfp_scores_draw(cfp_scores *scores, const cfp_model *model, double theta, cfp_random stream);
