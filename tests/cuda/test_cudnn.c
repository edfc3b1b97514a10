/* test_cudnn.c - the convolutions of the CUDA backend, as far as a machine without a GPU can run
 * them.
 *
 *     test_cudnn DEVICE.json
 *
 * It defines cudnnGetVersion, to pretend to be an old cuDNN, and cudnnBackendSetAttribute, to see
 * which attributes are set. */
#include "../../cuda/conv.h"
#include "../../cuda/cudnn_inside.h"
#include "../test.h"
#include <dlfcn.h>

static size_t pretended; /* 0: the real one */

size_t cudnnGetVersion(void)
{
    size_t (*real)(void);
    *(void **)&real = dlsym(RTLD_NEXT, "cudnnGetVersion");
    return pretended != 0 ? pretended : real();
}

/* The last descriptor that was set to be a relu, and the last that was set to keep NaN. */
static cudnnBackendDescriptor_t told_relu, told_nan;

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t desc,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values)
{
    cudnnStatus_t (*real)(cudnnBackendDescriptor_t, cudnnBackendAttributeName_t,
                          cudnnBackendAttributeType_t, int64_t, const void *);
    *(void **)&real = dlsym(RTLD_NEXT, "cudnnBackendSetAttribute");
    if (name == CUDNN_ATTR_POINTWISE_MODE &&
        *(const cudnnPointwiseMode_t *)values == CUDNN_POINTWISE_RELU_FWD)
        told_relu = desc;
    if (name == CUDNN_ATTR_POINTWISE_NAN_PROPAGATION &&
        *(const cudnnNanPropagation_t *)values == CUDNN_PROPAGATE_NAN)
        told_nan = desc;
    return real(desc, name, type, count, values);
}

static const size_t CAP = (size_t)64 << 20;

/* 3 x 3 x 3 with symmetric pads, 64 -> 64 channels. */
static cuda_conv_spec simple(void)
{
    return (cuda_conv_spec){.precision = CFP_TF32,
                            .n = 1,
                            .x_channels = 64,
                            .y_channels = 64,
                            .groups = 1,
                            .x = {8, 28, 28},
                            .y = {8, 28, 28},
                            .kernel = {3, 3, 3},
                            .stride = {1, 1, 1},
                            .dilation = {1, 1, 1},
                            .pad_begin = {1, 1, 1},
                            .pad_end = {1, 1, 1}};
}

static cfp_status planned(cuda_conv_facts *facts, cfp_ctx *ctx, const char *json, size_t cap,
                          const cuda_conv_spec *spec)
{
    cuda_dnn *dnn;
    cuda_conv *conv = NULL;
    CFP_TRY(cuda_dnn_open_json(&dnn, ctx, json, cap));
    const cfp_status status = cuda_conv_open(&conv, dnn, ctx, spec);
    if (status == CFP_OK)
        *facts = cuda_conv_get_facts(conv);
    else
        CHECK(conv == NULL);
    cuda_conv_close(&conv);
    cuda_dnn_close(&dnn);
    CHECK(dnn == NULL);
    return status;
}

static void an_old_cudnn_is_refused(const char *json)
{
    cfp_ctx ctx = {0};
    cuda_dnn *dnn;
    pretended = 91400;
    CHECK_EQ(cuda_dnn_open_json(&dnn, &ctx, json, CAP), CFP_DEVICE);
    CHECK_STR(ctx.message, "cuDNN 9.14.0 is too old: 9.15 or newer is needed");
    CHECK(dnn == NULL);
    CHECK_EQ(cuda_dnn_open(&dnn, &ctx, NULL, CAP), CFP_DEVICE);
    CHECK_HAS(ctx.message, "9.14.0");
    pretended = 91500;
    CHECK_EQ(cuda_dnn_open_json(&dnn, &ctx, json, CAP), CFP_OK);
    cuda_dnn_close(&dnn);
    pretended = 0;
}

