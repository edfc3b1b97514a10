/* channel_scores.h - scores that come from a layer's own map: what its channels hold, and what they
 * have to do with the target. */
#pragma once
#include "scores.h"

/* Methods activation and gradient-activation; out[n_classes] are open.
 *
 *     activation            mean over T, H, W of |map - map'|
 *     gradient-activation   mean over T, H, W of (map - map') * G, in the method's form; G is the
 *                           gradient of the target at the map, its mean over the points of --steps
 *
 * map' is the map for the method's baseline; 0 for CFP_BASELINE_ZERO. */
CFP_CHECKED cfp_status cfp_channel_scores(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                                          const cfp_device *device, cfp_analyser **analyser,
                                          const cfp_score_method *method, const cfp_clip *clip,
                                          const int *class_index, int n_classes);
