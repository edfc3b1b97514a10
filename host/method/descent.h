/* descent.h - the walk back through the network, from the class to the first kernels. */
#pragma once
#include "analyser.h"

/* The pyramids of class_index[clip] for the clips that the analyser last ran forward (SPEC section
 * 1): out[question] for every clip and theta of the analyser's batch.  Under rule grad the backward
 * pass runs on the way, and the layers' raw maps are made while their gradients are there.  On
 * failure every entry of out is empty. */
CFP_CHECKED cfp_status cfp_descend(cfp_pyramid *out, cfp_analyser *analyser,
                                   const int *class_index);
/* The same in two: the walk that analyser->part says, over what the analyser last ran forward; and,
 * once the last is done, what was found. */
CFP_CHECKED cfp_status cfp_descend_part(cfp_analyser *analyser, const int *class_index);
CFP_CHECKED cfp_status cfp_descend_read(cfp_pyramid *out, cfp_analyser *analyser,
                                        const int *class_index);

/* A layer's back-step, as the backend is asked for it. */
cfp_back_step cfp_back_step_of(cfp_analyser *analyser, int node);
