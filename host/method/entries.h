/* entries.h - what a network is shown beside a clip: the clip of --baseline, and the points of
 * --steps on the line from that one to this. */
#pragma once
#include "analyser.h"

/* Another clip made of x, both normalised C x T x H x W: a blank one (of zeros: the mean colour;
 * for CFP_BASELINE_ZERO too), x frozen at its middle frame, reversed, or with its frames shuffled
 * by the seed.  Not CFP_BASELINE_CLIP. */
CFP_CHECKED cfp_status cfp_baseline_clip(float *to, cfp_ctx *ctx, const cfp_input_spec *in,
                                         cfp_baseline kind, uint64_t seed, const float *x);

/* Fills input, [clips x entries][C x T x H x W], with every entry of every clip; the points are
 * those from number `first` of all of --steps.  given: the clips' own numbers, normalised; NULL:
 * they are made of clip[clips].  other: the clip of CFP_BASELINE_CLIP, else NULL. */
CFP_CHECKED cfp_status cfp_entries_fill(float *input, const cfp_analyser *analyser,
                                        const cfp_clip *const *clip, const float *given,
                                        const cfp_clip *other, int first);
