/* channel_scores.h - scores kernels by their own channels of the layer's map: methods activation
 * and gradient-activation. */
#pragma once
#include "scores.h"

/* Fills out[n_classes], which the caller has opened.
 *
 *     activation            mean over T, H, W of |map - map'|
 *     gradient-activation   mean over T, H, W of (map - map') * G, in the method's form; G is the
 *                           gradient of the target at the map, its mean over the points of --steps
 *
 * map' is the map of the method's baseline; 0 for CFP_BASELINE_ZERO.  *analyser is the network of
 * this method; NULL: it is opened, and the caller closes it. */
CFP_CHECKED cfp_status cfp_channel_scores(cfp_scores *out, cfp_ctx *ctx, const cfp_model *model,
                                          const cfp_device *device, cfp_analyser **analyser,
                                          const cfp_score_method *method, const cfp_clip *clip,
                                          const int *class_index, int n_classes);
