/* test_render.c - checks that a device renders tubes as the host does, byte by byte: volumes,
 * coloured frames, and the files of an explanation.
 *
 *     test_render [--device NAME] [--module-dir DIR]
 *
 * Exit status 77: the device is missing.  A device such as ref lets the host render.  The test then
 * checks the host's path, and compares it with ref under a table that claims to render. */
#include "../host/backend/render_math.h"
#include "../host/draw/canvas.h"
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <math.h>

static const char *device_name = "ref", *module_dir;
static cfp_device device;
static cfp_ctx ctx;
static uint32_t state = 1;
static bool on_device; /* it renders */

static int below(int n)
{
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 8) % (uint32_t)n);
}

enum { FLAT, WHOLE, RANDOM, TINY, MAPS };

static cfp_tube make_tube(const int from[3], int kind)
{
    const int n = from[0] * from[1] * from[2];
    cfp_tube tube = {.kernel = -1, .t = from[0], .h = from[1], .w = from[2]};
    tube.raw = made_take((size_t)n, sizeof *tube.raw);
    for (int i = 0; i < n; i++)
        tube.raw[i] = kind == FLAT    ? 0.1f
                      : kind == WHOLE ? (float)(below(3) - 1)
                      : kind == TINY  ? (float)below(3) * 1e-44f - 1e-44f
                                      : (float)below(1 << 24) / 4096 - 2048;
    tube.min = tube.max = tube.raw[0];
    for (int i = 0; i < n; i++) {
        tube.min = fminf(tube.min, tube.raw[i]);
        tube.max = fmaxf(tube.max, tube.raw[i]);
    }
    return tube;
}

static int voxels(const int size[3])
{
    return size[0] * size[1] * size[2];
}

/* Renders on the device and by cfp_tube_render.  Returns the number of different bytes. */
static int wrong_volume(const int from[3], const int to[3], int kind, cfp_interp interp)
{
    cfp_renderer r;
    cfp_tube tube = make_tube(from, kind);
    const size_t bytes = (size_t)voxels(to) * sizeof(float);
    float *want = made_take(1, bytes);
    CHECK_EQ(cfp_renderer_open(&r, &ctx, &device, to, interp, NULL), CFP_OK);
    CHECK_EQ(r.device.api != NULL, on_device);
    CHECK_EQ(cfp_renderer_tube(&r, &tube), CFP_OK);
    const bool fits = voxels(from) <= voxels(to) && interp == CFP_INTERP_LINEAR;
    CHECK_EQ(r.away, on_device && fits);
    CHECK_EQ(cfp_renderer_volume(&r), CFP_OK);
    CHECK_EQ(cfp_tube_render(want, &ctx, &tube, to[0], to[1], to[2], interp), CFP_OK);
    const int wrong = memcmp(r.volume, want, bytes) != 0;
    cfp_renderer_close(&r);
    cfp_free(want);
    cfp_free(tube.raw);
    return wrong;
}

static void volumes_are_the_hosts(void)
{
    static const int sizes[][2][3] = {
        {{1, 1, 1}, {1, 1, 1}},     {{1, 1, 1}, {3, 5, 7}},   {{1, 7, 7}, {16, 56, 56}},
        {{2, 1, 7}, {5, 1, 30}},    {{2, 7, 1}, {5, 30, 1}},  {{4, 14, 14}, {4, 14, 14}},
        {{8, 4, 2}, {3, 7, 9}},     {{5, 9, 13}, {4, 3, 50}}, {{16, 20, 20}, {8, 10, 10}},
        {{3, 10, 11}, {1, 64, 65}}, {{1, 1, 2}, {1, 1, 4}}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int kind = 0; kind < MAPS; kind++)
            for (int interp = 0; interp < 2; interp++)
                CHECK_EQ(wrong_volume(sizes[i][0], sizes[i][1], kind, (cfp_interp)interp), 0);
    int wrong = 0;
    for (int i = 0; i < 60; i++) {
        const int from[3] = {1 + below(9), 1 + below(15), 1 + below(15)};
        const int to[3] = {1 + below(17), 1 + below(60), 1 + below(60)};
        wrong += wrong_volume(from, to, i % MAPS, CFP_INTERP_LINEAR);
    }
    CHECK_EQ(wrong, 0);
    /* more voxels than the device has threads for: 65536 */
    CHECK_EQ(wrong_volume((int[]){2, 7, 7}, (int[]){16, 112, 113}, RANDOM, CFP_INTERP_LINEAR), 0);
}

/* Of -0 and 0 either may be found to be the lowest: neither shows. */
static void zeros_have_no_sign(void)
{
    const float low[2] = {-0.0f, 0.0f};
    for (int i = 0; i < 4; i++)
        CHECK(!signbit(cfp_tube_share(low[i / 2], low[i % 2], 1)));
}

