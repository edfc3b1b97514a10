/* sim_time.c - made-up times for autotune: CUDASIM_TIMES is a list such as "3,1,1", of the
 * candidates in turn, which every convolution has (the simulator has three).  Without it all take
 * as long. */
#include "sim_time.h"
#include <cuda_runtime_api.h>
#include <stdlib.h>

int sim_candidate;
/* For test_cudasim: how often the clock was asked. */
__attribute__((visibility("default"))) int cudasim_timed;

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end)
{
    const char *times = getenv("CUDASIM_TIMES");
    (void)begin, (void)end;
    cudasim_timed++;
    *ms = 1;
    for (int i = sim_candidate; times != NULL && i >= 0; i--) {
        char *rest;
        *ms = strtof(times, &rest);
        times = *rest == ',' ? rest + 1 : rest;
    }
    return cudaSuccess;
}
