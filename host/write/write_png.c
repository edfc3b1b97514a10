/* write_png.c - overlays as PNG: one strip a tube (png), or one picture a frame (frames).
 *
 * A strip has the frames side by side, from the left and then downwards, COLUMNS at most in a row;
 * fewer where the strip would be wider than WIDEST.  What is left of the last row is white.
 *
 *     overlay/<layer>.png, overlay/<layer>/kernel-<o>.png                   strips
 *     overlay/<layer>/%06d.png, overlay/<layer>/kernel-<o>/%06d.png         frames, from 0  */
#include "canvas.h"
#include "output.h"
#include "versions.h"
#include <errno.h>
#include <png.h>
#include <string.h>

enum { COLUMNS = 8, WIDEST = 4096 };

typedef struct picture {
    cfp_canvas canvas;
    int height, width;
    uint8_t *rgb; /* height x width x 3 */
} picture;

typedef struct sink { /* libpng's way out, and what went wrong there */
    cfp_output *output;
    char message[256];
} sink;

const char *cfp_png_version(void)
{
    return png_get_libpng_ver(NULL);
}

static void on_error(png_structp png, png_const_charp message)
{
    sink *to = png_get_error_ptr(png);
    snprintf(to->message, sizeof to->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep data, size_t bytes)
{
    const sink *to = png_get_io_ptr(png);
    if (fwrite(data, 1, bytes, to->output->file.stream) != bytes)
        png_error(png, strerror(errno));
}

static void on_flush(png_structp png)
{
    (void)png; /* commit does */
}

/* Apart, because what setjmp returns into must not have changed its variables. */
static bool encode(png_structp png, png_infop info, const picture *p)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_compression_level(png, 6);
    png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < p->height; y++)
        png_write_row(png, p->rgb + (size_t)y * (size_t)p->width * 3);
    png_write_end(png, NULL);
    return true;
}

static cfp_status write_picture(cfp_output *output, const char *name, const picture *p)
{
    CFP_TRY(cfp_output_begin(output, name));
    sink to = {.output = output};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &to, on_error, on_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_write_struct(&png, NULL);
        return cfp_fail(output->ctx, CFP_NOMEM, "%s: out of memory", output->file.path);
    }
    png_set_write_fn(png, &to, on_write, on_flush);
    const bool written = encode(png, info, p);
    png_destroy_write_struct(&png, &info);
    if (!written)
        return cfp_fail(output->ctx, CFP_IO, "%s: %s", output->file.path, to.message);
    return cfp_output_commit(output);
}

static cfp_status draw_strip(cfp_output *output, picture *p, const cfp_tube *tube)
{
    const cfp_canvas *canvas = &p->canvas;
    const int frames = canvas->clip->frames;
    const int most = cfp_max_int(1, cfp_min_int(COLUMNS, WIDEST / canvas->width));
    const int columns = cfp_min_int(frames, most), rows = (frames + columns - 1) / columns;
    p->width = columns * canvas->width;
    p->height = rows * canvas->height;
    const size_t stride = (size_t)p->width * 3;
    if (p->rgb == NULL)
        CFP_TRY_ALLOC(output->ctx, p->rgb, stride * (size_t)p->height);
    memset(p->rgb, 255, stride * (size_t)p->height);
    for (int t = 0; t < frames; t++) {
        const size_t row = (size_t)(t / columns) * (size_t)canvas->height;
        const size_t column = (size_t)(t % columns) * (size_t)canvas->width;
        CFP_TRY(cfp_canvas_draw(canvas, p->rgb + row * stride + column * 3, stride, t));
        CFP_TRY(cfp_check_interrupt(output->ctx));
    }
    char *name = cfp_output_overlay(output, canvas->explanation->model, tube, ".png");
    const cfp_status status = name == NULL ? CFP_NOMEM : write_picture(output, name, p);
    cfp_free(name);
    return status;
}

static cfp_status draw_frames(cfp_output *output, picture *p, const cfp_tube *tube)
{
    const cfp_canvas *canvas = &p->canvas;
    p->width = canvas->width;
    p->height = canvas->height;
    const size_t stride = (size_t)p->width * 3;
    if (p->rgb == NULL)
        CFP_TRY_ALLOC(output->ctx, p->rgb, stride * (size_t)p->height);
    cfp_status status = CFP_OK;
    for (int t = 0; t < canvas->clip->frames && status == CFP_OK; t++) {
        char suffix[24];
        snprintf(suffix, sizeof suffix, "/%06d.png", t);
        CFP_TRY(cfp_canvas_draw(canvas, p->rgb, stride, t));
        char *name = cfp_output_overlay(output, canvas->explanation->model, tube, suffix);
        status = name == NULL ? CFP_NOMEM : write_picture(output, name, p);
        cfp_free(name);
    }
    return status;
}

static cfp_status draw_all(cfp_output *output, const cfp_explanation *explanation,
                           const cfp_run *run,
                           cfp_status (*draw)(cfp_output *, picture *, const cfp_tube *))
{
    picture p = {0};
    cfp_status status = cfp_canvas_open(&p.canvas, output->ctx, explanation, run);
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++) {
        const cfp_tube *tube = &explanation->tubes.tube[i];
        status = cfp_canvas_tube(&p.canvas, tube);
        if (status == CFP_OK)
            status = draw(output, &p, tube);
        if (status == CFP_OK)
            status = cfp_output_step(output);
    }
    cfp_canvas_close(&p.canvas);
    cfp_free(p.rgb);
    return status;
}

static cfp_status write_png(cfp_output *output, const cfp_explanation *explanation,
                            const cfp_run *run)
{
    return draw_all(output, explanation, run, draw_strip);
}

static cfp_status write_frames(cfp_output *output, const cfp_explanation *explanation,
                               const cfp_run *run)
{
    return draw_all(output, explanation, run, draw_frames);
}

const cfp_writer cfp_writer_png = {
    .format = "png",
    .summary = "overlay/<layer>.png: the overlays of a layer's frames side by side",
    .write = write_png,
    .draws_tubes = true,
};

const cfp_writer cfp_writer_frames = {
    .format = "frames",
    .summary = "overlay/<layer>/000000.png ...: an overlay a frame",
    .write = write_frames,
    .draws_tubes = true,
};
