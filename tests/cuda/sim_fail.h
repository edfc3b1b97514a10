/* sim_fail.h - errors that tests make the simulated runtime return. */
#pragma once
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every function of the runtime, and every launch of a kernel, calls this first: cudaSuccess, or
 * the error with which it must fail. */
cudaError_t sim_failure(void);
/* Remembers it for cudaGetLastError. */
cudaError_t sim_failed(cudaError_t status);
#define SIM_MAY_FAIL()                                                                             \
    do {                                                                                           \
        const cudaError_t failure_ = sim_failure();                                                \
        if (failure_ != cudaSuccess)                                                               \
            return failure_;                                                                       \
    } while (0)

#ifdef __cplusplus
}
#endif
