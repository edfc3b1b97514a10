/* probe.h - asks the network about changed clips: the metrics and methods of volumes use it.
 *
 * A probe runs the network on many inputs, such as a clip with one part hidden at a time.  It gives
 * the class's score for each input, the gradient of the score by the input, or the maps of some
 * nodes.  An input is C x T x H x W, normalised.  Inputs are made one by one, when they are needed,
 * and go through the network in batches. */
#pragma once
#include "../backend/backend.h"
#include "../method/query.h"

typedef struct cfp_probe cfp_probe;

/* What the network says of one class. */
typedef struct cfp_score {
    double probability;
    double target; /* SPEC section 1, --target */
} cfp_score;

/* Writes input number i. */
typedef struct cfp_inputs {
    void (*make)(void *cookie, int64_t i, float *input);
    void *cookie;
} cfp_inputs;

/* Takes the gradient of the target by input number i, C x T x H x W. */
typedef struct cfp_gradient_sink {
    void (*take)(void *cookie, int64_t i, const float *input, const float *gradient);
    void *cookie;
} cfp_gradient_sink;

/* The output of one node, and the gradient of the target there. */
typedef struct cfp_map {
    cfp_shape shape;
    float *value, *gradient; /* C x T x H x W; the caller frees them */
} cfp_map;

/* target must be one that the model has (cfp_resolve_target).  tick, unless NULL, is called after
 * inputs have gone through the network, with their number. */
typedef struct cfp_probe_request {
    cfp_target target;
    void (*tick)(void *cookie, int64_t inputs);
    void *cookie;
} cfp_probe_request;

CFP_CHECKED cfp_status cfp_probe_open(cfp_probe **out, cfp_ctx *ctx, const cfp_model *model,
                                      const cfp_device *device, const cfp_probe_request *request);
void cfp_probe_close(cfp_probe **probe);

/* score[n]: of inputs 0 .. n - 1.  All inputs of a call go through batches of the same size, so
 * that equal inputs get equal scores to the last bit. */
CFP_CHECKED cfp_status cfp_probe_score(cfp_probe *probe, cfp_score *score, int64_t n,
                                       int class_index, cfp_inputs inputs);
CFP_CHECKED cfp_status cfp_probe_gradients(cfp_probe *probe, int64_t n, int class_index,
                                           cfp_inputs inputs, cfp_gradient_sink sink);
/* map[n]: the outputs of node[n] and their gradients, for one input.  The caller frees them
 * (cfp_maps_free).  On failure they are empty. */
CFP_CHECKED cfp_status cfp_probe_maps(cfp_probe *probe, cfp_map *map, const int *node, int n,
                                      const float *input, int class_index);
void cfp_maps_free(cfp_map *map, int n);
