/* test_clip.c - which frames, how they are resized, what a clip says of itself.
 *
 * The kinds of source are test_clip_sources.c's business, videos check_clips.py's. */
#include "../host/base/hash.h"
#include "../host/clip/geometry.h"
#include "../host/clip/numbered.h"
#include "clip_files.h"

typedef struct log_lines {
    int count;
    char last[1024];
} log_lines;

static void keep_line(void *cookie, cfp_level level, const char *line)
{
    log_lines *log = cookie;
    (void)level;
    log->count++;
    snprintf(log->last, sizeof log->last, "%s", line);
}

typedef struct sampling_case {
    int frames, stride;
    int64_t start, source;
    bool looped;
    int32_t index[6];
} sampling_case;

static void sampling_is_centred_and_loops(void)
{
    static const sampling_case cases[] = {
        {4, 1, -1, 10, false, {3, 4, 5, 6}}, /* (10 - 4) / 2 = 3 */
        {4, 1, -1, 11, false, {3, 4, 5, 6}}, /* (11 - 4) / 2 = 3.5, down */
        {4, 2, -1, 10, false, {1, 3, 5, 7}}, /* span 7: (10 - 7) / 2 = 1.5, down */
        {4, 3, -1, 10, false, {0, 3, 6, 9}}, /* span 10: just fits */
        {4, 3, -1, 9, true, {0, 3, 6, 0}},   /* span 10 of 9: 9 mod 9 */
        {4, 1, 6, 10, false, {6, 7, 8, 9}},  /* to the last one */
        {4, 1, 7, 10, true, {7, 8, 9, 0}},   /* over the end */
        {6, 1, -1, 1, true, {0, 0, 0, 0, 0, 0}},
        {6, 5, 2, 3, true, {2, 1, 0, 2, 1, 0}}, /* 2, 7, 12, 17, 22, 27 mod 3 */
        {1, 9, -1, 5, false, {2}},
        {2, 2000000000, 0, 3, true, {0, 2}}, /* 2e9 mod 3 = 2 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sampling_case *c = &cases[i];
        cfp_ctx ctx = {0};
        int32_t index[6] = {0};
        bool looped = !c->looped;
        CHECK_EQ(
            cfp_sample_indices(index, &looped, &ctx, c->frames, c->stride, c->start, c->source),
            CFP_OK);
        CHECK_EQ(looped, c->looped);
        for (int k = 0; k < c->frames; k++)
            CHECK_EQ(index[k], c->index[k]);
    }
    cfp_ctx ctx = {0};
    int32_t index[4];
    bool looped;
    CHECK_EQ(cfp_sample_indices(index, &looped, &ctx, 4, 1, 10, 10), CFP_USAGE);
    CHECK_HAS(ctx.message, "--start: 10");
    CHECK_EQ(cfp_sample_indices(index, &looped, &ctx, 4, 1, -2, 10), CFP_USAGE);
    CHECK_EQ(cfp_sample_indices(index, &looped, &ctx, 4, 0, 0, 10), CFP_USAGE);
    CHECK_HAS(ctx.message, "--stride: 0");
    CHECK_EQ(cfp_sample_indices(index, &looped, &ctx, 4, 1, -1, 0), CFP_USAGE);
}

static void plan_is(int w, int h, int crop_w, int crop_h, int resize_short, cfp_geometry expected)
{
    cfp_ctx ctx = {0};
    cfp_geometry g;
    const cfp_image image = {.width = w, .height = h};
    const cfp_input_spec spec = spec_of(1, crop_h, crop_w, resize_short);
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(g.resized_width, expected.resized_width);
    CHECK_EQ(g.resized_height, expected.resized_height);
    CHECK_EQ(g.left, expected.left);
    CHECK_EQ(g.top, expected.top);
    CHECK_EQ(g.enlarged, expected.enlarged);
}

static void the_short_side_decides(void)
{
    plan_is(340, 256, 112, 112, 128, (cfp_geometry){170, 128, 29, 8, false, false});
    plan_is(320, 240, 112, 112, 128,
            (cfp_geometry){171, 128, 29, 8, false, false}); /* 170.67 -> 171 */
    plan_is(240, 320, 112, 112, 128, (cfp_geometry){128, 171, 8, 29, false, false}); /* 29.5 down */
    plan_is(300, 200, 3, 3, 3, (cfp_geometry){5, 3, 1, 0, false, false});            /* 4.5 -> 5 */
    plan_is(64, 64, 64, 64, 64, (cfp_geometry){64, 64, 0, 0, false, false});
    plan_is(640, 360, 171, 128, 0, (cfp_geometry){171, 128, 0, 0, false, false}); /* stretched */
    /* A crop wider than a portrait video's short side: as large as needed, no larger. */
    plan_is(240, 320, 171, 112, 128, (cfp_geometry){171, 228, 0, 58, true, false});
    plan_is(1, 60000, 8, 8, 8, (cfp_geometry){8, 480000, 0, 239996, false, false});

    cfp_ctx ctx = {0};
    cfp_geometry g;
    const cfp_image ribbon = {.width = 65536, .height = 1};
    const cfp_input_spec huge = spec_of(1, 8, 8, 2000000);
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &ribbon, &huge), CFP_FORMAT);
}

