/* test_trace.c - checks that fused steps and shared memory leave all numbers of a network
 * unchanged.
 */
#include "test.h"
#include "toy.h"
#include <stdlib.h>

/* A bottleneck with a projection, a pre-activation after it, and a branch: cases that fusion has to
 * tell apart.  All kernels are 1 x 1 x 1, on 2 x 3 x 3 positions. */
static void make_net(struct toy *t)
{
    static const float w[] = {0.5f, -1, 2, 1, 0.25f, -0.5f, 1, 1, -2, 0.5f, 1, -1};
    toy_begin(t, (cfp_shape){1, 2, 2, 3, 3});
    toy_conv(t, "c1", "input", 2, 2, 1, w);
    toy_batchnorm(t, "bn1", "c1", 2, (float[]){1.5f, -1}, (float[]){0.1f, 0.2f});
    toy_node(t, "r1", CFP_OP_RELU, "bn1", NULL);
    toy_conv(t, "c2", "r1", 2, 2, 1, w + 2);
    toy_conv(t, "down", "r1", 2, 2, 1, w + 4);
    toy_node(t, "sum", CFP_OP_ADD, "c2", "down");
    toy_node(t, "r2", CFP_OP_RELU, "sum", NULL);
    toy_conv(t, "c3", "r2", 2, 2, 1, w + 6);
    toy_node(t, "id", CFP_OP_IDENTITY, "r2", NULL);
    toy_node(t, "sum2", CFP_OP_ADD, "c3", "id");
    toy_batchnorm(t, "bn2", "sum2", 2, (float[]){1, 2}, (float[]){-0.5f, 0.5f});
    toy_node(t, "act", CFP_OP_SILU, "bn2", NULL);
    toy_node(t, "gap", CFP_OP_GLOBALAVGPOOL, "act", NULL);
    toy_linear(t, "fc", "gap", 2, 2, w + 8);
    toy_node(t, "soft", CFP_OP_SOFTMAX, "fc", NULL);
    t->model.node[t->model.n_nodes - 1].shape.c = 2;
}

/* Two layers read r1.  Between them and r1 the backward pass does another branch, so what the
 * second of them adds to the gradient of r1 waits. */
static void make_waiting_net(struct toy *t)
{
    static const float w[] = {0.5f, -1, 2, 1, 0.25f, -0.5f, 1, 1, -2, 0.5f, 1, -1};
    toy_begin(t, (cfp_shape){1, 2, 2, 3, 3});
    toy_conv(t, "c1", "input", 2, 2, 1, w);
    toy_node(t, "r1", CFP_OP_RELU, "c1", NULL);
    toy_conv(t, "p", "input", 2, 2, 1, w + 2);
    toy_conv(t, "q", "p", 2, 2, 1, w + 4);
    toy_conv(t, "q2", "q", 2, 2, 1, w + 5);
    toy_conv(t, "q3", "q2", 2, 2, 1, w + 6);
    toy_conv(t, "a", "r1", 2, 2, 1, w + 7);
    toy_conv(t, "b", "r1", 2, 2, 1, w + 8);
    toy_node(t, "ab", CFP_OP_ADD, "a", "b");
    toy_node(t, "abq", CFP_OP_ADD, "ab", "q3");
    toy_node(t, "gap", CFP_OP_GLOBALAVGPOOL, "abq", NULL);
    toy_linear(t, "fc", "gap", 2, 2, w + 8);
    toy_node(t, "soft", CFP_OP_SOFTMAX, "fc", NULL);
    t->model.node[t->model.n_nodes - 1].shape.c = 2;
}

static void open_trace(struct toy *t, const cfp_trace_request *request)
{
    const cfp_device_request any = {0};
    CHECK_EQ(cfp_device_open(&t->device, &t->ctx, "ref", &any), CFP_OK);
    CHECK_EQ(cfp_trace_open(&t->trace, &t->ctx, &t->model, &t->device, request), CFP_OK);
}

static const cfp_trace_step *step_at(const struct toy *t, const char *head)
{
    const int node = cfp_model_find(&t->model, head);
    return &t->trace->step[t->trace->step_of[node]];
}

