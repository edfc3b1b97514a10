/* sim_streams.h - work that is enqueued on simulated streams.
 *
 * A GPU may run work at once, or not before the host waits for it, and only events order the work
 * of two streams.  Simulated streams behave like that: a stream is eager or late at random, decided
 * anew after each wait, and the same in every run.  Code that forgets to wait gets old or destroyed
 * numbers. */
#pragma once
#include <cuda_runtime_api.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sim_work {
    void (*call)(void *argument);
    void *argument;
    void (*drop)(void *argument); /* called after it */
    const void *from;             /* host memory that it will read, or NULL */
} sim_work;

/* Stops if stream is NULL: the backend always uses a stream of its own. */
void sim_stream_put(cudaStream_t stream, sim_work work);
/* Waits until all streams are done. */
void sim_device_wait(void);
/* How many convolutions had been enqueued when the event was recorded. */
int sim_event_convolutions(cudaEvent_t event);
/* True if work that has not run yet reads these bytes. */
bool sim_will_read(const void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif
