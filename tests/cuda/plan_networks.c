/* plan_networks.c - plans every convolution of networks with cuDNN, for GPUs that are not there.
 *
 *     plan_networks [--tensor-cores PERCENT] [--list] --device-json FILE... MODEL.h5...
 *
 * Each kernel layer as the backend stores it: forward plain, with bias, with residual and bias,
 * either with ReLU or not; and backward-data; in fp32 and in tf32.  Layers of one shape are planned
 * once.  Every plan must be there, give the same bits every run and keep to the workspace; fp32 is
 * without tensor cores; of tf32's FLOP at least PERCENT are on them, forward and backward each.
 * Prints a line for each network and device; --list: one for each plan, too. */
#include "../../cuda/conv.h"
#include "../../host/model/model.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 32, FORMS = 6, PRECISIONS = 2, ENGINES = 256 };

static const struct form {
    const char *name;
    bool backward, adds, bias, relu;
} forms[FORMS] = {
    {"conv", false, false, false, false},          {"conv+bias", false, false, true, false},
    {"conv+bias+relu", false, false, true, true},  {"conv+z+bias", false, true, true, false},
    {"conv+z+bias+relu", false, true, true, true}, {"backward-data", true, false, false, false}};

static const struct {
    const char *name;
    cfp_precision precision;
} precisions[PRECISIONS] = {{"fp32", CFP_FP32}, {"tf32", CFP_TF32}};

typedef struct options {
    double tensor_cores; /* per cent */
    bool list;
    int n_devices, n_models;
    const char *device[MOST_FILES], *model[MOST_FILES];
} options;

/* Layers of one shape. */
typedef struct layer {
    cuda_conv_spec spec;
    double flop; /* of all of them */
    const char *name;
} layer;

typedef struct sums {
    int plans, failed;
    size_t workspace[PRECISIONS];
    double flop[2], tensor_cores[2]; /* tf32: forward (all its forms), backward */
    bool engine[PRECISIONS][ENGINES];
} sums;

_Static_assert(sizeof(cuda_conv_spec) ==
                   4 * sizeof(bool) + sizeof(cfp_precision) + 25 * sizeof(int),
               "specs are compared as bytes: there must be no holes");

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
                             node->name};
        int at = 0;
        while (at < n && memcmp(&out[at].spec, &found.spec, sizeof found.spec) != 0)
            at++;
        if (at < n)
            out[at].flop += found.flop;
        else
            out[n++] = found;
        ++*n_kernel_layers;
    }
    return n;
}

static void add_plan(sums *s, cuda_conv_facts facts, int precision, bool backward, double flop)
{
    s->plans++;
    if (facts.engine >= 0 && facts.engine < ENGINES)
        s->engine[precision][facts.engine] = true;
    if (facts.workspace_bytes > s->workspace[precision])
        s->workspace[precision] = facts.workspace_bytes;
    if (precisions[precision].precision != CFP_TF32)
        return;
    s->flop[backward] += flop;
    s->tensor_cores[backward] += facts.tensor_cores ? flop : 0;
}

