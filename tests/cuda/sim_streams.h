/* sim_streams.h - work that is enqueued on simulated streams.
 *
 * A device may run it at once, or as late as somebody waits for it, and no two streams keep time
 * but by events.  So may these: each draws lots, again whenever it has been waited for, whether it
 * is eager or late, the same lots in every run.  Who forgets to wait finds that its numbers are old
 * or are gone. */
#pragma once
#include <cuda_runtime_api.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sim_work {
    void (*call)(void *argument);
    void *argument;
    void (*drop)(void *argument); /* afterwards */
    const void *from;             /* the host's memory that it will read, or NULL */
} sim_work;

/* Stops where there is no stream: everything has its own. */
void sim_stream_put(cudaStream_t stream, sim_work work);
/* Until all streams are done. */
void sim_device_wait(void);
/* How many convolutions had been enqueued when the event was recorded. */
int sim_event_convolutions(cudaEvent_t event);
/* True where work that is still to be run reads these bytes. */
bool sim_will_read(const void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif
