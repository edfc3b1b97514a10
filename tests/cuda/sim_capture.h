/* sim_capture.h - enqueues work on a simulated stream (sim_streams.h) or, while the stream is
 * captured, adds it to a graph, as CUDA does.  What CUDA does not capture (allocating and freeing
 * memory, waiting, copies to and from the host's ordinary memory) makes the capture fail here, too.
 *
 * If the environment variable CUDASIM_GRAPHS names a file, every graph is described at its end: the
 * line "graph", then the name of each node, a line each. */
#pragma once
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `name` says what is enqueued, and lives as long as the program.  Calls call(argument) when its
 * turn comes or, if it is captured, at each launch of the graph; then drop(argument), when it will
 * not be called again. */
void sim_enqueue(cudaStream_t stream, const char *name, void (*call)(void *argument),
                 void *argument, void (*drop)(void *argument));
/* The same with a copy of the argument, of `bytes`. */
void sim_enqueue_copy(cudaStream_t stream, const char *name, void (*call)(void *argument),
                      const void *argument, size_t bytes);
/* For calls that must not be captured: if a capture is under way, makes it fail and returns true.
 */
bool sim_spoils_capture(void);

#ifdef __cplusplus
}
#endif
