/* cuda_profiler_api.h - takes the place of CUDA's header when cuda/ is compiled for the simulator.
 */
#pragma once
#include "cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

cudaError_t cudaProfilerStart(void);
cudaError_t cudaProfilerStop(void);

#ifdef __cplusplus
}
#endif
