/* plan_networks.c - plans every convolution of networks with cuDNN, for GPUs that need not be
 * present.
 *
 *     plan_networks [--precision NAME]... [--tensor-cores PERCENT] [--list] --device-json FILE...
 *                   MODEL.h5...
 *
 * It plans each kernel layer as the backend stores it: forward alone, with bias, and with residual
 * and bias, each with and without ReLU; and backward-data.  It does so in fp32, tf32, bf16 and
 * fp16, or in the precisions named.  In bf16 and fp16 the classifier is fp32 as in the backend, and
 * depth-wise layers, which cuDNN never runs there, are left out.  Layers of the same shape are
 * planned once.
 *
 * It fails unless every plan exists, gives the same bits in every run and fits into the workspace,
 * fp32 uses no tensor cores, and in the other precisions at least PERCENT of the FLOP are on tensor
 * cores, forward and backward each.  It prints a line for each network, device and precision; with
 * --list one for each plan, too. */
#include "../../cuda/conv.h"
#include "../../host/model/model.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 32, FORMS = 6, PRECISIONS = 4, ENGINES = 256 };

static const struct form {
    const char *name;
    bool backward, adds, bias, relu;
} forms[FORMS] = {
    {"conv", false, false, false, false},          {"conv+bias", false, false, true, false},
    {"conv+bias+relu", false, false, true, true},  {"conv+z+bias", false, true, true, false},
    {"conv+z+bias+relu", false, true, true, true}, {"backward-data", true, false, false, false}};

static const char *const precisions[PRECISIONS] = {"fp32", "tf32", "bf16", "fp16"};

typedef struct options {
    double tensor_cores; /* per cent */
    bool list, wanted[PRECISIONS];
    int n_devices, n_models;
    const char *device[MOST_FILES], *model[MOST_FILES];
} options;

/* All layers of one shape. */
typedef struct layer {
    cuda_conv_spec spec;
    double flop; /* of all of them */
    const char *name;
    bool depthwise, classifier;
} layer;

typedef struct sums { /* of one precision */
    int plans, failed;
    size_t workspace;
    double flop[2], tensor_cores[2]; /* forward (all its forms), backward */
    bool engine[ENGINES];
} sums;

_Static_assert(sizeof(cuda_conv_spec) ==
                   4 * sizeof(bool) + sizeof(cfp_precision) + 25 * sizeof(int),
               "specs are compared as bytes: there must be no holes");

static int classifier_of(const cfp_model *model)
{
    int i = model->logits;
    while (i > 0 && !cfp_is_kernel_layer(&model->node[i]))
        i--;
    return i;
}

static int find_layers(layer *out, const cfp_model *model, int *n_kernel_layers)
{
    int n = 0;
    *n_kernel_layers = 0;
    for (int i = 1; i < model->n_nodes; i++) {
        const cfp_node *node = &model->node[i];
        if (!cfp_is_kernel_layer(node))
            continue;
        const cfp_shape src = model->node[node->input[0]].shape;
        const layer found = {cuda_conv_spec_of(node, src, (src.c + 7) / 8 * 8), node->flop,
                             node->name, node->groups > 1 && node->kernel_channels == 1,
                             i == classifier_of(model)};
        int at = 0;
        while (at < n && (memcmp(&out[at].spec, &found.spec, sizeof found.spec) != 0 ||
                          out[at].classifier != found.classifier))
            at++;
        if (at < n)
            out[at].flop += found.flop;
        else
            out[n++] = found;
        ++*n_kernel_layers;
    }
    return n;
}

static void add_plan(sums *s, cuda_conv_facts facts, bool backward, double flop)
{
    s->plans++;
    if (facts.engine >= 0 && facts.engine < ENGINES)
        s->engine[facts.engine] = true;
    if (facts.workspace_bytes > s->workspace)
        s->workspace = facts.workspace_bytes;
    s->flop[backward] += flop;
    s->tensor_cores[backward] += facts.tensor_cores ? flop : 0;
}

static void plan_one(sums *s, cuda_dnn *dnn, cfp_ctx *ctx, const layer *l, const struct form *form,
                     int precision, bool list)
{
    cuda_conv *conv;
    cuda_conv_spec spec = l->spec;
    const bool half = precision == CFP_BF16 || precision == CFP_FP16;
    if (half && l->depthwise)
        return;
    spec.backward = form->backward;
    spec.adds = form->adds;
    spec.bias = form->bias;
    spec.relu = form->relu;
    spec.precision = half && l->classifier ? CFP_FP32 : (cfp_precision)precision;
    if (cuda_conv_open(&conv, dnn, ctx, &spec) != CFP_OK) {
        printf("FAIL %s: %s\n", l->name, ctx->message);
        s->failed++;
        return;
    }
    const cuda_conv_facts facts = cuda_conv_get_facts(conv);
    cuda_conv_close(&conv);
    add_plan(s, facts, form->backward, l->flop);
    const char *wrong = NULL;
    if (!facts.deterministic)
        wrong = "is not deterministic";
    else if (facts.workspace_bytes > CUDA_WORKSPACE_BYTES)
        wrong = "wants more workspace than it may have";
    else if (spec.precision == CFP_FP32 && facts.tensor_cores)
        wrong = "is fp32 on tensor cores";
    if (wrong != NULL || list)
        printf("%s%s: %s %s: engine %" PRId64 ", %.1f MiB of workspace%s%s\n",
               wrong != NULL ? "FAIL " : "  ", l->name, precisions[precision], form->name,
               facts.engine, (double)facts.workspace_bytes / 1048576.0,
               facts.tensor_cores ? ", tensor cores" : "", wrong != NULL ? wrong : "");
    s->failed += wrong != NULL;
}

