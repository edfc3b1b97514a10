/* sim_time.c - made-up times for autotune: CUDASIM_TIMES is a list of milliseconds such as "3,1,1",
 * of one execution of the candidates in turn, which every convolution has (the simulator has
 * three).  Past its end, and without it, one takes a millisecond.  As long as several of them take
 * together, so far are two events apart. */
#include "sim_time.h"
#include "sim_streams.h"
#include <stdlib.h>

int sim_candidate, sim_convolutions;
/* For test_cudasim: how often the clock was asked, and for how many executions at most. */
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
