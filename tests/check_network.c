/* check_network.c - compares one network on a device, in several precisions, with the processor in
 * fp32.
 *
 *     check_network [--device NAME] [--against NAME] [--module-dir DIR] [--precisions LIST]
 *                   [--batch N] MODEL
 *
 * Libraries choose an algorithm by the shape of a layer.  So small cases say little about a network
 * of published size.
 *
 * First, clips of random frames are explained on both, by the rules cfp and grad: logits, which
 * kernels are selected and, in fp32, the maps of all layers.  This runs as in the program, in
 * memory that layers share.  Roundings of bf16 and fp16 grow through many layers of random weights,
 * so these bounds are wide.
 *
 * Then every tensor is kept.  The processor computes each step from what the DEVICE has as input of
 * that step, and the backward pass from the device's values.  So no error is carried from layer to
 * layer, and the bounds are a few roundings.  The bounds are on the length of the difference of two
 * tensors, divided by the length of the tensor.
 *
 * A precision that the device refuses is skipped.  Exit status 77: there is no such device. */
#include "../host/method/explain.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISIONS = 4, RULES = 2, MOST_SHOWN = 8 };

static const char *const precision_name[PRECISIONS] = {"fp32", "tf32", "bf16", "fp16"};
static const char *const rule_name[RULES] = {"cfp", "grad"};

/* The bounds of each precision.  logits: the largest difference over the largest logit.  agreement:
 * the kernels that both selected over those that either did; a minimum.  value, gradient and map:
 * the length of the difference over the length of the tensor.  A value has the roundings of one
 * step, a gradient those of all later steps.  A map changes if one kernel is selected by one side
 * only. */
static const struct bounds {
    double logits, agreement, value, gradient, map; /* map 0: not compared */
} bounds[PRECISIONS] = {{1e-4, 0.99, 1e-4, 1e-4, 0.1},
                        {0.1, 0.5, 4e-3, 2e-2, 0},
                        {0.4, 0.1, 2e-2, 0.1, 0},
                        {0.1, 0.5, 2e-3, 2e-2, 0}};

typedef struct options {
    const char *device, *against, *module_dir, *model;
    bool wanted[PRECISIONS];
    int batch;
} options;

/* What one device says of the clips. */
typedef struct answer {
    cfp_explanation *explained[RULES]; /* [batch] */
    float **value, **gradient;         /* [n_nodes] float32, plain; NULL: no such tensor */
    double unit;                       /* gradients are held times this */
} answer;

typedef struct check {
    cfp_ctx ctx;
    options want;
    cfp_model model;
    cfp_clip *clip;
    int *class_index; /* [batch] the processor's top class: both explain that */
    cfp_device processor;
    cfp_trace *trace; /* on the processor, with every tensor kept */
    answer right;
    int failed;
} check;

/* --- asking a device --- */

static cfp_status explain(answer *a, check *c, const cfp_device *device, int rule)
{
    cfp_analyser *analyser;
    cfp_query query = cfp_query_default();
    const cfp_batch batch = {.clips = c->want.batch, .thetas = 1, .theta = &query.theta};
    const cfp_clip **clips;
    query.rule = rule == 0 ? CFP_RULE_CFP : CFP_RULE_GRAD;
    query.tubes = CFP_TUBES_LAYERS;
    CFP_TRY_ALLOC(&c->ctx, clips, c->want.batch);
    for (int n = 0; n < c->want.batch; n++)
        clips[n] = &c->clip[n];
    cfp_status status = cfp_analyser_open(&analyser, &c->ctx, &c->model, device, &query, &batch);
    if (status == CFP_OK)
        status = cfp_explain_batch(a->explained[rule], analyser, clips, c->class_index,
                                   CFP_INTERP_LINEAR);
    cfp_analyser_close(&analyser);
    cfp_free(clips);
    return status;
}

