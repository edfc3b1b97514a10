/* explain.h - one clip, one class, one query -> the explanation: the whole method in one call.
 *
 * cfp_explain is: forward pass -> class -> descent -> tubes.  Everything a writer needs is in
 * cfp_explanation; it borrows the model and the clip and owns the rest. */
#pragma once
#include "../backend/backend.h"
#include "../clip/clip.h"
#include "ledger.h"
#include "pyramid.h"
#include "tube.h"

typedef struct cfp_timings { /* milliseconds */
    double decode, forward, descent, tubes, write;
} cfp_timings;

typedef struct cfp_explanation {
    const cfp_model *model; /* borrowed */
    const cfp_clip *clip;   /* borrowed; NULL: cfp_explain_input was given numbers alone */
    cfp_query query;
    cfp_interp interp; /* how tubes are resized when they are rendered */
    int class_index;
    float *logits, *probabilities; /* [model->n_classes] */
    cfp_pyramid pyramid;
    cfp_tubes_list tubes;
    cfp_timings ms; /* forward, descent, tubes set here; decode, write by the caller */
} cfp_explanation;

/* A network ready to run on a device for one kind of question: steps planned, memory taken.  Opened
 * once, used for any number of clips.  With query NULL it only predicts; with batch NULL it takes
 * one clip at a time, and the query's theta.  A batch answers all its clips and thetas in one
 * forward pass and one descent; under rule grad with CFP_MASK_SELECTED, where the gradient depends
 * on theta, it has one theta (CFP_USAGE).  At most 16384 clips x thetas.
 *
 * The points of query->steps run at once, with their clips.  Where there is not so much memory they
 * come in parts, which takes two passes over all of them; CFP_MASK_SELECTED needs them at once, for
 * what is selected in one layer decides on the gradients of all points in the next. */
typedef struct cfp_trace cfp_trace;

/* From now on every launch comes from the host, nothing is recorded and replayed: for profilers. */
void cfp_trace_run_live(cfp_trace *trace);

typedef struct cfp_trace_facts {
    int n_steps;           /* after fusion */
    size_t arena_bytes;    /* one allocation: activations, gradients, scratch */
    size_t unshared_bytes; /* what it would be if nothing was reused */
} cfp_trace_facts;

CFP_CHECKED cfp_status cfp_trace_open(cfp_trace **out, cfp_ctx *ctx, const cfp_model *model,
                                      const cfp_device *device, const cfp_query *query,
                                      const cfp_batch *batch);
void cfp_trace_close(cfp_trace **trace);
/* Before the first clip, where the query's baseline is CFP_BASELINE_CLIP: that clip, which stays
 * the caller's. */
void cfp_trace_compare_with(cfp_trace *trace, const cfp_clip *other);
/* The query as it is in force: its target is one that the model has. */
const cfp_query *cfp_trace_query(const cfp_trace *trace);
cfp_trace_facts cfp_trace_describe(const cfp_trace *trace);

/* Forward pass: input is clips x C x T x H x W plain, as cfp_clip_normalise makes them; logits is
 * clips x model->n_classes.  NaN or Inf among them: CFP_FORMAT by name. */
CFP_CHECKED cfp_status cfp_trace_forward(cfp_trace *trace, const float *input, float *logits);
/* The same of the frames of clips, rgb[clips]: the device makes its own numbers of them, which are
 * those of cfp_clip_normalise to the last bit.  For models of at most CFP_FRAME_CHANNELS. */
enum { CFP_FRAME_CHANNELS = 3 };
CFP_CHECKED cfp_status cfp_trace_forward_frames(cfp_trace *trace, const uint8_t *const *rgb,
                                                float *logits);

/* What the model's head makes of its logits, computed in double; probabilities may be logits. */
void cfp_probabilities(float *probabilities, const cfp_model *model, const float *logits);

/* For traces of one clip and theta.  class_index -1: the top predicted class.  On failure *out is
 * empty. */
CFP_CHECKED cfp_status cfp_explain(cfp_explanation *out, cfp_trace *trace, const cfp_clip *clip,
                                   int class_index, cfp_interp interp);
/* The whole batch: clip[clips], class_index[clips]; out[clips x thetas] by clip, then theta.  Times
 * are those of the batch. */
CFP_CHECKED cfp_status cfp_explain_batch(cfp_explanation *out, cfp_trace *trace,
                                         const cfp_clip *const *clip, const int *class_index,
                                         cfp_interp interp);
/* The same of what the network reads, C x T x H x W as cfp_clip_normalise makes it; out->clip stays
 * NULL. */
CFP_CHECKED cfp_status cfp_explain_input(cfp_explanation *out, cfp_trace *trace, const float *input,
                                         int class_index, cfp_interp interp);
void cfp_explanation_free(cfp_explanation *explanation);
