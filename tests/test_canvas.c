/* test_canvas.c - checks the colour maps, and the overlay on frames that were not cropped. */
#include "../host/backend/render_math.h"
#include "../host/draw/canvas.h"
#include "../host/draw/figure.h"
#include "../host/draw/movie.h"
#include "../host/draw/picture_words.h"
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <png.h>

static void colours_are_the_known_ones(void)
{
    static const struct {
        cfp_colormap map;
        int at, rgb[3];
    } known[] = {
        {CFP_COLORMAP_JET, 0, {0, 0, 128}},       {CFP_COLORMAP_JET, 96, {2, 255, 254}},
        {CFP_COLORMAP_JET, 128, {130, 255, 126}}, {CFP_COLORMAP_JET, 255, {128, 0, 0}},
        {CFP_COLORMAP_TURBO, 0, {48, 18, 59}},    {CFP_COLORMAP_TURBO, 255, {122, 4, 3}},
        {CFP_COLORMAP_VIRIDIS, 0, {68, 1, 84}},   {CFP_COLORMAP_VIRIDIS, 255, {253, 231, 37}},
        {CFP_COLORMAP_INFERNO, 0, {0, 0, 4}},     {CFP_COLORMAP_INFERNO, 255, {252, 255, 164}},
        {CFP_COLORMAP_GRAY, 77, {77, 77, 77}},
    };
    uint8_t table[256 * 3];
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        cfp_colormap_table(table, known[k].map);
        for (int c = 0; c < 3; c++)
            CHECK_EQ(table[3 * known[k].at + c], known[k].rgb[c]);
    }
    CHECK_EQ(cfp_colour_index(NAN), 0);
    CHECK_EQ(cfp_colour_index(-1), 0);
    CHECK_EQ(cfp_colour_index(7), 255);
    CHECK_EQ(cfp_colour_index(0.5f), 128);
}

enum { FRAMES = 4, HEIGHT = 24, WIDTH = 40, SEEN = 8 }; /* of the source; what the model sees */

/* A grey source: 6 * x + t at every row of every other frame. */
static void write_source(const char *path)
{
    char header[128] = "\x93NUMPY\x01\0v\0";
    memset(header + 10, ' ', 118);
    const int n = snprintf(header + 10, 118,
                           "{'descr': '|u1', 'fortran_order': False, "
                           "'shape': (%d, %d, %d, 3), }",
                           FRAMES, HEIGHT, WIDTH);
    header[10 + n] = ' ';
    header[127] = '\n';
    FILE *file = fopen(path, "wb");
    fwrite(header, 1, sizeof header, file);
    for (int t = 0; t < FRAMES; t++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                for (int c = 0; c < 3; c++)
                    fputc(6 * x + t, file);
    fclose(file);
}

/* The source is halved to 12 x 20, and the model sees the middle 8 x 8: columns 12 to 27 and rows 4
 * to 19 of the source.  Column u of the model is in the middle of source columns 12 + 2u and 13 +
 * 2u.  A resize to 12 x 20 must give the same as a short side of 12. */
static void the_source_canvas_shows_the_tube_where_the_model_looked(bool by_resize)
{
    struct made m;
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    const cfp_sampling sampling = {.start = 1, .stride = 1};
    cfp_canvas canvas;
    made_open(&m, 2, SEEN, SEEN);
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/source.npy", folder);
    write_source(path);
    m.toy.model.input.frames = 2;
    m.toy.model.input.channels = 3;
    m.toy.model.input.height = m.toy.model.input.width = SEEN;
    m.toy.model.input.resize_short = by_resize ? 9 : 12;
    m.toy.model.input.resize[0] = by_resize ? 12 : 0;
    m.toy.model.input.resize[1] = by_resize ? 20 : 0;
    cfp_clip_free(&m.clip);
    CHECK_EQ(cfp_clip_open(&m.clip, &m.toy.ctx, path, &m.toy.model.input, &sampling), CFP_OK);
    m.run.canvas_source = true;
    m.run.colormap = CFP_COLORMAP_GRAY;
    CHECK_EQ(cfp_canvas_open(&canvas, &m.toy.ctx, &m.e, &m.run), CFP_OK);
    CHECK_STR(m.toy.ctx.message, "");
    CHECK_EQ(canvas.enlarge, 5);
    CHECK_EQ(canvas.height, 5 * HEIGHT);
    CHECK_EQ(canvas.width, 5 * WIDTH);
    CHECK_EQ(cfp_canvas_tube(&canvas, &m.e.tubes.tube[1]), CFP_OK); /* of a: u / 7 */
    const int stride = canvas.width * 3;
    uint8_t *rgb = made_take((size_t)canvas.height, (size_t)stride);
    CHECK_EQ(cfp_canvas_draw(&canvas, rgb, (size_t)stride, 1), CFP_OK);
    int wrong = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            const int frame = 6 * x + 2; /* frame 2 of the source */
            double u = (x - 12 + 0.5) / 2 - 0.5;
            u = u < 0 ? 0 : u > 7 ? 7 : u;
            const bool seen = x >= 12 && x < 28 && y >= 4 && y < 20;
            const double tube = lround(255 * u / 7);
            const double expected = seen ? (tube + frame) / 2 : frame;
            wrong += fabs(rgb[(5 * y + 4) * stride + (5 * x + 4) * 3] - expected) > (seen ? 1 : 0);
        }
    CHECK_EQ(wrong, 0);
    cfp_free(rgb);
    cfp_canvas_close(&canvas);
    unlink(path);
    CHECK_EQ(cfp_canvas_open(&canvas, &m.toy.ctx, &m.e, &m.run), CFP_IO);
    CHECK_HAS(m.toy.ctx.message, "source.npy: No such file");
    scratch_remove(folder);
    made_close(&m);
}