/* torchvision's 128 x 171 -> 112 x 112, of a wide and of a tall frame; resize_short is not asked.
 */
static void a_resize_goes_before_the_short_side(void)
{
    static const int sources[][2] = {{320, 240}, {240, 320}, {171, 128}, {1, 1}};
    cfp_ctx ctx = {0};
    cfp_geometry g;
    cfp_input_spec spec = spec_of(1, 112, 112, 128);
    spec.resize[0] = 128;
    spec.resize[1] = 171;
    for (int i = 0; i < 4; i++) {
        const cfp_image image = {.width = sources[i][0], .height = sources[i][1]};
        CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
        CHECK_EQ(g.resized_width, 171);
        CHECK_EQ(g.resized_height, 128);
        CHECK_EQ(g.left, 29); /* 29.5, down */
        CHECK_EQ(g.top, 8);
        CHECK(!g.enlarged);
    }
    /* 2 x 2 stretched to 2 x 4: columns 0, 25, 75, 100 of row 0; the crop takes the middle two. */
    const uint8_t rgb[] = {0, 0, 0, 100, 100, 100, 0, 0, 0, 100, 100, 100};
    const cfp_image image = {2, 2, (uint8_t *)rgb};
    uint8_t out[2 * 2 * 3];
    spec = spec_of(1, 2, 2, 2);
    spec.resize[0] = 2;
    spec.resize[1] = 4;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &image, &g, 2, 2), CFP_OK);
    CHECK_EQ(out[0], 25);
    CHECK_EQ(out[3], 75);

    cfp_clip clip; /* where the crop lies in a source of 4 x 4: columns 1 and 2 of it, row by row */
    write_npy("stretched.npy", 1, NPY("'|u1'", "False", "(4, 2, 2, 3)"), 4);
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "stretched.npy", &spec, &(cfp_sampling){.start = 0}),
             CFP_OK);
    CHECK_NEAR(clip.step_x, 0.5, 0);
    CHECK_NEAR(clip.left, 0.5, 0);
    CHECK_NEAR(clip.step_y, 1, 0);
    CHECK_NEAR(clip.top, 0, 0);
    cfp_clip_free(&clip);
    spec.resize[1] = 1;
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "stretched.npy", &spec, &(cfp_sampling){.start = 0}),
             CFP_SHAPE);
}

static void resized_is(int w, int h, const uint8_t *red, int out_w, int out_h, int resize_short,
                       const uint8_t *expected)
{
    cfp_ctx ctx = {0};
    uint8_t rgb[3 * 16] = {0}, out[3 * 16];
    for (int i = 0; i < w * h; i++) {
        rgb[3 * i] = red[i];
        rgb[3 * i + 1] = (uint8_t)(255 - red[i]);
        rgb[3 * i + 2] = 7;
    }
    const cfp_image image = {w, h, rgb};
    cfp_geometry g;
    const cfp_input_spec spec = spec_of(1, out_h, out_w, resize_short);
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &image, &g, out_w, out_h), CFP_OK);
    for (int i = 0; i < out_w * out_h; i++) {
        CHECK_EQ(out[3 * i], expected[i]);
        CHECK_EQ(out[3 * i + 1], 255 - expected[i]);
        CHECK_EQ(out[3 * i + 2], 7);
    }
}