static cfp_status download(float **out, check *c, const cfp_device *device, const cfp_tensor *x)
{
    CFP_TRY_ALLOC(&c->ctx, *out, cfp_count(x->shape));
    return device->api->download(device->backend, *out, x);
}

/* Whose gradient a node's tensor holds: that of a fused activation was taken through it, in place:
 * it is the gradient of the node before. */
static int whose_gradient(const cfp_trace *trace, int node)
{
    const int s = trace->step_of[trace->holder[node]];
    const cfp_node *fused = s < 0 ? NULL : trace->step[s].step.activation;
    return fused == NULL ? node : fused->input[0];
}

/* The tensor of a node's output; NULL if the node was fused into another, or has another's tensor.
 */
static const cfp_tensor *own_value(const cfp_trace *trace, int node)
{
    return trace->holder[node] == node ? cfp_trace_value(trace, node) : NULL;
}

static cfp_status keep_values(answer *a, check *c, const cfp_trace *trace)
{
    CFP_TRY_ALLOC(&c->ctx, a->value, c->model.n_nodes);
    for (int i = 1; i < c->model.n_nodes; i++)
        if (own_value(trace, i) != NULL)
            CFP_TRY(download(&a->value[i], c, &trace->device, own_value(trace, i)));
    return CFP_OK;
}

static cfp_status keep_gradients(answer *a, check *c, cfp_trace *trace)
{
    CFP_TRY_ALLOC(&c->ctx, a->gradient, c->model.n_nodes);
    for (int i = 1; i < c->model.n_nodes; i++) {
        const cfp_tensor *g;
        CFP_TRY(cfp_trace_gradient(&g, trace, i));
        if (own_value(trace, i) == NULL || g == NULL)
            continue;
        float **whose = &a->gradient[whose_gradient(trace, i)];
        if (*whose == NULL)
            CFP_TRY(download(whose, c, &trace->device, g));
    }
    return CFP_OK;
}

/* The gradient of each clip's logit of its class.  A backend may multiply gradients by a power of
 * two.  Passing in a 1 shows which. */
static cfp_status go_back(answer *a, check *c, cfp_trace *trace)
{
    const cfp_device *device = &trace->device;
    const int classes = c->model.n_classes;
    const size_t bytes = (size_t)c->want.batch * (size_t)classes * sizeof(float);
    float *first = NULL, *one;
    const cfp_tensor *there;
    void *seed;
    CFP_TRY_ALLOC(&c->ctx, one, c->want.batch * classes);
    for (int n = 0; n < c->want.batch; n++)
        one[n * classes + c->class_index[n]] = 1;
    cfp_status status = device->api->alloc(device->backend, &seed, bytes);
    if (status == CFP_OK)
        status = device->api->put(device->backend, seed, one, bytes);
    if (status == CFP_OK)
        status = cfp_backward_start(trace, seed);
    if (status == CFP_OK)
        status = cfp_trace_gradient(&there, trace, c->model.logits);
    if (status == CFP_OK)
        status = download(&first, c, device, there);
    if (status == CFP_OK)
        a->unit = first[c->class_index[0]];
    for (int i = c->model.logits; i > 0 && status == CFP_OK; i--) {
        status = cfp_backward_tail(trace, i, NULL);
        if (status == CFP_OK)
            status = cfp_backward_head(trace, i, NULL, NULL);
    }
    if (status == CFP_OK)
        status = keep_gradients(a, c, trace);
    device->api->release(device->backend, seed);
    cfp_free(first);
    cfp_free(one);
    return status;
}

