/* test_cudasim.c - the CUDA backend on the simulator: what check_backends does not test.  Sums and
 * products of more operands than one kernel takes, numbers that float16 cannot hold,
 * failures of CUDA, and messages.
 *
 * Argument: the directory of cfp_cudasim.so (absolute). */
#include "halves.h"
#include "sim_module.h"
#include <math.h>
#include <stdlib.h>

enum { INPUTS = 7, CHANNELS = 10, T = 2, H = 3, W = 4, MOST = CHANNELS * T * H * W };

static cfp_status open_device(cfp_device *device, cfp_ctx *ctx, const char *name,
                              cfp_precision precision)
{
    const cfp_device_request request = {.module_dir = modules, .precision = precision};
    return cfp_device_open(device, ctx, name, &request);
}

/* The shape of input k of seven: whole, or with one element along some axes. */
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
}

static void a_precision_wants_a_capability(void)
{
    static const char *const words[] = {", fp32", ", tf32", ", bf16", ", fp16"};
    static const char *const capability[] = {"75", "80"};
    for (int i = 0; i < 8; i++) {
        cfp_ctx ctx = {0};
        cfp_device device;
        const cfp_precision precision = (cfp_precision)(i % 4);
        setenv("CUDASIM_CAPABILITY", capability[i / 4], 1);
        const cfp_status status = open_device(&device, &ctx, "cudasim", precision);
        unsetenv("CUDASIM_CAPABILITY");
        if (i / 4 == 0 && precision == CFP_BF16) {
            CHECK_EQ(status, CFP_UNSUPPORTED);
            CHECK_STR(ctx.message, "--precision bf16: NVIDIA nothing, simulated has compute "
                                   "capability 7.5; 8.0 or later is needed; fp16 runs on it");
            continue;
        }
        CHECK_EQ(status, CFP_OK);
        CHECK_HAS(device.api->describe(device.backend), words[precision]);
        cfp_device_close(&device);
    }
}

/* Every bfloat16 and float16 stays itself through float32.  Numbers between two go to the nearest,
 * from the middle to the even one. */
static void halves_round_to_the_nearest(void)
{
    for (int i = 0; i < 2; i++) {
        uint16_t (*const round)(float) = i == 0 ? bfloat16_of : float16_of;
        float (*const widen)(uint16_t) = i == 0 ? float_of_bfloat16 : float_of_float16;
        const uint16_t infinite = i == 0 ? 0x7f80 : 0x7c00;
        int wrong = 0;
        for (uint16_t h = 0; h < infinite; h++) {
            const float low = widen(h), high = widen((uint16_t)(h + 1));
            const float middle = h + 1 < infinite ? low + (high - low) / 2 : low;
            const uint16_t even = (uint16_t)(h + (h & 1));
            wrong += round(low) != h || round(-low) != (h | 0x8000);
            if (h + 1 == infinite)
                break;
            wrong += round(middle) != even;
            wrong += round(nextafterf(middle, 0)) != h;
            wrong += round(nextafterf(middle, INFINITY)) != h + 1;
        }
        CHECK_EQ(wrong, 0);
        CHECK_EQ(round(INFINITY), infinite);
        CHECK(isnan(widen(round(NAN))) && isinf(widen(round(-INFINITY))));
    }
    CHECK_EQ(float16_of(65519), 0x7bff);
    CHECK_EQ(float16_of(65520), 0x7c00);
    CHECK_EQ(float16_of(-1e30f), 0xfc00);
    CHECK_EQ(float16_of(0x1p-25f), 0);
    CHECK_EQ(float16_of(0x1.8p-25f), 1);
    CHECK_EQ(bfloat16_of(3.4e38f), 0x7f80);
}

/* Runs a 1x1x1 convolution of 8 channels with weights +1, -1, 0 ..., and a relu, on x.  Returns the
 * status of the download of the result. */
