/* test_lanes.c - the cpu backend with each of its instruction sets, of which check_backends sees
 * only the widest: every case of op_cases.h and what the method asks for besides against ref, and
 * the same bits on any number of threads. */
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
    check_relevance(&k);
    CHECK_EQ(k.failed, 0);
    cfp_backend_cpu.close(&k.device.backend);
}

/* What a case gives, forward and back, in plain order; NULL where a step failed. */
static float *results(const cpu_lanes *lanes, int threads, const op_case *c, int64_t *count)
{
    check k = {0};
    trial t;
    float *all = NULL;
    open_backend(&k, lanes, threads);
    if (trial_open(&k, &t, c, 3) == CFP_OK && run_case(&k, &t, CHOSEN) == CFP_OK) {
        *count = cfp_count(t.out) + (has_backward(c) ? cfp_count(t.shape[0]) : 0);
        all = cfp_alloc(&k.ctx, (size_t)*count, sizeof *all);
        CHECK_EQ(k.device.api->download(k.device.backend, all, &t.on_dst), CFP_OK);
        if (has_backward(c))
            CHECK_EQ(
                k.device.api->download(k.device.backend, all + cfp_count(t.out), &t.on_diff_src[0]),
                CFP_OK);
    }
    trial_device_close(&k, &t);
    trial_close(&k, &t);
    cfp_backend_cpu.close(&k.device.backend);
    return all;
}

static void threads_change_no_bit(const cpu_lanes *lanes)
{
    for (int i = 0; i < OP_CASES; i++) {
        int64_t count = 0, again = 0;
        float *one = results(lanes, 1, &op_cases[i], &count);
        float *three = results(lanes, 3, &op_cases[i], &again);
        const bool same = one != NULL && three != NULL && count == again &&
                          memcmp(one, three, (size_t)count * sizeof *one) == 0;
        if (!same)
            fprintf(stderr, "%s '%s'\n", cfp_op_table[op_cases[i].node.op].name, op_cases[i].what);
        CHECK(same);
        cfp_free(one);
        cfp_free(three);
    }
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

int main(void)
{
    const cpu_lanes *const all[] = {cpu_lanes_avx512(), cpu_lanes_avx2(), cpu_lanes_plain()};
    for (int i = 0; i < 3; i++) {
        if (all[i] == NULL)
            continue;
        every_case_matches_ref(all[i]);
        threads_change_no_bit(all[i]);
        a_failed_allocation_is_reported(all[i]);
    }
    what_it_lacks_is_refused();
    return test_result();
}
