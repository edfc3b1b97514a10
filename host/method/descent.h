/* descent.h - the walk back through the network, from the class to the first kernels. */
#pragma once
#include "analyser.h"

/* Makes the pyramids of class_index[clips] from the last forward pass (SPEC section 1): out[clips x
 * thetas], by clip, then theta.  Under rule grad this includes the backward pass, and the layers'
 * raw maps, because their gradients are in memory only then.  The caller frees out
 * (cfp_pyramid_free). On failure every entry of out is empty. */
CFP_CHECKED cfp_status cfp_descend(cfp_pyramid *out, cfp_analyser *analyser,
                                   const int *class_index);
/* The same in two calls.  The first does the walk of analyser->part about the last forward pass;
 * the second, after the last walk, reads what was found. */
CFP_CHECKED cfp_status cfp_descend_part(cfp_analyser *analyser, const int *class_index);
CFP_CHECKED cfp_status cfp_descend_read(cfp_pyramid *out, cfp_analyser *analyser,
                                        const int *class_index);

/* The back-step of kernel layer `node`, as the backend takes it. */
cfp_back_step cfp_back_step_of(cfp_analyser *analyser, int node);
