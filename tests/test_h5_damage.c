/* test_h5_damage.c - flips bits of a model, a clip and an explanation, or cuts them short.  Each
 * file must be read, or be refused by one message that names it, within a time limit.
 *
 * HDF5 1.10 crashes on about one in a hundred of such files and reads others for ever.  Both happen
 * in the child process, so the test goes on. */
#define _GNU_SOURCE
#include "../host/clip/clip.h"
#include "../host/report/index_row.h"
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <hdf5.h>

enum { FLIPS = 120, CUTS = 12, LIMIT_MS = 60000 };

static uint64_t state = 1;

static size_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

static void put_text(hid_t at, const char *name, const char *text, bool list)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    const hid_t space = list ? H5Screate_simple(1, (hsize_t[]){1}, NULL) : H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t id = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(H5Awrite(id, type, &text) >= 0);
    H5Aclose(id);
    H5Sclose(space);
    H5Tclose(type);
}

static void put_numbers(hid_t at, const char *name, hid_t type, int n, const void *number)
{
    const hid_t space =
        n == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, (hsize_t[]){(hsize_t)n}, NULL);
    const hid_t id = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(H5Awrite(id, type, number) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

static void put_set(hid_t at, const char *name, hid_t type, int rank, const hsize_t *size,
                    const void *data, bool packed)
{
    const hid_t space = H5Screate_simple(rank, size, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    if (packed) {
        H5Pset_chunk(how, rank, size);
        H5Pset_shuffle(how);
        H5Pset_deflate(how, 4);
    }
    const hid_t set = H5Dcreate2(at, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    CHECK(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
}

static hid_t put_node(hid_t graph, const char *name, const char *op, const char *input)
{
    const hid_t node = H5Gcreate2(graph, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put_text(node, "op", op, false);
    put_text(node, "inputs", input, true);
    return node;
}

static void write_model(const char *path)
{
    static const char *const names[] = {"a", "b", "c"};
    static const struct {
        const char *name;
        int value;
    } sizes[] = {{"channels", 3}, {"frames", 4},       {"height", 8},
                 {"width", 8},    {"frame_stride", 1}, {"resize_short", 0}};
    const double real[3] = {1, 1, 1}, scale = 255;
    const int triple[3] = {1, 1, 1}, version = 1;
    float weight[4 * 3 * 27];
    for (int i = 0; i < 4 * 3 * 27; i++)
        weight[i] = (float)i / 100;
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_text(file, "cfp_format", "model", false);
    put_numbers(file, "cfp_version", H5T_NATIVE_INT, 0, &version);
    put_text(file, "name", "tiny", false);
    put_text(file, "output", "fc", false);
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    put_set(file, "classes", text, 1, (hsize_t[]){3}, names, false);
    H5Tclose(text);
    const hid_t input = H5Gcreate2(file, "input", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        put_numbers(input, sizes[i].name, H5T_NATIVE_INT, 0, &sizes[i].value);
    put_text(input, "crop", "center", false);
    put_text(input, "color", "RGB", false);
    put_numbers(input, "scale", H5T_NATIVE_DOUBLE, 0, &scale);
    put_numbers(input, "mean", H5T_NATIVE_DOUBLE, 3, real);
    put_numbers(input, "std", H5T_NATIVE_DOUBLE, 3, real);
    H5Gclose(input);
    const hid_t graph = H5Gcreate2(file, "graph", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t conv = put_node(graph, "conv", "conv3d", "input");
    put_numbers(conv, "pad_begin", H5T_NATIVE_INT, 3, triple);
    put_set(conv, "weight", H5T_NATIVE_FLOAT, 5, (hsize_t[]){4, 3, 3, 3, 3}, weight, true);
    H5Gclose(conv);
    H5Gclose(put_node(graph, "pool", "globalavgpool", "conv"));
    const hid_t fc = put_node(graph, "fc", "linear", "pool");
    put_set(fc, "weight", H5T_NATIVE_FLOAT, 2, (hsize_t[]){3, 4}, weight, false);
    H5Gclose(fc);
    H5Gclose(graph);
    H5Fclose(file);
}

static void write_clip(const char *path)
{
    uint8_t frames[6 * 8 * 8 * 3];
    for (size_t i = 0; i < sizeof frames; i++)
        frames[i] = (uint8_t)i;
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_set(file, "frames", H5T_NATIVE_UINT8, 4, (hsize_t[]){6, 8, 8, 3}, frames, true);
    H5Fclose(file);
}

static cfp_status read_model(cfp_ctx *ctx, const char *path)
{
    cfp_model model;
    const cfp_status status = cfp_model_open(&model, ctx, path);
    cfp_model_free(&model);
    return status;
}

static cfp_status read_clip(cfp_ctx *ctx, const char *path)
{
    float zero[3] = {0}, one[3] = {1, 1, 1};
    const cfp_input_spec spec = {.channels = 3,
                                 .frames = 4,
                                 .height = 8,
                                 .width = 8,
                                 .frame_stride = 1,
                                 .scale = 255,
                                 .mean = zero,
                                 .std = one};
    cfp_clip clip;
    const cfp_status status = cfp_clip_open(&clip, ctx, path, &spec, &(cfp_sampling){.start = -1});
    cfp_clip_free(&clip);
    return status;
}

static cfp_status read_explanation(cfp_ctx *ctx, const char *path)
{
    cfp_index_row row;
    const cfp_status status = cfp_index_row_read(&row, ctx, path);
    if (status == CFP_OK)
        cfp_index_row_free(&row);
    return status;
}

static int refused, endless, crashed;

static void try(cfp_status (*read)(cfp_ctx *, const char *), const char *path, const uint8_t *bytes,
                size_t n)
{
    cfp_ctx ctx = {.max_memory = 1 << 28};
    const double before = cfp_now_ms();
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, n, file) == n);
    fclose(file);
    const cfp_status status = read(&ctx, path);
    CHECK(cfp_now_ms() - before < LIMIT_MS);
    if (status == CFP_OK)
        return;
    refused++;
    crashed += strstr(ctx.message, "HDF5 crashed") != NULL;
    endless += strstr(ctx.message, "does not come to its end") != NULL;
    if (strncmp(ctx.message, path, strlen(path)) != 0) {
        fprintf(stderr, "status %d: %s\n", (int)status, ctx.message);
        CHECK(false);
    }
}

static void damage(cfp_status (*read)(cfp_ctx *, const char *), const char *good, const char *path)
{
    static uint8_t whole[1 << 16], turned[1 << 16];
    cfp_ctx ctx = {0};
    const cfp_status status = read(&ctx, good);
    if (status != CFP_OK)
        fprintf(stderr, "%s\n", ctx.message);
    CHECK_EQ(status, CFP_OK);
    FILE *file = fopen(good, "rb");
    const size_t n = file == NULL ? 0 : fread(whole, 1, sizeof whole, file);
    CHECK(n > 1000 && n < sizeof whole);
    if (file != NULL)
        fclose(file);
    for (int k = 0; k < FLIPS; k++) {
        static const size_t reach[] = {200, 2000, sizeof whole};
        memcpy(turned, whole, n);
        for (int i = k % 4 == 3 ? 8 : 1; i > 0; i--) {
            const size_t most = reach[below(3)];
            turned[below(most < n ? most : n)] ^= (uint8_t)(1 << below(8));
        }
        try(read, path, turned, n);
    }
    for (int k = 0; k < CUTS; k++)
        try(read, path, whole, k < 3 ? n - (size_t)k - 1 : below(n));
}

/* The heap of the model's strings, whose first object is free and has no size: HDF5 1.10 looks at
 * it again and again. */
static void loop_for_ever(const char *good, const char *path)
{
    static uint8_t whole[1 << 16];
    FILE *file = fopen(good, "rb");
    const size_t n = file == NULL ? 0 : fread(whole, 1, sizeof whole, file);
    uint8_t *const heap = memmem(whole, n, "GCOL", 4);
    CHECK(heap != NULL);
    if (file != NULL)
        fclose(file);
    if (heap == NULL)
        return;
    memset(heap + 16, 0, 16);
    const int before = refused;
    try(read_model, path, whole, n);
    CHECK_EQ(refused, before + 1);
}

int main(void)
{
    char folder[SCRATCH_PATH], good[2 * SCRATCH_PATH], bad[2 * SCRATCH_PATH];
    scratch_open(folder);
    snprintf(good, sizeof good, "%s/good.h5", folder);
    snprintf(bad, sizeof bad, "%s/bad.h5", folder);
    write_model(good);
    damage(read_model, good, bad);
    loop_for_ever(good, bad);
    write_clip(good);
    damage(read_clip, good, bad);
    struct made m;
    made_open(&m, 6, 4, 10);
    CHECK_EQ(made_write(&m, folder, "h5"), CFP_OK);
    made_close(&m);
    snprintf(good, sizeof good, "%s/explanation.h5", folder);
    damage(read_explanation, good, bad);
    printf("of %d damaged files %d were refused; HDF5 crashed on %d and read %d for ever\n",
           3 * (FLIPS + CUTS) + 1, refused, crashed, endless);
    scratch_remove(folder);
    return test_result();
}
