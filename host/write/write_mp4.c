/* write_mp4.c - overlays as video: overlay/<layer>.mp4, overlay/<layer>/kernel-<o>.mp4.
 *
 * H.264 in yuv420p, one picture a frame of the clip, at the speed of the source: its frame rate
 * over the stride of the sampling (movie.h).  Odd sizes are padded to even ones by repeating the
 * last column or row. */
#include "../draw/canvas.h"
#include "../draw/movie.h"
#include "writer.h"
#include <libavutil/opt.h>

static const AVCodec *find_encoder(void)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    return codec != NULL ? codec : avcodec_find_encoder(AV_CODEC_ID_H264);
}

static cfp_status check_mp4(cfp_ctx *ctx, const cfp_explanation *explanation)
{
    (void)explanation;
    CFP_TRY(cfp_libav_format(ctx, "--format mp4"));
    if (find_encoder() == NULL)
        return cfp_fail(
            ctx, CFP_UNSUPPORTED,
            "--format mp4: this libavcodec has no H.264 encoder (libx264); choose other "
            "formats, e.g. --format h5,json,png");
    return CFP_OK;
}

static void tune(AVCodecContext *e)
{
    e->color_range = AVCOL_RANGE_MPEG;
    e->colorspace = AVCOL_SPC_SMPTE170M; /* the matrix that to_yuv uses */
    e->color_primaries = AVCOL_PRI_SMPTE170M;
    e->color_trc = AVCOL_TRC_SMPTE170M;
    av_opt_set(e->priv_data, "preset", "veryfast", 0); /* for libx264; other encoders ignore them */
    av_opt_set(e->priv_data, "crf", "18", 0);
    /* The macroblock tree of x264 164 reads uninitialised memory, so its files differ between
     * runs. */
    av_opt_set(e->priv_data, "mbtree", "0", 0);
}

/* ITU-R BT.601, limited range, in units of 1/65536.  Chroma is the mean of 2 x 2 pixels. */
static void to_yuv(AVFrame *out, const uint8_t *rgb, int H, int W)
{
    for (int y = 0; y < out->height; y += 2) {
        for (int x = 0; x < out->width; x += 2) {
            int sum[3] = {0};
            for (int k = 0; k < 4; k++) {
                const int py = cfp_min_int(y + k / 2, H - 1), px = cfp_min_int(x + k % 2, W - 1);
                const uint8_t *p = rgb + 3 * ((size_t)py * (size_t)W + (size_t)px);
                const int luma = 16829 * p[0] + 33039 * p[1] + 6416 * p[2];
                out->data[0][(y + k / 2) * out->linesize[0] + x + k % 2] =
                    (uint8_t)(16 + ((luma + 32768) >> 16));
                for (int c = 0; c < 3; c++)
                    sum[c] += p[c];
            }
            const int blue = -9714 * sum[0] - 19071 * sum[1] + 28785 * sum[2];
            const int red = 28785 * sum[0] - 24103 * sum[1] - 4682 * sum[2];
            const int half =
                128 * 4 * 65536 + 2 * 65536; /* 128 and the rounding term, before the shift */
            out->data[1][y / 2 * out->linesize[1] + x / 2] = (uint8_t)((blue + half) >> 18);
            out->data[2][y / 2 * out->linesize[2] + x / 2] = (uint8_t)((red + half) >> 18);
        }
    }
}

static cfp_status encode_all(cfp_movie *movie, cfp_output *output, const cfp_canvas *canvas,
                             uint8_t *rgb)
{
    const cfp_movie_kind kind = {.muxer = "mp4",
                                 .codec = find_encoder(),
                                 .pixels = AV_PIX_FMT_YUV420P,
                                 .width = canvas->width + canvas->width % 2,
                                 .height = canvas->height + canvas->height % 2,
                                 .rate = cfp_movie_rate(canvas->clip, canvas->fps),
                                 .tune = tune,
                                 .flag = "movflags",
                                 .flag_value = "+faststart"};
    CFP_TRY(cfp_movie_open(movie, output, &kind));
    for (int t = 0; t < canvas->clip->frames; t++) {
        CFP_TRY(cfp_check_interrupt(output->ctx));
        CFP_TRY(cfp_movie_ready(movie));
        CFP_TRY(cfp_canvas_draw(canvas, rgb, (size_t)canvas->width * 3, t));
        to_yuv(movie->frame, rgb, canvas->height, canvas->width);
        CFP_TRY(cfp_movie_add(movie, t));
    }
    return cfp_movie_end(movie);
}

static cfp_status write_video(cfp_output *output, const cfp_canvas *canvas, const cfp_tube *tube,
                              uint8_t *rgb)
{
    char *name = cfp_output_overlay(output, canvas->explanation->model, tube, ".mp4");
    cfp_status status = name == NULL ? CFP_NOMEM : cfp_output_begin(output, name);
    cfp_free(name);
    cfp_movie movie = {0};
    if (status == CFP_OK)
        status = encode_all(&movie, output, canvas, rgb);
    cfp_movie_close(&movie);
    CFP_TRY(status);
    return cfp_output_commit(output);
}

static int count_layers(const cfp_tubes_list *tubes, int end)
{
    int n = 0;
    for (int i = 0; i < end; i++)
        n += tubes->tube[i].kernel < 0;
    return n;
}

/* True if tube i gets a movie: all tubes do, or run->movies layers that are evenly spread over
 * depth, the first and the last among them. */
static bool gets_movie(const cfp_tubes_list *tubes, int i, const cfp_run *run)
{
    const int movies = run->movies, layers = count_layers(tubes, tubes->n);
    if (movies == 0)
        return true;
    if (tubes->tube[i].kernel >= 0)
        return false;
    const int layer = count_layers(tubes, i);
    if (layers <= movies || movies == 1)
        return layers <= movies || layer == 0;
    for (int k = 0; k < movies; k++)
        if (cfp_spread(k, movies, layers) == layer)
            return true;
    return false;
}

static cfp_status write_mp4(cfp_output *output, const cfp_explanation *explanation,
                            const cfp_run *run)
{
    cfp_canvas canvas;
    CFP_TRY(cfp_canvas_open(&canvas, output->ctx, explanation, run));
    uint8_t *rgb = cfp_alloc(output->ctx, (size_t)canvas.height * (size_t)canvas.width, 3);
    cfp_status status = rgb == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++) {
        const bool wanted = gets_movie(&explanation->tubes, i, run);
        if (wanted)
            status = cfp_canvas_tube(&canvas, &explanation->tubes.tube[i]);
        if (wanted && status == CFP_OK)
            status = write_video(output, &canvas, &explanation->tubes.tube[i], rgb);
        if (status == CFP_OK)
            status = cfp_output_step(output);
    }
    cfp_free(rgb);
    cfp_canvas_close(&canvas);
    return status;
}

const cfp_writer cfp_writer_mp4 = {
    .format = "mp4",
    .summary = "overlay/<layer>.mp4: the overlay as a video (H.264)",
    .write = write_mp4,
    .check = check_mp4,
    .draws_tubes = true,
    .only_tubes = true,
};