static void what_follows_alone_is_fused(void)
{
    struct toy t = {0};
    make_net(&t);
    CHECK_EQ(toy_finish(&t, "soft"), CFP_OK);
    open_trace(&t, &(cfp_trace_request){.depth = CFP_ALL_DEPTHS});
    const cfp_model *m = &t.model;
    CHECK_EQ(step_at(&t, "c1")->tail, cfp_model_find(m, "r1"));
    /* the add is fused into c2 or down, not both; that one has the other as its last source */
    const cfp_trace_step *c2 = step_at(&t, "c2"), *down = step_at(&t, "down");
    CHECK(c2->step.adds != down->step.adds);
    CHECK_EQ(c2->step.adds ? c2->tail : down->tail, cfp_model_find(m, "r2"));
    CHECK(step_at(&t, "c3")->step.adds); /* the identity is no obstacle */
    CHECK_EQ(step_at(&t, "c3")->tail, cfp_model_find(m, "sum2"));
    CHECK_EQ(step_at(&t, "bn2")->tail, cfp_model_find(m, "act")); /* nothing goes backward */
    CHECK_EQ(t.trace->step_of[cfp_model_find(m, "soft")], -1);    /* logits are what is run for */
    CHECK_EQ(t.trace->n_steps, 7);                                /* c1 c2 down c3 bn2 gap fc */
    CHECK(cfp_trace_describe(t.trace).arena_bytes < cfp_trace_describe(t.trace).unshared_bytes);
    toy_end(&t);

    /* silu cannot be inverted from its output, so it is not fused if a backward pass follows */
    t = (struct toy){0};
    make_net(&t);
    CHECK_EQ(toy_finish(&t, "soft"), CFP_OK);
    open_trace(&t, &(cfp_trace_request){.backward = true, .depth = CFP_ALL_DEPTHS});
    CHECK_EQ(step_at(&t, "bn2")->tail, cfp_model_find(&t.model, "bn2"));
    CHECK_EQ(step_at(&t, "c1")->tail, cfp_model_find(&t.model, "r1"));
    toy_end(&t);
}

/* The clip itself may be added.  It has another layout than the tensors of the network, so if its
 * gradient is needed, the add must be a separate step. */
static void a_clip_that_is_added_stays_apart_where_its_gradient_is_wanted(void)
{
    for (int wanted = 0; wanted < 2; wanted++) {
        struct toy t = {0};
        toy_begin(&t, (cfp_shape){1, 2, 1, 2, 2});
        toy_conv(&t, "c", "input", 2, 2, 1, (float[]){1, 2, 3, 4});
        toy_node(&t, "sum", CFP_OP_ADD, "c", "input");
        toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "sum", NULL);
        toy_linear(&t, "fc", "gap", 2, 2, (float[]){1, 0, 0, 1});
        CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
        open_trace(&t, &(cfp_trace_request){
                           .backward = true, .depth = CFP_ALL_DEPTHS, .clip_gradient = wanted});
        CHECK_EQ(step_at(&t, "c")->step.adds, !wanted);
        toy_end(&t);
    }
}

struct seen {
    const cfp_trace *trace;
    float product[2];
};

static cfp_status multiply(void *cookie, const cfp_tensor *x, const cfp_tensor *g)
{
    struct seen *seen = cookie;
    const cfp_device *device = &seen->trace->device;
    return device->api->channel_mean(device->backend, seen->product, x, g);
}

/* Every second kernel layer keeps only its first kernel's gradient. */
static void demand_kernels(cfp_demand demand[2], int node)
{
    demand[0] = cfp_demand_of(1);
    demand[1] = node % 2 == 0 ? cfp_demand_of(0) : CFP_NOT_DEMANDED;
}

/* Forward and grad with memory shared as planned, against a trace in which nothing shares. */
static void sharing_memory_changes_no_number(void (*make)(struct toy *t), int layers)
{
    float clip[36], logits[2][2] = {{0}};
    double product[2][2][32] = {{{0}}};
    for (int i = 0; i < 36; i++)
        clip[i] = (float)((i * 37) % 17) / 8 - 1;
    for (int all = 0; all < 2; all++) {
        struct toy t = {0};
        make(&t);
        CHECK_EQ(toy_finish(&t, "soft"), CFP_OK);
        open_trace(
            &t, &(cfp_trace_request){.backward = true, .depth = CFP_ALL_DEPTHS, .keep_all = all});
        for (int pass = 0; pass < 2; pass++) { /* the second pass must not see the first */
            CHECK_EQ(cfp_trace_forward(t.trace, clip, logits[all]), CFP_OK);
            const float seed[2] = {0, 1};
            CHECK_EQ(cfp_backward_start(t.trace, seed), CFP_OK);
            for (int i = t.model.logits; i > 0; i--) {
                struct seen seen = {t.trace, {0, 0}};
                const cfp_gradient_watch watch = {multiply, &seen};
                cfp_demand demand[2], at_tail[2];
                const int s = t.trace->step_of[i];
                demand_kernels(demand, i);
                demand_kernels(at_tail, s >= 0 ? t.trace->step[s].head : i);
                CHECK_EQ(cfp_backward_tail(t.trace, i, at_tail), CFP_OK);
                CHECK_EQ(cfp_backward_head(t.trace, i, demand, &watch), CFP_OK);
                product[all][0][i] = (double)seen.product[0];
                product[all][1][i] = (double)seen.product[1];
            }
        }
        toy_end(&t);
    }
    for (int c = 0; c < 2; c++) {
        CHECK_NEAR(logits[0][c], logits[1][c], 0);
        for (int i = 0; i < 32; i++)
            CHECK_NEAR(product[0][c][i], product[1][c][i], 0);
    }
    int moved = 0;
    for (int i = 0; i < 32; i++)
        moved += product[0][0][i] != 0;
    CHECK_EQ(moved, layers);
}