static cfp_status convolve(cfp_ctx *ctx, cfp_precision precision, const float x[8], float y[8])
{
    static float weight[64] = {1, -1};
    cfp_node nodes[2] = {{.name = "point",
                          .op = CFP_OP_CONV3D,
                          .shape = {1, 8, 1, 1, 1},
                          .groups = 1,
                          .kernel_channels = 8,
                          .window = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
                          .weight = weight},
                         {.name = "relu", .op = CFP_OP_RELU, .shape = {1, 8, 1, 1, 1}}};
    run r = {.step = {.node = &nodes[0], .activation = &nodes[1], .n_src = 1}};
    CFP_TRY(open_device(&r.device, ctx, "cudasim", precision));
    const cfp_backend_api *api = r.device.api;
    r.src[0] = (cfp_tensor){.shape = {1, 8, 1, 1, 1}, .block = 8}; /* plain, as a clip is */
    r.dst = (cfp_tensor){.shape = {1, 8, 1, 1, 1}, .block = 1};
    const cfp_tensor *const src[1] = {&r.src[0]};
    cfp_status status = api->step_open(r.device.backend, &r.step, src, &r.dst);
    if (status == CFP_OK)
        status = new_tensor(&r, &r.src[0]);
    if (status == CFP_OK)
        status = new_tensor(&r, &r.dst);
    if (status == CFP_OK)
        status = api->alloc(r.device.backend, &r.scratch, r.step.scratch_bytes);
    if (status == CFP_OK)
        status = api->upload(r.device.backend, &r.src[0], x);
    if (status == CFP_OK)
        status = api->step_forward(r.device.backend, &r.step, src, &r.dst, r.scratch);
    if (status == CFP_OK)
        status = api->download(r.device.backend, y, &r.dst);
    close_run(&r);
    return status;
}

/* The number of products that cuBLAS runs for `op` with `clips` clips of one position, 9 -> 5
 * channels, forward and backward.  *opened: how often two such layers opened cuBLAS. */
static int products(int *opened, cfp_op op, int clips)
{
    static float weight[45];
    const cfp_shape in = {clips, 9, 1, 1, 1}, out = {clips, 5, 1, 1, 1};
    cfp_node node = {.name = "point",
                     .op = op,
                     .shape = out,
                     .groups = 1,
                     .kernel_channels = 9,
                     .window = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
                     .weight = weight};
    cfp_ctx ctx = {0};
    cfp_device device;
    cfp_step step[2];
    cfp_tensor x = {.shape = in, .block = 16}, y = {.shape = out, .block = 1};
    const cfp_tensor *const src[1] = {&x};
    cfp_tensor *const diff_src[1] = {&x};
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_FP32), CFP_OK);
    const cfp_backend_api *api = device.api;
    int *const ran = counter("cudasim_products"), *const looked = counter("cudasim_blas_opened");
    *ran = *looked = 0;
    void *memory[3] = {NULL};
    for (int i = 0; i < 2; i++) {
        step[i] = (cfp_step){.node = &node, .n_src = 1, .backward = true};
        CHECK_EQ(api->step_open(device.backend, &step[i], src, &y), CFP_OK);
    }
    CHECK_EQ(api->alloc(device.backend, &memory[0], api->tensor_bytes(&x)), CFP_OK);
    CHECK_EQ(api->alloc(device.backend, &memory[1], api->tensor_bytes(&y)), CFP_OK);
    CHECK_EQ(api->alloc(device.backend, &memory[2], step[0].scratch_bytes), CFP_OK);
    x.data = memory[0], y.data = memory[1];
    CHECK_EQ(api->step_forward(device.backend, &step[0], src, &y, memory[2]), CFP_OK);
    CHECK_EQ(api->step_backward(device.backend, &step[0], src, &y, &y, diff_src, memory[2]),
             CFP_OK);
    for (int i = 0; i < 3; i++)
        api->release(device.backend, memory[i]);
    for (int i = 0; i < 2; i++)
        api->step_close(device.backend, &step[i]);
    *opened = *looked;
    const int count = *ran;
    cfp_device_close(&device);
    return count;
}

static void cublas_multiplies_for_several_clips(void)
{
    int opened = 9;
    CHECK_EQ(products(&opened, CFP_OP_LINEAR, 1), 0);
    CHECK_EQ(opened, 0); /* half a gigabyte that is not needed */
    CHECK_EQ(products(&opened, CFP_OP_LINEAR, 2), 2);
    CHECK_EQ(opened, 1);
    CHECK_EQ(products(&opened, CFP_OP_CONV3D, 3), 2);
    CHECK_EQ(opened, 1);
    setenv("CUDASIM_NO_CUBLAS", "1", 1);
    CHECK_EQ(products(&opened, CFP_OP_LINEAR, 2), 0);
    CHECK_EQ(opened, 1); /* and not again for the second layer */
    unsetenv("CUDASIM_NO_CUBLAS");
}

