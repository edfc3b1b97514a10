/* sim_time.c - invented times for autotune.  The environment variable CUDASIM_TIMES is a list of
 * milliseconds such as "3,1,1": the time of one execution of candidate 0, 1, 2 of every convolution
 * (the simulator has three).  Other candidates, and all if it is not set, take a millisecond.  The
 * time between two events is the sum of the executions between them. */
#include "sim_time.h"
#include "sim_streams.h"
#include <stdlib.h>

int sim_candidate, sim_convolutions;
/* For test_cudasim: how many times were measured, and the maximum of executions in one. */
__attribute__((visibility("default"))) int cudasim_timed, cudasim_most_timed;

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end)
{
    const char *times = getenv("CUDASIM_TIMES");
    const int executions = sim_event_convolutions(end) - sim_event_convolutions(begin);
    cudasim_timed++;
    cudasim_most_timed = executions > cudasim_most_timed ? executions : cudasim_most_timed;
    *ms = 1;
    for (int i = sim_candidate; times != NULL && i >= 0; i--) {
        char *rest;
        *ms = *times != '\0' ? strtof(times, &rest) : 1;
        if (*times != '\0')
            times = *rest == ',' ? rest + 1 : rest;
    }
    *ms *= (float)executions;
    return cudaSuccess;
}
