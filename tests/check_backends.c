/* check_backends.c - compares a backend with ref: every op, forward and backward-data, on awkward
 * shapes and in every layout that the backend would choose; and the primitives of the method.
 *
 *     check_backends [--device NAME] [--precision fp32|tf32|bf16|fp16] [--module-dir DIR]
 *                    [--only OP] [--skip OP] [--seeds N] [--cases N] [--bench]
 *
 * In bf16 and fp16 the type holds sources and parameters exactly, so any difference comes from what
 * the device rounds itself.  Output memory is filled with NaN before every step.  Values that an op
 * declares unread are not passed.  The lanes after the last channel must come out as zeros.
 * --bench then times steps of usual sizes, but only those whose results match.
 * Exit status: 0 all match, 1 something differs, 2 wrong usage, 77 the device is missing. */
#include "check_backends.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct arguments {
    const char *device, *only, *skip;
    cfp_device_request request;
    int seeds; /* random shapes of an op */
    int cases; /* random layers whose relevance is compared */
    bool bench;
} arguments;

/* The result is a source element, or a constant. */
static bool is_exact(const cfp_node *node, bool backward)
{
    const cfp_op op = node->op;
    if (cfp_repeats(node)) /* backward adds up what one element went to */
        return !backward;
    if (op == CFP_OP_MAXPOOL3D || op == CFP_OP_RELU || op == CFP_OP_RELU6)
        return !backward ||
               op != CFP_OP_MAXPOOL3D; /* windows overlap: their gradients are summed */
    return op == CFP_OP_IDENTITY || op == CFP_OP_FLATTEN || op == CFP_OP_CONCAT ||
           op == CFP_OP_PAD || op == CFP_OP_SLICE || op == CFP_OP_CHANNEL_SHUFFLE;
}

static cfp_status check_forward(check *k, trial *t)
{
    k->exact = is_exact(&t->c->node, false);
    for (int run = 0; run < 2; run++) { /* a plan is for any number of runs */
        CFP_TRY(device_tensor_spoil(k, &t->on_dst));
        CFP_TRY(trial_forward(k, t));
    }
    CFP_TRY(check_tensor(k, "forward", &t->on_dst, t->dst));
    if (!t->step.adds || t->on_src[t->step.n_src - 1].block != t->on_dst.block)
        return CFP_OK;
    CFP_TRY(trial_forward_in_place(k, t));
    return check_tensor(k, "forward in place", &t->on_dst, t->dst);
}

/* Into the sources whose bit is set in `wanted`. */
static cfp_status check_backward_to(check *k, trial *t, unsigned wanted)
{
    char what[48];
    for (int i = 0; i < case_inputs(t->c); i++)
        CFP_TRY(device_tensor_spoil(k, &t->on_diff_src[i]));
    CFP_TRY(trial_backward(k, t, wanted));
    for (int i = 0; i < case_inputs(t->c); i++) {
        snprintf(what, sizeof what, "backward to %d (wanted: %x)", i, wanted);
        if (wanted >> i & 1)
            CFP_TRY(check_tensor(k, what, &t->on_diff_src[i], t->diff_src[i]));
    }
    return CFP_OK;
}

/* Backward to all sources at once and, if there are several, to each alone. */
static cfp_status check_backward(check *k, trial *t)
{
    const int inputs = case_inputs(t->c);
    k->exact = is_exact(&t->c->node, true);
    CFP_TRY(check_backward_to(k, t, (1u << inputs) - 1));
    for (int i = 0; i < inputs && inputs > 1; i++)
        CFP_TRY(check_backward_to(k, t, 1u << i));
    return CFP_OK;
}

static cfp_status check_layout(check *k, trial *t, source_layout layout, bool backward)
{
    CFP_TRY(trial_device_open(k, t, layout, backward));
    CFP_TRY(check_forward(k, t));
    return backward ? check_backward(k, t) : CFP_OK;
}

/* Fused activations that the output does not tell the slope of never see a backward pass. */
static bool has_backward(const op_case *c)
{
    return c->activation == CFP_OP_INPUT || cfp_gate_from_output(c->activation);
}

/* A kernel layer that gives the logits.  It is float32 in every precision, and must be as exact. */
static cfp_status check_classifier(check *k, trial *t)
{
    const double tolerance = k->tolerance;
    t->model.logits = case_inputs(t->c);
    CFP_TRY(trial_device_open(k, t, CHOSEN, has_backward(t->c)));
    if (t->on_dst.type != CFP_FLOAT32)
        check_failed(k, "logits that are not float32");
    k->tolerance = k->float_tolerance;
    const cfp_status status = check_forward(k, t);
    k->tolerance = tolerance;
    CFP_TRY(status);
    return has_backward(t->c) ? check_backward(k, t) : CFP_OK;
}

static void check_case(check *k, const op_case *c, uint64_t seed)
{
    trial t;
    if (trial_open(k, &t, c, seed) != CFP_OK) {
        check_failed(k, k->ctx.message);
        trial_close(k, &t);
        return;
    }
    for (int backward = 0; backward <= has_backward(c); backward++)
        for (int l = 0; l < (t.step.n_src > 1 ? LAYOUTS : MIXED_EVEN); l++) {
            if (check_layout(k, &t, (source_layout)l, backward) != CFP_OK)
                check_failed(k, k->ctx.message);
            trial_device_close(k, &t);
        }
    if (cfp_is_kernel_layer(t.step.node) && !c->adds) { /* a residual decides on the type */
        if (check_classifier(k, &t) != CFP_OK)
            check_failed(k, k->ctx.message);
        trial_device_close(k, &t);
    }
    trial_close(k, &t);
}