/* A relu that makes 0 of NaN would hide an overflow before it. */
static void an_overflow_is_refused(void)
{
    const float small[8] = {3, 1}, large[8] = {70000, 70000}, far[8] = {60000, -60000};
    float y[8];
    cfp_ctx ctx = {0};
    CHECK_EQ(convolve(&ctx, CFP_FP16, small, y), CFP_OK);
    CHECK_NEAR(y[0], 2, 0);
    CHECK_EQ(convolve(&ctx, CFP_FP16, large, y), CFP_UNSUPPORTED);
    CHECK_HAS(ctx.message, "--precision fp16: this network's numbers go beyond float16's range");
    ctx.message[0] = '\0';
    CHECK_EQ(convolve(&ctx, CFP_FP16, far, y), CFP_UNSUPPORTED); /* the result would be 120000 */
    CHECK_HAS(ctx.message, "beyond float16's range");
    CHECK_EQ(convolve(&ctx, CFP_BF16, large, y), CFP_OK);
    CHECK_NEAR(y[0], 0, 0);
}

/* Makes every single call of CUDA fail, alone or with all later ones.  Either the status is a
 * failure, or the call was not needed and the result is right. */
static void every_error_of_cuda_is_told(void)
{
    const float x[8] = {3, 1};
    float y[8];
    cfp_ctx usual = {0};
    CHECK_EQ(convolve(&usual, CFP_FP16, x, y), CFP_OK);
    int *const fail_at = counter("cudasim_fail_at"), *const calls = counter("cudasim_calls");
    int *const stays = counter("cudasim_fail_stays");
    *counter("cudasim_fail_code") = 719;
    for (*stays = 0; *stays < 2; ++*stays) {
        int told = 0, k = 0;
        for (bool reached = true; reached && k < 200;) {
            cfp_ctx ctx = {0};
            memset(y, 0x7f, sizeof y);
            *calls = 0;
            *fail_at = ++k;
            const cfp_status status = convolve(&ctx, CFP_FP16, x, y);
            reached = *calls >= k;
            told += status != CFP_OK;
            if (status == CFP_OK)
                CHECK_NEAR(y[0], 2, 0);
            else
                CHECK(status == CFP_DEVICE && ctx.message[0] != '\0');
        }
        CHECK(k > 20 && k < 200 && told > k / 2);
    }
    *stays = *fail_at = 0;
}

/* An infinite gradient makes the mean of its product infinite. */
static void an_overflow_of_gradients_is_refused(void)
{
    const float one[8] = {1, 1, 1, 1, 1, 1, 1, 1}, large[8] = {0, 0, 0, INFINITY};
    const cfp_demand last[8] = {-1, -1, -1, 0, -1, -1, -1, -1};
    for (int p = CFP_BF16; p <= CFP_FP16; p++) {
        cfp_ctx ctx = {0};
        run r = {0};
        float mean[8];
        CHECK_EQ(open_device(&r.device, &ctx, "cudasim", (cfp_precision)p), CFP_OK);
        const cfp_backend_api *api = r.device.api;
        for (int k = 0; k < 2; k++) {
            r.src[k] = (cfp_tensor){.shape = {1, 8, 1, 1, 1},
                                    .block = 8,
                                    .type = p == CFP_BF16 ? CFP_BFLOAT16 : CFP_FLOAT16};
            CHECK_EQ(new_tensor(&r, &r.src[k]), CFP_OK);
            CHECK_EQ(api->upload(r.device.backend, &r.src[k], k == 0 ? one : large), CFP_OK);
        }
        const cfp_status want = p == CFP_BF16 ? CFP_OK : CFP_UNSUPPORTED;
        /* The next fetch reports it. */
        cfp_backend *const b = r.device.backend;
        void *memory = NULL, *demand = NULL;
        CHECK_EQ(api->alloc(b, &memory, sizeof mean), CFP_OK);
        CHECK_EQ(api->alloc(b, &demand, sizeof last), CFP_OK);
        CHECK_EQ(api->put(b, demand, last, sizeof last), CFP_OK);
        float *const there = memory;
        CHECK_EQ(api->channel_mean(b, there, &r.src[0], NULL), CFP_OK);
        CHECK_EQ(api->fetch(b, mean, there, sizeof mean), CFP_OK);
        CHECK_EQ(api->channel_mean(b, there, &r.src[1], NULL), CFP_OK);
        CHECK_EQ(api->fetch(b, mean, there, sizeof mean), want);
        CHECK_EQ(api->channel_mean(b, there, &r.src[0], &r.src[1]), CFP_OK);
        CHECK_EQ(api->fetch(b, mean, there, sizeof mean), want);
        CHECK_EQ(api->channel_sum(b, there, &r.src[0], &r.src[1], demand, 1, 1, true), CFP_OK);
        CHECK_EQ(api->fetch(b, mean, there, sizeof mean), want);
        CHECK_HAS(ctx.message, p == CFP_BF16 ? "" : "beyond float16's range");
        api->release(b, memory);
        api->release(b, demand);
        close_run(&r);
    }
}

