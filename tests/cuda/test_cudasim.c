/* test_cudasim.c - the CUDA backend on the simulator where check_backends does not reach: sums and
 * products of more operands than one kernel takes, and what is refused, in which words.
 *
 * Argument: the directory of cfp_cudasim.so (absolute). */
#include "../../host/backend/backend.h"
#include "../test.h"

enum { INPUTS = 7, CHANNELS = 10, T = 2, H = 3, W = 4, MOST = CHANNELS * T * H * W };

static const char *modules;

static cfp_status open_device(cfp_device *device, cfp_ctx *ctx, const char *name,
                              cfp_precision precision)
{
    const cfp_device_request request = {.module_dir = modules, .precision = precision};
    return cfp_device_open(device, ctx, name, &request);
}

/* Input k of seven: whole, or of one element along some axes. */
static cfp_shape input_shape(int k)
{
    static const cfp_shape shapes[INPUTS] = {{1, CHANNELS, T, H, W}, {1, CHANNELS, 1, 1, 1},
                                             {1, 1, T, H, W},        {1, CHANNELS, T, H, W},
                                             {1, CHANNELS, T, 1, W}, {1, 1, 1, 1, 1},
                                             {1, CHANNELS, T, H, W}};
    return shapes[k];
}

static float number(int i)
{
    return 0.5f + (float)(i * 37 % 101) / 101;
}

typedef struct run {
    cfp_device device;
    cfp_step step;
    cfp_tensor src[INPUTS], diff_src[INPUTS], dst, diff_dst;
    void *scratch;
    float result[INPUTS + 1][MOST]; /* the gradients, then the result */
} run;

static cfp_status new_tensor(run *r, cfp_tensor *x)
{
    float plain[MOST];
    void *memory = NULL;
    const cfp_backend_api *api = r->device.api;
    CFP_TRY(api->alloc(r->device.backend, &memory, api->tensor_bytes(x)));
    x->data = memory;
    for (int i = 0; i < MOST; i++)
        plain[i] = number(i + x->shape.c * 7 + x->shape.t);
    return api->upload(r->device.backend, x, plain);
}

static cfp_status run_step(run *r)
{
    const cfp_backend_api *api = r->device.api;
    const cfp_tensor *src[INPUTS];
    cfp_tensor *diff_src[INPUTS];
    for (int k = 0; k < INPUTS; k++) {
        r->src[k] = r->diff_src[k] = (cfp_tensor){.shape = input_shape(k), .block = 1};
        src[k] = &r->src[k], diff_src[k] = &r->diff_src[k];
    }
    r->dst = (cfp_tensor){.shape = r->step.node->shape, .block = 1};
    CFP_TRY(api->step_open(r->device.backend, &r->step, src, &r->dst));
    r->diff_dst = r->dst;
    for (int k = 0; k < INPUTS; k++) {
        CFP_TRY(new_tensor(r, &r->src[k]));
        CFP_TRY(new_tensor(r, &r->diff_src[k]));
    }
    CFP_TRY(new_tensor(r, &r->dst));
    CFP_TRY(new_tensor(r, &r->diff_dst));
    CFP_TRY(api->alloc(r->device.backend, &r->scratch, r->step.scratch_bytes));
    CFP_TRY(api->step_forward(r->device.backend, &r->step, src, &r->dst, r->scratch));
    CFP_TRY(api->step_backward(r->device.backend, &r->step, src, &r->dst, &r->diff_dst, diff_src,
                               r->scratch));
    for (int k = 0; k < INPUTS; k++)
        CFP_TRY(api->download(r->device.backend, r->result[k], &r->diff_src[k]));
    return api->download(r->device.backend, r->result[INPUTS], &r->dst);
}

static void close_run(run *r)
{
    const cfp_backend_api *api = r->device.api;
    for (int k = 0; k < INPUTS; k++) {
        api->release(r->device.backend, r->src[k].data);
        api->release(r->device.backend, r->diff_src[k].data);
    }
    api->release(r->device.backend, r->dst.data);
    api->release(r->device.backend, r->diff_dst.data);
    api->release(r->device.backend, r->scratch);
    api->step_close(r->device.backend, &r->step);
    cfp_device_close(&r->device);
}

