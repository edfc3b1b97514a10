/* sim_runtime.c - the CUDA runtime of the simulator: one device, whose memory is the host's and
 * full of NaN when it is new, as a GPU's may be.  Its compute capability is 9.0, or what the
 * environment says in CUDASIM_CAPABILITY (75 is 7.5). */
#include "../../cuda/cuda_backend.h"
#include "sim_capture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 256, MEMORY = 1 << 30 };

int cuda_dnn_version(void)
{
    return 91900;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *gpu, int device)
{
    (void)device;
    const char *word = getenv("CUDASIM_CAPABILITY");
    const int capability = word != NULL ? atoi(word) : 90;
    *gpu = (struct cudaDeviceProp){.major = capability / 10, .minor = capability % 10};
    snprintf(gpu->name, sizeof gpu->name, "NVIDIA nothing, simulated");
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : "a simulated error";
}

/* Streams.  The one that was created first works at once.  Every other puts its copies off until
 * somebody waits for it, as late as a device may: who forgets to wait computes with old numbers. */
typedef struct copy {
    struct copy *next;
    void *to;
    const void *from;
    size_t bytes;
} copy;
struct simulated_stream {
    bool at_once;
    copy *first, **last;  /* put off */
    uint64_t begun, done; /* copies so far */
};
struct simulated_event {
    cudaStream_t stream; /* NULL: never recorded, nothing to wait for */
    uint64_t after;      /* so many copies of it */
};
static int streams; /* that are open */

static void run_copies(cudaStream_t stream, uint64_t until)
{
    while (stream->done < until) {
        copy *const c = stream->first;
        stream->first = c->next;
        if (stream->first == NULL)
            stream->last = &stream->first;
        memmove(c->to, c->from, c->bytes);
        free(c);
        stream->done++;
    }
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = calloc(1, sizeof **stream);
    if (*stream == NULL)
        return cudaErrorMemoryAllocation;
    (*stream)->at_once = streams++ == 0;
    (*stream)->last = &(*stream)->first;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    run_copies(stream, stream->begun);
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run_copies(stream, stream->begun);
    free(stream);
    streams--;
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
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
    *event = (struct simulated_event){stream, stream->begun};
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (event->stream != NULL)
        run_copies(event->stream, event->after);
    return cudaSuccess;
}
/* A stream that works at once needs what it waits for at once; what another waits for is there: it
 * is the first stream's, or comes before in its own. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    return stream->at_once ? cudaEventSynchronize(event) : cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (*memory == NULL)
        return cudaErrorMemoryAllocation;
    memset(*memory, 0xff, bytes);
    return cudaSuccess;
}
cudaError_t cudaFree(void *memory)
{
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    free(memory);
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *unused, size_t *total)
{
    *unused = *total = MEMORY;
    return cudaSuccess;
}
/* A copy or, from nowhere, a fill. */
struct transfer {
    void *to;
    const void *from;
    int value;
    size_t bytes;
};

static void run_transfer(void *argument)
{
    const struct transfer *t = argument;
    if (t->from != NULL)
        memmove(t->to, t->from, t->bytes);
    else
        memset(t->to, t->value, t->bytes);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    const struct transfer t = {memory, NULL, value, bytes};
    (void)stream;
    sim_enqueue_copy(run_transfer, &t, sizeof t);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    if (kind != cudaMemcpyDeviceToDevice && sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    if (stream->at_once) {
        const struct transfer t = {to, from, 0, bytes};
        sim_enqueue_copy(run_transfer, &t, sizeof t);
        return cudaSuccess;
    }
    copy *const c = malloc(sizeof *c);
    if (c == NULL)
        return cudaErrorMemoryAllocation;
    *c = (copy){.to = to, .from = from, .bytes = bytes};
    *stream->last = c;
    stream->last = &c->next;
    stream->begun++;
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    (void)flags;
    return cudaMalloc(memory, bytes);
}
cudaError_t cudaFreeHost(void *memory)
{
    return cudaFree(memory);
}
