/* sim_conv.c - conv.h without cuDNN, for the simulator: plain loops over channels-last tensors.
 *
 * It refuses some fused forms with a residual, as cuDNN does when it has no engine for them, so
 * that the tests run what the backend does then.  It requires a workspace and overwrites it.
 * Operands in bf16 and fp16 are widened first, and the result is rounded once, at the end, as
 * tensor cores do. */
#include "../../cuda/conv.h"
#include "halves.h"
#include "sim_capture.h"
#include "sim_fail.h"
#include "sim_memory.h"
#include "sim_time.h"
#include <stdlib.h>

struct cuda_dnn {
    size_t workspace_cap;
    cudaStream_t stream;
};
struct cuda_conv {
    const cuda_dnn *dnn;
    cuda_conv_spec spec;
    int nth;
};

enum { WORKSPACE = 4096, CANDIDATES = 3 };

cfp_status cuda_dnn_open(cuda_dnn **out, cfp_ctx *ctx, cudaStream_t stream, size_t workspace_cap)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->workspace_cap = workspace_cap;
    (*out)->stream = stream;
    return CFP_OK;
}

void cuda_dnn_close(cuda_dnn **dnn)
{
    cfp_free(*dnn);
    *dnn = NULL;
}

cfp_status cuda_conv_open(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx, const cuda_conv_spec *spec)
{
    return cuda_conv_open_nth(out, dnn, ctx, spec, 0);
}

cfp_status cuda_conv_open_nth(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                              const cuda_conv_spec *spec, int nth)
{
    *out = NULL;
    if (nth >= CANDIDATES)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "there are %d plans", CANDIDATES);
    if (dnn->workspace_cap < WORKSPACE)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "no memory for a workspace");
    if (spec->adds && spec->kernel[0] == 3 && spec->kernel[1] == 3)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "no such engine");
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->dnn = dnn;
    (*out)->spec = *spec;
    (*out)->nth = nth;
    return CFP_OK;
}

void cuda_conv_close(cuda_conv **conv)
{
    cfp_free(*conv);
    *conv = NULL;
}

cuda_conv_facts cuda_conv_get_facts(const cuda_conv *conv)
{
    return (cuda_conv_facts){
        .workspace_bytes = WORKSPACE, .engine = 100 + conv->nth, .deterministic = true};
}

/* Called for every pair of an output and an input position that a tap connects. */
typedef struct meeting {
    const cuda_conv_spec *spec;
    int64_t x, y; /* positions, counted over all clips */
    int tap;
} meeting;
typedef void meet_fn(const meeting *at, float *to, const float *from, const float *w);

static void gather(const meeting *at, float *y, const float *x, const float *w)
{
    const cuda_conv_spec *s = at->spec;
    const int taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const int channels = s->x_channels / s->groups, kernels = s->y_channels / s->groups;
    for (int o = 0; o < s->y_channels; o++) {
        const float *from = x + at->x * s->x_channels + o / kernels * channels;
        const float *weight = w + ((int64_t)o * taps + at->tap) * channels;
        double sum = 0;
        for (int i = 0; i < channels; i++)
            sum += (double)weight[i] * from[i];
        y[at->y * s->y_channels + o] += (float)sum;
    }
}

static void scatter(const meeting *at, float *x, const float *y, const float *w)
{
    const cuda_conv_spec *s = at->spec;
    const int taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const int channels = s->x_channels / s->groups, kernels = s->y_channels / s->groups;
    for (int o = 0; o < s->y_channels; o++) {
        float *to = x + at->x * s->x_channels + o / kernels * channels;
        const float *weight = w + ((int64_t)o * taps + at->tap) * channels;
        for (int i = 0; i < channels; i++)
            to[i] += weight[i] * y[at->y * s->y_channels + o];
    }
}

/* Calls `meet` for every tap of output (n, t, h, w). */
static void meet_taps(const cuda_conv_spec *s, const int y[4], meet_fn *meet, float *to,
                      const float *from, const float *w)
{
    meeting at = {.spec = s,
                  .y = ((int64_t)(y[0] * s->y[0] + y[1]) * s->y[1] + y[2]) * s->y[2] + y[3]};
    const int taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    for (at.tap = 0; at.tap < taps; at.tap++) {
        const int k[3] = {at.tap / s->kernel[2] / s->kernel[1],
                          at.tap / s->kernel[2] % s->kernel[1], at.tap % s->kernel[2]};
        int64_t position = y[0];
        bool inside = true;
        for (int a = 0; a < 3; a++) {
            const int i = y[a + 1] * s->stride[a] - s->pad_begin[a] + k[a] * s->dilation[a];
            inside = inside && i >= 0 && i < s->x[a];
            position = position * s->x[a] + i;
        }
        at.x = position;
        if (inside)
            meet(&at, to, from, w);
    }
}

static void meet_all(const cuda_conv_spec *s, meet_fn *meet, float *to, const float *from,
                     const float *w)
{
    int y[4];
    for (y[0] = 0; y[0] < s->n; y[0]++)
        for (y[1] = 0; y[1] < s->y[0]; y[1]++)
            for (y[2] = 0; y[2] < s->y[1]; y[2]++)
                for (y[3] = 0; y[3] < s->y[2]; y[3]++)
                    meet_taps(s, y, meet, to, from, w);
}

