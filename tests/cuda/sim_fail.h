/* sim_fail.h - errors that the simulated runtime is told to give. */
#pragma once
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every function of the runtime, and every launch of a kernel, asks first: cudaSuccess, or what it
 * is to fail with. */
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