/* The clip has the layout and the type of the first step that reads it. */
static void the_clip_lies_as_its_first_step_wants(void)
{
    static const cfp_type types[] = {CFP_FLOAT32, CFP_FLOAT32, CFP_BFLOAT16, CFP_FLOAT16};
    const cfp_shape shape = {1, 3, 2, 4, 4};
    const cfp_node layer = {.name = "stem", .op = CFP_OP_CONV3D};
    const cfp_step first = {.node = &layer, .n_src = 1};
    for (int p = CFP_FP32; p <= CFP_FP16; p++) {
        cfp_ctx ctx = {0};
        cfp_device device;
        cfp_tensor x = {.shape = shape, .block = 1};
        CHECK_EQ(open_device(&device, &ctx, "cudasim", (cfp_precision)p), CFP_OK);
        device.api->clip_layout(device.backend, &first, &x);
        CHECK_EQ(x.block, 8);
        CHECK_EQ(x.type, types[p]);
        cfp_device_close(&device);
    }
}

/* Brings a clip of one pixel to the device, as numbers or as bytes, and waits. */
static cfp_status bring(cfp_ctx *ctx, cfp_precision precision, const float *plain, float std)
{
    run r = {0};
    const uint8_t rgb[3] = {255, 0, 255};
    float mean[3] = {0}, stds[3] = {std, std, std};
    const cfp_input_spec input = {.scale = 1, .mean = mean, .std = stds};
    const cfp_node layer = {.name = "stem", .op = CFP_OP_CONV3D};
    const cfp_step first = {.node = &layer, .n_src = 1};
    float back[3];
    uint64_t copy = 0;
    CFP_TRY(open_device(&r.device, ctx, "cudasim", precision));
    const cfp_backend_api *api = r.device.api;
    r.src[0] = (cfp_tensor){.shape = {1, 3, 1, 1, 1}};
    api->clip_layout(r.device.backend, &first, &r.src[0]);
    cfp_status status = new_tensor(&r, &r.src[0]);
    if (status == CFP_OK && plain != NULL)
        status = api->upload(r.device.backend, &r.src[0], plain);
    else if (status == CFP_OK)
        status = api->frames->upload(r.device.backend, &r.src[0], 0, rgb, &input, &copy);
    if (status == CFP_OK)
        status = api->download(r.device.backend, back, &r.src[0]);
    if (copy != 0 && api->frames->wait(r.device.backend, copy) != CFP_OK)
        status = CFP_DEVICE;
    close_run(&r);
    return status;
}

/* What is beyond float16's range must not reach the first layer as an infinity. */
static void a_clip_beyond_the_range_is_refused(void)
{
    const float edge[3] = {65504, -65504, 0}, beyond[3] = {0, 0, -65520};
    for (int p = CFP_FP32; p <= CFP_FP16; p++) {
        const cfp_status want = p == CFP_FP16 ? CFP_UNSUPPORTED : CFP_OK;
        cfp_ctx ctx = {0};
        CHECK_EQ(bring(&ctx, (cfp_precision)p, edge, 0), CFP_OK);
        CHECK_EQ(bring(&ctx, (cfp_precision)p, beyond, 0), want);
        CHECK_EQ(bring(&ctx, (cfp_precision)p, NULL, 1), CFP_OK);
        CHECK_EQ(bring(&ctx, (cfp_precision)p, NULL, 1e-3f), want); /* 255000 */
    }
}

enum { LONG_CHANNELS = 40, LONG_T = 9, LONG_SIDE = 16, LONG = LONG_T * LONG_SIDE * LONG_SIDE };

/* Number i of a long tensor: a small whole number, which every type holds exactly. */
static float long_number(int64_t i, int salt)
{
    return (float)((i * 7 + salt) % 13 - 4);
}