static void resize_is_bilinear_with_half_pixel_centres(void)
{
    /* 2 -> 3: centres at (d + 0.5) * 2/3 - 0.5 = -1/6, 1/2, 7/6: clamped, halfway, clamped. */
    resized_is(2, 2, (uint8_t[]){0, 100, 200, 40}, 3, 3, 0,
               (uint8_t[]){0, 50, 100, 100, 85, 70, 200, 120, 40});
    /* 4 -> 2 without antialiasing: centres at 0.5 and 2.5. */
    resized_is(4, 1, (uint8_t[]){10, 20, 40, 80}, 2, 1, 0, (uint8_t[]){15, 60});
    /* 2 -> 4: centres at -0.25, 0.25, 0.75, 1.25. */
    resized_is(2, 1, (uint8_t[]){0, 100}, 4, 1, 0, (uint8_t[]){0, 25, 75, 100});
    /* Nothing to do: nothing is done. */
    resized_is(3, 2, (uint8_t[]){1, 2, 3, 4, 5, 6}, 3, 2, 0, (uint8_t[]){1, 2, 3, 4, 5, 6});
    /* The middle column of 3 x 1, cropped; the second of 4 (offset 1.5, down). */
    resized_is(3, 1, (uint8_t[]){1, 2, 3}, 1, 1, 1, (uint8_t[]){2});
    resized_is(4, 1, (uint8_t[]){1, 2, 3, 4}, 1, 1, 1, (uint8_t[]){2});
    /* 8 x 2 -> short side 1 -> 4 x 1, of which columns 1 and 2: centres at 2.5 and 4.5, row 0.5. */
    resized_is(8, 2, (uint8_t[]){0, 0, 10, 20, 30, 40, 0, 0, 0, 0, 30, 40, 50, 60, 0, 0}, 2, 1, 1,
               (uint8_t[]){25, 45});
    resized_is(1, 1, (uint8_t[]){9}, 2, 2, 0, (uint8_t[]){9, 9, 9, 9});
}

/* 4 x 1 -> 2 x 1: a filter two pixels wide on each side of the centres 1 and 3, its weights 3 3 1
 * over 7 on the left and 1 3 3 on the right.  check_antialias.py has more, against Pillow. */
static void an_antialiased_pixel_is_the_mean_of_what_it_covers(void)
{
    cfp_ctx ctx = {0};
    cfp_geometry g;
    const uint8_t rgb[] = {10, 0, 9, 20, 0, 9, 40, 0, 9, 80, 255, 9};
    const cfp_image image = {4, 1, (uint8_t *)rgb};
    uint8_t out[3 * 4];
    cfp_input_spec spec = spec_of(1, 1, 2, 0);
    spec.antialias = true;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &image, &g, 2, 1), CFP_OK);
    CHECK(memcmp(out, (uint8_t[]){19, 0, 9, 54, 109, 9}, 6) == 0);
    /* 1 x 1 -> 2 x 2: it grows, and nothing is there to be mixed. */
    const cfp_image dot = {1, 1, (uint8_t *)rgb};
    spec = spec_of(1, 2, 2, 0);
    spec.antialias = true;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &dot, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &dot, &g, 2, 2), CFP_OK);
    CHECK(memcmp(out, (uint8_t[]){10, 0, 9, 10, 0, 9, 10, 0, 9, 10, 0, 9}, 12) == 0);
}

static void frames_are_ordered_by_number(void)
{
    static const char *const names[] = {"frame_10.jpg", "x9_frame_0002.jpg", "frame_1.jpg",
                                        "b_123456789012345678901234567890.jpg"};
    static const char *const sorted[] = {"frame_1.jpg", "x9_frame_0002.jpg", "frame_10.jpg",
                                         "b_123456789012345678901234567890.jpg"};
    cfp_ctx ctx = {0};
    cfp_numbered_list list = {0};
    bool added;
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(cfp_numbered_add(&list, &ctx, names[i], true, &added), CFP_OK);
        CHECK(added);
    }
    CHECK_EQ(cfp_numbered_add(&list, &ctx, "poster.jp2", true, &added), CFP_OK);
    CHECK(!added); /* the 2 is the suffix's */
    CHECK_EQ(cfp_numbered_sort(&list, &ctx, "here"), CFP_OK);
    CHECK_EQ(list.count, 4);
    for (int i = 0; i < 4; i++)
        CHECK_STR(list.item[i].name, sorted[i]);
    CHECK_EQ(cfp_numbered_add(&list, &ctx, "flow_00010.jpg", true, &added), CFP_OK);
    CHECK_EQ(cfp_numbered_sort(&list, &ctx, "here"), CFP_FORMAT);
    CHECK_HAS(ctx.message, "'flow_00010.jpg' and 'frame_10.jpg'");
    cfp_numbered_free(&list);
}

