/* check_pairs.c - checks weigh_pairs on every case of a kernel layer.  Some pairs are compared with
 * ref's.  All pairs are compared with the layer's gradient, to which they add up: the sum of pair
 * (o, i) over all kernels o is the mean of x(i) * G(i) (SPEC 1). */
#include "../host/backend/relevance_math.h"
#include "check_backends.h"
#include <math.h>
#include <stdio.h>

/* The pairs of a layer on the host, with ref's values, and their memory on the device. */
typedef struct pair_case {
    trial t;
    cfp_back_step step;
    int64_t pairs; /* of all clips */
    cfp_demand *demand;
    uint32_t *edges;
    float *value, *right, *sums, *means;
    struct lent on_demand, on_edges, on_value, on_weight;
} pair_case;

static cfp_status open_case(check *k, pair_case *c, const op_case *op, uint64_t seed)
{
    CFP_TRY(trial_open(k, &c->t, op, seed));
    const cfp_node *node = c->t.step.node;
    const cfp_shape x = c->t.shape[0];
    cfp_back_step *s = &c->step;
    *s = (cfp_back_step){.rule = CFP_RULE_GRAD,
                         .kernels = c->t.out.c,
                         .channels = x.c,
                         .groups = x.c / node->kernel_channels,
                         .clips = x.n,
                         .thetas = 1};
    const int64_t rows = (int64_t)s->clips * s->kernels;
    c->pairs = rows * cfp_span_length(s);
    CFP_TRY_ALLOC(&k->ctx, c->demand, rows);
    CFP_TRY_ALLOC(&k->ctx, c->edges, rows * cfp_span_words(s));
    CFP_TRY_ALLOC(&k->ctx, c->value, c->pairs);
    CFP_TRY_ALLOC(&k->ctx, c->right, c->pairs);
    CFP_TRY_ALLOC(&k->ctx, c->sums, s->clips * s->channels);
    CFP_TRY_ALLOC(&k->ctx, c->means, s->clips * s->channels);
    s->demand = c->demand;
    s->edges = c->edges;
    return CFP_OK;
}

static void close_case(check *k, pair_case *c)
{
    trial_device_close(k, &c->t);
    trial_close(k, &c->t);
    cfp_free(c->demand);
    cfp_free(c->edges);
    cfp_free(c->value);
    cfp_free(c->right);
    cfp_free(c->sums);
    cfp_free(c->means);
}

/* Every pair, or every other channel of most kernels. */
static void select_pairs(pair_case *c, bool all)
{
    const cfp_back_step *s = &c->step;
    const int words = cfp_span_words(s), span = cfp_span_length(s);
    for (int64_t row = 0; row < (int64_t)s->clips * s->kernels; row++) {
        c->demand[row] = all || row % 5 != 2 ? cfp_demand_of(1) : CFP_NOT_DEMANDED;
        for (int w = 0; w < words; w++) {
            const uint32_t there = span - 32 * w >= 32 ? UINT32_MAX : (1u << (span - 32 * w)) - 1;
            c->edges[row * words + w] = all ? there : there & (0x55555555u << (row & 1));
        }
    }
}

static cfp_tensor plain_tensor(cfp_shape shape, float *data)
{
    return (cfp_tensor){.shape = shape, .block = 1, .data = data};
}

static cfp_status run_device(check *k, pair_case *c, bool adds)
{
    const cfp_back_step *s = &c->step;
    const cfp_node *node = c->t.step.node;
    const size_t rows = (size_t)s->clips * (size_t)s->kernels;
    const int *size = cfp_kernel_window(node)->kernel;
    const size_t weights =
        (size_t)c->pairs / (size_t)s->clips * (size_t)(size[0] * size[1]) * (size_t)size[2];
    CFP_TRY(lend(k, &c->on_demand, c->demand, rows * sizeof *c->demand));
    CFP_TRY(lend(k, &c->on_edges, c->edges, rows * (size_t)cfp_span_words(s) * sizeof *c->edges));
    CFP_TRY(lend(k, &c->on_value, c->value, (size_t)c->pairs * sizeof *c->value));
    CFP_TRY(lend(k, &c->on_weight, node->weight, weights * sizeof *node->weight));
    cfp_back_step there = *s;
    there.demand = c->on_demand.memory;
    there.edges = c->on_edges.memory;
    const cfp_pairs pairs = {.step = &there,
                             .node = node,
                             .weight = c->on_weight.memory,
                             .x = &c->t.on_src[0],
                             .dy = &c->t.on_diff_dst,
                             .value = c->on_value.memory,
                             .adds = adds};
    CFP_TRY(k->device.api->weigh_pairs(k->device.backend, &pairs));
    CFP_TRY(give_back(k, &c->on_value, c->value));
    CFP_TRY(give_back(k, &c->on_demand, NULL));
    CFP_TRY(give_back(k, &c->on_edges, NULL));
    return give_back(k, &c->on_weight, NULL);
}

