/* test_clip.c - checks which frames a clip takes, how they are resized, and what it reports.
 *
 * test_clip_sources.c checks the kinds of source, check_clips.py videos. */
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

/* torchvision's 128 x 171 -> 112 x 112, from a wide and a tall frame, without resize_short. */
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
    const cfp_image image = {.width = 2, .height = 2, .rgb = (uint8_t *)rgb};
    uint8_t out[2 * 2 * 3];
    spec = spec_of(1, 2, 2, 2);
    spec.resize[0] = 2;
    spec.resize[1] = 4;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &image, &g, 2, 2), CFP_OK);
    CHECK_EQ(out[0], 25);
    CHECK_EQ(out[3], 75);

    cfp_clip clip; /* the crop in a source of 4 x 4: its columns 1 and 2, row by row */
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
    const cfp_image image = {.width = w, .height = h, .rgb = rgb};
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
    const cfp_image image = {.width = 4, .height = 1, .rgb = (uint8_t *)rgb};
    uint8_t out[3 * 4];
    cfp_input_spec spec = spec_of(1, 1, 2, 0);
    spec.antialias = true;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &image, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &image, &g, 2, 1), CFP_OK);
    CHECK(memcmp(out, (uint8_t[]){19, 0, 9, 54, 109, 9}, 6) == 0);
    /* 1 x 1 -> 2 x 2: all pixels are the one pixel. */
    const cfp_image dot = {.width = 1, .height = 1, .rgb = (uint8_t *)rgb};
    spec = spec_of(1, 2, 2, 0);
    spec.antialias = true;
    CHECK_EQ(cfp_geometry_plan(&g, &ctx, &dot, &spec), CFP_OK);
    CHECK_EQ(cfp_geometry_apply(out, &ctx, &dot, &g, 2, 2), CFP_OK);
    CHECK(memcmp(out, (uint8_t[]){10, 0, 9, 10, 0, 9, 10, 0, 9, 10, 0, 9}, 12) == 0);
}

/* Names in the order that they are to get, with a '|' between.  They are added in another one. */
typedef struct order_case {
    const char *names;
    bool two_readings;   /* one line says which was taken */
    const char *numbers; /* the numbers in the names; NULL: the names have no single number */
} order_case;