static void print_engines(const bool engine[ENGINES])
{
    for (int i = 0; i < ENGINES; i++)
        if (engine[i])
            printf(" %d", i);
}

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 100;
}

/* The value of "deviceName", else the file's name. */
static void device_name(char name[64], const char *json, const char *path)
{
    const char *at = strstr(json, "\"deviceName\"");
    if (at == NULL || sscanf(at, "\"deviceName\" : \"%63[^\"]", name) != 1)
        snprintf(name, 64, "%s", path);
}

static bool read_text(char *text, size_t capacity, const char *path)
{
    FILE *file = fopen(path, "rb");
    const size_t n = file == NULL ? 0 : fread(text, 1, capacity - 1, file);
    if (file != NULL)
        fclose(file);
    text[n] = '\0';
    return n > 0;
}

static int plan_precision(int precision, const char *device, cuda_dnn *dnn, cfp_ctx *ctx,
                          const options *o, const cfp_model *model, const layer *layers, int n)
{
    sums s = {0};
    const double start = cfp_now_ms();
    for (int f = 0; f < FORMS; f++)
        for (int i = 0; i < n; i++)
            plan_one(&s, dnn, ctx, &layers[i], &forms[f], precision, o->list);
    const double ms = cfp_now_ms() - start;
    const double forward = percent(s.tensor_cores[0], s.flop[0]);
    const double backward = percent(s.tensor_cores[1], s.flop[1]);
    printf("%s, %s, %s: %d plans in %.2f s; workspace %.0f MiB; tensor cores %.1f %% forward, "
           "%.1f %% backward; engines",
           model->name, device, precisions[precision], s.plans, ms / 1e3,
           (double)s.workspace / 1048576.0, forward, backward);
    print_engines(s.engine);
    printf("\n");
    if (precision != CFP_FP32 && (forward < o->tensor_cores || backward < o->tensor_cores)) {
        printf("FAIL %s, %s: less than %g %% of %s's FLOP on tensor cores\n", model->name, device,
               o->tensor_cores, precisions[precision]);
        s.failed++;
    }
    return s.failed;
}

static int plan_for(const char *path, cfp_ctx *ctx, const options *o, const cfp_model *model,
                    const layer *layers, int n)
{
    char json[16384], name[64];
    cuda_dnn *dnn;
    int failed = 0;
    if (!read_text(json, sizeof json, path)) {
        printf("FAIL %s: cannot read it\n", path);
        return 1;
    }
    device_name(name, json, path);
    if (cuda_dnn_open_json(&dnn, ctx, json, CUDA_WORKSPACE_BYTES) != CFP_OK) {
        printf("FAIL %s: %s\n", path, ctx->message);
        return 1;
    }
    for (int p = 0; p < PRECISIONS; p++)
        if (o->wanted[p])
            failed += plan_precision(p, name, dnn, ctx, o, model, layers, n);
    cuda_dnn_close(&dnn);
    return failed;
}

static int plan_model(const char *path, cfp_ctx *ctx, const options *o)
{
    cfp_model model = {0};
    if (cfp_model_open(&model, ctx, path) != CFP_OK) {
        printf("FAIL %s\n", ctx->message);
        cfp_model_free(&model);
        return 1;
    }
    layer *layers = cfp_alloc(ctx, (size_t)model.n_nodes, sizeof *layers);
    int failed = layers == NULL, n_kernel_layers = 0;
    const int n = failed ? 0 : find_layers(layers, &model, &n_kernel_layers);
    if (n == 0) {
        printf("FAIL %s: no convolution\n", path);
        failed++;
    }
    printf("%s: %d layers, %d shapes\n", model.name, n_kernel_layers, n);
    for (int d = 0; d < o->n_devices && n > 0; d++)
        failed += plan_for(o->device[d], ctx, o, &model, layers, n);
    cfp_free(layers);
    cfp_model_free(&model);
    return failed;
}

static bool want(options *o, const char *word)
{
    for (int p = 0; p < PRECISIONS; p++)
        if (strcmp(word, precisions[p]) == 0)
            return o->wanted[p] = true;
    return false;
}

static bool parse(options *o, int argc, char **argv)
{
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            o->list = true;
        else if (strcmp(argv[i], "--precision") == 0 && i + 1 < argc && want(o, argv[i + 1]))
            named = true, i++;
        else if (strcmp(argv[i], "--tensor-cores") == 0 && i + 1 < argc)
            o->tensor_cores = atof(argv[++i]);
        else if (strcmp(argv[i], "--device-json") == 0 && i + 1 < argc && o->n_devices < MOST_FILES)
            o->device[o->n_devices++] = argv[++i];
        else if (argv[i][0] != '-' && o->n_models < MOST_FILES)
            o->model[o->n_models++] = argv[i];
        else
            return false;
    }
    for (int p = 0; p < PRECISIONS && !named; p++)
        o->wanted[p] = true;
    return o->n_devices > 0 && o->n_models > 0;
}

int main(int argc, char **argv)
{
    cfp_ctx ctx = {0};
    options o = {0};
    int failed = 0;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: plan_networks [--precision NAME]... [--tensor-cores PERCENT] "
                        "[--list] --device-json FILE... MODEL.h5...\n");
        return 2;
    }
    for (int m = 0; m < o.n_models; m++)
        failed += plan_model(o.model[m], &ctx, &o);
    return failed == 0 ? 0 : 1;
}