/* ref's values, with 1 in pairs that are not selected.  The device gets the same and must not
 * change those. */
static cfp_status run_ref(pair_case *c, float unit)
{
    const cfp_tensor x = plain_tensor(c->t.shape[0], c->t.src[0]);
    const cfp_tensor dy = plain_tensor(c->t.out, c->t.diff_dst);
    const cfp_pairs pairs = {.step = &c->step,
                             .node = c->t.step.node,
                             .weight = c->t.step.node->weight,
                             .x = &x,
                             .dy = &dy,
                             .value = c->right};
    for (int64_t i = 0; i < c->pairs; i++)
        c->right[i] = unit;
    CFP_TRY(cfp_backend_ref.weigh_pairs(NULL, &pairs));
    for (int64_t i = 0; i < c->pairs; i++)
        c->right[i] /= unit;
    return CFP_OK;
}

/* Only the pairs that are selected. */
static void forget_others(pair_case *c, float *value)
{
    const cfp_back_step *s = &c->step;
    const int words = cfp_span_words(s), span = cfp_span_length(s);
    for (int64_t i = 0; i < c->pairs; i++) {
        const int64_t row = i / span;
        const int j = (int)(i % span);
        if (s->demand[row] < 0 || !(s->edges[row * words + j / 32] >> j % 32 & 1))
            value[i] = 0;
    }
}

static void compare(check *k, pair_case *c, const char *what)
{
    forget_others(c, c->value);
    forget_others(c, c->right);
    check_values(k, what, c->value, c->right, c->pairs);
}

/* All pairs that read a channel add up to the mean of x * G. */
static cfp_status check_sum(check *k, pair_case *c)
{
    const cfp_back_step *s = &c->step;
    const int span = cfp_span_length(s);
    const cfp_tensor x = plain_tensor(c->t.shape[0], c->t.src[0]);
    const cfp_tensor g = plain_tensor(c->t.shape[0], c->t.diff_src[0]);
    CFP_TRY(cfp_backend_ref.channel_mean(NULL, c->means, &x, &g));
    for (int64_t i = 0; i < c->pairs; i++) {
        const int64_t row = i / span, n = row / s->kernels;
        const int channel = cfp_span_first(s, (int)(row % s->kernels)) + (int)(i % span);
        c->sums[n * s->channels + channel] += c->value[i] * k->unit;
    }
    check_values(k, "the sum over kernels of their pairs", c->sums, c->means,
                 s->clips * s->channels);
    return CFP_OK;
}

static cfp_status check_case(check *k, pair_case *c, source_layout layout)
{
    CFP_TRY(trial_device_open(k, &c->t, layout, true));
    select_pairs(c, true);
    CFP_TRY(run_ref(c, k->unit));
    CFP_TRY(run_device(k, c, false));
    compare(k, c, "pairs");
    CFP_TRY(check_sum(k, c));
    for (int64_t i = 0; i < c->pairs; i++) /* what is there is added to */
        c->value[i] = 1;
    select_pairs(c, false);
    CFP_TRY(run_ref(c, k->unit));
    for (int64_t i = 0; i < c->pairs; i++)
        c->right[i] += 1;
    CFP_TRY(run_device(k, c, true));
    compare(k, c, "some pairs, added");
    return CFP_OK;
}

/* A simulated device takes a second for this, others almost none. */
static bool takes_long(const check *k, const pair_case *c)
{
    enum { MOST_PRODUCTS = 1 << 21 };
    const int *size = cfp_kernel_window(c->t.step.node)->kernel;
    const int64_t products = c->pairs * size[0] * size[1] * size[2] * cfp_positions(c->t.out);
    return !k->device.api->host_memory && products > MOST_PRODUCTS;
}

void check_pairs(check *k)
{
    const int compared = k->compared, failed = k->failed;
    const double tolerance = k->tolerance;
    k->worst = 0;
    k->exact = false;
    k->tolerance = 1e-5; /* sources are exact; sums are float32 or double in every precision */
    for (int i = 0; i < OP_CASES; i++) {
        const cfp_op op = op_cases[i].node.op;
        if (op != CFP_OP_CONV3D && op != CFP_OP_LINEAR)
            continue;
        pair_case c = {0};
        cfp_status status = open_case(k, &c, &op_cases[i], 11 + (uint64_t)i);
        if (status == CFP_OK && !takes_long(k, &c))
            status = check_case(k, &c, i % 2 == 0 ? CHOSEN : PLAIN);
        if (status != CFP_OK)
            check_failed(k, k->ctx.message);
        close_case(k, &c);
    }
    k->tolerance = tolerance;
    printf("%-16s %9s %5d comparisons  max rel %.2g%s\n", "pairs", "", k->compared - compared,
           k->worst, k->failed > failed ? "  FAILED" : "");
}