static cfp_overlay random_overlay(int map, double alpha, bool cropped)
{
    cfp_overlay o = {.cropped = cropped, .alpha = alpha};
    o.seen_height = 1 + below(40);
    o.seen_width = 1 + below(40);
    o.height = cropped ? 1 + below(60) : o.seen_height;
    o.width = cropped ? 1 + below(60) : o.seen_width;
    o.step_y = 0.25 + below(200) / 67.0;
    o.step_x = 0.25 + below(200) / 67.0;
    o.top = below(30) - 3.37;
    o.left = below(30) - 3.37;
    cfp_colormap_table(o.colour, (cfp_colormap)map);
    return o;
}

/* The same tube and frame by a renderer on the device and by one on the host. */
static int wrong_overlay(int map, double alpha, bool cropped)
{
    enum { FRAMES = 2 };
    const cfp_overlay o = random_overlay(map, alpha, cropped);
    const int size[3] = {FRAMES, o.seen_height, o.seen_width};
    const size_t bytes = (size_t)o.height * (size_t)o.width * 3;
    uint8_t *rgb[3];
    cfp_tube tube = make_tube((int[]){1, o.seen_height, o.seen_width}, WHOLE + below(2));
    for (int i = 0; i < 3; i++)
        rgb[i] = made_take(bytes, 1);
    for (size_t i = 0; i < bytes; i++)
        rgb[2][i] = (uint8_t)below(256);
    for (int i = 0; i < 2; i++) {
        cfp_renderer r;
        memcpy(rgb[i], rgb[2], bytes);
        CHECK_EQ(cfp_renderer_open(&r, &ctx, i == 0 ? &device : NULL, size, CFP_INTERP_LINEAR, &o),
                 CFP_OK);
        CHECK_EQ(cfp_renderer_tube(&r, &tube), CFP_OK);
        CHECK_EQ(cfp_renderer_overlay(&r, rgb[i], FRAMES - 1), CFP_OK);
        cfp_renderer_close(&r);
    }
    int wrong = memcmp(rgb[0], rgb[1], bytes) != 0;
    if (alpha == 0) /* the frame itself */
        wrong += memcmp(rgb[0], rgb[2], bytes) != 0;
    else if (alpha == 1 && !cropped) /* nothing but colours of the map */
        for (size_t p = 0; p < bytes; p += 3) {
            bool found = false;
            for (int k = 0; k < 256; k++)
                found |= memcmp(rgb[0] + p, o.colour + 3 * k, 3) == 0;
            wrong += !found;
        }
    for (int i = 0; i < 3; i++)
        cfp_free(rgb[i]);
    cfp_free(tube.raw);
    return wrong;
}

static void overlays_are_the_hosts(void)
{
    static const double alphas[] = {0, 0.5, 1, 0.3, CFP_ALPHA_SALIENCY};
    for (int map = 0; map < CFP_COLORMAP_COUNT; map++)
        for (int a = 0; a < 5; a++)
            for (int cropped = 0; cropped < 2; cropped++)
                CHECK_EQ(wrong_overlay(map, alphas[a], cropped == 1), 0);
}

/* What the host rendered, because the device does not, is coloured on the device like the rest. */
static void a_spline_is_coloured_as_well(void)
{
    const cfp_overlay o = random_overlay(CFP_COLORMAP_TURBO, 0.5, false);
    const int size[3] = {3, o.seen_height, o.seen_width};
    const size_t bytes = (size_t)o.height * (size_t)o.width * 3;
    uint8_t *rgb[2];
    cfp_tube tube = make_tube((int[]){2, 3, 4}, RANDOM);
    for (int i = 0; i < 2; i++) {
        cfp_renderer r;
        rgb[i] = made_take(bytes, 1);
        CHECK_EQ(cfp_renderer_open(&r, &ctx, i == 0 ? &device : NULL, size, CFP_INTERP_SPLINE, &o),
                 CFP_OK);
        CHECK_EQ(cfp_renderer_tube(&r, &tube), CFP_OK);
        CHECK_EQ(cfp_renderer_overlay(&r, rgb[i], 1), CFP_OK);
        cfp_renderer_close(&r);
    }
    CHECK(memcmp(rgb[0], rgb[1], bytes) == 0);
    cfp_free(rgb[0]);
    cfp_free(rgb[1]);
    cfp_free(tube.raw);
}

/* Compares the files below two folders, by name and byte by byte, except run.json, which has times.
 */
