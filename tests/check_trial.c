/* check_trial.c - runs one case of an op on ref and on a device, and compares the results. */
#include "check_backends.h"
#include "cuda/halves.h"
#include <math.h>
#include <stdio.h>

static void print_shape(const char *what, int i, cfp_shape s)
{
    printf("    %s %d: %d x %d x %d x %d x %d\n", what, i, s.n, s.c, s.t, s.h, s.w);
}

void check_failed(check *k, const char *what)
{
    k->failed++;
    printf("FAILED %s: %s\n", k->where, what);
    const trial *t = k->trial;
    if (t == NULL || t->step.node == NULL)
        return;
    for (int i = 0; i < t->step.n_src; i++)
        print_shape("source", i, t->shape[i]);
    const cfp_window *w = &t->step.node->window;
    const int *const rows[] = {w->kernel, w->stride, w->dilation, w->pad_begin, w->pad_end};
    static const char *const names[] = {"kernel", "stride", "dilation", "pad_begin", "pad_end"};
    for (int i = 0; i < 5; i++)
        printf("    %s %d, %d, %d;", names[i], rows[i][0], rows[i][1], rows[i][2]);
    printf(" groups %d\n", t->step.node->groups);
}

void make_exact(const check *k, float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = k->precision == CFP_BF16   ? float_of_bfloat16(bfloat16_of(x[i]))
               : k->precision == CFP_FP16 ? float_of_float16(float16_of(x[i]))
                                          : x[i];
}

typedef struct difference {
    double most, largest; /* of |got - right|, of |right| */
    double nmse;          /* energy of the error over the energy of the right values */
    int64_t at;           /* the place of the worst error; NaN is worse than any number */
} difference;

static difference difference_of(const float *got, const float *right, int64_t count)
{
    difference d = {0};
    double error = 0, power = 0;
    for (int64_t i = 0; i < count; i++) {
        const double here = fabs((double)got[i] - right[i]);
        d.largest = fmax(d.largest, fabs(right[i]));
        error += here * here;
        power += (double)right[i] * right[i];
        if (!isnan(d.most) && !(here <= d.most))
            d.most = here, d.at = i;
    }
    d.nmse = power > 0 ? error / power : error;
    return d;
}

void check_values(check *k, const char *what, const float *got, const float *right, int64_t count)
{
    const difference d = difference_of(got, right, count);
    const double allowed = k->exact ? 0 : k->tolerance;
    const double relative = d.largest > 0 ? d.most / d.largest : d.most;
    k->compared++;
    k->worst = fmax(k->worst, relative);
    if (d.most <= allowed * d.largest)
        return;
    char text[256];
    snprintf(text, sizeof text,
             "%s: [%lld] of %lld is %.9g, expected %.9g; max abs %.3g, max rel %.3g (allowed %.3g),"
             " NMSE %.3g",
             what, (long long)d.at, (long long)count, got[d.at], right[d.at], d.most, relative,
             allowed, d.nmse);
    check_failed(k, text);
}

/* The same memory with its unused lanes taken for channels: a device shows them by download. */
static cfp_tensor with_lanes(const cfp_tensor *x)
{
    cfp_tensor lanes = *x;
    lanes.shape.c = cfp_blocks(x) * x->block;
    return lanes;
}

cfp_status device_tensor_open(check *k, cfp_tensor *x)
{
    void *memory = NULL;
    CFP_TRY(k->device.api->alloc(k->device.backend, &memory, k->device.api->tensor_bytes(x)));
    x->data = memory;
    return CFP_OK;
}

void device_tensor_free(check *k, cfp_tensor *x)
{
    if (x->data != NULL)
        k->device.api->release(k->device.backend, x->data);
    x->data = NULL;
}

cfp_status device_tensor_spoil(check *k, cfp_tensor *x)
{
    cfp_tensor lanes = with_lanes(x);
    float *rubbish;
    CFP_TRY_ALLOC(&k->ctx, rubbish, cfp_count(lanes.shape));
    for (int64_t i = 0; i < cfp_count(lanes.shape); i++)
        rubbish[i] = NAN;
    const cfp_status status = k->device.api->upload(k->device.backend, &lanes, rubbish);
    cfp_free(rubbish);
    return status;
}

cfp_status check_tensor(check *k, const char *what, const cfp_tensor *got, const float *right)
{
    const cfp_tensor lanes = with_lanes(got);
    const int64_t positions = cfp_positions(got->shape);
    const int64_t wide = lanes.shape.c * positions, narrow = got->shape.c * positions;
    float *plain;
    CFP_TRY_ALLOC(&k->ctx, plain, cfp_count(lanes.shape));
    const cfp_status status = k->device.api->download(k->device.backend, plain, &lanes);
    int64_t dirty = 0;
    for (int n = 0; n < got->shape.n && status == CFP_OK; n++) {
        for (int64_t i = narrow; i < wide; i++)
            dirty += plain[n * wide + i] != 0;
        memmove(plain + n * narrow, plain + n * wide, (size_t)narrow * sizeof *plain);
    }
    if (status == CFP_OK)
        check_values(k, what, plain, right, cfp_count(got->shape));
    if (dirty > 0) {
        char text[96];
        snprintf(text, sizeof text, "%s: lanes behind the last channel are not zero", what);
        check_failed(k, text);
    }
    cfp_free(plain);
    return status;
}

