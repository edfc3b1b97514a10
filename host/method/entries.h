/* entries.h - the inputs that a network gets beside a clip: the baseline (option --baseline), and
 * the points on the line from the baseline to the clip (option --steps). */
#pragma once
#include "analyser.h"

/* Makes the baseline of clip x.  Both are C x T x H x W, normalised.  CFP_BASELINE_BLANK and _ZERO
 * give zeros, which is the mean colour; _FREEZE repeats the middle frame; _REVERSE and _SHUFFLE
 * change the order of the frames.  kind must not be CFP_BASELINE_CLIP. */
CFP_CHECKED cfp_status cfp_baseline_clip(float *to, cfp_ctx *ctx, const cfp_input_spec *in,
                                         cfp_baseline kind, uint64_t seed, const float *x);

/* Fills input, [clips x entries][C x T x H x W], with every entry of every clip.  first: the number
 * of the first point among all points of --steps.  given: the clips, normalised; NULL: they are
 * made of clip[clips].  other: the clip of CFP_BASELINE_CLIP, else NULL. */
CFP_CHECKED cfp_status cfp_entries_fill(float *input, const cfp_analyser *analyser,
                                        const cfp_clip *const *clip, const float *given,
                                        const cfp_clip *other, int first);
