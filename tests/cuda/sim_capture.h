/* sim_capture.h - work that is enqueued on the simulated stream: put there (sim_streams.h) or,
 * while the stream is being captured, kept for the graph that it becomes, as CUDA does.  What CUDA
 * does not let be captured (memory taken or given back, waiting, copies to and from the host's
 * ordinary memory) spoils the capture here, too. */
#pragma once
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* call(argument) when its turn comes or, captured, whenever the graph's does; drop(argument) once
 * it will not be called again. */
void sim_enqueue(cudaStream_t stream, void (*call)(void *argument), void *argument,
                 void (*drop)(void *argument));
/* The same with a copy of `bytes` of the argument. */
void sim_enqueue_copy(cudaStream_t stream, void (*call)(void *argument), const void *argument,
                      size_t bytes);
/* For calls that must not be captured: true, and the capture is spoilt, if one is under way. */
bool sim_spoils_capture(void);

#ifdef __cplusplus
}
#endif
