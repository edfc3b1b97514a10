/* check_bench.c - times steps of usual networks on a device (the median of several runs).  Steps
 * whose results differ from ref's are not timed. */
#include "check_backends.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 11 };

/* clang-format off: one case a line, however long */
static const op_case bench_cases[] = {
    {"stem 3x7x7", CONV(64, 1, {{3, 7, 7}, {1, 2, 2}, {0}, {1, 3, 3}, {1, 3, 3}}),
     .src = {{1, 3, 8, 112, 112}}, .activation = CFP_OP_RELU},
    {"3x3x3", CONV(64, 1, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}), .src = {{1, 64, 8, 28, 28}},
     .activation = CFP_OP_RELU},
    {"3x3x3, adds", CONV(128, 1, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 128, 4, 14, 14}}, .adds = true, .activation = CFP_OP_RELU},
    {"1x3x3", CONV(144, 1, {{1, 3, 3}, {0}, {0}, {0, 1, 1}, {0, 1, 1}}),
     .src = {{1, 64, 8, 28, 28}}, .activation = CFP_OP_RELU},
    {"3x1x1", CONV(64, 1, {{3, 1, 1}, {0}, {0}, {1, 0, 0}, {1, 0, 0}}),
     .src = {{1, 144, 8, 28, 28}}, .activation = CFP_OP_RELU},
    {"1x1x1", CONV(256, 1, {{1, 1, 1}, {0}, {0}, {0}, {0}}), .src = {{1, 64, 8, 28, 28}},
     .activation = CFP_OP_RELU},
    {"depthwise 3x3x3", CONV(108, 108, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 108, 8, 40, 40}}},
    {"16 groups", CONV(96, 16, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 96, 8, 28, 28}}},
    {"32 groups of 4", CONV(128, 32, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 128, 8, 28, 28}}},
    {"32 groups of 8", CONV(256, 32, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 256, 4, 28, 28}}},
    {"32 groups of 16", CONV(512, 32, {{3, 3, 3}, {0}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 512, 4, 14, 14}}},
    {"16 groups of 12, 1x3x3", CONV(192, 16, {{1, 3, 3}, {0}, {0}, {0, 1, 1}, {0, 1, 1}}),
     .src = {{1, 192, 8, 28, 28}}},
    {"2048 to 400", .node = {.op = CFP_OP_LINEAR, .shape.c = 400}, .src = {{1, 2048, 1, 1, 1}}},
    {"affine", OF(BATCHNORM), .src = {{1, 64, 8, 56, 56}}, .activation = CFP_OP_RELU},
    {"", OF(RELU), .src = {{1, 64, 8, 56, 56}}},
    {"", OF(SILU), .src = {{1, 64, 8, 56, 56}}},
    {"1x3x3, stride 2",
     POOL(MAXPOOL3D, .window = {{1, 3, 3}, {1, 2, 2}, {0}, {0, 1, 1}, {0, 1, 1}}),
     .src = {{1, 64, 8, 56, 56}}},
    {"3x3x3, stride 1",
     POOL(MAXPOOL3D, .window = {{3, 3, 3}, {1, 1, 1}, {0}, {1, 1, 1}, {1, 1, 1}}),
     .src = {{1, 64, 8, 28, 28}}},
    {"2x2x2", POOL(AVGPOOL3D, .window = {{2, 2, 2}, {2, 2, 2}, {0}, {0}, {0}}),
     .src = {{1, 64, 8, 56, 56}}},
    {"", OF(GLOBALAVGPOOL), .src = {{1, 512, 4, 14, 14}}},
    {"two", OF(ADD), .src = {{1, 64, 8, 56, 56}, {1, 64, 8, 56, 56}}},
    {"squeeze-excite", OF(MUL), .src = {{1, 64, 8, 56, 56}, {1, 64, 1, 1, 1}}},
    {"two", OF(CONCAT), .src = {{1, 64, 8, 28, 28}, {1, 32, 8, 28, 28}}},
    {"8 groups", .node = {.op = CFP_OP_CHANNEL_SHUFFLE, .groups = 8}, .src = {{1, 96, 8, 28, 28}}},
};
/* clang-format on */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median milliseconds of a pass.  The device may work asynchronously; reading a number back waits
 * for it. */
