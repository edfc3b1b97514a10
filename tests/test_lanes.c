/* test_lanes.c - the cpu backend with each of its instruction sets (check_backends tests only the
 * widest).  Runs every case of op_cases.h and the method's primitives, compares them with ref, and
 * checks that any number of threads gives the same bits.
 *
 *   test_lanes             everything but what follows
 *   test_lanes --only plain
 *                          the same, with one instruction set
 *   test_lanes --threads avx512|avx2|plain
 *                          conv3d and linear: the same bits on 1, 2, 3 and 5 threads.  oneDNN takes
 *                          part in these, so check_threads.sh runs this once for each instruction
 *                          set that oneDNN can be limited to. */
#include "check_backends.h"
#include "../host/backend/cpu/cpu.h"
#include "test.h"
#include <stdlib.h>

static bool has_backward(const op_case *c)
{
    return c->activation == CFP_OP_INPUT || cfp_gate_from_output(c->activation);
}

static cfp_status run_case(check *k, trial *t, source_layout layout)
{
    CFP_TRY(trial_device_open(k, t, layout, has_backward(t->c)));
    CFP_TRY(device_tensor_spoil(k, &t->on_dst));
    CFP_TRY(trial_forward(k, t));
    CFP_TRY(check_tensor(k, "forward", &t->on_dst, t->dst));
    if (!has_backward(t->c))
        return CFP_OK;
    for (int i = 0; i < case_inputs(t->c); i++)
        CFP_TRY(device_tensor_spoil(k, &t->on_diff_src[i]));
    CFP_TRY(trial_backward(k, t, ~0u));
    for (int i = 0; i < case_inputs(t->c); i++)
        CFP_TRY(check_tensor(k, "backward", &t->on_diff_src[i], t->diff_src[i]));
    return CFP_OK;
}

static void open_backend(check *k, const cpu_lanes *lanes, int threads)
{
    const cfp_device_request request = {.threads = threads};
    k->tolerance = k->float_tolerance = 1e-5;
    k->device.api = &cfp_backend_cpu;
    CHECK_EQ(cpu_open_with(&k->device.backend, &k->ctx, &request, lanes), CFP_OK);
}

static void every_case_matches_ref(const cpu_lanes *lanes)
{
    check k = {0};
    open_backend(&k, lanes, 0);
    for (int i = 0; i < OP_CASES; i++) {
        trial t;
        CHECK_EQ(trial_open(&k, &t, &op_cases[i], 5 + (uint64_t)i), CFP_OK);
        for (int layout = PLAIN; layout <= CHOSEN; layout++) {
            CHECK_EQ(run_case(&k, &t, (source_layout)layout), CFP_OK);
            trial_device_close(&k, &t);
        }
        trial_close(&k, &t);
    }
    CHECK(k.compared > 2 * OP_CASES);
    printf("%s: ops %d comparisons, max rel %.2g\n", lanes->name, k.compared, k.worst);
    if (check_unit(&k) != CFP_OK)
        check_failed(&k, k.ctx.message);
    check_primitives(&k);
    check_relevance(&k, CFP_RELEVANCE_CASES);
    CHECK_EQ(k.failed, 0);
    cfp_backend_cpu.close(&k.device.backend);
}

/* The result of a case on this number of threads, forward and backward, in plain order; NULL if a
 * step failed. */
static float *results(check *k, trial *t, const cpu_lanes *lanes, int threads, int64_t *count)
{
    float *all = NULL;
    open_backend(k, lanes, threads);
    if (run_case(k, t, CHOSEN) == CFP_OK) {
        *count = cfp_count(t->out) + (has_backward(t->c) ? cfp_count(t->shape[0]) : 0);
        all = cfp_alloc(&k->ctx, (size_t)*count, sizeof *all);
        CHECK_EQ(cfp_backend_cpu.download(k->device.backend, all, &t->on_dst), CFP_OK);
        if (has_backward(t->c))
            CHECK_EQ(cfp_backend_cpu.download(k->device.backend, all + cfp_count(t->out),
                                              &t->on_diff_src[0]),
                     CFP_OK);
    }
    trial_device_close(k, t);
    cfp_backend_cpu.close(&k->device.backend);
    return all;
}