static const order_case orders[] = {
    {"frame_1.jpg|frame_2.jpg|frame_10.jpg", false, "1 2 10"},
    {"frame_0009.jpg|frame_0010.JPG|frame_0300.Png", false, "9 10 300"}, /* padded, suffixes */
    {"0.png|1.png|2.png", false, "0 1 2"},
    {"img (1).png|img (2).png|img (10).png", false, "1 2 10"},
    {"a_9.png|A_10.png|a_11.png", false, "9 10 11"}, /* no case */
    {"b_123456789012345678901234567889.jpg|b_123456789012345678901234567890.jpg", false, NULL},
    {"1403636579763555584.png|1403636579813555456.png", false,
     "1403636579763555584 1403636579813555456"},
    /* Text after the number: always the same, or without a number. */
    {"frame_08_delay-0.1s.gif|frame_09_delay-0.1s.gif|frame_10_delay-0.1s.gif", false, "8 9 10"},
    {"frame_00_delay-0.1s.gif|frame_01_delay-0.08s.gif|frame_02_delay-0.12s.gif", true, "0 1 2"},
    {"frame_0000_a9f3.png|frame_0001_c177.png|frame_0002_bd12.png", false, "0 1 2"},
    {"frame_1_1080p.png|frame_2_1080p.png|frame_10_1080p.png", false, "1 2 10"},
    {"frame_1_77.png|frame_2_31.png|frame_3_50.png", true, "1 2 3"},
    {"x_5-12.png|x_5-13.png|x_5-101.png", false, "12 13 101"},
    /* Several numbers. */
    {"00_00_58.png|00_00_59.png|00_01_00.png|00_01_01.png", true, NULL},
    {"00_00_58.png|00_00_59.png|00_01_58.png|00_02_58.png", false, NULL},
    {"01h59m58s.png|01h59m59s.png|02h00m58s.png", false, NULL},
    {"2023-12-31.png|2024-01-01.png|2024-02-01.png", false, NULL},
    {"2023.12.30.png|2023.12.31.png|2024.01.29.png", true, NULL},
    {"scene1_frame1.png|scene1_frame2.png|scene2_frame1.png|scene10_frame1.png", false, NULL},
    /* Signs. */
    {"f_-10.png|f_-9.png|f_0.png|f_1.png", false, "-10 -9 0 1"},
    {"-2.png|-1.png|0.png|+1.png|2.png", false, "-2 -1 0 1 2"},
    {"t-2.png|t-1.png|t0.png|t1.png", false, "-2 -1 0 1"},
    {"clip-1.png|clip-2.png|clip-10.png", false, "1 2 10"}, /* a hyphen */
    {"f_-3.png|f_-2.png|f_-1.png", true, "-3 -2 -1"},
    {"f_\xe2\x88\x92"
     "2.png|f_\xe2\x88\x92"
     "1.png|f_0.png",
     false, "-2 -1 0"}, /* U+2212 */
    /* Thousands. */
    {"frame_999.png|frame_1,000.png|frame_1,001.png|frame_12,000.png", false,
     "999 1000 1001 12000"},
    {"9'999.png|10'000.png|1'000'000.png", false, "9999 10000 1000000"},
    {"f998.png|f999.png|f1\342\200\231000.png", false, "998 999 1000"}, /* U+2019 */
    {"998.png|1\302\240000.png|1\302\240000\302\240001.png", false,
     "998 1000 1000001"},                                /* U+00A0 */
    {"998.png|1\342\200\257000.png", false, "998 1000"}, /* U+202F */
    {"frame_998.png|frame_999.png|frame_1_000.png", true, "998 999 1000"},
    {"frame_998.png|frame_999.png|frame_1.000.png", true, "998 999 1000"},
    {"f_1_001.png|f_1_002.png|f_2_001.png", false, NULL}, /* none is below 1000: two numbers */
    /* Decimals, versions, and a counter after a point. */
    {"12.25.png|12.5.png|13.png", true, NULL},
    {"9.500.png|9.533.png|12.000.png", false, NULL},
    {"0,5.png|0,75.png|1,0.png", false, NULL},
    {"1.9.png|1.10.png|1.11.png", true, "9 10 11"},
    {"1.11.png|1.9.png|2.0.png", true, NULL},
    {"shot1.0009.png|shot1.0010.png|shot1.0011.png", false, "9 10 11"},
    /* Other digits are letters; other words before the number. */
    {"f\xd9\xa3_1.png|f\xd9\xa3_2.png", false, "1 2"},
    {"frame_1.jpg|x9_frame_0002.jpg|frame_10.jpg", true, "1 2 10"},
    {"happy_001.png|sad_002.png|happy_003.png", true, "1 2 3"},
    {"intro_001.png|main_002.png|main_003.png", false, "1 2 3"},
    {"7.png", false, "7"},
    {"7_8.png", false, NULL},
};

/* Adds the names from the last to the first; keep[i] is the i-th. */
static void add_names(cfp_numbered_list *list, cfp_ctx *ctx, const char *names, char keep[8][64],
                      int *count)
{
    char text[512];
    bool added = false;
    *count = 0;
    snprintf(text, sizeof text, "%s", names);
    for (char *name = strtok(text, "|"); name != NULL; name = strtok(NULL, "|"))
        snprintf(keep[(*count)++], 64, "%s", name);
    for (int i = *count - 1; i >= 0; i--) {
        CHECK_EQ(cfp_numbered_add(list, ctx, keep[i], true, &added), CFP_OK);
        CHECK(added);
    }
}

