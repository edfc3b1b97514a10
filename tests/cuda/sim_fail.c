/* sim_fail.c - see sim_fail.h.  A test that has loaded the simulator finds these variables by their
 * names and sets which call fails, and how. */
#include "sim_fail.h"
#include <stdbool.h>
#include <stdint.h>

#define SEEN __attribute__((visibility("default")))
SEEN int cudasim_calls;      /* number of calls so far that can fail */
SEEN int cudasim_fail_at;    /* the call that fails, counted from 1; 0: none */
SEEN int cudasim_fail_code;  /* the cudaError_t that it returns */
SEEN int cudasim_fail_stays; /* not 0: all calls after it fail, too, as after a fault of a kernel */

static cudaError_t last;

cudaError_t sim_failed(cudaError_t status)
{
    if (status != cudaSuccess)
        last = status;
    return status;
}

cudaError_t sim_failure(void)
{
    cudasim_calls++;
    const bool fails =
        cudasim_fail_at != 0 && (cudasim_fail_stays != 0 ? cudasim_calls >= cudasim_fail_at
                                                         : cudasim_calls == cudasim_fail_at);
    return fails ? sim_failed((cudaError_t)cudasim_fail_code) : cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    const cudaError_t status = last;
    if (cudasim_fail_stays == 0 || cudasim_fail_at == 0 || cudasim_calls < cudasim_fail_at)
        last = cudaSuccess;
    return status;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : "a simulated error";
}