static int differing_files(const char *a, const char *b)
{
    int wrong = 0;
    DIR *folder = opendir(a);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[2][SCRATCH_PATH];
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "run.json") == 0)
            continue;
        snprintf(name[0], SCRATCH_PATH, "%.200s/%.200s", a, entry->d_name);
        snprintf(name[1], SCRATCH_PATH, "%.200s/%.200s", b, entry->d_name);
        struct stat about;
        if (stat(name[0], &about) == 0 && S_ISDIR(about.st_mode)) {
            wrong += differing_files(name[0], name[1]);
            continue;
        }
        FILE *one = fopen(name[0], "rb"), *other = fopen(name[1], "rb");
        int byte = EOF, byte_of_other = EOF;
        while (one != NULL && other != NULL &&
               (byte = getc(one)) == (byte_of_other = getc(other)) && byte != EOF)
            ;
        wrong += one == NULL || other == NULL || byte != byte_of_other;
        if (one != NULL)
            fclose(one);
        if (other != NULL)
            fclose(other);
    }
    if (folder == NULL)
        return 1;
    closedir(folder);
    return wrong;
}

static void files_are_the_hosts(bool other)
{
    char folder[2][SCRATCH_PATH];
    struct made m;
    made_open(&m, 4, 20, 30);
    if (other) {
        m.e.tubes.tube[1].raw[7] = -3;
        m.e.tubes.tube[1].min = -3;
        m.run.colormap = CFP_COLORMAP_INFERNO;
        m.run.alpha = 0.7;
    }
    for (int i = 0; i < 2; i++) {
        scratch_open(folder[i]);
        m.run.renders_on = i == 0 ? &device : NULL;
        CHECK_EQ(made_write(&m, folder[i], "h5,png,frames,mp4,gif,stack"), CFP_OK);
    }
    CHECK_EQ(scratch_walk(folder[0], "", false), scratch_walk(folder[1], "", false));
    CHECK(scratch_walk(folder[0], ".png", false) ==
          3 + 3 * 4 + 3 + 2); /* strips, frames, stacks, sheets */
    CHECK_EQ(differing_files(folder[0], folder[1]), 0);
    m.run.alpha -= 0.2; /* the comparison sees what differs */
    CHECK_EQ(made_write(&m, folder[1], "png"), CFP_OK);
    CHECK(differing_files(folder[0], folder[1]) > 0);
    scratch_remove(folder[0]);
    scratch_remove(folder[1]);
    made_close(&m);
}

/* A device whose memory is full, or that fails otherwise. */
static cfp_status refusal;
static cfp_status refuse(cfp_backend *backend, void **out, size_t bytes)
{
    (void)backend;
    (void)bytes;
    *out = NULL;
    return cfp_fail(&ctx, refusal, "made to fail");
}
static cfp_status no_tube(cfp_backend *backend, const cfp_render *op)
{
    (void)backend;
    (void)op;
    return CFP_OK;
}
static cfp_status no_overlay(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                             const float *frame)
{
    (void)backend;
    (void)op;
    (void)rgb;
    (void)frame;
    return CFP_OK;
}

static const cfp_render_api no_render = {.tube = no_tube, .overlay = no_overlay};

static void a_full_device_leaves_it_to_the_host(void)
{
    cfp_backend_api full = *device.api;
    const cfp_device full_device = {&full, device.backend};
    const int size[3] = {2, 3, 4};
    full.render = &no_render;
    for (int i = 0; i < 2; i++) {
        cfp_renderer r;
        full.host_alloc = i == 0 ? device.api->host_alloc : refuse;
        full.alloc = i == 0 ? refuse : device.api->alloc;
        refusal = CFP_NOMEM;
        CHECK_EQ(cfp_renderer_open(&r, &ctx, &full_device, size, CFP_INTERP_LINEAR, NULL), CFP_OK);
        CHECK(r.device.api == NULL && r.volume != NULL);
        cfp_renderer_close(&r);
        refusal = CFP_DEVICE;
        CHECK_EQ(cfp_renderer_open(&r, &ctx, &full_device, size, CFP_INTERP_LINEAR, NULL),
                 CFP_DEVICE);
        CHECK(r.device.api == NULL && r.volume == NULL);
        CHECK_HAS(ctx.message, "made to fail");
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            device_name = argv[i + 1];
        else if (strcmp(argv[i], "--module-dir") == 0)
            module_dir = argv[i + 1];
    }
    const cfp_device_request request = {.module_dir = module_dir};
    if (cfp_device_open(&device, &ctx, device_name, &request) != CFP_OK) {
        printf("skipped: %s\n", ctx.message);
        return 77;
    }
    on_device = strncmp(device_name, "cuda", 4) == 0;
    CHECK_EQ(device.api->render != NULL, on_device);
    zeros_have_no_sign();
    volumes_are_the_hosts();
    overlays_are_the_hosts();
    a_spline_is_coloured_as_well();
    files_are_the_hosts(false);
    files_are_the_hosts(true);
    a_full_device_leaves_it_to_the_host();
    cfp_device_close(&device);
    return test_result();
}