/* Compares the means of x, or of x * g, of two clips with plain sums. */
static void check_long_means(const cfp_device *device, const cfp_tensor *x, const cfp_tensor *g,
                             float *there)
{
    float mean[2 * LONG_CHANNELS];
    const cfp_backend_api *api = device->api;
    CHECK_EQ(api->channel_mean(device->backend, there, x, g), CFP_OK);
    CHECK_EQ(api->fetch(device->backend, mean, there, sizeof mean), CFP_OK);
    for (int64_t row = 0; row < 2 * LONG_CHANNELS; row++) {
        double sum = 0;
        for (int64_t i = row * LONG; i < (row + 1) * LONG; i++)
            sum += (double)long_number(i, 0) * (g != NULL ? (double)long_number(i, 5) : 1);
        CHECK_NEAR(mean[row], sum / LONG, 1e-6 * fabs(sum / LONG) + 1e-9);
    }
}

/* Several blocks divide such a sum, and the last one adds their parts; repeatedly. */
static void long_sums_are_shared(void)
{
    enum { COUNT = 2 * LONG_CHANNELS * LONG };
    static float plain[2][COUNT];
    for (int p = CFP_FP32; p <= CFP_FP16; p++) {
        static const cfp_type types[] = {CFP_FLOAT32, CFP_FLOAT32, CFP_BFLOAT16, CFP_FLOAT16};
        cfp_ctx ctx = {0};
        cfp_device device;
        cfp_tensor x[2];
        void *memory[3] = {NULL};
        CHECK_EQ(open_device(&device, &ctx, "cudasim", (cfp_precision)p), CFP_OK);
        const cfp_backend_api *api = device.api;
        for (int k = 0; k < 2; k++) {
            x[k] = (cfp_tensor){.shape = {2, LONG_CHANNELS, LONG_T, LONG_SIDE, LONG_SIDE},
                                .block = LONG_CHANNELS,
                                .type = types[p]};
            for (int64_t i = 0; i < COUNT; i++)
                plain[k][i] = long_number(i, 5 * k);
            CHECK_EQ(api->alloc(device.backend, &memory[k], api->tensor_bytes(&x[k])), CFP_OK);
            x[k].data = memory[k];
            CHECK_EQ(api->upload(device.backend, &x[k], plain[k]), CFP_OK);
        }
        CHECK_EQ(api->alloc(device.backend, &memory[2], 2 * LONG_CHANNELS * sizeof(float)), CFP_OK);
        for (int again = 0; again < 2; again++) {
            check_long_means(&device, &x[0], NULL, memory[2]);
            if (p != CFP_FP16) /* fp16's gradients have another unit */
                check_long_means(&device, &x[0], &x[1], memory[2]);
        }
        for (int k = 0; k < 3; k++)
            api->release(device.backend, memory[k]);
        cfp_device_close(&device);
    }
}

/* Libraries load code later, which needs memory. */
static void plans_leave_memory_free(void)
{
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_FP32), CFP_OK);
    CHECK_EQ(device.api->free_bytes(device.backend), (size_t)512 << 20); /* of a GiB */
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
    float number = 7; /* must not change */
    const cfp_input_spec input = {.channels = 5, .scale = 1};
    cfp_tensor x = {.shape = {1, 5, 1, 1, 1}, .block = 1, .data = &number};
    uint64_t done = 9;
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(open_device(&device, &ctx, "cudasim", CFP_FP32), CFP_OK);
    CHECK_EQ(device.api->frames->upload(device.backend, &x, 0, rgb, &input, &done),
             CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "frames have 3 channels, the network reads 5");
    CHECK_EQ(done, 0);
    CHECK_NEAR(number, 7, 0);
    cfp_device_close(&device);
}

/* Makes every single allocation fail: the status is a failure, and nothing leaks (the sanitizers
 * check that). */
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
    a_precision_wants_a_capability();
    halves_round_to_the_nearest();
    cublas_multiplies_for_several_clips();
    an_overflow_is_refused();
    an_overflow_of_gradients_is_refused();
    the_clip_lies_as_its_first_step_wants();
    a_clip_beyond_the_range_is_refused();
    every_error_of_cuda_is_told();
    plans_leave_memory_free();
    long_sums_are_shared();
    a_tensor_too_long_is_refused_by_its_node();
    frames_have_no_more_than_three_channels();
    opening_survives_lack_of_memory();
    return test_result();
}
