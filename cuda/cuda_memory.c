/* cuda_memory.c - device memory: allocation, working memory that grows, and copies from the host.
 */
#include "cuda_backend.h"
#include <string.h>

/* Size of `staging`, and the maximum that one put uses of it. */
enum { STAGING_BYTES = 1 << 20, MAX_STAGED = STAGING_BYTES / 4 };
/* Plans leave this much memory free, because libraries load code into it later. */
static const size_t KEPT_FREE = (size_t)512 << 20;

cfp_status cuda_alloc(cfp_backend *backend, void **out, size_t bytes)
{
    *out = NULL;
    const cudaError_t status = cudaMalloc(out, bytes > 0 ? bytes : 1);
    if (status != cudaErrorMemoryAllocation) {
        CUDA_TRY(backend, status);
        return CFP_OK;
    }
    size_t unused = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&unused, &total);
    return cfp_fail(backend->ctx, CFP_NOMEM,
                    "out of device memory: %.1f MiB asked for, %.1f of %.1f MiB are free",
                    (double)bytes / 1048576.0, (double)unused / 1048576.0,
                    (double)total / 1048576.0);
}

void cuda_release(cfp_backend *backend, void *memory)
{
    (void)backend;
    (void)cudaFree(memory);
}

size_t cuda_free_bytes(cfp_backend *backend)
{
    size_t unused = 0, total = 0;
    (void)backend;
    if (cudaMemGetInfo(&unused, &total) != cudaSuccess || unused < KEPT_FREE)
        return 0;
    return unused - KEPT_FREE;
}

cfp_status cuda_aside(cfp_backend *backend, void **out, size_t bytes)
{
    *out = backend->aside;
    if (bytes <= backend->aside_bytes)
        return CFP_OK;
    CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    CUDA_TRY(backend, cudaFree(backend->aside));
    backend->aside = NULL;
    backend->aside_bytes = 0;
    CFP_TRY(cuda_alloc(backend, &backend->aside, bytes));
    backend->aside_bytes = bytes;
    *out = backend->aside;
    return CFP_OK;
}

/* Gives `bytes` of the pinned memory.  If too little is left, waits until all of it has been copied
 * and starts at its front again. */
static cfp_status stage(cfp_backend *backend, char **out, size_t bytes)
{
    void *memory = backend->staging;
    if (memory == NULL)
        CFP_TRY(cuda_host_alloc(backend, &memory, STAGING_BYTES));
    backend->staging = memory;
    if (bytes > STAGING_BYTES - backend->staged) {
        CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
        backend->staged = 0;
    }
    *out = backend->staging + backend->staged;
    backend->staged += (bytes + 15) / 16 * 16;
    return CFP_OK;
}

cfp_status cuda_put_bytes(cfp_backend *backend, void *memory, const void *host, size_t bytes)
{
    const bool small = bytes <= MAX_STAGED;
    const void *from = host;
    if (small) {
        char *staged = NULL;
        CFP_TRY(stage(backend, &staged, bytes));
        memcpy(staged, host, bytes);
        from = staged;
    }
    CUDA_TRY(backend,
             cudaMemcpyAsync(memory, from, bytes, cudaMemcpyHostToDevice, backend->stream));
    if (!small)
        CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    return CFP_OK;
}

cfp_status cuda_new_bytes(cfp_backend *backend, void **out, size_t bytes)
{
    CFP_TRY(cuda_alloc(backend, out, bytes));
    CUDA_TRY(backend, cudaMemsetAsync(*out, 0, bytes, backend->stream));
    return CFP_OK;
}

cfp_status cuda_new_floats(cfp_backend *backend, float **out, const float *values, int64_t count,
                           int64_t capacity)
{
    void *memory;
    const size_t used = (size_t)count * sizeof *values;
    *out = NULL;
    CFP_TRY(cuda_new_bytes(backend, &memory, (size_t)capacity * sizeof *values));
    *out = memory;
    return count > 0 ? cuda_put_bytes(backend, memory, values, used) : CFP_OK;
}
