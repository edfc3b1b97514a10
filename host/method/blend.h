/* blend.h - what rule grad multiplies: the entries of each clip, combined into one. */
#pragma once
#include "analyser.h"

/* The value of each clip minus that of its baseline, x - x'; and the mean of a gradient over the
 * points of the part at work.  *out lies in the analyser's memory until the next call of the same
 * function; it is the given tensor itself if a clip has one entry.  out may be the given tensor. */
CFP_CHECKED cfp_status cfp_blend_value(cfp_tensor *out, const cfp_analyser *analyser,
                                       const cfp_tensor *x);
CFP_CHECKED cfp_status cfp_blend_gradient(cfp_tensor *out, const cfp_analyser *analyser,
                                          const cfp_tensor *g);
