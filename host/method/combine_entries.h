/* combine_entries.h - combines the entries of each clip (entries.h) into one: the two factors that
 * rule grad multiplies. */
#pragma once
#include "analyser.h"

/* The value of each clip minus that of its baseline, x - x'; and the mean of a gradient over the
 * points of the part at work.  *out lies in the analyser's memory until the next call of the same
 * function; it is the given tensor itself if a clip has one entry.  out may be the given tensor. */
CFP_CHECKED cfp_status cfp_blend_value(cfp_tensor *out, const cfp_analyser *analyser,
                                       const cfp_tensor *x);
CFP_CHECKED cfp_status cfp_blend_gradient(cfp_tensor *out, const cfp_analyser *analyser,
                                          const cfp_tensor *g);
