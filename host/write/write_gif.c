/* write_gif.c - overlays as animations: overlay/<layer>.gif, overlay/<layer>/kernel-<o>.gif.
 *
 * Each file has one palette (palette.h) and repeats forever, at the speed of the clip, rounded to
 * hundredths of a second, which is the unit of the format.  No frame is shorter than two
 * hundredths, because browsers play faster files at ten frames per second.  libav* compresses and
 * muxes. */
#include "../draw/canvas.h"
#include "../draw/movie.h"
#include "../draw/palette.h"
#include "writer.h"

enum { FASTEST = 50 };

typedef struct animation {
    cfp_canvas canvas;
    cfp_palette palette; /* of the current tube */
    cfp_movie movie;
    uint8_t *rgb; /* canvas height x width x 3 */
} animation;

static cfp_status check_gif(cfp_ctx *ctx, const cfp_explanation *explanation)
{
    (void)explanation;
    CFP_TRY(cfp_libav_format(ctx, "--format gif"));
    if (avcodec_find_encoder(AV_CODEC_ID_GIF) == NULL)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "--format gif: this libavcodec has no GIF encoder");
    return CFP_OK;
}

static cfp_status draw(animation *a, int t)
{
    CFP_TRY(cfp_check_interrupt(a->canvas.ctx));
    return cfp_canvas_draw(&a->canvas, a->rgb, (size_t)a->canvas.width * 3, t);
}

/* Two passes over the frames, so that only one frame is in memory. */
static cfp_status choose_colours(animation *a)
{
    cfp_palette_close(&a->palette);
    CFP_TRY(cfp_palette_open(&a->palette, a->canvas.ctx));
    for (int t = 0; t < a->canvas.clip->frames; t++) {
        CFP_TRY(draw(a, t));
        cfp_palette_count(&a->palette, a->rgb, (size_t)a->canvas.height * (size_t)a->canvas.width);
    }
    cfp_palette_choose(&a->palette);
    return CFP_OK;
}

static void fill(AVFrame *out, cfp_palette *palette, const uint8_t *rgb)
{
    uint32_t *colours = (uint32_t *)(void *)out->data[1];
    for (int k = 0; k < CFP_PALETTE_COLOURS; k++) {
        const uint8_t *c = palette->rgb + 3 * (k < palette->n ? k : 0);
        colours[k] = 0xff000000u | (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
    }
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++, rgb += 3)
            out->data[0][y * out->linesize[0] + x] = (uint8_t)cfp_palette_index(palette, rgb, y, x);
}

static cfp_status encode_all(animation *a, cfp_output *output)
{
    AVRational rate = cfp_movie_rate(a->canvas.clip, a->canvas.fps);
    if (av_cmp_q(rate, (AVRational){FASTEST, 1}) > 0)
        rate = (AVRational){FASTEST, 1};
    const cfp_movie_kind kind = {.muxer = "gif",
                                 .codec = avcodec_find_encoder(AV_CODEC_ID_GIF),
                                 .pixels = AV_PIX_FMT_PAL8,
                                 .width = a->canvas.width,
                                 .height = a->canvas.height,
                                 .rate = rate,
                                 .flag = "loop",
                                 .flag_value = "0"};
    CFP_TRY(cfp_movie_open(&a->movie, output, &kind));
    for (int t = 0; t < a->canvas.clip->frames; t++) {
        CFP_TRY(cfp_movie_ready(&a->movie));
        CFP_TRY(draw(a, t));
        fill(a->movie.frame, &a->palette, a->rgb);
        CFP_TRY(cfp_movie_add(&a->movie, t));
    }
    return cfp_movie_end(&a->movie);
}

static cfp_status write_animation(animation *a, cfp_output *output, const cfp_tube *tube)
{
    CFP_TRY(cfp_canvas_tube(&a->canvas, tube));
    CFP_TRY(choose_colours(a));
    char *name = cfp_output_overlay(output, a->canvas.explanation->model, tube, ".gif");
    cfp_status status = name == NULL ? CFP_NOMEM : cfp_output_begin(output, name);
    cfp_free(name);
    if (status == CFP_OK)
        status = encode_all(a, output);
    cfp_movie_close(&a->movie);
    CFP_TRY(status);
    CFP_TRY(cfp_output_commit(output));
    return cfp_output_step(output);
}

static cfp_status write_gif(cfp_output *output, const cfp_explanation *explanation,
                            const cfp_run *run)
{
    animation a = {0};
    CFP_TRY(cfp_canvas_open(&a.canvas, output->ctx, explanation, run));
    a.rgb = cfp_alloc(output->ctx, (size_t)a.canvas.height * (size_t)a.canvas.width, 3);
    cfp_status status = a.rgb == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++)
        status = write_animation(&a, output, &explanation->tubes.tube[i]);
    cfp_free(a.rgb);
    cfp_palette_close(&a.palette);
    cfp_canvas_close(&a.canvas);
    return status;
}

const cfp_writer cfp_writer_gif = {
    .format = "gif",
    .summary = "overlay/<layer>.gif: the overlay as an animation that loops",
    .write = write_gif,
    .check = check_gif,
    .draws_tubes = true,
    .only_tubes = true,
};