/* Opens a trace that keeps every tensor, and runs it forward. */
static cfp_status run_kept(cfp_trace **trace, check *c, const cfp_device *device)
{
    const cfp_trace_request all = {.backward = true,
                                   .clip_gradient = true,
                                   .depth = CFP_ALL_DEPTHS,
                                   .keep_all = true,
                                   .clips = c->want.batch};
    const int64_t numbers = cfp_count(c->model.node[0].shape);
    float *input, *logits;
    CFP_TRY(cfp_trace_open(trace, &c->ctx, &c->model, device, &all));
    CFP_TRY_ALLOC(&c->ctx, input, numbers * c->want.batch + c->want.batch * c->model.n_classes);
    logits = input + numbers * c->want.batch;
    for (int n = 0; n < c->want.batch; n++)
        cfp_clip_normalise(input + n * numbers, &c->clip[n], &c->model.input);
    const cfp_status status = cfp_trace_forward(*trace, input, logits);
    cfp_free(input);
    return status;
}

static cfp_status ask_both_rules(answer *a, check *c, const cfp_device *device)
{
    for (int rule = 0; rule < RULES; rule++) {
        CFP_TRY_ALLOC(&c->ctx, a->explained[rule], c->want.batch);
        CFP_TRY(explain(a, c, device, rule));
        for (int n = 0; n < c->want.batch && a == &c->right; n++)
            c->class_index[n] = a->explained[rule][n].class_index;
    }
    return CFP_OK;
}

static cfp_status ask(answer *a, check *c, const cfp_device *device)
{
    cfp_trace *trace = NULL;
    CFP_TRY(ask_both_rules(a, c, device));
    cfp_status status = run_kept(&trace, c, device);
    if (status == CFP_OK)
        status = keep_values(a, c, trace);
    if (status == CFP_OK)
        status = go_back(a, c, trace);
    cfp_trace_close(&trace);
    return status;
}

static void forget(answer *a, const check *c)
{
    for (int rule = 0; rule < RULES; rule++) {
        for (int n = 0; n < c->want.batch && a->explained[rule] != NULL; n++)
            cfp_explanation_free(&a->explained[rule][n]);
        cfp_free(a->explained[rule]);
    }
    for (int i = 0; i < c->model.n_nodes; i++) {
        if (a->value != NULL)
            cfp_free(a->value[i]);
        if (a->gradient != NULL)
            cfp_free(a->gradient[i]);
    }
    cfp_free(a->value);
    cfp_free(a->gradient);
    *a = (answer){.unit = 0};
}

/* --- comparing --- */

/* Prints a number and its bound; NaN fails. */
static void judge(check *c, const char *what, const char *where, double got, double most)
{
    const bool good = got <= most;
    printf("  %-26s %9.2e  at most %.0e%s%s%s\n", what, got, most, *where != '\0' ? "  " : "",
           where, good ? "" : "  FAILED");
    c->failed += !good;
}

static void compare_logits(check *c, const answer *a, const struct bounds *b)
{
    double off = 0, largest = 0;
    for (int n = 0; n < c->want.batch; n++)
        for (int k = 0; k < c->model.n_classes; k++) {
            const double want = c->right.explained[0][n].logits[k];
            const double d = fabs(a->explained[0][n].logits[k] - want);
            off = d <= off ? off : d; /* so written that NaN stays */
            largest = fmax(largest, fabs(want));
        }
    judge(c, "logits", "", off / largest, b->logits);
}

/* Kernels selected by both, and by either, in one clip. */
static void count_selected(int64_t *both, int64_t *either, const cfp_pyramid *x,
                           const cfp_pyramid *y)
{
    for (int l = 0; l < x->n_layers; l++)
        *either += x->layer[l].n_selected;
    for (int l = 0; l < y->n_layers; l++) {
        const cfp_layer *b = &y->layer[l], *a = NULL;
        for (int k = 0; k < x->n_layers; k++)
            if (x->layer[k].node == b->node)
                a = &x->layer[k];
        for (int i = 0, j = 0; j < b->n_selected; j++) {
            while (a != NULL && i < a->n_selected && a->selected[i] < b->selected[j])
                i++;
            const bool seen = a != NULL && i < a->n_selected && a->selected[i] == b->selected[j];
            *both += seen;
            *either += !seen;
        }
    }
}