static void names_are_put_in_natural_order(void)
{
    for (size_t k = 0; k < sizeof orders / sizeof orders[0]; k++) {
        const order_case *c = &orders[k];
        log_lines log = {0};
        cfp_ctx ctx = {.log = keep_line, .cookie = &log};
        cfp_numbered_list list = {0};
        char keep[8][64], numbers[256] = "";
        int count;
        add_names(&list, &ctx, c->names, keep, &count);
        CHECK_EQ(cfp_numbered_sort(&list, &ctx, "here"), CFP_OK);
        CHECK_STR(ctx.message, "");
        for (int i = 0; i < count; i++) {
            CHECK_STR(list.item[i].name, keep[i]);
            const size_t used = strlen(numbers);
            if (list.number != NULL)
                snprintf(numbers + used, sizeof numbers - used, "%s%lld", i > 0 ? " " : "",
                         (long long)list.number[i]);
        }
        CHECK_STR(numbers, c->numbers != NULL ? c->numbers : "");
        CHECK_EQ(log.count, c->two_readings);
        if (c->two_readings)
            CHECK_HAS(log.last, "here: the frame names can be read in two ways: '");
        cfp_numbered_free(&list);
    }
}

static void one_number_twice_is_refused(void)
{
    static const char *const twice[] = {
        "frame_1.jpg|frame_01.jpg",  "frame_1.jpg|frame_1.png", "img_00010.jpg|flow_x_00010.jpg",
        "a_1.png|A_1.png",           "f_-0.png|f_0.png",        "left_1.png|left_2.png|right_1.png",
        "0.5.png|00.5.png|2.25.png", "1,000.png|1000.png",
    };
    for (size_t k = 0; k < sizeof twice / sizeof twice[0]; k++) {
        cfp_ctx ctx = {0};
        cfp_numbered_list list = {0};
        char keep[8][64];
        int count;
        add_names(&list, &ctx, twice[k], keep, &count);
        CHECK_EQ(cfp_numbered_sort(&list, &ctx, "here"), CFP_FORMAT);
        CHECK_HAS(ctx.message, "have the same frame number");
        cfp_numbered_free(&list);
    }
    cfp_ctx ctx = {0};
    cfp_numbered_list list = {0};
    bool added;
    CHECK_EQ(cfp_numbered_add(&list, &ctx, "poster.jp2", true, &added), CFP_OK);
    CHECK(!added); /* the 2 is the suffix's */
    CHECK_EQ(cfp_numbered_add(&list, &ctx, "f\xd9\xa3.png", true, &added), CFP_OK);
    CHECK(!added); /* an Arabic three */
    cfp_numbered_free(&list);
}

/* Makes a folder of frames whose level is 10 for the first, 20 for the second ... */
static void make_frames(const char *folder, const char *names)
{
    char text[256], path[256];
    int level = 0;
    mkdir(folder, 0777);
    snprintf(text, sizeof text, "%s", names);
    for (char *name = strtok(text, "|"); name != NULL; name = strtok(NULL, "|")) {
        snprintf(path, sizeof path, "%s/%s", folder, name);
        write_ppm(path, level += 10);
    }
}

typedef struct start_case {
    const char *folder;
    int64_t start;
    int stride;
    int32_t index[2]; /* of a window of two frames */
    int level[2];
    int warnings;
    const char *words; /* of the last warning, or the refusal */
} start_case;

static const start_case starts[] = {
    {"one", 1, 1, {1, 2}, {10, 20}, 0, NULL}, /* names from 1 */
    {"one", 3, 1, {3, 4}, {30, 40}, 0, NULL},
    {"one", -1, 1, {2, 3}, {20, 30}, 0, NULL}, /* centred */
    {"one", 0, 1, {1, 2}, {10, 20}, 1, "one: no frame has the number 0 of --start: the window"},
    {"one", 4, 1, {4, 1}, {40, 10}, 1, "looped"},
    {"one",
     5,
     1,
     {0},
     {0},
     0,
     "--start: 5 is not in the source, whose frames have the numbers 1 to 4"},
    {"zero", 0, 2, {0, 2}, {10, 30}, 0, NULL}, /* names from 0 */
    {"zero", 1, 1, {1, 2}, {20, 30}, 0, NULL},
    {"gaps", 3, 1, {3, 7}, {20, 30}, 1, "6 of the frame numbers 1 to 10 are missing (2, 4-6, 8-9)"},
    {"gaps", 4, 1, {7, 10}, {30, 40}, 2, "the window starts with number 7"},
    {"gaps", 1, 2, {1, 7}, {10, 30}, 1, "--stride counts the 4 frames that are there"},
    {"gaps", 11, 1, {0}, {0}, 1, "--start: 11 is not in the source"},
    {"step",
     20,
     1,
     {20, 30},
     {30, 40},
     1,
     "27 of the frame numbers 0 to 30 are missing (1-9, "
     "11-19, 21-29); one in 10 is there"},
    {"clock", 1, 1, {1, 2}, {20, 30}, 1, "two ways"}, /* hours, minutes, seconds: places */
    {"signed", 0, 1, {0, 1}, {30, 40}, 0, NULL},
    {"signed", -1, 1, {-1, 0}, {20, 30}, 0, NULL},
    {"array.npy", 2, 1, {2, 3}, {2, 3}, 0, NULL},
};