static void a_device_is_wanted_to_run(const char *json)
{
    cfp_ctx ctx = {0};
    cuda_dnn *dnn;
    cuda_conv *conv;
    float number = 0;
    const cuda_conv_spec spec = simple();
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        CHECK_EQ(cuda_dnn_open(&dnn, &ctx, NULL, CAP), CFP_DEVICE);
        CHECK(dnn == NULL);
        CHECK(ctx.message[0] != '\0');
    }
    CHECK_EQ(cuda_dnn_open_json(&dnn, &ctx, "no JSON", CAP), CFP_DEVICE);
    CHECK_HAS(ctx.message, "cuDNN cannot plan for this device: ");

    CHECK_EQ(cuda_dnn_open_json(&dnn, &ctx, json, CAP), CFP_OK);
    CHECK_EQ(cuda_conv_open(&conv, dnn, &ctx, &spec), CFP_OK);
    CHECK_EQ(cuda_conv_run(conv, &ctx, &number, &number, &number, NULL, NULL, NULL), CFP_DEVICE);
    cuda_conv_close(&conv);
    CHECK(conv == NULL);
    cuda_conv_close(&conv);
    cuda_dnn_close(&dnn);
    cuda_dnn_close(&dnn);
}

static void precision_decides_on_tensor_cores(const char *json)
{
    cfp_ctx ctx = {0};
    cuda_conv_facts facts = {0};
    cuda_conv_spec spec = simple();
    for (int p = CFP_TF32; p <= CFP_FP16; p++) {
        spec.precision = (cfp_precision)p;
        CHECK_EQ(planned(&facts, &ctx, json, CAP, &spec), CFP_OK);
        CHECK(facts.tensor_cores);
        CHECK(facts.deterministic);
        CHECK(facts.workspace_bytes < 4096); /* channels-last operands are not copied */
    }
    spec.precision = CFP_FP32;
    CHECK_EQ(planned(&facts, &ctx, json, CAP, &spec), CFP_OK);
    CHECK(!facts.tensor_cores);
    CHECK(facts.deterministic);
}

static void an_epilogue_wants_a_bias(const char *json)
{
    for (int bits = 0; bits < 32; bits++) {
        cfp_ctx ctx = {0};
        cuda_conv_facts facts = {0};
        cuda_conv_spec spec = simple();
        spec.adds = (bits & 1) != 0;
        spec.bias = (bits & 2) != 0;
        spec.relu = (bits & 4) != 0;
        spec.precision = (cfp_precision)(bits >> 3);
        const bool lacking = !spec.bias && (spec.adds || spec.relu);
        CHECK_EQ(planned(&facts, &ctx, json, CAP, &spec), lacking ? CFP_UNSUPPORTED : CFP_OK);
        CHECK_HAS(ctx.message, lacking ? "plan" : "");
    }
}

/* A fused relu that makes 0 of NaN would hide an overflow, so each is set to keep NaN.  (cuDNN does
 * not return the attribute.) */
static void a_fused_relu_keeps_nan(void)
{
    for (int p = CFP_FP32; p <= CFP_FP16; p++)
        for (int adds = 0; adds < 2; adds++) {
            cuda_descs graph = {.n = 0};
            cuda_conv_spec spec = simple();
            spec.precision = (cfp_precision)p;
            spec.adds = adds == 1;
            spec.bias = spec.relu = true;
            told_nan = told_relu = NULL;
            cuda_conv_graph(&graph, &spec);
            CHECK_EQ(graph.status, CUDNN_STATUS_SUCCESS);
            CHECK(told_relu != NULL && told_nan == told_relu);
            cuda_descs_free(&graph);
        }
}

/* Specs in which an attribute decides the size of the output: cuDNN accepts only the right size. */
static void geometry_arrives(const char *json)
{
    const cuda_conv_spec usual = simple();
    cuda_conv_spec spec[5] = {usual, usual, usual, usual, usual};
    for (int i = 0; i < 3; i++) {
        spec[0].pad_end[i] = 2, spec[0].y[i] += 1;   /* different pads */
        spec[1].dilation[i] = 2, spec[1].y[i] -= 2;  /* dilation */
        spec[2].stride[i] = 2, spec[2].y[i] /= 2;    /* stride */
        spec[3].pad_begin[i] = 3, spec[3].y[i] += 2; /* the other pad */
        spec[4].kernel[i] = i == 0 ? 1 : 3;          /* a kernel of one frame */
        spec[4].pad_begin[i] = spec[4].pad_end[i] = i == 0 ? 0 : 1;
    }
    for (int i = 0; i < 10; i++) {
        cfp_ctx ctx = {0};
        cuda_conv_facts facts = {0};
        cuda_conv_spec s = spec[i / 2];
        s.backward = i % 2 == 1;
        CHECK_EQ(planned(&facts, &ctx, json, CAP, &s), CFP_OK);
        s.y[2]++;
        CHECK_EQ(planned(&facts, &ctx, json, CAP, &s), CFP_UNSUPPORTED);
        CHECK_HAS(ctx.message, s.backward ? "backward-data of conv 1x64x8x28x28" : "conv 1x64x8");
    }
}