static void compare_selected(check *c, const answer *a, const struct bounds *b)
{
    for (int rule = 0; rule < RULES; rule++) {
        int64_t both = 0, either = 0;
        for (int n = 0; n < c->want.batch; n++)
            count_selected(&both, &either, &a->explained[rule][n].pyramid,
                           &c->right.explained[rule][n].pyramid);
        char what[64];
        snprintf(what, sizeof what, "kernels, --rule %s", rule_name[rule]);
        const double share = either > 0 ? (double)both / (double)either : 0;
        const bool good = share >= b->agreement;
        printf("  %-26s %9.4f  at least %.2f  %lld of %lld%s\n", what, share, b->agreement,
               (long long)both, (long long)either, good ? "" : "  FAILED");
        c->failed += !good;
    }
}

/* The worst of many tensors. */
typedef struct worst {
    const char *what, *where;
    double off, most;
    int compared, wrong;
} worst;

/* The length of got / unit - want over that of want. */
static void compare_tensor(worst *w, const char *name, const float *got, double unit,
                           const float *want, int64_t count)
{
    double off = 0, length = 0;
    for (int64_t i = 0; i < count; i++) {
        const double d = got[i] / unit - want[i];
        off += d * d;
        length += (double)want[i] * want[i];
    }
    off = sqrt(off) / (length > 0 ? sqrt(length) : 1);
    w->compared++;
    if (!(off <= w->most) && w->wrong++ < MOST_SHOWN)
        printf("  %s of %s: off by %.2e\n", w->what, name, off);
    if (!(off <= w->off)) {
        w->off = off;
        w->where = name;
    }
}

static void judge_tensors(check *c, const worst *w)
{
    char title[64];
    snprintf(title, sizeof title, "%ss (%d)", w->what, w->compared);
    judge(c, title, w->where, w->compared > 1 ? w->off : NAN, w->most);
}

/* The maps of the layers that both explanations have. */
static void compare_maps(check *c, const answer *a, double most)
{
    for (int rule = 0; rule < RULES && most > 0; rule++) {
        char what[64];
        snprintf(what, sizeof what, "--rule %s, map", rule_name[rule]);
        worst w = {.what = what, .where = "", .most = most};
        for (int n = 0; n < c->want.batch; n++) {
            const cfp_tubes_list *x = &a->explained[rule][n].tubes;
            const cfp_tubes_list *y = &c->right.explained[rule][n].tubes;
            for (int i = 0; i < x->n; i++)
                for (int k = 0; k < y->n; k++)
                    if (x->tube[i].node == y->tube[k].node)
                        compare_tensor(&w, c->model.node[y->tube[k].node].name, x->tube[i].raw, 1,
                                       y->tube[k].raw,
                                       (int64_t)y->tube[k].t * y->tube[k].h * y->tube[k].w);
        }
        judge_tensors(c, &w);
    }
}

/* The processor computes every step from the device's values.  The device's output then replaces
 * the processor's. */
static cfp_status compare_step(worst *w, check *c, const answer *a, const cfp_trace_step *step)
{
    cfp_trace *trace = c->trace;
    const cfp_backend_api *api = trace->device.api;
    cfp_tensor *dst = &trace->value[step->tail];
    const cfp_tensor **src;
    float *right = NULL;
    CFP_TRY_ALLOC(&c->ctx, src, step->step.n_src);
    for (int k = 0; k < step->step.n_src; k++)
        src[k] = &trace->value[step->src[k]];
    cfp_status status =
        api->step_forward(trace->device.backend, &step->step, src, dst, trace->scratch);
    cfp_free(src);
    CFP_TRY(status);
    if (a->value[step->tail] == NULL)
        return cfp_fail(&c->ctx, CFP_SHAPE, "%s is a tensor on the processor alone",
                        c->model.node[step->tail].name);
    status = download(&right, c, &trace->device, dst);
    if (status == CFP_OK)
        compare_tensor(w, c->model.node[step->tail].name, a->value[step->tail], 1, right,
                       cfp_count(dst->shape));
    cfp_free(right);
    CFP_TRY(status);
    return api->upload(trace->device.backend, dst, a->value[step->tail]);
}