static void a_clip_says_where_it_comes_from(void)
{
    log_lines log = {0};
    cfp_ctx ctx = {.log = keep_line, .cookie = &log};
    cfp_input_spec spec = spec_of(3, 1, 1, 2);
    cfp_clip clip;
    write_npy("clip.npy", 1, NPY("'|u1'", "False", "(4, 2, 2, 3)"), 4);
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "clip.npy", &spec, &(cfp_sampling){.start = -1}), CFP_OK);
    CHECK_EQ(log.count, 0);
    CHECK_STR(clip.path, "clip.npy");
    CHECK_EQ(clip.source_frames, 4);
    CHECK_EQ(clip.source_width, 2);
    CHECK_EQ(clip.source_height, 2);
    CHECK_EQ(clip.stride, 1);
    CHECK_EQ(clip.index[0], 0); /* (4 - 3) / 2 */
    CHECK_EQ(clip.index[2], 2);
    CHECK(!clip.looped);
    CHECK_NEAR(clip.step_x, 1, 0);
    CHECK_NEAR(clip.left, 0, 0); /* (2 - 1) / 2, down */
    char whole[65];
    CHECK_EQ(cfp_sha256_file(whole, &ctx, "clip.npy"), CFP_OK);
    CHECK_STR(clip.sha256, whole);
    cfp_clip_free(&clip);

    spec = spec_of(3, 1, 1, 6); /* 6 x 6, crop at 2 (2.5, down): in the source at 2 * 2/6 */
    spec.frame_stride = 2;
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "clip.npy", &spec, &(cfp_sampling){.start = -1}), CFP_OK);
    CHECK_EQ(clip.stride, 2);
    CHECK(clip.looped);
    CHECK_EQ(clip.index[2], 0); /* 0, 2, 4 mod 4 */
    CHECK_NEAR(clip.step_y, 1.0 / 3, 1e-12);
    CHECK_NEAR(clip.top, 2.0 / 3, 1e-12);
    CHECK_EQ(log.count, 1);
    CHECK_STR(log.last, "clip.npy: 4 frames, the window needs 5: looped");
    cfp_clip_free(&clip);

    spec = spec_of(1, 2, 8, 4);
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "clip.npy", &spec, &(cfp_sampling){.start = 3}), CFP_OK);
    CHECK_EQ(log.count, 2);
    CHECK_HAS(log.last, "do not cover the crop of 8 x 2");
    CHECK_EQ(clip.rgb[0], 3);
    cfp_clip_free(&clip);
    cfp_clip_free(&clip); /* an empty one */

    CHECK_EQ(cfp_clip_open(&clip, &ctx, "clip.npy", &spec, &(cfp_sampling){.start = 4}), CFP_USAGE);
    CHECK_HAS(ctx.message, "--start: 4");
    for (int channels = 0; channels < 6; channels++) {
        if (channels == 2 || channels == 3)
            continue;
        char words[64];
        spec.channels = channels;
        snprintf(words, sizeof words, "clip.npy: the model reads %d channels", channels);
        CHECK_EQ(cfp_clip_open(&clip, &ctx, "clip.npy", &spec, &(cfp_sampling){.start = 0}),
                 CFP_UNSUPPORTED);
        CHECK_HAS(ctx.message, words);
    }
}