/* Time is the source's, but a loop takes at least a second and a frame at most one. */
static void movies_are_neither_too_fast_nor_too_slow(void)
{
    static const struct {
        double fps;
        int stride, frames;
        double rate;
    } known[] = {
        {30, 1, 300, 30}, {30000.0 / 1001.0, 2, 64, 15000.0 / 1001.0},
        {0, 1, 50, 25},   {0, 0, 50, 25},
        {25, 100, 2, 1},  {12, 50, 16, 1}, /* 0.25 and 0.24 frames a second */
        {25, 1, 2, 2},    {25, 1, 1, 1},   /* 80 and 40 ms in all */
        {1e5, 1, 16, 16},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        const cfp_clip clip = {
            .fps = known[k].fps, .stride = known[k].stride, .frames = known[k].frames};
        CHECK_NEAR(av_q2d(cfp_movie_rate(&clip, 0)), known[k].rate, 1e-3);
        CHECK_NEAR(av_q2d(cfp_movie_rate(&clip, 0.1)), 0.1, 1e-6); /* as the user asked */
        CHECK_NEAR(av_q2d(cfp_movie_rate(&clip, 120)), 120, 1e-6);
    }
}

/* However narrow the place: no word is lost, and no line is too long but a single word. */
static void broken_lines_keep_every_word(void)
{
    static const char *const parts[] = {"rule grad, theta 0.1",
                                        "",
                                        "a-network-of-one-word",
                                        "a clip that has a long name.mp4",
                                        "é ü",
                                        "x"};
    cfp_ctx ctx = {0};
    cfp_figure figure;
    cfp_words words = {0};
    char wanted[CFP_WORDS_BYTES] = "", shown[2 * CFP_WORDS_BYTES];
    for (int k = 0; k < 6; k++) {
        cfp_words_add(&words, "%s", parts[k]);
        strcat(wanted, parts[k]);
    }
    CHECK_EQ(cfp_figure_open(&figure, &ctx, 1, 1, false), CFP_OK);
    cfp_figure_font(figure.cr, 10, false);
    for (int width = 5; width < 800; width += 7) {
        cfp_lines lines;
        size_t n = 0;
        cfp_words_break(&lines, figure.cr, width, &words, " | ");
        CHECK(lines.n > 0 && lines.n <= CFP_WORDS_LINES);
        for (int k = 0; k < lines.n; k++) {
            const char *line = lines.line[k];
            CHECK(strchr(line, ' ') == NULL || cfp_figure_text_width(figure.cr, line) <= width);
            for (; *line != '\0'; line++)
                if (*line != ' ' && *line != '|')
                    shown[n++] = *line;
        }
        shown[n] = '\0';
        const char *s = shown;
        for (const char *w = wanted; *w != '\0'; w++)
            if (*w != ' ')
                CHECK(*s++ == *w);
        CHECK(*s == '\0' && (width < 790 || lines.n == 1));
    }
    cfp_figure_close(&figure);
}

/* A bright image whose opacity jumps, slanted as in a stack: where it is resampled, colours
 * overshoot the opacity.  No pixel of the file may be darker for it. */
static void bright_pixels_stay_bright(void)
{
    enum { SIDE = 16, LARGE = 200 };
    cfp_ctx ctx = {0};
    cfp_figure figure;
    uint8_t rgb[SIDE * SIDE * 3];
    float opacity[SIDE * SIDE];
    for (int p = 0; p < SIDE * SIDE; p++) {
        rgb[3 * p] = rgb[3 * p + 1] = rgb[3 * p + 2] = p % 2 == 0 ? 255 : 252;
        opacity[p] = (p / 3 + p / SIDE / 3) % 2 == 0 ? 0.24f : 1.0f;
    }
    CHECK_EQ(cfp_figure_open(&figure, &ctx, LARGE, LARGE, true), CFP_OK);
    cairo_surface_t *image = cfp_figure_image(&ctx, SIDE, SIDE);
    cfp_figure_fill(image, rgb, 3 * SIDE, opacity);
    cairo_matrix_t slanted;
    cairo_matrix_init(&slanted, 120, -36, 0, 150, 5, 45);
    cairo_transform(figure.cr, &slanted);
    cfp_figure_draw(&figure, image);
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    cfp_output output;
    CHECK_EQ(cfp_output_open_folder(&output, &ctx, folder), CFP_OK);
    CHECK_EQ(cfp_figure_write(&output, "bright.png", &figure), CFP_OK);
    cfp_output_close(&output);
    snprintf(path, sizeof path, "%s/bright.png", folder);
    png_image png = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_file(&png, path) != 0);
    png.format = PNG_FORMAT_RGBA;
    static uint8_t pixels[LARGE * LARGE * 4];
    CHECK(png_image_finish_read(&png, NULL, pixels, 0, NULL) != 0);
    int dark = 0, seen = 0;
    for (int p = 0; p < LARGE * LARGE; p++)
        for (int c = 0; c < 3; c++) {
            seen += pixels[4 * p + 3] >= 16;
            dark += pixels[4 * p + 3] >= 16 && pixels[4 * p + c] < 200;
        }
    CHECK(seen > LARGE * LARGE / 2);
    CHECK_EQ(dark, 0);
    cairo_surface_destroy(image);
    cfp_figure_close(&figure);
    scratch_remove(folder);
}

int main(void)
{
    movies_are_neither_too_fast_nor_too_slow();
    bright_pixels_stay_bright();
    broken_lines_keep_every_word();
    colours_are_the_known_ones();
    the_source_canvas_shows_the_tube_where_the_model_looked(false);
    the_source_canvas_shows_the_tube_where_the_model_looked(true);
    return test_result();
}