static cfp_status compare_values(check *c, const answer *a, double most)
{
    worst w = {.what = "value", .where = "", .most = most};
    for (int s = 0; s < c->trace->n_steps; s++)
        CFP_TRY(compare_step(&w, c, a, &c->trace->step[s]));
    judge_tensors(c, &w);
    return CFP_OK;
}

/* The processor's trace now holds the device's values: the backward pass of both is of the same. */
static cfp_status compare_gradients(check *c, const answer *a, double most)
{
    worst w = {.what = "gradient", .where = "", .most = most};
    answer right = {.unit = 1};
    const cfp_status status = go_back(&right, c, c->trace);
    for (int i = 1; i < c->model.n_nodes && status == CFP_OK; i++) {
        const char *name = c->model.node[i].name;
        if ((a->gradient[i] == NULL) != (right.gradient[i] == NULL)) {
            printf("  gradient of %s: only one of the two has it  FAILED\n", name);
            c->failed++;
        } else if (a->gradient[i] != NULL)
            compare_tensor(&w, name, a->gradient[i], a->unit, right.gradient[i],
                           c->want.batch * cfp_count(c->model.node[i].shape));
    }
    judge_tensors(c, &w);
    forget(&right, c);
    return status;
}

static cfp_status compare_answers(check *c, const answer *a, const struct bounds *b)
{
    compare_logits(c, a, b);
    compare_selected(c, a, b);
    compare_maps(c, a, b->map);
    CFP_TRY(compare_values(c, a, b->value));
    return compare_gradients(c, a, b->gradient);
}

/* If one precision fails, that is reported, and the next one is checked. */
static void check_precision(check *c, int p)
{
    const cfp_device_request request = {.precision = (cfp_precision)p,
                                        .module_dir = c->want.module_dir};
    const double start = cfp_now_ms();
    cfp_device device;
    answer a = {.unit = 1};
    cfp_status status = cfp_device_open(&device, &c->ctx, c->want.device, &request);
    if (status == CFP_OK) {
        printf("%s: %s\n", precision_name[p], device.api->describe(device.backend));
        status = ask(&a, c, &device);
    }
    if (status == CFP_OK)
        status = compare_answers(c, &a, &bounds[p]);
    if (status == CFP_UNSUPPORTED) /* fp16 may not have the range, or the device not the type */
        printf("%s: skipped: %s\n", precision_name[p], c->ctx.message);
    else if (status != CFP_OK) {
        printf("%s: FAILED: %s\n", precision_name[p], c->ctx.message);
        c->failed++;
    }
    printf("  %.1f s\n", (cfp_now_ms() - start) * 1e-3);
    forget(&a, c);
    cfp_device_close(&device);
}

/* --- clips, options --- */

static cfp_status make_clips(check *c)
{
    const cfp_input_spec *in = &c->model.input;
    const int64_t bytes = (int64_t)in->frames * in->height * in->width * 3;
    uint32_t state = 1;
    CFP_TRY_ALLOC(&c->ctx, c->clip, c->want.batch);
    CFP_TRY_ALLOC(&c->ctx, c->class_index, c->want.batch);
    for (int n = 0; n < c->want.batch; n++) {
        cfp_clip *clip = &c->clip[n];
        *clip = (cfp_clip){.frames = in->frames, .height = in->height, .width = in->width};
        c->class_index[n] = -1;
        CFP_TRY_ALLOC(&c->ctx, clip->rgb, bytes);
        for (int64_t i = 0; i < bytes; i++) {
            state = state * 1664525u + 1013904223u;
            clip->rgb[i] = (uint8_t)(state >> 24);
        }
    }
    return CFP_OK;
}

