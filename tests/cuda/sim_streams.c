/* sim_streams.c - see sim_streams.h; and the stream and event functions of the runtime. */
#include "sim_streams.h"
#include "sim_capture.h"
#include "sim_fail.h"
#include "sim_memory.h"
#include "sim_time.h"
#include <stdint.h>
#include <stdlib.h>

struct pending {
    struct pending *next;
    sim_work work;
};

struct simulated_stream {
    struct simulated_stream *next;
    struct pending *first, **last;
    uint64_t begun, done; /* number of pieces of work so far */
    bool eager;
};
struct simulated_event {
    cudaStream_t stream; /* NULL: never recorded, nothing to wait for */
    uint64_t after;      /* complete when this many pieces of its work are done */
    int convolutions;    /* number enqueued when it was recorded */
};

static struct simulated_stream *streams; /* all open streams, in the order of opening */

static bool draw(void)
{
    static uint32_t lots = 1;
    lots = lots * 1664525u + 1013904223u;
    return lots >> 31;
}

static void run_until(cudaStream_t stream, uint64_t until)
{
    if (stream->done >= until)
        return;
    sim_device_opens();
    while (stream->done < until) {
        struct pending *const p = stream->first;
        p->work.call(p->work.argument);
        stream->first = p->next;
        if (stream->first == NULL)
            stream->last = &stream->first;
        stream->done++;
        p->work.drop(p->work.argument);
        free(p);
    }
}

static void wait_until(cudaStream_t stream, uint64_t until)
{
    run_until(stream, until);
    stream->eager = draw();
    sim_device_shuts();
}

void sim_stream_put(cudaStream_t stream, sim_work work)
{
    cudaStream_t const s = stream;
    struct pending *const p = malloc(sizeof *p);
    if (s == NULL)
        sim_give_up("work on stream 0, which is not the backend's own");
    if (p == NULL)
        abort();
    *p = (struct pending){.work = work};
    *s->last = p;
    s->last = &p->next;
    s->begun++;
    if (s->eager)
        run_until(s, s->begun);
}

void sim_device_wait(void)
{
    for (struct simulated_stream *s = streams; s != NULL; s = s->next)
        wait_until(s, s->begun);
}

bool sim_will_read(const void *memory, size_t bytes)
{
    for (struct simulated_stream *s = streams; s != NULL; s = s->next)
        for (const struct pending *p = s->first; p != NULL; p = p->next)
            if ((const char *)p->work.from >= (const char *)memory &&
                (const char *)p->work.from < (const char *)memory + bytes)
                return true;
    return false;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    SIM_MAY_FAIL();
    *stream = calloc(1, sizeof **stream);
    if (*stream == NULL)
        return cudaErrorMemoryAllocation;
    (*stream)->last = &(*stream)->first;
    (*stream)->eager = draw();
    struct simulated_stream **end = &streams;
    while (*end != NULL)
        end = &(*end)->next;
    *end = *stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    SIM_MAY_FAIL();
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    wait_until(stream, stream->begun);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    const cudaError_t failure = sim_failure();
    sim_device_wait(); /* other streams may wait for it */
    struct simulated_stream **at = &streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    free(stream);
    return failure;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
    SIM_MAY_FAIL();
    *event = calloc(1, sizeof **event);
    return *event != NULL ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    SIM_MAY_FAIL();
    *event = (struct simulated_event){stream, stream->begun, sim_convolutions};
    return cudaSuccess;
}

int sim_event_convolutions(cudaEvent_t event)
{
    return event->convolutions;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    SIM_MAY_FAIL();
    if (event->stream != NULL)
        wait_until(event->stream, event->after);
    return cudaSuccess;
}

static void run_event(void *argument)
{
    const struct simulated_event *event = argument;
    run_until(event->stream, event->after);
}

/* Keeps the event's present state: it may be recorded again before the stream reaches this wait. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    SIM_MAY_FAIL();
    if (event->stream == NULL)
        return cudaSuccess;
    struct simulated_event *const as_is = malloc(sizeof *as_is);
    if (as_is == NULL)
        return cudaErrorMemoryAllocation;
    *as_is = *event;
    sim_stream_put(stream, (sim_work){.call = run_event, .argument = as_is, .drop = free});
    return cudaSuccess;
}