static cfp_status time_pass(check *k, trial *t, bool backward, double *median)
{
    double ms[RUNS];
    const size_t means = (size_t)t->out.n * (size_t)t->out.c * sizeof(float);
    float first;
    void *mean;
    CFP_TRY(k->device.api->alloc(k->device.backend, &mean, means));
    cfp_status status = CFP_OK;
    for (int run = -1; run < RUNS && status == CFP_OK; run++) { /* one to warm up */
        const double start = cfp_now_ms();
        status = backward ? trial_backward(k, t, ~0u) : trial_forward(k, t);
        if (status == CFP_OK && !k->device.api->host_memory)
            status = k->device.api->channel_mean(k->device.backend, mean, &t->on_dst, NULL);
        if (status == CFP_OK && !k->device.api->host_memory)
            status = k->device.api->fetch(k->device.backend, &first, mean, sizeof first);
        if (run >= 0)
            ms[run] = cfp_now_ms() - start;
    }
    k->device.api->release(k->device.backend, mean);
    qsort(ms, RUNS, sizeof *ms, by_value);
    *median = ms[RUNS / 2];
    return status;
}

static double flop(const trial *t) /* of one pass; 1 multiply-add = 2 */
{
    const cfp_node *node = t->step.node;
    const int *taps = node->window.kernel;
    return cfp_is_kernel_layer(node) ? 2.0 * (double)cfp_count(t->out) * node->kernel_channels *
                                           taps[0] * taps[1] * taps[2]
                                     : 0;
}

static double megabytes(const trial *t)
{
    int64_t numbers = cfp_count(t->out);
    for (int i = 0; i < t->step.n_src; i++)
        numbers += cfp_count(t->shape[i]);
    return (double)numbers * 4e-6;
}

static cfp_status bench_case(check *k, trial *t)
{
    double forward = 0, backward = 0;
    const int failed = k->failed;
    k->exact = false;
    CFP_TRY(trial_device_open(k, t, CHOSEN, true));
    CFP_TRY(trial_forward(k, t));
    CFP_TRY(trial_backward(k, t, ~0u));
    CFP_TRY(check_tensor(k, "forward", &t->on_dst, t->dst));
    for (int i = 0; i < case_inputs(t->c); i++)
        CFP_TRY(check_tensor(k, "backward", &t->on_diff_src[i], t->diff_src[i]));
    if (k->failed > failed)
        return CFP_OK;
    CFP_TRY(time_pass(k, t, false, &forward));
    CFP_TRY(time_pass(k, t, true, &backward));
    printf("%-16s %-16s forward %9.3f ms  backward %9.3f ms ", cfp_op_table[t->c->node.op].name,
           t->c->what, forward, backward);
    if (flop(t) > 0)
        printf("%8.1f, %.1f GFLOP/s\n", flop(t) / forward * 1e-6, flop(t) / backward * 1e-6);
    else
        printf("%8.1f, %.1f GB/s\n", megabytes(t) / forward, megabytes(t) / backward);
    return CFP_OK;
}

void check_bench(check *k)
{
    for (size_t i = 0; i < sizeof bench_cases / sizeof bench_cases[0]; i++) {
        trial t;
        op_case c = bench_cases[i];
        if (c.activation != CFP_OP_INPUT && !cfp_gate_from_output(c.activation))
            c.activation = CFP_OP_INPUT;
        if (trial_open(k, &t, &c, 1) != CFP_OK || bench_case(k, &t) != CFP_OK)
            check_failed(k, k->ctx.message);
        trial_device_close(k, &t);
        trial_close(k, &t);
    }
}
