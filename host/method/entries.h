/* entries.h - the inputs that a network gets beside a clip: the baseline (option --baseline), and
 * the points on the line from the baseline to the clip (option --steps). */
#pragma once
#include "analyser.h"

/* Makes the baseline of clip x.  Both are C x T x H x W, normalised.  CFP_BASELINE_BLANK and _ZERO
 * give zeros, which is the mean colour; _FREEZE repeats the middle frame; _REVERSE and _SHUFFLE
 * change the order of the frames.  kind must not be CFP_BASELINE_CLIP. */
CFP_CHECKED cfp_status cfp_baseline_clip(float *to, cfp_ctx *ctx, const cfp_input_spec *in,
                                         cfp_baseline kind, uint64_t seed, const float *x);

/* The clips of a batch. */
typedef struct cfp_shown {
    const cfp_clip *const *clip; /* [clips] */
    const float *given;          /* the clips, normalised; NULL: `clip` has them */
} cfp_shown;

/* Runs everything forward that the analyser needs to know of a batch: the clips, their baselines,
 * and the first points of --steps.  The baseline of all clips runs once.  logits: [clips][classes]
 * of the clips as they are. */
CFP_CHECKED cfp_status cfp_entries_forward(cfp_analyser *analyser, const cfp_shown *shown,
                                           float *logits);
/* Runs only the points from `first` on, after cfp_entries_forward of the same clips. */
CFP_CHECKED cfp_status cfp_entries_points(cfp_analyser *analyser, const cfp_shown *shown,
                                          int first);
/* Only the logits of the clips. */
CFP_CHECKED cfp_status cfp_entries_predict(cfp_analyser *analyser, const cfp_shown *shown,
                                           float *logits);