cfp_status choose_layout(check *k, cfp_tensor *x)
{
    const cfp_shape shape = x->shape;
    const op_case c = {
        .what = "layout", CONV(shape.c, 1, {{1, 1, 1}, {0}, {0}, {0}, {0}}), .src = {shape}};
    uint64_t seed = 1;
    cfp_model model;
    cfp_status status = make_model(&model, &k->ctx, &c, &seed);
    x->block = 1;
    for (int i = 0; i < 2 && status == CFP_OK; i++) { /* twice: after the clip, and further in */
        cfp_step step = make_step(&model, &c);
        const cfp_tensor src = {.shape = shape, .block = x->block, .type = x->type};
        cfp_tensor dst = {.shape = shape, .block = 1};
        status = k->device.api->step_open(k->device.backend, &step,
                                          (const cfp_tensor *const[1]){&src}, &dst);
        if (status == CFP_OK)
            k->device.api->step_close(k->device.backend, &step);
        x->block = dst.block;
        x->type = dst.type;
    }
    cfp_model_free(&model);
    return status;
}

static cfp_tensor plain_tensor(cfp_shape shape, float *data)
{
    return (cfp_tensor){.shape = shape, .block = 1, .data = data};
}

/* ref's side: random sources and result gradient, its result and its gradients. */
static cfp_status run_ref(check *k, trial *t)
{
    cfp_tensor src[MOST], diff_src[MOST], dst, diff_dst;
    const cfp_tensor *reads[MOST];
    cfp_tensor *wanted[MOST];
    for (int i = 0; i < t->step.n_src; i++) {
        const int64_t count = cfp_count(t->shape[i]);
        CFP_TRY_ALLOC(&k->ctx, t->src[i], count);
        CFP_TRY_ALLOC(&k->ctx, t->diff_src[i], count);
        random_values(t->src[i], count, t->c->values, &t->seed);
        make_exact(k, t->src[i], count);
        src[i] = plain_tensor(t->shape[i], t->src[i]);
        diff_src[i] = plain_tensor(t->shape[i], t->diff_src[i]);
        reads[i] = &src[i], wanted[i] = &diff_src[i];
    }
    CFP_TRY_ALLOC(&k->ctx, t->dst, cfp_count(t->out));
    CFP_TRY_ALLOC(&k->ctx, t->diff_dst, cfp_count(t->out));
    random_values(t->diff_dst, cfp_count(t->out), ANY, &t->seed);
    make_exact(k, t->diff_dst, cfp_count(t->out));
    dst = plain_tensor(t->out, t->dst), diff_dst = plain_tensor(t->out, t->diff_dst);
    CFP_TRY(cfp_backend_ref.step_forward(NULL, &t->step, reads, &dst, NULL));
    return cfp_backend_ref.step_backward(NULL, &t->step, reads, &dst, &diff_dst, wanted, NULL);
}

/* Shapes and blocks of the sources and of the result. */
static cfp_status open_step(check *k, trial *t, source_layout layout)
{
    const cfp_tensor *src[MOST];
    char blocks[32] = "";
    int length = 0;
    for (int i = 0; i < t->step.n_src; i++) {
        cfp_tensor *x = &t->on_src[i];
        *x = (cfp_tensor){.shape = t->shape[i], .block = 1};
        if (layout == CHOSEN || (layout == MIXED_EVEN && i % 2 == 0) ||
            (layout == MIXED_ODD && i % 2 == 1))
            CFP_TRY(choose_layout(k, x));
        length += snprintf(blocks + length, sizeof blocks - (size_t)length, " %d", x->block);
        src[i] = x;
    }
    t->on_dst = (cfp_tensor){.shape = t->out, .block = 1};
    snprintf(k->where, sizeof k->where, "%s '%s' (blocks%s -> ?)", cfp_op_table[t->c->node.op].name,
             t->c->what, blocks);
    CFP_TRY(k->device.api->step_open(k->device.backend, &t->step, src, &t->on_dst));
    t->is_open = true;
    snprintf(k->where, sizeof k->where, "%s '%s' (blocks%s -> %d)",
             cfp_op_table[t->c->node.op].name, t->c->what, blocks, t->on_dst.block);
    if (!cfp_shape_equal(t->on_dst.shape, t->out) || t->on_dst.block < 1)
        check_failed(k, "step_open changed the shape, or gave no block");
    return CFP_OK;
}