static void hashes_are_of_what_was_used(void)
{
    cfp_ctx ctx = {0};
    char hex[65];
    write_file("abc", "abc", 3);
    CHECK_EQ(cfp_sha256_file(hex, &ctx, "abc"), CFP_OK);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_EQ(cfp_sha256_file(hex, &ctx, "absent"), CFP_IO);
    CHECK_HAS(ctx.message, "absent: No such file");
    cfp_hashing *hashing;
    char beside[65];
    CHECK_EQ(cfp_sha256_file(hex, &ctx, "abc"), CFP_OK);
    CHECK_EQ(cfp_hashing_begin(&hashing, &ctx, "abc"), CFP_OK);
    CHECK_EQ(cfp_hashing_finish(beside, hashing, &ctx), CFP_OK);
    CHECK_STR(beside, hex);
    cfp_hashing_close(&hashing);
    CHECK_EQ(cfp_hashing_begin(&hashing, &ctx, "absent"), CFP_OK);
    CHECK_EQ(cfp_hashing_finish(beside, hashing, &ctx), CFP_IO);
    CHECK_HAS(ctx.message, "absent: No such file");
    cfp_hashing_close(&hashing);
    CHECK_EQ(cfp_hashing_begin(&hashing, &ctx, "/dev/zero"), CFP_OK); /* it would never end */
    CHECK_EQ(cfp_hashing_finish(beside, hashing, &ctx), CFP_IO);
    CHECK_HAS(ctx.message, "/dev/zero: is not a regular file");
    cfp_hashing_close(&hashing);
    cfp_hashing_close(&hashing);

    mkdir("frames", 0777);
    write_ppm("frames/0.ppm", 10);
    write_ppm("frames/1.ppm", 20);
    write_ppm("frames/2.ppm", 100);
    write_ppm("frames/3.ppm", 200);
    /* Frames 2, 3, then 0 again of the folder: levels 100, 200, 10. */
    char ppm[32];
    cfp_sha256 *sum;
    CHECK_EQ(cfp_sha256_open(&sum, &ctx), CFP_OK);
    static const int levels[] = {100, 200, 10};
    for (int i = 0; i < 3; i++) {
        const size_t length = make_ppm(ppm, levels[i]);
        cfp_sha256_update(sum, ppm, length);
    }
    cfp_sha256_finish(hex, sum);
    cfp_sha256_close(&sum);
    cfp_clip clip;
    const cfp_input_spec spec = spec_of(3, 2, 2, 0);
    CHECK_EQ(cfp_clip_open(&clip, &ctx, "frames", &spec, &(cfp_sampling){.start = 2}), CFP_OK);
    CHECK_STR(clip.sha256, hex);
    cfp_clip_free(&clip);
}

static void normalising_scales_and_orders_channels(void)
{
    uint8_t rgb[] = {0, 51, 102, 153, 204, 255}; /* 2 pixels */
    const cfp_clip clip = {.frames = 1, .height = 1, .width = 2, .rgb = rgb};
    float mean[] = {0.5f, 0.25f, 0}, std[] = {0.5f, 1, 2};
    cfp_input_spec spec = {.channels = 3, .scale = 255, .mean = mean, .std = std};
    float out[6];
    cfp_clip_normalise(out, &clip, &spec);
    static const double as_rgb[] = {-1, 0.2, -0.05, 0.55, 0.2, 0.5};
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(out[i], as_rgb[i], 1e-6);
    spec.bgr = true; /* mean and std go with the model's channels: blue first */
    cfp_clip_normalise(out, &clip, &spec);
    static const double as_bgr[] = {-0.2, 1, -0.05, 0.55, 0, 0.3};
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(out[i], as_bgr[i], 1e-6);
    spec.bgr = false; /* optical flow: red and green, and nothing behind them */
    spec.channels = 2;
    out[4] = out[5] = 77;
    cfp_clip_normalise(out, &clip, &spec);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(out[i], as_rgb[i], 1e-6);
    CHECK_NEAR(out[4] + out[5], 154, 0);
}

int main(void)
{
    char folder[] = "test_clip_XXXXXX";
    if (!enter_folder(folder))
        return 1;
    sampling_is_centred_and_loops();
    the_short_side_decides();
    a_resize_goes_before_the_short_side();
    resize_is_bilinear_with_half_pixel_centres();
    an_antialiased_pixel_is_the_mean_of_what_it_covers();
    frames_are_ordered_by_number();
    a_clip_says_where_it_comes_from();
    hashes_are_of_what_was_used();
    normalising_scales_and_orders_channels();
    leave_folder(folder);
    return test_result();
}
