/* descent.h - the walk back through the network, from the class to the first kernels. */
#pragma once
#include "trace.h"
#include "tube_maps.h"

/* The pyramid of class `class_index` for the clip that the trace last ran forward (SPEC section 1).
 * Under rule grad the backward pass runs on the way, and the layers' raw maps are taken while
 * their gradients are there: they go to `maps`, which may be NULL.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_descend(cfp_pyramid *out, cfp_trace *trace, const cfp_query *query,
                                   int class_index, cfp_tube_maps *maps);
