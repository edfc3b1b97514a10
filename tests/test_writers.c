/* test_writers.c - writes an explanation that was made by hand, in every format, and reads it back.
 *
 * test_write_h5.c does the same for explanation.h5. */
#include "../host/draw/colormap.h"
#include "made_explanation.h"
#include "read_back.h"
#include <malloc.h>

enum { FRAMES = 10, HEIGHT = 43, WIDTH = 45, ENLARGE = 3 }; /* 129 x 135: odd sizes */

static void pyramid_json_has_every_kernel_and_link(const char *folder)
{
    char *text = scratch_text(folder, "pyramid.json");
    CHECK_STR(
        text,
        "{\n"
        "  \"model\": \"net\",\n"
        "  \"clip\": \"clips/a \\\"clip\\\".mp4\",\n"
        "  \"class\": {\n"
        "    \"index\": 1,\n"
        "    \"name\": \"sauter à la perche\",\n"
        "    \"probability\": 0.75\n"
        "  },\n"
        "  \"rule\": \"cfp\",\n"
        "  \"theta\": 0.6,\n"
        "  \"nodes\": [\n"
        "    {\"id\": \"fc:1\", \"layer\": \"fc\", \"kernel\": 1, \"depth\": 0, \"relevance\": "
        "1},\n"
        "    {\"id\": \"b:0\", \"layer\": \"b\", \"kernel\": 0, \"depth\": 1, \"relevance\": "
        "0.9},\n"
        "    {\"id\": \"b:2\", \"layer\": \"b\", \"kernel\": 2, \"depth\": 1, \"relevance\": 1},\n"
        "    {\"id\": \"a:0\", \"layer\": \"a\", \"kernel\": 0, \"depth\": 2, \"relevance\": "
        "0.9},\n"
        "    {\"id\": \"a:1\", \"layer\": \"a\", \"kernel\": 1, \"depth\": 2, \"relevance\": 1},\n"
        "    {\"id\": \"a:2\", \"layer\": \"a\", \"kernel\": 2, \"depth\": 2, \"relevance\": 1}\n"
        "  ],\n"
        "  \"links\": [\n"
        "    {\"source\": \"fc:1\", \"target\": \"a:0\", \"value\": 0.9},\n" /* the shortcut */
        "    {\"source\": \"fc:1\", \"target\": \"b:0\", \"value\": 0.9},\n"
        "    {\"source\": \"fc:1\", \"target\": \"a:2\", \"value\": 1},\n"
        "    {\"source\": \"fc:1\", \"target\": \"b:2\", \"value\": 1},\n"
        "    {\"source\": \"b:0\", \"target\": \"a:1\", \"value\": 0.75},\n"
        "    {\"source\": \"b:2\", \"target\": \"a:1\", \"value\": 1},\n"
        "    {\"source\": \"b:2\", \"target\": \"a:2\", \"value\": 0.625}\n"
        "  ]\n"
        "}\n");
    free(text);
}

static void tree_json_nests_and_ends_at_the_clip(const char *folder)
{
    char *text = scratch_text(folder, "tree.json");
    CHECK_STR(text, "{\"1\":{\"a:0\":[0],\"b:0\":{\"1\":[1]},"
                    "\"a:2\":[0,1],\"b:2\":{\"1\":[1],\"2\":[0,1]}}}\n");
    free(text);
}

/* The published code follows the main path only: there a tree has plain numbers. */
static void tree_json_has_plain_numbers_where_one_layer_is_read(void)
{
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, 1, 2, 2);
    scratch_open(folder);
    m.e.query.rule = CFP_RULE_REFERENCE;
    CHECK_EQ(made_write(&m, folder, "tree"), CFP_OK);
    char *text = scratch_text(folder, "tree.json");
    CHECK_STR(text, "{\"1\":{\"0\":{\"1\":[1]},\"2\":{\"1\":[1],\"2\":[0,1]}}}\n");
    free(text);
    m.e.pyramid.n_layers = 1; /* --depth 0 */
    CHECK_EQ(made_write(&m, folder, "tree,json"), CFP_OK);
    text = scratch_text(folder, "tree.json");
    CHECK_STR(text, "{\"1\":[0,2]}\n");
    free(text);
    text = scratch_text(folder, "pyramid.json");
    CHECK_HAS(text, "\"links\": []");
    free(text);
    m.e.pyramid.n_layers = 3;
    scratch_remove(folder);
    made_close(&m);
}

/* Under grad each edge has its own value, which is above 1 if other kernels speak against the
 * channel.  Channels without an edge are no links, but are selected. */