static void start_is_the_number_in_the_name(void)
{
    make_frames("one", "f_1.ppm|f_2.ppm|f_3.ppm|f_4.ppm");
    make_frames("zero", "f_0.ppm|f_1.ppm|f_2.ppm");
    make_frames("gaps", "f_01.ppm|f_03.ppm|f_07.ppm|f_10.ppm");
    make_frames("step", "0.ppm|10.ppm|20.ppm|30.ppm");
    make_frames("clock", "0_58.ppm|0_59.ppm|1_00.ppm");
    make_frames("signed", "f_-2.ppm|f_-1.ppm|f_0.ppm|f_1.ppm");
    write_npy("array.npy", 1, NPY("'|u1'", "False", "(4, 2, 2, 3)"), 4);
    for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++) {
        const start_case *c = &starts[k];
        log_lines log = {0};
        cfp_ctx ctx = {.log = keep_line, .cookie = &log};
        const cfp_input_spec spec = spec_of(2, 2, 2, 0);
        const cfp_sampling sampling = {.start = c->start, .stride = c->stride};
        cfp_clip clip;
        const cfp_status status = cfp_clip_open(&clip, &ctx, c->folder, &spec, &sampling);
        CHECK_EQ(status, c->level[1] == 0 ? CFP_USAGE : CFP_OK);
        CHECK_EQ(log.count, c->warnings);
        if (c->words != NULL)
            CHECK_HAS(status == CFP_OK ? log.last : ctx.message, c->words);
        for (int i = 0; i < 2 && status == CFP_OK; i++) {
            CHECK_EQ(clip.index[i], c->index[i]);
            CHECK_EQ(clip.rgb[12 * i], c->level[i]);
        }
        if (status == CFP_OK) { /* places of the frames, whatever their names */
            cfp_clip again;
            const cfp_sampling place = {.start = clip.place, .stride = c->stride, .by_place = true};
            CHECK_EQ(cfp_clip_open(&again, &ctx, c->folder, &spec, &place), CFP_OK);
            CHECK(memcmp(again.rgb, clip.rgb, 24) == 0);
            CHECK_EQ(again.index[1], clip.index[1]);
            cfp_clip_free(&again);
        }
        cfp_clip_free(&clip);
    }
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

    /* An interrupt ends the waiting, and closing ends the work. */
    static const volatile int interrupted = 1;
    cfp_ctx asked = {.interrupted = &interrupted};
    write_file("long", "", 0);
    CHECK_EQ(truncate("long", (off_t)1 << 36), 0);
    CHECK_EQ(cfp_hashing_begin(&hashing, &ctx, "long"), CFP_OK);
    CHECK_EQ(cfp_hashing_finish(beside, hashing, &asked), CFP_INTERRUPTED);
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
    cfp_input_spec spec = spec_of(1, 1, 2, 0);
    spec.scale = 255, spec.mean = mean, spec.std = std;
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
    spec.bgr = false; /* optical flow: red and green only */
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
    names_are_put_in_natural_order();
    one_number_twice_is_refused();
    start_is_the_number_in_the_name();
    a_clip_says_where_it_comes_from();
    hashes_are_of_what_was_used();
    normalising_scales_and_orders_channels();
    leave_folder(folder);
    return test_result();
}
