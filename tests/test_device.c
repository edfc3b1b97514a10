/* test_device.c - checks how devices are found by name: built-in ones, correct and faulty modules,
 * and the messages when a device cannot be used.
 *
 * Argument: the directory of the modules made from fake_module.c (absolute). */
#include "../host/backend/backend.h"
#include "test.h"
#include <stdlib.h>
#include <unistd.h>

static const char *modules;

static cfp_status try_open(cfp_device *device, cfp_ctx *ctx, const char *name)
{
    const cfp_device_request request = {.threads = 1, .module_dir = modules};
    *ctx = (cfp_ctx){0};
    return cfp_device_open(device, ctx, name, &request);
}

/* Opening fails with this status, and the message holds both pieces. */
static void check_refused(const char *name, cfp_status status, const char *piece, const char *also)
{
    cfp_ctx ctx;
    cfp_device device;
    CHECK_EQ(try_open(&device, &ctx, name), status);
    CHECK(device.api == NULL && device.backend == NULL);
    CHECK_HAS(ctx.message, piece);
    CHECK_HAS(ctx.message, also);
}

static void built_in_devices_open(void)
{
    static const char *const names[] = {"ref", "cpu"};
    for (int i = 0; i < 2; i++) {
        cfp_ctx ctx;
        cfp_device device;
        CHECK_EQ(try_open(&device, &ctx, names[i]), CFP_OK);
        CHECK_STR(device.api->name, names[i]);
        CHECK(strlen(device.api->describe(device.backend)) > 0);
        CHECK(device.api->free_bytes(device.backend) > 1 << 20);
        cfp_device_close(&device);
        CHECK(device.api == NULL);
        cfp_device_close(&device); /* again: nothing */
    }
}

/* A table without one of its functions would crash much later. */
static void tables_have_no_holes(void)
{
    const cfp_backend_api *const tables[] = {&cfp_backend_ref, &cfp_backend_cpu};
    for (int i = 0; i < 2; i++) {
        const cfp_backend_api *api = tables[i];
        CHECK_EQ(api->abi, CFP_BACKEND_ABI);
        CHECK_EQ(api->size, sizeof *api);
        CHECK(api->host_memory);
        CHECK(api->open && api->close && api->describe && api->alloc && api->release);
        CHECK(api->free_bytes && api->tensor_bytes && api->upload && api->download);
        CHECK(api->step_open && api->step_forward && api->step_backward && api->step_close);
        CHECK(api->channel_mean && api->channel_sum && api->gate);
        CHECK(api->accumulate && api->copy && api->seed && api->blend && api->turn);
        CHECK(api->host_alloc && api->host_release);
        CHECK(api->frames && api->frames->upload && api->frames->stage && api->frames->wait);
    }
}

static void words_that_name_no_device_are_usage(void)
{
    check_refused("", CFP_USAGE, "--device: ''", "auto, ref, cpu, cuda");
    check_refused("gpu", CFP_USAGE, "--device: 'gpu'", "cfp_gpu.so");
    check_refused("CUDA", CFP_USAGE, "--device: 'CUDA'", "cuda:N");
    check_refused("../../tmp/x", CFP_USAGE, "--device: '../../tmp/x'", "none of");
    check_refused("a_word_that_is_too_long", CFP_USAGE, "--device: ", "none of");
    check_refused("cpu:0", CFP_USAGE, "'cpu:0'", "no number");
    check_refused("auto:1", CFP_USAGE, "'auto:1'", "no number");
    check_refused("cuda:", CFP_USAGE, "'cuda:'", "0 to 999");
    check_refused("cuda:x", CFP_USAGE, "'cuda:x'", "0 to 999");
    check_refused("cuda:-1", CFP_USAGE, "'cuda:-1'", "0 to 999");
    check_refused("cuda:1 ", CFP_USAGE, "'cuda:1 '", "0 to 999");
    check_refused("cuda:1000", CFP_USAGE, "'cuda:1000'", "0 to 999");
}

static void a_right_module_opens(void)
{
    cfp_ctx ctx;
    cfp_device device;
    CHECK_EQ(try_open(&device, &ctx, "fake"), CFP_OK);
    CHECK_STR(ctx.message, "");
    if (device.api == NULL)
        return;
    CHECK_STR(device.api->name, "fake");
    CHECK_STR(device.api->describe(device.backend), "fake 0");
    cfp_device_close(&device);
    CHECK_EQ(try_open(&device, &ctx, "fake:3"), CFP_OK);
    CHECK_STR(device.api->describe(device.backend), "another fake");
    float numbers[3] = {0}; /* its code runs */
    cfp_tensor x = {.shape = {1, 3, 1, 1, 1}, .block = 1, .data = numbers};
    CHECK_EQ(device.api->tensor_bytes(&x), sizeof numbers);
    CHECK_EQ(device.api->upload(device.backend, &x, (const float[]){1, 2, 3}), CFP_OK);
    CHECK_NEAR(numbers[2], 3, 0);
    cfp_device_close(&device);
    /* its own reason, under the name that was asked for */
    check_refused("fake:7", CFP_DEVICE, "--device fake:7: ", "only 7 fakes");
}