static void plan_one(sums *s, cuda_dnn *dnn, cfp_ctx *ctx, const layer *l, const struct form *form,
                     int precision, bool list)
{
    cuda_conv *conv;
    cuda_conv_spec spec = l->spec;
    spec.backward = form->backward;
    spec.adds = form->adds;
    spec.bias = form->bias;
    spec.relu = form->relu;
    spec.precision = precisions[precision].precision;
    if (cuda_conv_open(&conv, dnn, ctx, &spec) != CFP_OK) {
        printf("FAIL %s: %s\n", l->name, ctx->message);
        s->failed++;
        return;
    }
    const cuda_conv_facts facts = cuda_conv_get_facts(conv);
    cuda_conv_close(&conv);
    add_plan(s, facts, precision, form->backward, l->flop);
    const char *wrong = NULL;
    if (!facts.deterministic)
        wrong = "is not deterministic";
    else if (facts.workspace_bytes > CUDA_WORKSPACE_BYTES)
        wrong = "wants more workspace than it may have";
    else if (spec.precision == CFP_FP32 && facts.tensor_cores)
        wrong = "is fp32 on tensor cores";
    if (wrong != NULL || list)
        printf("%s%s: %s %s: engine %" PRId64 ", %.1f MiB of workspace%s%s\n",
               wrong != NULL ? "FAIL " : "  ", l->name, precisions[precision].name, form->name,
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

/* The words between the quotes behind "deviceName", else the file's name. */
static void device_name(char name[64], const char *json, const char *path)
{
    const char *at = strstr(json, "\"deviceName\"");
    if (at == NULL || sscanf(at, "\"deviceName\" : \"%63[^\"]", name) != 1)
        snprintf(name, 64, "%s", path);
}

static bool read_text(char *text, size_t room, const char *path)
{
    FILE *file = fopen(path, "rb");
    const size_t n = file == NULL ? 0 : fread(text, 1, room - 1, file);
    if (file != NULL)
        fclose(file);
    text[n] = '\0';
    return n > 0;
}

static int plan_for(const char *path, cfp_ctx *ctx, const options *o, const cfp_model *model,
                    const layer *layers, int n, int n_kernel_layers)
{
    char json[16384], name[64];
    cuda_dnn *dnn;
    sums s = {0};
    if (!read_text(json, sizeof json, path)) {
        printf("FAIL %s: cannot read it\n", path);
        return 1;
    }
    device_name(name, json, path);
    if (cuda_dnn_open_json(&dnn, ctx, json, CUDA_WORKSPACE_BYTES) != CFP_OK) {
        printf("FAIL %s: %s\n", path, ctx->message);
        return 1;
    }
    const double start = cfp_now_ms();
    for (int p = 0; p < PRECISIONS; p++)
        for (int f = 0; f < FORMS; f++)
            for (int i = 0; i < n; i++)
                plan_one(&s, dnn, ctx, &layers[i], &forms[f], p, o->list);
    const double ms = cfp_now_ms() - start;
    cuda_dnn_close(&dnn);

    const double forward = percent(s.tensor_cores[0], s.flop[0]);
    const double backward = percent(s.tensor_cores[1], s.flop[1]);
    printf("%s, %s: %d layers, %d shapes, %d plans in %.2f s; workspace fp32 %.0f, tf32 %.0f MiB; "
           "tensor cores %.1f %% forward, %.1f %% backward; engines fp32",
           model->name, name, n_kernel_layers, n, s.plans, ms / 1e3,
           (double)s.workspace[0] / 1048576.0, (double)s.workspace[1] / 1048576.0, forward,
           backward);
    print_engines(s.engine[0]);
    printf(", tf32");
    print_engines(s.engine[1]);
    printf("\n");
    if (forward < o->tensor_cores || backward < o->tensor_cores) {
        printf("FAIL %s, %s: less than %g %% of tf32's FLOP on tensor cores\n", model->name, name,
               o->tensor_cores);
        s.failed++;
    }
    return s.failed;
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
    for (int d = 0; d < o->n_devices && n > 0; d++)
        failed += plan_for(o->device[d], ctx, o, &model, layers, n, n_kernel_layers);
    cfp_free(layers);
    cfp_model_free(&model);
    return failed;
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            o->list = true;
        else if (strcmp(argv[i], "--tensor-cores") == 0 && i + 1 < argc)
            o->tensor_cores = atof(argv[++i]);
        else if (strcmp(argv[i], "--device-json") == 0 && i + 1 < argc && o->n_devices < MOST_FILES)
            o->device[o->n_devices++] = argv[++i];
        else if (argv[i][0] != '-' && o->n_models < MOST_FILES)
            o->model[o->n_models++] = argv[i];
        else
            return false;
    }
    return o->n_devices > 0 && o->n_models > 0;
}

int main(int argc, char **argv)
{
    cfp_ctx ctx = {0};
    options o = {0};
    int failed = 0;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: plan_networks [--tensor-cores PERCENT] [--list] --device-json FILE "
                        "[--device-json FILE...] MODEL.h5...\n");
        return 2;
    }
    for (int m = 0; m < o.n_models; m++)
        failed += plan_model(o.model[m], &ctx, &o);
    return failed == 0 ? 0 : 1;
}
