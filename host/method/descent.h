/* descent.h - the walk back through the network, from the class to the first kernels. */
#pragma once
#include "trace.h"

/* The pyramids of class_index[clip] for the clips that the trace last ran forward (SPEC section
 * 1): out[question] for every clip and theta of the trace's batch.  Under rule grad the backward
 * pass runs on the way, and the layers' raw maps are made while their gradients are there.  On
 * failure every entry of out is empty. */
CFP_CHECKED cfp_status cfp_descend(cfp_pyramid *out, cfp_trace *trace, const int *class_index);
/* The same in two: the walk that trace->part says, over what the trace last ran forward; and, once
 * the last is done, what was found. */
CFP_CHECKED cfp_status cfp_descend_part(cfp_trace *trace, const int *class_index);
CFP_CHECKED cfp_status cfp_descend_read(cfp_pyramid *out, cfp_trace *trace, const int *class_index);

/* A layer's back-step, as the backend is asked for it. */
cfp_back_step cfp_back_step_of(cfp_trace *trace, int node);

/* Is the demand [questions][channels] on a node anything?  Known where the host may look; else it
 * may be.  Saves work, changes no result. */
bool cfp_may_be_demanded(const cfp_trace *trace, int node);