static void wrong_modules_are_refused(void)
{
    char mine[64];
    snprintf(mine, sizeof mine, "this program has %d (%zu bytes)", CFP_BACKEND_ABI,
             sizeof(cfp_backend_api));
    check_refused("stale", CFP_DEVICE, "interface 77 (12 bytes)", mine);
    check_refused("stale", CFP_DEVICE, "--device stale: ", "/cfp_stale.so: ");
    check_refused("shrunk", CFP_DEVICE, "(8 bytes)", mine); /* the right number, another table */
    check_refused("holed", CFP_DEVICE, "/cfp_holed.so", "lacks a function");
    static const char *const torn[] = {"torn_frames", "torn_render", "torn_record", "torn_profile",
                                       "no_frames"};
    for (size_t i = 0; i < sizeof torn / sizeof torn[0]; i++)
        check_refused(torn[i], CFP_DEVICE, torn[i], "lacks a function");
    check_refused("empty", CFP_DEVICE, "/cfp_empty.so", "no cfp_backend_module");
    check_refused("renamed", CFP_DEVICE, "/cfp_renamed.so", "'fake'");
    check_refused("text", CFP_DEVICE, "--device text: ", "/cfp_text.so: ");
}

static void modules_are_not_looked_for_in_relative_places(void)
{
    const cfp_device_request request = {.module_dir = "."};
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(cfp_device_open(&device, &ctx, "fake", &request), CFP_USAGE);
}

typedef struct log_lines {
    char last[1024];
    int count;
} log_lines;

static void keep_line(void *cookie, cfp_level level, const char *line)
{
    log_lines *lines = cookie;
    CHECK_EQ(level, CFP_LOG_INFO);
    snprintf(lines->last, sizeof lines->last, "%s", line);
    lines->count++;
}

static void auto_says_what_it_took_and_why(void)
{
    const cfp_device_request request = {.threads = 1};
    log_lines lines = {0};
    cfp_ctx ctx = {.log = keep_line, .cookie = &lines};
    cfp_device device;
    CHECK_EQ(cfp_device_open(&device, &ctx, "auto", &request), CFP_OK);
    CHECK_EQ(lines.count, 1);
    CHECK_HAS(lines.last, device.api->describe(device.backend));
    if (strcmp(device.api->name, "cuda") != 0) {
        CHECK_STR(device.api->name, "cpu");
        CHECK_HAS(lines.last, "device cpu: ");
        /* Why not cuda is said only where there is a GPU. */
        CHECK_EQ(strstr(lines.last, "(not cuda: ") != NULL,
                 access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0);
    }
    CHECK_STR(ctx.message, ""); /* it did not fail */
    cfp_device_close(&device);
}

/* With a module and a GPU the device opens; otherwise one line says why not. */
static void cuda_opens_or_says_why_not(void)
{
    cfp_ctx ctx;
    cfp_device device;
    const cfp_status status = try_open(&device, &ctx, "cuda");
    if (status != CFP_OK) {
        CHECK_EQ(status, CFP_DEVICE);
        CHECK_HAS(ctx.message, "--device cuda: ");
        CHECK(strlen(ctx.message) > strlen("--device cuda: "));
    }
    cfp_device_close(&device);
}

static void the_list_tells_what_is_ready(void)
{
    static const char *const names[] = {"ref", "cpu", "cuda"};
    const cfp_device_request any = {0};
    cfp_device_row row;
    int i = 0;
    for (; cfp_device_list(&row, i, &any); i++) {
        CHECK_STR(row.name, names[i]);
        CHECK(strlen(row.detail) > 0);
        CHECK(row.ready || strcmp(row.name, "cuda") == 0);
        CHECK(strncmp(row.detail, "--device", 8) != 0);
    }
    CHECK_EQ(i, 3);
    CHECK(!cfp_device_list(&row, -1, &any));
}

static void the_cpu_keeps_to_fewer_lanes(void)
{
    cfp_ctx ctx = {0};
    cfp_device device;
    const cfp_device_request plain = {.lanes = "plain"}, none = {.lanes = "avx1024"};
    CHECK_EQ(cfp_device_open(&device, &ctx, "cpu", &plain), CFP_OK);
    CHECK_HAS(device.api->describe(device.backend), "plain C");
    cfp_device_close(&device);
    CHECK_EQ(cfp_device_open(&device, &ctx, "cpu", &none), CFP_USAGE);
    CHECK_HAS(ctx.message, "CFP_LANES: avx1024: is none of avx512, avx2, plain that can run here");
}

static void ref_refuses_other_precisions(void)
{
    const cfp_device_request request = {.precision = CFP_BF16};
    cfp_ctx ctx = {0};
    cfp_device device;
    CHECK_EQ(cfp_device_open(&device, &ctx, "ref", &request), CFP_UNSUPPORTED);
    CHECK_HAS(ctx.message, "--precision");
}

static void opening_survives_lack_of_memory(void)
{
    const cfp_device_request request = {.threads = 1, .module_dir = modules};
    cfp_device device;
    for (int64_t k = 1;; k++) {
        cfp_ctx ctx = {.fail_allocation = k};
        const cfp_status status = cfp_device_open(&device, &ctx, "cpu", &request);
        CHECK(status == CFP_OK || status == CFP_NOMEM);
        cfp_device_close(&device);
        if (status == CFP_OK)
            break;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: test_device /DIRECTORY-OF-FAKE-MODULES\n");
        return 2;
    }
    modules = argv[1];
    built_in_devices_open();
    tables_have_no_holes();
    words_that_name_no_device_are_usage();
    a_right_module_opens();
    wrong_modules_are_refused();
    modules_are_not_looked_for_in_relative_places();
    auto_says_what_it_took_and_why();
    cuda_opens_or_says_why_not();
    the_list_tells_what_is_ready();
    the_cpu_keeps_to_fewer_lanes();
    ref_refuses_other_precisions();
    opening_survives_lack_of_memory();
    return test_result();
}