static void groups_arrive(const char *json)
{
    cfp_ctx ctx = {0};
    cuda_conv_facts facts = {0};
    cuda_conv_spec spec = simple();
    const int groups[] = {2, 8, 64};
    for (int i = 0; i < 3; i++) {
        spec.groups = groups[i];
        CHECK_EQ(planned(&facts, &ctx, json, CAP, &spec), CFP_OK);
    }
    CHECK(!facts.tensor_cores); /* depth-wise, unlike the dense one */
    spec.groups = 3;
    CHECK_EQ(planned(&facts, &ctx, json, CAP, &spec), CFP_SHAPE);
    CHECK_HAS(ctx.message, "channels do not divide into the groups");
}

static void the_workspace_is_kept_to(const char *json)
{
    cfp_ctx ctx = {0};
    cuda_conv_facts wide = {0}, tight = {0};
    cuda_conv_spec spec = simple();
    /* 8 -> 64 channels, 7 x 7 x 7: cuDNN's first offer for it needs a workspace. */
    spec.x_channels = 8;
    for (int i = 0; i < 3; i++) {
        spec.kernel[i] = 7;
        spec.pad_begin[i] = spec.pad_end[i] = 3;
    }
    spec.precision = CFP_FP32;
    CHECK_EQ(planned(&wide, &ctx, json, CAP, &spec), CFP_OK);
    CHECK(wide.workspace_bytes > 0);
    CHECK_EQ(planned(&tight, &ctx, json, wide.workspace_bytes - 1, &spec), CFP_OK);
    CHECK(tight.workspace_bytes < wide.workspace_bytes);
}

/* Candidates of autotune: the first is the default, all are acceptable, none comes twice, and the
 * first plan of each engine comes before the others. */
static void candidates_will_do(const char *json)
{
    int most = 0;
    for (int p = CFP_FP32; p <= CFP_FP16; p++) {
        cfp_ctx ctx = {0};
        cuda_dnn *dnn;
        cuda_conv *conv;
        cuda_conv_spec spec = simple();
        cuda_conv_facts first = {0}, facts = {0};
        spec.precision = (cfp_precision)p;
        CHECK_EQ(planned(&first, &ctx, json, CAP, &spec), CFP_OK);
        CHECK_EQ(cuda_dnn_open_json(&dnn, &ctx, json, CAP), CFP_OK);
        uint64_t seen[8];
        int64_t engine[8];
        int n = 0, engines = 0;
        while (n < 8 && cuda_conv_open_nth(&conv, dnn, &ctx, &spec, n) == CFP_OK) {
            facts = cuda_conv_get_facts(conv);
            if (n == 0)
                CHECK_EQ(facts.engine, first.engine);
            CHECK(facts.deterministic);
            CHECK(facts.workspace_bytes <= CAP);
            CHECK(p != CFP_FP32 || !facts.tensor_cores);
            seen[n] = facts.plan;
            engine[n] = facts.engine;
            bool again = false;
            for (int i = 0; i < n; i++) {
                CHECK(seen[i] != seen[n]);
                again |= engine[i] == engine[n];
            }
            CHECK(again || engines == n); /* each engine once, then the others */
            engines += !again;
            n++;
            cuda_conv_close(&conv);
        }
        CHECK_EQ(cuda_conv_open_nth(&conv, dnn, &ctx, &spec, 1), CFP_OK); /* the same again */
        if (n > 1 && conv != NULL)
            CHECK(cuda_conv_get_facts(conv).plan == seen[1]);
        cuda_conv_close(&conv);
        if (n < 8) {
            CHECK_HAS(ctx.message, "plans");
        }
        CHECK(n >= 2);
        most = engines > most ? engines : most;
        cuda_dnn_close(&dnn);
    }
    CHECK(most >= 3);
}