static cfp_status ask_processor(check *c)
{
    const cfp_device_request request = {.module_dir = c->want.module_dir};
    const double start = cfp_now_ms();
    CFP_TRY(cfp_device_open(&c->processor, &c->ctx, c->want.against, &request));
    CFP_TRY(ask_both_rules(&c->right, c, &c->processor));
    CFP_TRY(run_kept(&c->trace, c, &c->processor));
    printf("against %s, fp32: %s; clips: %d; %.1f s\n", c->want.against,
           c->processor.api->describe(c->processor.backend), c->want.batch,
           (cfp_now_ms() - start) * 1e-3);
    return CFP_OK;
}

static bool parse_precisions(options *want, const char *list)
{
    for (const char *at = list; at != NULL;
         at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL) {
        int p = 0;
        while (p < PRECISIONS && strncmp(at, precision_name[p], 4) != 0)
            p++;
        if (p == PRECISIONS || (at[4] != ',' && at[4] != '\0'))
            return false;
        want->wanted[p] = true;
    }
    return true;
}

static bool parse(options *want, int argc, char **argv)
{
    *want = (options){.device = "cuda", .against = "cpu", .batch = 1};
    bool some = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') {
            want->model = argv[i];
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--device") == 0)
            want->device = value;
        else if (strcmp(argv[i], "--against") == 0)
            want->against = value;
        else if (strcmp(argv[i], "--module-dir") == 0)
            want->module_dir = value;
        else if (strcmp(argv[i], "--batch") == 0)
            want->batch = atoi(value);
        else if (strcmp(argv[i], "--precisions") != 0 || !(some = parse_precisions(want, value)))
            return false;
        i++;
    }
    for (int p = 0; p < PRECISIONS && !some; p++)
        want->wanted[p] = true;
    return want->model != NULL && want->batch >= 1 && want->batch <= 64;
}

/* Before the processor works for seconds: is the device there? */
static cfp_status find_device(check *c)
{
    const cfp_device_request request = {.module_dir = c->want.module_dir};
    cfp_device device;
    CFP_TRY(cfp_device_open(&device, &c->ctx, c->want.device, &request));
    cfp_device_close(&device);
    return CFP_OK;
}

static cfp_status compare(check *c)
{
    CFP_TRY(cfp_model_open(&c->model, &c->ctx, c->want.model));
    CFP_TRY(make_clips(c));
    CFP_TRY(ask_processor(c));
    for (int p = 0; p < PRECISIONS; p++)
        if (c->want.wanted[p])
            check_precision(c, p);
    return CFP_OK;
}

int main(int argc, char **argv)
{
    check c = {.failed = 0};
    setvbuf(stdout, NULL, _IOLBF,
            0); /* a time limit may end the test; the log then has what was found */
    if (!parse(&c.want, argc, argv)) {
        fprintf(stderr, "usage: check_network [--device NAME] [--against NAME] [--module-dir DIR] "
                        "[--precisions LIST] [--batch N] MODEL\n");
        return 2;
    }
    if (find_device(&c) != CFP_OK) {
        printf("skipped: %s\n", c.ctx.message);
        return 77;
    }
    const cfp_status status = compare(&c);
    if (status != CFP_OK)
        fprintf(stderr, "check_network: %s\n", c.ctx.message);
    forget(&c.right, &c);
    cfp_trace_close(&c.trace);
    cfp_device_close(&c.processor);
    for (int n = 0; n < c.want.batch && c.clip != NULL; n++)
        cfp_free(c.clip[n].rgb);
    cfp_free(c.clip);
    cfp_free(c.class_index);
    cfp_model_free(&c.model);
    if (status == CFP_OK)
        printf("%d failed\n", c.failed);
    return status == CFP_OK && c.failed == 0 ? 0 : 1;
}