cfp_status trial_device_open(check *k, trial *t, source_layout layout, bool backward)
{
    const cfp_backend_api *api = k->device.api;
    t->step.backward = backward;
    CFP_TRY(open_step(k, t, layout));
    CFP_TRY(api->alloc(k->device.backend, &t->scratch, t->step.scratch_bytes));
    t->on_diff_dst = t->on_dst;
    for (int i = 0; i < t->step.n_src; i++) {
        t->on_diff_src[i] = t->on_src[i];
        CFP_TRY(device_tensor_open(k, &t->on_src[i]));
        CFP_TRY(device_tensor_open(k, &t->on_diff_src[i]));
        CFP_TRY(api->upload(k->device.backend, &t->on_src[i], t->src[i]));
    }
    CFP_TRY(device_tensor_open(k, &t->on_dst));
    CFP_TRY(device_tensor_open(k, &t->on_diff_dst));
    return api->upload(k->device.backend, &t->on_diff_dst, t->diff_dst);
}

void trial_device_close(check *k, trial *t)
{
    for (int i = 0; i < MOST; i++) {
        device_tensor_free(k, &t->on_src[i]);
        device_tensor_free(k, &t->on_diff_src[i]);
    }
    device_tensor_free(k, &t->on_dst);
    device_tensor_free(k, &t->on_diff_dst);
    if (t->scratch != NULL)
        k->device.api->release(k->device.backend, t->scratch);
    t->scratch = NULL;
    if (t->is_open)
        k->device.api->step_close(k->device.backend, &t->step);
    t->is_open = false;
}

cfp_status trial_forward(check *k, trial *t)
{
    const cfp_tensor *src[MOST];
    for (int i = 0; i < t->step.n_src; i++)
        src[i] = &t->on_src[i];
    return k->device.api->step_forward(k->device.backend, &t->step, src, &t->on_dst, t->scratch);
}

cfp_status trial_forward_in_place(check *k, trial *t)
{
    const cfp_tensor *src[MOST];
    const int last = t->step.n_src - 1;
    for (int i = 0; i < last; i++)
        src[i] = &t->on_src[i];
    src[last] = &t->on_dst;
    CFP_TRY(k->device.api->upload(k->device.backend, &t->on_dst, t->src[last]));
    return k->device.api->step_forward(k->device.backend, &t->step, src, &t->on_dst, t->scratch);
}

/* Values that the op says it does not read are not given. */
cfp_status trial_backward(check *k, trial *t, unsigned wanted)
{
    const cfp_backward_reads reads = cfp_op_backward_reads(t->c->node.op);
    const cfp_tensor *src[MOST];
    cfp_tensor *diff_src[MOST];
    for (int i = 0; i < t->step.n_src; i++) {
        const bool is_wanted = i < case_inputs(t->c) && (wanted >> i & 1);
        src[i] = reads.src ? &t->on_src[i] : NULL;
        diff_src[i] = is_wanted ? &t->on_diff_src[i] : NULL;
    }
    return k->device.api->step_backward(k->device.backend, &t->step, src,
                                        reads.dst ? &t->on_dst : NULL, &t->on_diff_dst, diff_src,
                                        t->scratch);
}

/* What the device keeps in its storage type: weights, biases, a pad's constant. */
static void make_parameters_exact(const check *k, cfp_node *node)
{
    const int *taps = node->window.kernel;
    if (node->weight != NULL)
        make_exact(k, node->weight,
                   (int64_t)node->shape.c * node->kernel_channels * taps[0] * taps[1] * taps[2]);
    if (node->bias != NULL)
        make_exact(k, node->bias, node->shape.c);
    make_exact(k, &node->value, 1);
}

cfp_status trial_open(check *k, trial *t, const op_case *c, uint64_t seed)
{
    *t = (trial){.c = c, .seed = seed};
    k->trial = t;
    snprintf(k->where, sizeof k->where, "%s '%s'", cfp_op_table[c->node.op].name, c->what);
    CFP_TRY(make_model(&t->model, &k->ctx, c, &t->seed));
    make_parameters_exact(k, made_node(&t->model, c));
    t->step = make_step(&t->model, c);
    t->out = t->step.node->shape;
    t->out.n = c->src[0].n;
    for (int i = 0; i < t->step.n_src; i++)
        t->shape[i] = i < case_inputs(c) ? c->src[i] : t->out;
    return run_ref(k, t);
}

void trial_close(check *k, trial *t)
{
    k->trial = NULL;
    for (int i = 0; i < MOST; i++) {
        cfp_free(t->src[i]);
        cfp_free(t->diff_src[i]);
    }
    cfp_free(t->dst);
    cfp_free(t->diff_dst);
    cfp_model_free(&t->model);
}

cfp_status lend(check *k, struct lent *out, const void *from, size_t bytes)
{
    *out = (struct lent){.bytes = bytes};
    CFP_TRY(k->device.api->alloc(k->device.backend, &out->memory, bytes));
    if (from != NULL)
        return k->device.api->put(k->device.backend, out->memory, from, bytes);
    return k->device.api->fill(k->device.backend, out->memory, 0xff, bytes);
}

cfp_status give_back(check *k, struct lent *lent, void *to)
{
    cfp_status status = CFP_OK;
    if (to != NULL)
        status = k->device.api->fetch(k->device.backend, to, lent->memory, lent->bytes);
    k->device.api->release(k->device.backend, lent->memory);
    *lent = (struct lent){0};
    return status;
}
