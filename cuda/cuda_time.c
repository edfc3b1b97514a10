/* cuda_time.c - the time of one convolution on the device: for autotune.
 *
 * Operands are zeros in memory of their own.  The first run loads code and is not counted; of some
 * more the fastest is taken, which other programs on the device disturb least. */
#include "tune.h"
#include "cuda_backend.h"

enum { RUNS = 5, OPERANDS = 6 };

static size_t bytes_of(const cuda_conv_spec *s, const int extent[3], int channels)
{
    const size_t each = s->precision == CFP_BF16 || s->precision == CFP_FP16 ? 2 : 4;
    return (size_t)s->n * (size_t)extent[0] * (size_t)extent[1] * (size_t)extent[2] *
           (size_t)channels * each;
}

/* x, w, y, z, bias, workspace; 0: not wanted. */
static void count_bytes(size_t bytes[OPERANDS], const cuda_conv *conv, const cuda_conv_spec *s)
{
    const size_t w = bytes_of(s, s->kernel, s->x_channels / s->groups) / (size_t)s->n;
    bytes[0] = bytes_of(s, s->x, s->x_channels);
    bytes[1] = w * (size_t)s->y_channels;
    bytes[2] = bytes_of(s, s->y, s->y_channels);
    bytes[3] = s->adds ? bytes[2] : 0;
    bytes[4] = s->bias ? (size_t)s->y_channels * 4 : 0;
    bytes[5] = cuda_conv_get_facts(conv).workspace_bytes;
}

static cfp_status run_once(float *ms, cfp_backend *backend, const cuda_conv *conv,
                           void *const memory[OPERANDS], const cudaEvent_t event[2])
{
    CUDA_TRY(backend, cudaEventRecord(event[0], backend->stream));
    CFP_TRY(cuda_conv_run(conv, backend->ctx, memory[0], memory[1], memory[2], memory[3], memory[4],
                          memory[5]));
    CUDA_TRY(backend, cudaEventRecord(event[1], backend->stream));
    CUDA_TRY(backend, cudaEventSynchronize(event[1]));
    CUDA_TRY(backend, cudaEventElapsedTime(ms, event[0], event[1]));
    return CFP_OK;
}

static cfp_status run_some(float *ms, cfp_backend *backend, const cuda_conv *conv,
                           const size_t bytes[OPERANDS], void *memory[OPERANDS],
                           cudaEvent_t event[2])
{
    for (int i = 0; i < OPERANDS; i++)
        if (bytes[i] > 0)
            CFP_TRY(cuda_new_bytes(backend, &memory[i], bytes[i]));
    for (int i = 0; i < 2; i++)
        CUDA_TRY(backend, cudaEventCreateWithFlags(&event[i], cudaEventDefault));
    for (int run = 0; run <= RUNS; run++) {
        float now;
        CFP_TRY(run_once(&now, backend, conv, memory, event));
        if (run == 1 || (run > 1 && now < *ms))
            *ms = now;
    }
    return CFP_OK;
}

cfp_status cuda_time_conv(float *ms, cfp_backend *backend, const cuda_conv *conv,
                          const cuda_conv_spec *spec)
{
    size_t bytes[OPERANDS];
    void *memory[OPERANDS] = {NULL};
    cudaEvent_t event[2] = {NULL, NULL};
    count_bytes(bytes, conv, spec);
    const cfp_status status = run_some(ms, backend, conv, bytes, memory, event);
    for (int i = 0; i < 2; i++)
        if (event[i] != NULL)
            (void)cudaEventDestroy(event[i]);
    for (int i = 0; i < OPERANDS; i++)
        (void)cudaFree(memory[i]);
    return status;
}
