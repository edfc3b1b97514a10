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

cuda_ranges *cuda_ranges_open(void)
{
    return NULL;
}
void cuda_ranges_close(cuda_ranges *ranges)
{
    (void)ranges;
}
void cuda_range_begin(cuda_ranges *ranges, cuda_range_kind kind, const cfp_node *node)
{
    (void)ranges, (void)kind, (void)node;
}
void cuda_range_end(cuda_ranges *ranges)
{
    (void)ranges;
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
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = NULL;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    (void)stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    (void)stream;
    return sim_spoils_capture() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
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
    const struct transfer t = {to, from, 0, bytes};
    (void)stream;
    if (kind != cudaMemcpyDeviceToDevice && sim_spoils_capture())
        return cudaErrorStreamCaptureUnsupported;
    sim_enqueue_copy(run_transfer, &t, sizeof t);
    return cudaSuccess;
}
