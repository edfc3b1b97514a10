/* tube_maps.h - makes the raw maps of the tubes, which are sums over kernels, and the tubes. */
#pragma once
#include "analyser.h"

/* Rule grad, when the gradient G at a node's output is complete: for each layer that gets a tube
 * and whose map is this output, enqueues max(0, sum of map * G) over the channels that are
 * demanded. */
CFP_CHECKED cfp_status cfp_tube_maps_at(cfp_analyser *analyser, int node);

/* Makes the tubes of the layers in pyramid[questions], out[questions].  Under rule grad the walk
 * has made the maps; else they are summed now, over the selected kernels.  Kernel tubes are made if
 * the query asks for them.  The caller frees out (cfp_tubes_free).  On failure every entry is
 * empty. */
CFP_CHECKED cfp_status cfp_tubes_make(cfp_tubes_list *out, cfp_analyser *analyser,
                                      const cfp_pyramid *pyramid);