/* Random cases until `seeds` of them have shapes that fit. */
static int check_random(check *k, cfp_op op, int seeds)
{
    uint64_t state = 0x9E3779B97F4A7C15ULL + (uint64_t)op;
    char what[32];
    int done = 0;
    for (int i = 0; done < seeds && i < 100 * seeds; i++) {
        op_case c = random_case(op, &state);
        cfp_model model;
        uint64_t seed = state;
        snprintf(what, sizeof what, "random %d", i);
        c.what = what;
        const bool fits = make_model(&model, &k->ctx, &c, &seed) == CFP_OK;
        cfp_model_free(&model);
        if (!fits)
            continue;
        check_case(k, &c, state);
        done++;
    }
    return done;
}

static void check_op(check *k, cfp_op op, int seeds)
{
    const char *name = cfp_op_table[op].name;
    const int compared = k->compared, failed = k->failed;
    int cases = 0;
    k->worst = 0;
    for (int i = 0; i < OP_CASES; i++)
        if (op_cases[i].node.op == op) {
            check_case(k, &op_cases[i], 11 + (uint64_t)i);
            cases++;
        }
    if (cases == 0) {
        snprintf(k->where, sizeof k->where, "%s", name);
        check_failed(k, "no case in tests/op_cases.h");
        return;
    }
    cases += check_random(k, op, seeds);
    printf("%-16s %3d cases %5d comparisons  max rel %.2g%s\n", name, cases, k->compared - compared,
           k->worst, k->failed > failed ? "  FAILED" : "");
}

static int usage(void)
{
    fprintf(stderr, "usage: check_backends [--device NAME] [--precision fp32|tf32|bf16|fp16] "
                    "[--module-dir DIR] [--only OP] [--skip OP] [--seeds N] [--cases N] "
                    "[--bench]\n");
    return 2;
}

static bool parse_precision(cfp_precision *out, const char *word)
{
    static const char *const words[] = {"fp32", "tf32", "bf16", "fp16"};
    for (int p = 0; p < 4; p++)
        if (strcmp(word, words[p]) == 0) {
            *out = (cfp_precision)p;
            return true;
        }
    return false;
}

static bool parse(arguments *a, int argc, char **argv)
{
    *a = (arguments){.device = "cpu", .seeds = 12, .cases = CFP_RELEVANCE_CASES};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0) {
            a->bench = true;
            continue;
        }
        const char *value = argv[i + 1];
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--device") == 0)
            a->device = value;
        else if (strcmp(argv[i], "--only") == 0)
            a->only = value;
        else if (strcmp(argv[i], "--skip") == 0)
            a->skip = value;
        else if (strcmp(argv[i], "--seeds") == 0)
            a->seeds = atoi(value);
        else if (strcmp(argv[i], "--cases") == 0)
            a->cases = atoi(value);
        else if (strcmp(argv[i], "--module-dir") == 0)
            a->request.module_dir = value;
        else if (strcmp(argv[i], "--precision") != 0 ||
                 !parse_precision(&a->request.precision, value))
            return false;
        i++;
    }
    return true;
}

/* Whether --only and --skip leave this op or part in. */
static bool is_wanted(const arguments *a, const char *part)
{
    return (a->only == NULL || strcmp(a->only, part) == 0) &&
           (a->skip == NULL || strcmp(a->skip, part) != 0);
}

int main(int argc, char **argv)
{
    /* Half a step of the format, so much is one rounding off; at most four follow one another: a
     * convolution set aside, its activation, a factor of the gradient, the gradient.  fp32, tf32:
     * sums in another order, and tf32's factors. */
    const double rounding_bf16 = 0x1p-8, rounding_fp16 = 0x1p-11;
    const double tolerances[] = {1e-5, 4e-3, 4 * rounding_bf16, 4 * rounding_fp16};
    arguments a;
    if (!parse(&a, argc, argv))
        return usage();

    check k = {.precision = a.request.precision, .tolerance = tolerances[a.request.precision]};
    k.float_tolerance = k.precision == CFP_TF32 ? k.tolerance : tolerances[CFP_FP32];
    const cfp_status status = cfp_device_open(&k.device, &k.ctx, a.device, &a.request);
    if (status != CFP_OK) {
        fprintf(stderr, "check_backends: %s\n", k.ctx.message);
        return status == CFP_USAGE ? 2 : 77;
    }
    printf("%s: %s\n", a.device, k.device.api->describe(k.device.backend));
    if (check_unit(&k) != CFP_OK)
        check_failed(&k, k.ctx.message);
    for (int op = CFP_OP_INPUT + 1; op < CFP_OP_COUNT; op++)
        if (is_wanted(&a, cfp_op_table[op].name))
            check_op(&k, (cfp_op)op, a.seeds);
    if (is_wanted(&a, "primitives"))
        check_primitives(&k);
    if (is_wanted(&a, "relevance"))
        check_relevance(&k, a.cases);
    if (is_wanted(&a, "pairs"))
        check_pairs(&k);
    if (is_wanted(&a, "frames"))
        check_frames(&k);
    if (a.bench)
        check_bench(&k);
    cfp_device_close(&k.device);
    printf("%d comparisons, %d failed\n", k.compared, k.failed);
    return k.failed == 0 && k.compared > 0 ? 0 : 1;
}
