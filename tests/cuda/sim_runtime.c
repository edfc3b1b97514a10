/* sim_runtime.c - the CUDA runtime of the simulator: one device, whose memory is the host's and
 * full of NaN when it is new, as a GPU's may be.  Its compute capability is 9.0, or what the
 * environment says in CUDASIM_CAPABILITY (75 is 7.5). */
#include "../../cuda/cuda_backend.h"
#include "sim_capture.h"
#include "sim_streams.h"
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
cudaError_t cudaFree(void *memory) /* waits for the device, as CUDA's does */
{
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    if (memory != NULL)
        sim_device_wait();
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
/* Host memory that copies read when they are run.  Other memory of the host is read at once, as
 * CUDA puts it aside before it returns. */
typedef struct pinned {
    struct pinned *next;
    void *memory;
    size_t bytes;
} pinned;
static pinned *all_pinned;

static bool is_pinned(const void *at)
{
    for (const pinned *p = all_pinned; p != NULL; p = p->next)
        if ((const char *)at >= (char *)p->memory &&
            (const char *)at < (char *)p->memory + p->bytes)
            return true;
    return false;
}

/* A copy with what it reads behind it, if that is put aside. */
static struct transfer *new_transfer(void *to, const void *from, size_t bytes, bool aside)
{
    struct transfer *const t = malloc(sizeof *t + (aside ? bytes : 0));
    if (t == NULL)
        abort();
    *t = (struct transfer){to, aside ? t + 1 : from, 0, bytes};
    if (aside)
        memcpy(t + 1, from, bytes);
    return t;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    if (kind == cudaMemcpyDeviceToDevice) {
        const struct transfer t = {to, from, 0, bytes};
        sim_enqueue_copy(run_transfer, &t, sizeof t);
        return cudaSuccess;
    }
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    const bool up = kind == cudaMemcpyHostToDevice, aside = up && !is_pinned(from);
    sim_stream_put(stream, (sim_work){.call = run_transfer,
                                      .argument = new_transfer(to, from, bytes, aside),
                                      .drop = free,
                                      .from = up && !aside ? from : NULL});
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    (void)flags;
    pinned *const p = malloc(sizeof *p);
    const cudaError_t status = p != NULL ? cudaMalloc(memory, bytes) : cudaErrorMemoryAllocation;
    if (status != cudaSuccess) {
        free(p);
        return status;
    }
    *p = (pinned){all_pinned, *memory, bytes};
    all_pinned = p;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory)
{
    pinned **at = &all_pinned;
    while (*at != NULL && (*at)->memory != memory)
        at = &(*at)->next;
    pinned *const p = *at;
    if (p == NULL)
        return cudaSuccess;
    if (sim_will_read(p->memory, p->bytes)) {
        fprintf(stderr, "cudasim: host memory is given back before it has been copied\n");
        abort();
    }
    *at = p->next;
    free(p->memory);
    free(p);
    return cudaSuccess;
}
