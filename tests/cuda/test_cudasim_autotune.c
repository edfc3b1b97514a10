/* test_cudasim_autotune.c - autotune on the simulator: which candidate is chosen, by invented
 * times; the file of choices; files that are refused.
 *
 * Argument: the directory of cfp_cudasim.so (absolute). */
#include "sim_module.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens and closes a convolution of `length` positions. */
static cfp_status plan_conv(const cfp_device *device, int length)
{
    static float weight[64];
    const cfp_shape shape = {1, 8, length, 3, 3};
    cfp_node node = {.name = "conv",
                     .op = CFP_OP_CONV3D,
                     .shape = shape,
                     .groups = 1,
                     .kernel_channels = 8,
                     .window = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},
                     .weight = weight};
    cfp_step step = {.node = &node, .n_src = 1};
    const cfp_tensor x = {.shape = shape, .block = 8};
    cfp_tensor y = {.shape = shape, .block = 1};
    const cfp_status status =
        device->api->step_open(device->backend, &step, (const cfp_tensor *const[1]){&x}, &y);
    if (status == CFP_OK)
        device->api->step_close(device->backend, &step);
    return status;
}

enum { PLANS = 3 };     /* candidates that the simulator has */
static double tuned_ms; /* of the last tuned convolution */

/* Opens two convolutions, the second twice, with autotune; the simulator's candidates take `times`.
 * Returns how many plans were timed. */
static int tune(cfp_ctx *ctx, const char *file, const char *times, cfp_status want,
                int candidate[2])
{
    const cfp_device_request request = {.module_dir = modules, .autotune = file};
    cfp_device device;
    cfp_tuned row;
    const cfp_status status = cfp_device_open(&device, ctx, "cudasim", &request);
    CHECK_EQ(status, want);
    if (status != CFP_OK)
        return 0;
    const cfp_backend_api *api = device.api;
    int *const timed = counter("cudasim_timed"), *const zeros = counter("cudasim_of_zeros");
    *timed = *zeros = *counter("cudasim_most_timed") = 0;
    setenv("CUDASIM_TIMES", times, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(plan_conv(&device, i == 0 ? 2 : 5), CFP_OK);
    unsetenv("CUDASIM_TIMES");
    for (int i = 0; i < 2; i++) {
        CHECK(api->tuned(device.backend, i, &row));
        CHECK_HAS(row.what, i == 0 ? "conv 1x8x2x3x3 -> " : "conv 1x8x5x3x3 -> ");
        CHECK_EQ(row.engine, 100 + row.candidate);
        candidate[i] = row.candidate;
        tuned_ms = (double)row.ms;
    }
    CHECK(!api->tuned(device.backend, 2, &row));
    const int asked = *timed / 4; /* each plan: one execution, then three rounds */
    CHECK_EQ(*zeros, 0);
    cfp_device_close(&device);
    return asked;
}

static void write_text(const char *path, const char *mode, const char *text)
{
    FILE *file = fopen(path, mode);
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void autotune_takes_the_fastest(void)
{
    char path[] = "scratch-autotune-XXXXXX", line[512];
    const int made = mkstemp(path);
    int candidate[2] = {-1, -1};
    cfp_ctx ctx = {0};
    CHECK(made >= 0 && close(made) == 0);
    CHECK_EQ(tune(&ctx, path, "3,2,1", CFP_OK, candidate), 2 * PLANS);
    CHECK(candidate[0] == 2 && candidate[1] == 2);
    CHECK_EQ(tune(&ctx, path, "1,2,3", CFP_OK, candidate),
             0); /* the choices of the file are used */
    CHECK(candidate[0] == 2 && candidate[1] == 2);

    /* Short executions are timed ten at once; the time of one counts. */
    write_text(path, "w", "");
    CHECK_EQ(tune(&ctx, path, "0.3,0.25,0.5", CFP_OK, candidate), 2 * PLANS);
    CHECK(candidate[0] == 1 && candidate[1] == 1);
    CHECK_EQ(*counter("cudasim_most_timed"), 10);
    CHECK_NEAR(tuned_ms, 0.25, 1e-6);

    write_text(path, "w", "");
    CHECK_EQ(tune(&ctx, path, "2,1,1", CFP_OK, candidate), 2 * PLANS); /* the earlier of equals */
    CHECK(candidate[0] == 1 && candidate[1] == 1);

    /* A line for another device is ignored.  If a line's engine does not exist now, it is measured
     * again. */
    write_text(path, "w", "");
    CHECK_EQ(tune(&ctx, path, "1,1,1", CFP_OK, candidate), 2 * PLANS);
    CHECK(candidate[0] == 0 && candidate[1] == 0);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fgets(line, sizeof line, file) != NULL && fclose(file) == 0);
    char *const engine = strstr(line, "\t100\t");
    CHECK(engine != NULL);
    if (engine != NULL) {
        engine[3] = '7';
        write_text(path, "a", line);
        CHECK_EQ(tune(&ctx, path, "2,2,1", CFP_OK, candidate), PLANS);
        CHECK(candidate[0] == 2 && candidate[1] == 0);
        line[0] = '?';
        write_text(path, "a", line);
        CHECK_EQ(tune(&ctx, path, "1,2,3", CFP_OK, candidate), 0);
        CHECK(candidate[0] == 2 && candidate[1] == 0);
    }
    write_text(path, "a", "no choice\n");
    tune(&ctx, path, "1,1,1", CFP_FORMAT, candidate);
    CHECK_HAS(ctx.message, "is no choice of autotune");
    write_text(path, "w", "device\tconvolution\t0\t7\t1.5"); /* a line without its end */
    tune(&ctx, path, "1,1,1", CFP_FORMAT, candidate);
    CHECK_EQ(remove(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0);
    tune(&ctx, path, "1,1,1", CFP_IO, candidate);
    CHECK_HAS(ctx.message, "is no plain file");
    CHECK_EQ(remove(path), 0);
    tune(&ctx, "/nowhere/file", "1,1,1", CFP_IO, candidate);
    CHECK_HAS(ctx.message, "--autotune: /nowhere/file: No such file or directory");
}

/* A limit of the file's size stops the write in the middle of a line, as a full disk does. */
static void autotune_leaves_no_half_line(void)
{
    char path[] = "scratch-autotune-XXXXXX";
    cfp_ctx ctx = {0};
    int candidate[2];
    struct stat facts;
    struct rlimit usual, tight;
    cfp_device device;
    const cfp_device_request request = {.module_dir = modules, .autotune = path};
    close(mkstemp(path));
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
    signal(SIGXFSZ, SIG_IGN);
    tight = usual;
    tight.rlim_cur = 20;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    setenv("CUDASIM_TIMES", "3,1,2", 1);
    CHECK_EQ(cfp_device_open(&device, &ctx, "cudasim", &request), CFP_OK);
    CHECK_EQ(plan_conv(&device, 2), CFP_IO);
    cfp_device_close(&device);
    unsetenv("CUDASIM_TIMES");
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &usual), 0);
    CHECK_EQ(strncmp(ctx.message, "--autotune: ", 12), 0);
    CHECK_EQ(stat(path, &facts), 0);
    CHECK_EQ(facts.st_size, 0);
    tune(&ctx, path, "3,1,2", CFP_OK, candidate);
    CHECK_EQ(remove(path), 0);
}

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: test_cudasim_autotune /DIRECTORY-OF-THE-MODULE\n");
        return 2;
    }
    modules = argv[1];
    autotune_takes_the_fastest();
    autotune_leaves_no_half_line();
    return test_result();
}
