/* tube_maps.h - the raw maps behind the tubes: which layers get one, and the sums over kernels. */
#pragma once
#include "analyser.h"

/* Rule grad: the gradient at `node`'s output is complete; enqueues max(0, sum of map * G), over the
 * channels that are demanded, for every wanted layer whose map it is. */
CFP_CHECKED cfp_status cfp_tube_maps_at(cfp_analyser *analyser, int node);

/* The tubes of the pyramids' layers, out[question]: their maps, made on the way (grad) or summed
 * now over the selected kernels; and kernel tubes where the query asks for them.  On failure every
 * entry of out is empty. */
CFP_CHECKED cfp_status cfp_tubes_make(cfp_tubes_list *out, cfp_analyser *analyser,
                                      const cfp_pyramid *pyramid);