static size_t no_memory(cfp_backend *backend)
{
    (void)backend;
    return 20;
}

static void a_plan_that_does_not_fit_says_how_much_it_needs(void)
{
    struct toy t = {0};
    make_net(&t);
    CHECK_EQ(toy_finish(&t, "soft"), CFP_OK);
    const cfp_device_request any = {0};
    CHECK_EQ(cfp_device_open(&t.device, &t.ctx, "ref", &any), CFP_OK);
    cfp_backend_api small = *t.device.api;
    small.free_bytes = no_memory;
    const cfp_device device = {&small, t.device.backend};
    const cfp_query q = cfp_query_default();
    CHECK_EQ(cfp_analyser_open(&t.analyser, &t.ctx, &t.model, &device, &q, NULL), CFP_NOMEM);
    CHECK(t.analyser == NULL);
    CHECK_HAS(t.ctx.message, "needs 0.00 GiB for the activations of 1 clip, ref has 0.00 GiB free");
    small.host_memory = false; /* then weights are copied, too */
    CHECK_EQ(cfp_analyser_open(&t.analyser, &t.ctx, &t.model, &device, &q, NULL), CFP_NOMEM);
    CHECK_HAS(t.ctx.message, "needs at least 0.00 GiB for its weights, ref has 0.00 GiB free");
    toy_end(&t);
}

static void a_network_that_overflows_is_refused_by_name(void)
{
    struct toy t = {0};
    toy_begin(&t, (cfp_shape){1, 1, 1, 1, 1});
    toy_conv(&t, "a", "input", 1, 1, 1, (float[]){1e30f});
    toy_conv(&t, "b", "a", 1, 1, 1, (float[]){1e30f});
    CHECK_EQ(toy_finish(&t, "b"), CFP_OK);
    open_trace(&t, &(cfp_trace_request){.depth = CFP_ALL_DEPTHS});
    float logit, clip = 1;
    CHECK_EQ(cfp_trace_forward(t.trace, &clip, &logit), CFP_FORMAT);
    CHECK_HAS(t.ctx.message, "node 'b': the score of class 0 is infinite");
    toy_end(&t);
}

/* SQLite's way: the k-th allocation fails, for k = 1, 2, ... until the run passes.  Each failure
 * must come back as CFP_NOMEM and leak nothing (the sanitizer build watches). */
static void every_allocation_may_fail(void)
{
    for (int rule = 0; rule < CFP_RULE_COUNT; rule++) {
        int k = 0, failed = 0;
        for (bool passed = false; !passed && k < 2000; k++) {
            struct toy t = {0};
            cfp_query q = cfp_query_default();
            cfp_pyramid p = {0};
            cfp_tubes_list tubes = {0};
            float clip[36], logits[2];
            const cfp_device_request any = {0};
            q.rule = (cfp_rule)rule;
            q.tubes = CFP_TUBES_KERNELS;
            for (int i = 0; i < 36; i++)
                clip[i] = (float)i;
            make_net(&t);
            t.ctx.fail_allocation = k + 1;
            cfp_status status = toy_finish(&t, "soft");
            if (status == CFP_OK)
                status = cfp_device_open(&t.device, &t.ctx, "ref", &any);
            if (status == CFP_OK)
                status = cfp_analyser_open(&t.analyser, &t.ctx, &t.model, &t.device, &q, NULL);
            if (status == CFP_OK)
                status = cfp_trace_forward(t.analyser->trace, clip, logits);
            if (status == CFP_OK)
                status = cfp_descend(&p, t.analyser, &(int){0});
            passed = status == CFP_OK;
            CHECK(passed || status == CFP_NOMEM);
            failed += !passed;
            cfp_tubes_free(&tubes);
            cfp_pyramid_free(&p);
            toy_end(&t);
        }
        CHECK(failed > 50);
        CHECK(k < 2000);
    }
}

int main(void)
{
    what_follows_alone_is_fused();
    a_clip_that_is_added_stays_apart_where_its_gradient_is_wanted();
    sharing_memory_changes_no_number(make_net, 5); /* fc, c3, c2, down and c1 */
    sharing_memory_changes_no_number(make_waiting_net, 8);
    a_plan_that_does_not_fit_says_how_much_it_needs();
    a_network_that_overflows_is_refused_by_name();
    every_allocation_may_fail();
    return test_result();
}
