/* combine_entries.h - combines what the network was shown for each clip (entries.h): the two
 * factors that rule grad multiplies. */
#pragma once
#include "analyser.h"

/* The value of each clip at a node minus that of its baseline, x - x'; and the mean of a gradient
 * over the points of the part at work.  *out lies in the analyser's memory until the next call of
 * the same function; where there is nothing to combine, it is the value or the gradient itself. */
CFP_CHECKED cfp_status cfp_blend_value(cfp_tensor *out, const cfp_analyser *analyser, int node);
CFP_CHECKED cfp_status cfp_blend_gradient(cfp_tensor *out, const cfp_analyser *analyser,
                                          const cfp_tensor *g);