static void links_of_grad_are_its_edges(void)
{
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, 1, 2, 2);
    scratch_open(folder);
    m.e.query.rule = CFP_RULE_GRAD;
    m.e.pyramid.layer[1].edge[0].relevance = 1.5f; /* (0, 1) of b; there is no (0, 2) */
    CHECK_EQ(made_write(&m, folder, "json"), CFP_OK);
    char *text = scratch_text(folder, "pyramid.json");
    CHECK_HAS(text, "{\"source\": \"b:0\", \"target\": \"a:1\", \"value\": 1.5},\n"
                    "    {\"source\": \"b:2\", \"target\": \"a:1\", \"value\": 1},\n"
                    "    {\"source\": \"b:2\", \"target\": \"a:2\", \"value\": 0.625}\n");
    free(text);
    scratch_remove(folder);
    made_close(&m);
}

/* The colour the overlay of tube a should have at pixel (t, y, x) of the clip. */
static int overlay_of_a(int t, int y, int x, int c)
{
    uint8_t table[256 * 3];
    cfp_colormap_table(table, CFP_COLORMAP_JET);
    const int frame[3] = {20 * t, 255 * y / HEIGHT, 255 * x / WIDTH};
    return (table[3 * (int)lround(255.0 * x / (WIDTH - 1)) + c] + frame[c] + 1) / 2;
}

static void strips_show_the_frames_side_by_side(const char *folder)
{
    enum { COLUMNS = 8, H = HEIGHT * ENLARGE, W = WIDTH * ENLARGE, CAPTION = 21 };
    cfp_clip strip = read_back(folder, "overlay/a.png", 1, 2 * H + CAPTION, COLUMNS * W);
    int ink = 0;
    for (int k = 2 * H * COLUMNS * W; k < (2 * H + CAPTION) * COLUMNS * W && strip.rgb != NULL; k++)
        ink += strip.rgb[3 * k] < 128;
    CHECK(ink > 500 && ink < CAPTION * COLUMNS * W / 3); /* dark words on white */
    for (int y = 0; y < 2 * H && strip.rgb != NULL; y += 7)
        for (int x = 0; x < COLUMNS * W; x += 5)
            for (int c = 0; c < 3; c++) {
                const int t = y / H * COLUMNS + x / W;
                const int expected =
                    t < FRAMES ? overlay_of_a(t, y % H / ENLARGE, x % W / ENLARGE, c) : 255;
                CHECK_EQ(strip.rgb[(y * COLUMNS * W + x) * 3 + c], expected);
            }
    cfp_clip_free(&strip);
    cfp_clip frame = read_back(folder, "overlay/a/000009.png", 1, H, W);
    for (int c = 0; c < 3 && frame.rgb != NULL; c++)
        CHECK_EQ(frame.rgb[(40 * W + 100) * 3 + c], overlay_of_a(9, 13, 33, c));
    cfp_clip_free(&frame);
    CHECK(!scratch_has(folder, "overlay/a/000010.png"));
    CHECK(scratch_has(folder, "overlay/b/kernel-2.png"));
    CHECK(scratch_has(folder, "overlay/b/kernel-2/000000.png"));
}

static void videos_have_every_frame_at_the_right_speed(const char *folder)
{
    enum { H = 130, W = 136 };
    cfp_clip clip = read_back(folder, "overlay/a.mp4", FRAMES, H, W);
    CHECK_EQ(clip.source_frames, FRAMES);
    CHECK(!clip.looped);
    CHECK_NEAR(clip.fps, FRAMES, 1e-3); /* 15 a second would be a loop of less than one */
    for (int t = 0; t < FRAMES && clip.rgb != NULL; t++)
        for (int y = 10; y < H; y += 20)
            for (int x = 10; x < W; x += 20)
                for (int c = 0; c < 3; c++)
                    CHECK_NEAR(clip.rgb[((t * H + y) * W + x) * 3 + c],
                               overlay_of_a(t, y / ENLARGE, x / ENLARGE, c), 24);
    cfp_clip_free(&clip);
    CHECK(scratch_has(folder, "overlay/b/kernel-2.mp4"));
}

/* A picture of many more than 256 colours.  Each pixel may be off by what dithering and the palette
 * change; the mean of a region must be nearly exact. */