static void check_many_operands(cfp_op op)
{
    static run runs[2];
    cfp_node node = {.name = "many", .op = op, .shape = {1, CHANNELS, T, H, W}, .n_inputs = INPUTS};
    for (int i = 0; i < 2; i++) {
        cfp_ctx ctx = {0};
        runs[i] = (run){.step = {.node = &node, .n_src = INPUTS, .backward = true}};
        CHECK_EQ(open_device(&runs[i].device, &ctx, i == 0 ? "cudasim" : "ref", CFP_FP32), CFP_OK);
        CHECK_EQ(run_step(&runs[i]), CFP_OK);
        close_run(&runs[i]);
    }
    for (int k = 0; k <= INPUTS; k++) {
        const int64_t count = k < INPUTS ? cfp_count(input_shape(k)) : MOST;
        for (int64_t i = 0; i < count; i++)
            CHECK_NEAR(runs[0].result[k][i], runs[1].result[k][i],
                       1e-5 * fabs((double)runs[1].result[k][i]));
    }
}

static void any_number_of_operands_is_taken(void)
{
    check_many_operands(CFP_OP_ADD);
    check_many_operands(CFP_OP_MUL);
}

static void what_it_lacks_is_refused(void)
{
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(open_device(&device, &ctx, "cudasim:3", CFP_FP32), CFP_DEVICE);
    CHECK_STR(ctx.message, "--device cudasim:3: there is no GPU 3: 1 can be seen, the first is 0");
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_BF16), CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "--precision: cuda computes in fp32 or tf32");
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_TF32), CFP_OK);
    CHECK_HAS(device.api->describe(device.backend), ", tf32");
    cfp_device_close(&device);
}

static void a_tensor_too_long_is_refused_by_its_node(void)
{
    cfp_ctx ctx = {0};
    cfp_device device;
    const cfp_shape huge = {1, 8, 1 << 10, 1 << 10, 1 << 10};
    const cfp_node node = {.name = "res.add", .op = CFP_OP_RELU, .shape = huge};
    cfp_step step = {.node = &node, .n_src = 1};
    const cfp_tensor src = {.shape = huge, .block = 8};
    cfp_tensor dst = {.shape = huge, .block = 1};
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_FP32), CFP_OK);
    CHECK_EQ(device.api->step_open(device.backend, &step, (const cfp_tensor *const[1]){&src}, &dst),
             CFP_UNSUPPORTED);
    CHECK_HAS(ctx.message, "node 'res.add': a tensor of 8589934592 numbers");
    cfp_device_close(&device);
}

static void frames_have_no_more_than_three_channels(void)
{
    static const uint8_t rgb[3];
    float numbers[5] = {7}; /* the simulator's memory is the host's */
    const cfp_input_spec input = {.channels = 5, .scale = 1};
    cfp_tensor x = {.shape = {1, 5, 1, 1, 1}, .block = 1, .data = numbers};
    uint64_t done = 9;
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_FP32), CFP_OK);
    CHECK_EQ(device.api->upload_frames(device.backend, &x, 0, rgb, &input, &done), CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "frames have 3 channels, the network reads 5");
    CHECK_EQ(done, 0);
    CHECK_NEAR(numbers[0], 7, 0);
    cfp_device_close(&device);
}

/* Whatever allocation fails, it is said, and nothing is leaked (the sanitizers see to that). */
static void opening_survives_lack_of_memory(void)
{
    for (int64_t k = 1;; k++) {
        cfp_ctx ctx = {.fail_allocation = k};
        cfp_device device;
        const cfp_status status = open_device(&device, &ctx, "cudasim", CFP_FP32);
        CHECK(status == CFP_OK || status == CFP_NOMEM);
        cfp_device_close(&device);
        if (status == CFP_OK)
            break;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: test_cudasim /DIRECTORY-OF-THE-MODULE\n");
        return 2;
    }
    modules = argv[1];
    any_number_of_operands_is_taken();
    what_it_lacks_is_refused();
    a_tensor_too_long_is_refused_by_its_node();
    frames_have_no_more_than_three_channels();
    opening_survives_lack_of_memory();
    return test_result();
}
