/* explain.h - one clip, one class, one query -> the explanation: the whole method in one call.
 *
 * cfp_explain is: forward pass -> class -> descent -> tubes.  Everything a writer needs is in
 * cfp_explanation; it borrows the model and the clip and owns the rest. */
#pragma once
#include "../backend/backend.h"
#include "../clip/clip.h"
#include "../network/trace.h"
#include "ledger.h"
#include "pyramid.h"
#include "tube.h"

typedef struct cfp_timings { /* milliseconds */
    double decode, forward, descent, tubes, write;
} cfp_timings;

typedef struct cfp_explanation cfp_explanation;
struct cfp_explanation {
    const cfp_model *model; /* borrowed */
    const cfp_clip *clip;   /* borrowed; NULL: cfp_explain_input was given numbers alone */
    cfp_query query;
    cfp_interp interp; /* how tubes are resized when they are rendered */
    int class_index;
    float *logits, *probabilities; /* [model->n_classes] */
    cfp_pyramid pyramid;
    cfp_tubes_list tubes;
    cfp_timings ms; /* forward, descent, tubes set here; decode, write by the caller */
    const cfp_explanation *against; /* of a contrast (contrast.h): the other class; else NULL */
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

/* For analysers of one clip and theta.  class_index -1: the top predicted class.  On failure *out
 * is empty. */
CFP_CHECKED cfp_status cfp_explain(cfp_explanation *out, cfp_analyser *analyser,
                                   const cfp_clip *clip, int class_index, cfp_interp interp);
/* The whole batch: clip[clips], class_index[clips]; out[clips x thetas] by clip, then theta.  Times
 * are those of the batch. */
CFP_CHECKED cfp_status cfp_explain_batch(cfp_explanation *out, cfp_analyser *analyser,
                                         const cfp_clip *const *clip, const int *class_index,
                                         cfp_interp interp);
/* The same of what the network reads, C x T x H x W as cfp_clip_normalise makes it; out->clip stays
 * NULL. */
CFP_CHECKED cfp_status cfp_explain_input(cfp_explanation *out, cfp_analyser *analyser,
                                         const float *input, int class_index, cfp_interp interp);
/* n classes (all >= 0) of one clip from one forward pass, out[n].  For an analyser of one clip
 * and theta whose batch said `classes`.  Only where --steps come in parts is each part run forward
 * again. */
CFP_CHECKED cfp_status cfp_explain_classes(cfp_explanation *out, cfp_analyser *analyser,
                                           const cfp_clip *clip, const int *class_index, int n,
                                           cfp_interp interp);
void cfp_explanation_free(cfp_explanation *explanation);