static void animations_have_every_frame_and_loop(const char *folder)
{
    enum { H = HEIGHT * ENLARGE, W = WIDTH * ENLARGE, PART = 24 };
    cfp_clip clip = read_back(folder, "overlay/a.gif", FRAMES, H, W);
    CHECK_EQ(clip.source_frames, FRAMES);
    CHECK(!clip.looped);
    CHECK_NEAR(clip.fps, FRAMES, 0.5); /* in hundredths of a second */
    for (int t = 0; t < FRAMES && clip.rgb != NULL; t++)
        for (int y = 0; y + PART <= H; y += PART)
            for (int x = 0; x + PART <= W; x += PART)
                for (int c = 0; c < 3; c++) {
                    double sum = 0, expected = 0;
                    for (int k = 0; k < PART * PART; k++) {
                        const int py = y + k / PART, px = x + k % PART;
                        const int v = clip.rgb[((t * H + py) * W + px) * 3 + c];
                        const int e = overlay_of_a(t, py / ENLARGE, px / ENLARGE, c);
                        CHECK_NEAR(v, e, 40);
                        sum += v;
                        expected += e;
                    }
                    CHECK_NEAR(sum / (PART * PART), expected / (PART * PART), 12);
                }
    cfp_clip_free(&clip);
    CHECK(scratch_has(folder, "overlay/b/kernel-2.gif"));
    char *text = scratch_text(folder, "overlay/a.gif");
    const char *loop = memmem(text, 65536, "NETSCAPE2.0\3\1\0", 15); /* 0: for ever */
    CHECK(loop != NULL && loop[14] == 0);
    free(text);
}

/* The clip does not move and has four colours, which must be written exactly. */
static void a_few_colours_stay_as_they_are(void)
{
    enum { T = 64 }; /* at 1000 a second: as fast as a gif can be */
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, T, 8, 8);
    scratch_open(folder);
    for (int k = 0; k < T * 8 * 8; k++)
        for (int c = 0; c < 3; c++)
            m.clip.rgb[3 * k + c] = (uint8_t)(k % 8 < 4 ? 10 + 7 * c : k / 8 % 8 < 4 ? 201 : 93);
    m.run.alpha = 0;
    m.clip.fps = 1000;
    CHECK_EQ(made_write(&m, folder, "gif"), CFP_OK);
    cfp_clip clip = read_back(folder, "overlay/a.gif", T, 112, 112);
    for (int k = 0; k < T * 112 * 112 && clip.rgb != NULL; k += 37)
        for (int c = 0; c < 3; c++)
            CHECK_EQ(clip.rgb[3 * k + c], k % 112 < 56         ? 10 + 7 * c
                                          : k / 112 % 112 < 56 ? 201
                                                               : 93);
    cfp_clip_free(&clip);
    char *text = scratch_text(folder, "overlay/a.gif");
    const char *delay = text;
    int n = 0;
    for (; (delay = memmem(delay, (size_t)(text + 65536 - delay), "\x21\xf9\x04", 3)) != NULL;
         n++) {
        CHECK_EQ(
            delay[4],
            2); /* hundredths of a second; browsers show shorter delays as a tenth of a second */
        CHECK_EQ(delay[5], 0);
        delay += 3;
    }
    CHECK_EQ(n, T);
    free(text);
    scratch_remove(folder);
    made_close(&m);
}

/* Eight layers of eight kernels, each of which rests on all eight of the next: 8 + 64 + ... */
static void a_tree_that_explodes_is_refused_before_anything_is_written(void)
{
    enum { LAYERS = 9, WIDE = 8 };
    static const char *const names[LAYERS] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "fc"};
    struct made m = {.run = {.device = "ref", .device_detail = "", .precision = "fp32"}};
    char folder[SCRATCH_PATH];
    const float weight[WIDE * WIDE] = {0};
    float relevance[WIDE];
    cfp_edge edges[WIDE * WIDE];
    toy_begin(&m.toy, (cfp_shape){1, WIDE, 1, 1, 1});
    for (int l = 0; l < LAYERS; l++)
        toy_conv(&m.toy, names[l], l == 0 ? "input" : names[l - 1], WIDE, WIDE, 1, weight);
    CHECK_EQ(toy_finish(&m.toy, "fc"), CFP_OK);
    m.e = (cfp_explanation){.model = &m.toy.model, .clip = &m.clip, .query = cfp_query_default()};
    m.e.pyramid.layer = made_take(LAYERS, sizeof *m.e.pyramid.layer);
    for (int k = 0; k < WIDE * WIDE; k++)
        edges[k] = (cfp_edge){k / WIDE, k % WIDE, 1};
    for (int o = 0; o < WIDE; o++)
        relevance[o] = 1;
    for (int depth = 0; depth < LAYERS; depth++) {
        made_layer(&m, depth, names[LAYERS - 1 - depth], WIDE * WIDE, edges, WIDE, relevance);
        cfp_layer *layer = &m.e.pyramid.layer[depth];
        for (layer->n_children = 0; layer->n_children < WIDE; layer->n_children++)
            layer->child[layer->n_children] = layer->n_children;
    }
    scratch_open(folder);
    CHECK_EQ(made_write(&m, folder, "h5,tree"), CFP_UNSUPPORTED);
    CHECK_HAS(m.toy.ctx.message, "--format tree: the tree of this pyramid has 1.53e+08 entries");
    CHECK_HAS(m.toy.ctx.message, "down to --depth 6 it would fit");
    CHECK_EQ(scratch_walk(folder, "", false), 0);
    scratch_remove(folder);
    made_close(&m);
}

