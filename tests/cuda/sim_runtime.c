/* sim_runtime.c - the CUDA runtime of the simulator.  There is one device.  New memory is full of
 * NaN, as a GPU's may be (sim_memory.h).  Its compute capability is 9.0, or the value of the
 * environment variable CUDASIM_CAPABILITY (75 is 7.5). */
#include "../../cuda/cuda_backend.h"
#include "sim_capture.h"
#include "sim_fail.h"
#include "sim_memory.h"
#include "sim_streams.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuda_dnn_version(void)
{
    return 91900;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    SIM_MAY_FAIL();
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    SIM_MAY_FAIL();
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int *count)
{
    SIM_MAY_FAIL();
    *count = 1;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    SIM_MAY_FAIL();
    return device == 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *gpu, int device)
{
    SIM_MAY_FAIL();
    (void)device;
    const char *word = getenv("CUDASIM_CAPABILITY");
    const int capability = word != NULL ? atoi(word) : 90;
    *gpu = (struct cudaDeviceProp){.major = capability / 10, .minor = capability % 10};
    snprintf(gpu->name, sizeof gpu->name, "NVIDIA nothing, simulated");
    return cudaSuccess;
}
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    SIM_MAY_FAIL();
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    *memory = sim_device_alloc(bytes);
    return *memory != NULL ? cudaSuccess : sim_failed(cudaErrorMemoryAllocation);
}
/* Waits for the device, as CUDA's does.  If it fails, the memory is freed all the same. */
cudaError_t cudaFree(void *memory)
{
    const cudaError_t failure = sim_failure();
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    if (memory != NULL)
        sim_device_wait();
    sim_device_free(memory);
    return failure;
}
cudaError_t cudaMemGetInfo(size_t *unused, size_t *total)
{
    SIM_MAY_FAIL();
    *unused = *total = SIM_DEVICE_BYTES;
    return cudaSuccess;
}
/* A copy; if `from` is NULL, a fill. */
struct transfer {
    void *to;
    const void *from;
    const void *was; /* the bytes at `from` when this was enqueued, or NULL */
    int value;
    size_t bytes;
};

static void run_transfer(void *argument)
{
    const struct transfer *t = argument;
    if (t->was != NULL && memcmp(t->was, t->from, t->bytes) != 0)
        sim_give_up("host memory has changed before it was copied to the device");
    if (t->from != NULL)
        memmove(t->to, t->from, t->bytes);
    else
        memset(t->to, t->value, t->bytes);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    const struct transfer t = {memory, NULL, NULL, value, bytes};
    SIM_MAY_FAIL();
    sim_want_device(memory, bytes, "cudaMemsetAsync");
    sim_enqueue_copy(stream, "fill", run_transfer, &t, sizeof t);
    return cudaSuccess;
}
/* Pinned host memory: the host may write to it before the copy, which then copies the new bytes.
 * Ordinary memory may or may not be read before the call returns, so the host must not change it
 * before it has waited. */
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

/* A copy to the device.  If it is from ordinary memory, it keeps the present bytes after itself. */
static struct transfer *new_transfer(void *to, const void *from, size_t bytes, bool watched)
{
    struct transfer *const t = malloc(sizeof *t + (watched ? bytes : 0));
    if (t == NULL)
        abort();
    *t = (struct transfer){to, from, watched ? t + 1 : NULL, 0, bytes};
    if (watched)
        memcpy(t + 1, from, bytes);
    return t;
}

/* Stops unless host pointers are to host memory and device pointers to device memory. */
static void check_sides(const void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    const char *const who = "cudaMemcpyAsync";
    if (kind != cudaMemcpyDeviceToHost)
        sim_want_device(to, bytes, who);
    else if (sim_is_device(to, 1))
        sim_give_up("%s: %p is device memory, and is told to be the host's", who, to);
    if (kind != cudaMemcpyHostToDevice)
        sim_want_device(from, bytes, who);
    else if (sim_is_device(from, 1))
        sim_give_up("%s: %p is device memory, and is told to be the host's", who, from);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    SIM_MAY_FAIL();
    check_sides(to, from, bytes, kind);
    if (kind == cudaMemcpyDeviceToDevice) {
        const struct transfer t = {to, from, NULL, 0, bytes};
        sim_enqueue_copy(stream, "copy", run_transfer, &t, sizeof t);
        return cudaSuccess;
    }
    if (sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    const bool up = kind == cudaMemcpyHostToDevice, watched = up && !is_pinned(from);
    sim_stream_put(stream, (sim_work){.call = run_transfer,
                                      .argument = new_transfer(to, from, bytes, watched),
                                      .drop = free,
                                      .from = up ? from : NULL});
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    (void)flags;
    pinned *const p = malloc(sizeof *p);
    *memory = malloc(bytes);
    const cudaError_t failure = sim_failure();
    const cudaError_t status =
        p != NULL && *memory != NULL ? failure : sim_failed(cudaErrorMemoryAllocation);
    if (status != cudaSuccess) {
        free(*memory);
        free(p);
        *memory = NULL;
        return status;
    }
    *p = (pinned){all_pinned, *memory, bytes};
    all_pinned = p;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory)
{
    const cudaError_t failure = sim_failure();
    pinned **at = &all_pinned;
    while (*at != NULL && (*at)->memory != memory)
        at = &(*at)->next;
    pinned *const p = *at;
    if (p == NULL)
        return failure;
    if (sim_will_read(p->memory, p->bytes))
        sim_give_up("host memory is given back before it has been copied");
    *at = p->next;
    free(p->memory);
    free(p);
    return failure;
}