/* An operand as floats: in place if it is float32, else a copy. */
typedef struct operand {
    float *x;
    void *memory; /* NULL: x is the operand itself */
    int64_t count;
    cfp_precision precision;
} operand;

static cfp_status widen(operand *out, cfp_ctx *ctx, const void *memory, int64_t count,
                        cfp_precision precision)
{
    union {
        const void *read;
        void *write;
    } at = {memory};
    *out = (operand){.x = at.write, .count = count, .precision = precision};
    if (memory == NULL || precision == CFP_FP32 || precision == CFP_TF32)
        return CFP_OK;
    const uint16_t *half = memory;
    out->memory = at.write;
    CFP_TRY_ALLOC(ctx, out->x, count);
    for (int64_t i = 0; i < count; i++)
        out->x[i] = precision == CFP_BF16 ? float_of_bfloat16(half[i]) : float_of_float16(half[i]);
    return CFP_OK;
}

static void write_back(const operand *o)
{
    uint16_t *half = o->memory;
    for (int64_t i = 0; i < o->count && half != NULL; i++)
        half[i] = o->precision == CFP_BF16 ? bfloat16_of(o->x[i]) : float16_of(o->x[i]);
}

static void free_copy(operand *o)
{
    if (o->memory != NULL)
        cfp_free(o->x);
}

static void run(const cuda_conv_spec *s, const operand *x, const operand *w, const operand *y,
                const operand *z, const operand *bias)
{
    if (s->backward) {
        memset(x->x, 0, (size_t)x->count * sizeof *x->x);
        meet_all(s, scatter, x->x, y->x, w->x);
        write_back(x);
        return;
    }
    for (int64_t i = 0; i < y->count; i++)
        y->x[i] = (z->x != NULL ? z->x[i] : 0) + (bias->x != NULL ? bias->x[i % s->y_channels] : 0);
    meet_all(s, gather, y->x, x->x, w->x);
    for (int64_t i = 0; i < y->count && s->relu; i++)
        y->x[i] = y->x[i] < 0 ? 0 : y->x[i]; /* NaN stays, as the backend tells cuDNN */
    write_back(y);
}

/* An enqueued convolution: the simulated stream may run it later, and several times. */
struct conv_call {
    cuda_conv_spec spec;
    const void *memory[5]; /* x, w, y, z, bias */
    void *workspace;
};

/* For test_cudasim: the number of convolutions that read nothing but zeros. */
__attribute__((visibility("default"))) int cudasim_of_zeros;

static void count_zeros(const operand *read, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t k = 0;
        while (k < read[i].count && read[i].x[k] == 0)
            k++;
        cudasim_of_zeros += k == read[i].count;
    }
}

/* Numbers of each operand. */
static void count_numbers(int64_t count[5], const cuda_conv_spec *s)
{
    const int64_t taps = (int64_t)s->kernel[0] * s->kernel[1] * s->kernel[2];
    count[0] = (int64_t)s->n * s->x[0] * s->x[1] * s->x[2] * s->x_channels;
    count[1] = s->y_channels * taps * (s->x_channels / s->groups);
    count[2] = count[3] = (int64_t)s->n * s->y[0] * s->y[1] * s->y[2] * s->y_channels;
    count[4] = s->y_channels;
}

static void check_operands(const struct conv_call *c)
{
    const size_t each = c->spec.precision == CFP_BF16 || c->spec.precision == CFP_FP16 ? 2 : 4;
    int64_t count[5];
    count_numbers(count, &c->spec);
    for (int i = 0; i < 5; i++)
        if (c->memory[i] != NULL)
            sim_want_device(c->memory[i], (size_t)count[i] * each, "a convolution's operand");
    sim_want_device(c->workspace, WORKSPACE, "a convolution's workspace");
}

static void run_call(void *argument)
{
    const struct conv_call *c = argument;
    const cuda_conv_spec *s = &c->spec;
    int64_t count[5];
    operand o[5] = {0};
    count_numbers(count, s);
    memset(c->workspace, 0xff, WORKSPACE);
    for (int i = 0; i < 5; i++)
        if (widen(&o[i], NULL, c->memory[i], count[i], s->precision) != CFP_OK)
            abort();
    count_zeros(o, s->backward ? 0 : 2); /* x and w */
    run(s, &o[0], &o[1], &o[2], &o[3], &o[4]);
    for (int i = 0; i < 5; i++)
        free_copy(&o[i]);
}

cfp_status cuda_conv_run(const cuda_conv *conv, cfp_ctx *ctx, void *x, const void *w, void *y,
                         const void *z, const void *bias, void *workspace)
{
    const struct conv_call call = {conv->spec, {x, w, y, z, bias}, workspace};
    if ((z != NULL) != conv->spec.adds || (bias != NULL) != conv->spec.bias)
        return cfp_fail(ctx, CFP_DEVICE, "a convolution run otherwise than planned");
    if (sim_failure() != cudaSuccess)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN: a simulated error");
    check_operands(&call);
    sim_candidate = conv->nth;
    sim_convolutions++;
    sim_enqueue_copy(conv->dnn->stream, "convolution", run_call, &call, sizeof call);
    return CFP_OK;
}
