/* explain.h - the whole method in one call: from a clip, a class and a query to the explanation.
 *
 * cfp_explain does the forward pass, chooses the class, descends, and makes the tubes.  A
 * cfp_explanation has all that a writer needs.  It borrows the model and the clip, which must
 * outlive it, and owns the rest. */
#pragma once
#include "../backend/backend.h"
#include "../clip/clip.h"
#include "../network/trace.h"
#include "apart.h"
#include "ledger.h"
#include "pyramid.h"
#include "tube.h"

typedef struct cfp_timings { /* milliseconds */
    double decode, forward, descent, tubes, write;
} cfp_timings;

typedef struct cfp_explanation cfp_explanation;
struct cfp_explanation {
    const cfp_model *model; /* borrowed */
    const cfp_clip *clip;   /* borrowed; NULL: made by cfp_explain_input */
    cfp_query query;
    cfp_interp interp; /* how tubes are resized when they are rendered */
    int class_index;
    float *logits, *probabilities; /* [model->n_classes] */
    cfp_pyramid pyramid;
    cfp_tubes_list tubes;
    cfp_apart_list apart; /* the layers' tubes, taken apart; empty if nobody asked (cfp_batch) */
    cfp_timings ms; /* cfp_explain sets forward, descent and tubes; the caller decode and write */
    const cfp_explanation *against; /* a contrast (contrast.h): the other class; else NULL */
    cfp_explanation *next;          /* of a network with heads: the class of the next head */
};

/* A network that is ready to run on a device for one kind of question: its steps are planned, its
 * memory is taken.  Opened once, used for any number of clips.
 *
 * query NULL: it only predicts.  batch NULL: one clip at a time, at the query's theta.  A batch is
 * answered in one forward pass and one descent: all its clips at all its thetas.  Under rule grad
 * with CFP_MASK_SELECTED the gradient depends on theta, so such a batch has one theta (CFP_USAGE).
 * A batch has at most 16384 questions, clips x thetas (CFP_UNSUPPORTED).
 *
 * The points of query->steps run at once, beside their clips.  If memory is too short for that,
 * they come in parts, which takes two passes over all of them.  CFP_MASK_SELECTED needs them at
 * once, because the selection in one layer decides on the gradients of all points in the next.
 *
 * ctx, model and device must outlive the analyser.  On failure *out is NULL. */
typedef struct cfp_analyser cfp_analyser;
CFP_CHECKED cfp_status cfp_analyser_open(cfp_analyser **out, cfp_ctx *ctx, const cfp_model *model,
                                         const cfp_device *device, const cfp_query *query,
                                         const cfp_batch *batch);
void cfp_analyser_close(cfp_analyser **analyser); /* accepts NULL inside, and leaves NULL there */
/* If the query's baseline is CFP_BASELINE_CLIP: gives the analyser that clip, before the first
 * question.  The caller keeps the clip, which must outlive the questions. */
void cfp_analyser_compare_with(cfp_analyser *analyser, const cfp_clip *other);
/* The query as it is asked: its target is one that the model has. */
const cfp_query *cfp_analyser_query(const cfp_analyser *analyser);
/* The network, which the analyser owns: for a forward pass without an explanation. */
cfp_trace *cfp_analyser_network(cfp_analyser *analyser);
/* As cfp_trace_run_live, for all that the analyser runs. */
void cfp_analyser_run_live(cfp_analyser *analyser);

/* Explains one clip, for an analyser of one clip and one theta.  class_index -1: the top predicted
 * class.  The caller frees *out.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_explain(cfp_explanation *out, cfp_analyser *analyser,
                                   const cfp_clip *clip, int class_index, cfp_interp interp);
/* Explains a whole batch: clip[clips], class_index[clips].  out[clips x thetas] is by clip, then by
 * theta.  Every explanation has the times of the whole batch. */
CFP_CHECKED cfp_status cfp_explain_batch(cfp_explanation *out, cfp_analyser *analyser,
                                         const cfp_clip *const *clip, const int *class_index,
                                         cfp_interp interp);
/* Only the logits of a batch: logits[clips][classes]. */
CFP_CHECKED cfp_status cfp_predict_batch(float *logits, cfp_analyser *analyser,
                                         const cfp_clip *const *clip);
/* As cfp_explain, from the network's input: C x T x H x W, normalised (cfp_clip_normalise).
 * out->clip is NULL. */
CFP_CHECKED cfp_status cfp_explain_input(cfp_explanation *out, cfp_analyser *analyser,
                                         const float *input, int class_index, cfp_interp interp);
/* Explains n classes (all >= 0) of one clip after one forward pass, out[n].  For an analyser of one
 * clip and one theta whose batch had `classes` set.  If --steps come in parts, each part runs
 * forward again for each class. */
CFP_CHECKED cfp_status cfp_explain_classes(cfp_explanation *out, cfp_analyser *analyser,
                                           const cfp_clip *clip, const int *class_index, int n,
                                           cfp_interp interp);
/* Explains a class of each head, out[n_heads], after one forward pass.  For an analyser as above,
 * of a model whose heads_agree.  class_index[n_heads]: each within its head; -1: the top predicted
 * class of that head.  Each explanation is of the view of its head. */
CFP_CHECKED cfp_status cfp_explain_heads(cfp_explanation *out, cfp_analyser *analyser,
                                         const cfp_clip *clip, const int *class_index,
                                         cfp_interp interp);
void cfp_explanation_free(cfp_explanation *explanation);
