/* cuda_time.c - measures the time of one convolution on the device, for autotune.
 *
 * Operands are random numbers in memory allocated for this.  With zeros a GPU uses less power and
 * may run faster than with real numbers.  The first execution loads code and is not counted.  The
 * fastest of some rounds counts, which other programs on the device disturb least.  A round has
 * several executions between its two events: an idle stream reaches the first event before the host
 * has enqueued the execution, so a part of the host's time is measured, too. */
#include "tune.h"
#include "cuda_backend.h"

enum { ROUNDS = 3, EACH = 10, OPERANDS = 6, WORKSPACE = 5 };
/* Longer executions are timed one by one: the host's part is small then. */
static const float LONG_MS = 1;

typedef struct timing {
    cfp_backend *backend;
    const cuda_conv *conv;
    cfp_type type;
    size_t bytes[OPERANDS]; /* x, w, y, z, bias, workspace; 0: none */
    void *memory[OPERANDS];
    cudaEvent_t event[2];
} timing;

static size_t bytes_of(const timing *t, const cuda_conv_spec *s, const int extent[3], int channels)
{
    return (size_t)s->n * (size_t)extent[0] * (size_t)extent[1] * (size_t)extent[2] *
           (size_t)channels * cuda_size_of(t->type);
}

static void count_bytes(timing *t, const cuda_conv_spec *s)
{
    const size_t w = bytes_of(t, s, s->kernel, s->x_channels / s->groups) / (size_t)s->n;
    t->type = s->precision == CFP_BF16   ? CFP_BFLOAT16
              : s->precision == CFP_FP16 ? CFP_FLOAT16
                                         : CFP_FLOAT32;
    t->bytes[0] = bytes_of(t, s, s->x, s->x_channels);
    t->bytes[1] = w * (size_t)s->y_channels;
    t->bytes[2] = bytes_of(t, s, s->y, s->y_channels);
    t->bytes[3] = s->adds ? t->bytes[2] : 0;
    t->bytes[4] = s->bias ? (size_t)s->y_channels * cuda_size_of(t->type) : 0;
    t->bytes[WORKSPACE] = cuda_conv_get_facts(t->conv).workspace_bytes;
}

static cfp_status make_operands(timing *t)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (t->bytes[i] == 0)
            continue;
        CFP_TRY(cuda_new_bytes(t->backend, &t->memory[i], t->bytes[i]));
        const int64_t count = (int64_t)(t->bytes[i] / cuda_size_of(t->type));
        if (i != WORKSPACE)
            CUDA_TRY(t->backend, cuda_make_noise(t->memory[i], t->type, count, (unsigned)i,
                                                 t->backend->stream));
    }
    return CFP_OK;
}

static cfp_status execute(const timing *t, int times)
{
    void *const *m = t->memory;
    for (int i = 0; i < times; i++)
        CFP_TRY(cuda_conv_run(t->conv, t->backend->ctx, m[0], m[1], m[2], m[3], m[4], m[5]));
    return CFP_OK;
}

/* Mean milliseconds of one of `times` executions. */
static cfp_status run_round(float *ms, const timing *t, int times)
{
    CUDA_TRY(t->backend, cudaEventRecord(t->event[0], t->backend->stream));
    CFP_TRY(execute(t, times));
    CUDA_TRY(t->backend, cudaEventRecord(t->event[1], t->backend->stream));
    CUDA_TRY(t->backend, cudaEventSynchronize(t->event[1]));
    CUDA_TRY(t->backend, cudaEventElapsedTime(ms, t->event[0], t->event[1]));
    *ms /= (float)times;
    return CFP_OK;
}

static cfp_status run_rounds(float *ms, timing *t)
{
    CFP_TRY(make_operands(t));
    for (int i = 0; i < 2; i++)
        CUDA_TRY(t->backend, cudaEventCreateWithFlags(&t->event[i], cudaEventDefault));
    CFP_TRY(execute(t, 1));
    CFP_TRY(run_round(ms, t, 1));
    const int times = *ms < LONG_MS ? EACH : 1;
    for (int round = 0; round < ROUNDS; round++) {
        float now;
        CFP_TRY(run_round(&now, t, times));
        if (round == 0 || now < *ms)
            *ms = now;
    }
    return CFP_OK;
}

cfp_status cuda_time_conv(float *ms, cfp_backend *backend, const cuda_conv *conv,
                          const cuda_conv_spec *spec)
{
    timing t = {.backend = backend, .conv = conv};
    count_bytes(&t, spec);
    const cfp_status status = run_rounds(ms, &t);
    for (int i = 0; i < 2; i++)
        if (t.event[i] != NULL)
            (void)cudaEventDestroy(t.event[i]);
    for (int i = 0; i < OPERANDS; i++)
        (void)cudaFree(t.memory[i]);
    return status;
}