static void one_frame_makes_a_video(void)
{
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, 1, 3, 5);
    scratch_open(folder);
    m.clip.fps = 0; /* unknown: 25, and every second frame; but a loop takes a second */
    CHECK_EQ(made_write(&m, folder, "mp4,gif,stack,png,figure"), CFP_OK);
    CHECK(scratch_has(folder, "overlay/a/stack.png") && scratch_has(folder, "contact-sheet.png"));
    CHECK(scratch_has(folder, "figure.svg"));
    cfp_clip clip = read_back(folder, "overlay/a.mp4", 1, 114, 190);
    CHECK_EQ(clip.source_frames, 1);
    CHECK_NEAR(clip.fps, 1, 1e-3);
    cfp_clip_free(&clip);
    m.run.fps = 12.5; /* --fps is taken as it is */
    CHECK_EQ(made_write(&m, folder, "mp4"), CFP_OK);
    clip = read_back(folder, "overlay/a.mp4", 1, 114, 190);
    CHECK_NEAR(clip.fps, 12.5, 1e-3);
    cfp_clip_free(&clip);
    scratch_remove(folder);
    made_close(&m);
}

static void run_json_lists_what_was_written(const char *folder)
{
    char *text = scratch_text(folder, "run.json");
    const char *const pieces[] = {
        "\"command\": [\n    \"cfp-gpu\",\n    \"explain\"\n  ]",
        "\"options\": {\n    \"theta\": \"0.6\",\n    \"rule\": \"cfp\"\n  }",
        "\"model\": \"models/net.h5\"",
        "\"model_sha256\": \"5a\"",
        "\"clip_sha256\": \"c11b\"",
        "\"seed\": 18446744073709551615",
        "\"indices\": [40,42,44,46,48,50,52,54,56,58]",
        "\"threads\": 3",
        "\"decode\": 1.5",
        "\"hdf5\": \"1.",
        "    \"explanation.h5\",\n    \"pyramid.json\",\n    \"tree.json\",\n    \"overlay/b.png\"",
        "    \"overlay/b/kernel-2/stack.png\",\n    \"figure.pdf\",\n    \"figure.svg\",\n    "
        "\"figure.png\",\n    \"report.html\"\n  ]\n}\n",
    };
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
        CHECK_HAS(text, pieces[k]);
    free(text);
}

static void equal_explanations_make_equal_bytes(const char *folder, struct made *m)
{
    static const char *const names[] = {
        "explanation.h5",       "pyramid.json",        "overlay/a.mp4",     "overlay/a.gif",
        "overlay/b/000003.png", "overlay/a/stack.png", "contact-sheet.png", "report.html",
        "figure.pdf",           "figure.svg",          "figure.png"};
    char other[SCRATCH_PATH], command[4 * SCRATCH_PATH];
    scratch_open(other);
    sleep(1);                 /* no file may know the time, */
    mallopt(M_PERTURB, 0x5a); /* nor old contents of memory (x264 wrote some) */
    CHECK_EQ(made_write(m, other, "html,mp4,frames,json,h5,gif,stack,png,figure"), CFP_OK);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(command, sizeof command, "cmp %s/%s %s/%s", folder, names[k], other, names[k]);
        CHECK_EQ(system(command), 0);
    }
    scratch_remove(other);
}

int main(void)
{
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, FRAMES, HEIGHT, WIDTH);
    scratch_open(folder);
    CHECK_EQ(made_write(&m, folder, "mp4,frames,png,tree,json,h5,gif,stack,html,figure"), CFP_OK);
    CHECK_STR(m.toy.ctx.message, "");
    pyramid_json_has_every_kernel_and_link(folder);
    tree_json_nests_and_ends_at_the_clip(folder);
    strips_show_the_frames_side_by_side(folder);
    videos_have_every_frame_at_the_right_speed(folder);
    animations_have_every_frame_and_loop(folder);
    run_json_lists_what_was_written(folder);
    equal_explanations_make_equal_bytes(folder, &m);
    scratch_remove(folder);
    made_close(&m);
    tree_json_has_plain_numbers_where_one_layer_is_read();
    links_of_grad_are_its_edges();
    a_tree_that_explodes_is_refused_before_anything_is_written();
    one_frame_makes_a_video();
    a_few_colours_stay_as_they_are();
    return test_result();
}