static void case_is_the_same(const cpu_lanes *lanes, const op_case *c, const int *threads, int n)
{
    check k = {0};
    trial t;
    int64_t count = 0, again = 0;
    CHECK_EQ(trial_open(&k, &t, c, 3), CFP_OK);
    float *first = results(&k, &t, lanes, threads[0], &count);
    for (int i = 1; i < n; i++) {
        float *other = results(&k, &t, lanes, threads[i], &again);
        const bool same = first != NULL && other != NULL && count == again &&
                          memcmp(first, other, (size_t)count * sizeof *first) == 0;
        if (!same)
            fprintf(stderr, "%s: %s '%s': %d and %d threads\n", lanes->name,
                    cfp_op_table[c->node.op].name, c->what, threads[0], threads[i]);
        CHECK(same);
        cfp_free(other);
    }
    cfp_free(first);
    trial_close(&k, &t);
}

static void threads_change_no_bit(const cpu_lanes *lanes, bool kernel_layers)
{
    static const int threads[] = {1, 3, 2, 5};
    for (int i = 0; i < OP_CASES; i++)
        if (cfp_is_kernel_layer(&op_cases[i].node) == kernel_layers)
            case_is_the_same(lanes, &op_cases[i], threads, kernel_layers ? 4 : 2);
}

/* Whichever allocation fails while a step is opened, the step says so and leaves nothing. */
static void a_failed_allocation_is_reported(const cpu_lanes *lanes)
{
    for (int i = 0; i < OP_CASES; i += 3) {
        check k = {0};
        trial t;
        open_backend(&k, lanes, 1);
        CHECK_EQ(trial_open(&k, &t, &op_cases[i], 5), CFP_OK);
        const cfp_tensor *src[MOST];
        cfp_tensor of[MOST];
        for (int s = 0; s < t.step.n_src; s++) {
            of[s] = (cfp_tensor){.shape = t.shape[s], .block = lanes->width};
            src[s] = &of[s];
        }
        cfp_status status = CFP_NOMEM;
        for (int which = 1; status != CFP_OK && which < 200; which++) {
            cfp_tensor dst = {.shape = t.out, .block = 1};
            t.step.backward = true;
            k.ctx.fail_allocation = which;
            status = cfp_backend_cpu.step_open(k.device.backend, &t.step, src, &dst);
            CHECK(status == CFP_OK || status == CFP_NOMEM);
            if (status == CFP_OK)
                cfp_backend_cpu.step_close(k.device.backend, &t.step);
            else
                CHECK(t.step.plan == NULL);
        }
        k.ctx.fail_allocation = 0;
        CHECK_EQ(status, CFP_OK);
        trial_close(&k, &t);
        cfp_backend_cpu.close(&k.device.backend);
    }
}

static void what_it_lacks_is_refused(void)
{
    cfp_ctx ctx = {0};
    cfp_backend *backend = NULL;
    const cfp_device_request request = {.precision = CFP_BF16};
    CHECK_EQ(cfp_backend_cpu.open(&backend, &ctx, &request), CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "--precision bf16: the cpu backend computes in fp32");
    CHECK(backend == NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"avx512", "avx2", "plain"};
    const cpu_lanes *const all[] = {cpu_lanes_avx512(), cpu_lanes_avx2(), cpu_lanes_plain()};
    const char *const only = argc > 2 ? argv[2] : NULL;
    const bool threads = only != NULL && strcmp(argv[1], "--threads") == 0;
    for (int i = 0; i < 3; i++) {
        if (all[i] == NULL || (only != NULL && strcmp(only, names[i]) != 0))
            continue;
        threads_change_no_bit(all[i], threads);
        if (threads)
            continue;
        every_case_matches_ref(all[i]);
        a_failed_allocation_is_reported(all[i]);
    }
    if (!threads)
        what_it_lacks_is_refused();
    return test_result();
}