/* Checks the spec of a convolution of c -> k channels in `groups` that reads a tensor with `block`
 * stored channels. */
static void check_stored(int c, int k, int groups, int block, int x_stored, int y_stored,
                         int groups_stored)
{
    const cfp_node node = {.op = CFP_OP_CONV3D,
                           .shape = {1, k, 2, 3, 4},
                           .groups = groups,
                           .window = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}, {13, 14, 15}}};
    const cuda_conv_spec spec = cuda_conv_spec_of(&node, (cfp_shape){1, c, 5, 6, 7}, block);
    CHECK_EQ(spec.x_channels, x_stored);
    CHECK_EQ(spec.y_channels, y_stored);
    CHECK_EQ(spec.groups, groups_stored);
    CHECK(spec.x[0] == 5 && spec.x[2] == 7 && spec.y[0] == 2 && spec.y[2] == 4);
    CHECK(spec.kernel[1] == 2 && spec.stride[1] == 5 && spec.dilation[1] == 8);
    CHECK(spec.pad_begin[1] == 11 && spec.pad_end[1] == 14);
}

static void channels_are_padded(void)
{
    check_stored(3, 45, 1, 8, 8, 48, 1);
    check_stored(64, 64, 1, 64, 64, 64, 1);
    check_stored(96, 96, 16, 96, 96, 96, 16);
    check_stored(54, 54, 54, 56, 56, 56, 56); /* depth-wise: two more groups */
    check_stored(12, 6, 3, 16, 16, 8, 4);     /* groups of four: one more group */
    check_stored(20, 30, 2, 24, 20, 30, 2);   /* 24 is no multiple of a group of ten: not padded */

    const cfp_node linear = {.op = CFP_OP_LINEAR, .shape = {1, 10, 1, 1, 1}};
    const cuda_conv_spec spec = cuda_conv_spec_of(&linear, (cfp_shape){2, 20, 1, 1, 1}, 24);
    CHECK_EQ(spec.n, 2);
    CHECK_EQ(spec.groups, 1);
    CHECK_EQ(spec.y_channels, 16);
    CHECK(spec.kernel[0] == 1 && spec.stride[1] == 1 && spec.dilation[2] == 1);
}

static void the_first_failure_sticks(void)
{
    cuda_descs descs = {.n = 0};
    const int64_t axes = 3;
    const cuda_desc d = cuda_descs_make(&descs, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    cuda_descs_finalize(&descs, d); /* nothing is set */
    const cudnnStatus_t first = descs.status;
    CHECK(first != CUDNN_STATUS_SUCCESS);
    CHECK(descs.text[0] != '\0');
    cuda_descs_set_ints(&descs, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &axes);
    CHECK(cuda_descs_make(&descs, CUDNN_BACKEND_ENGINE_DESCRIPTOR) == NULL);
    cuda_descs_note(&descs, CUDNN_STATUS_INTERNAL_ERROR);
    CHECK_EQ(descs.status, first);
    CHECK_EQ(descs.n, 1);
    cuda_descs_free(&descs);
    CHECK_EQ(descs.n, 0);
    CHECK_EQ(descs.status, CUDNN_STATUS_SUCCESS);
}

int main(int argc, char **argv)
{
    static char json[16384];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fread(json, 1, sizeof json - 1, file) == 0) {
        fprintf(stderr, "usage: test_cudnn DEVICE.json\n");
        return 2;
    }
    fclose(file);
    an_old_cudnn_is_refused(json);
    a_device_is_wanted_to_run(json);
    precision_decides_on_tensor_cores(json);
    an_epilogue_wants_a_bias(json);
    a_fused_relu_keeps_nan();
    geometry_arrives(json);
    groups_arrive(json);
    the_workspace_is_kept_to(json);
    candidates_will_do(json);
    channels_are_padded();
    the_first_failure_sticks();
    return test_result();
}
