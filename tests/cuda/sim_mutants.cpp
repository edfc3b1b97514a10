/* sim_mutants.cpp - kernels of cuda/ with one fault each, for test_simulator. */
#include "cudasim.h"

/* A maximum that is not atomic. */
template <class T> static T plain_max(T *to, T value)
{
    const T old = *to;
    if (value > old)
        *to = value;
    return old;
}
#define atomicMax plain_max
#define cuda_pick_layer_edges mutant_pick_layer_edges
#define cuda_route_demands mutant_route_demands
#define cuda_back_step_layer mutant_back_step_layer
#define cuda_list_layer_edges mutant_list_layer_edges
#include "../../cuda/relevance.cu"
