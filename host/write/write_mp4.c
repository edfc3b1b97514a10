/* write_mp4.c - overlays as video: overlay/<layer>.mp4, overlay/<layer>/kernel-<o>.mp4.
 *
 * H.264 in yuv420p, one picture a frame of the clip, at the speed of the source: its frame rate
 * over the stride of the sampling (a source without a rate counts as FPS).  Odd sizes are padded to
 * even ones by repeating the last column or row.  One thread and no encoder or muxer stamps: the
 * same pictures give the same bytes.  The only file of host/write that knows libav*. */
#include "canvas.h"
#include "output.h"
#include "versions.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#define FPS 25.0

typedef struct video {
    cfp_output *output;
    const cfp_canvas *canvas;
    uint8_t *rgb; /* canvas height x width x 3 */
    AVFormatContext *format;
    AVCodecContext *encoder;
    AVStream *stream; /* of format */
    AVFrame *frame;   /* yuv420p, even size */
    AVPacket *packet;
} video;

const char *cfp_video_version(void)
{
    return av_version_info();
}

static void video_close(video *v)
{
    if (v->format != NULL)
        avio_closep(&v->format->pb);
    avformat_free_context(v->format);
    avcodec_free_context(&v->encoder);
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    cfp_free(v->rgb);
    *v = (video){0};
}

static cfp_status fail(const video *v, const char *what, int error)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cfp_fail(v->output->ctx, error == AVERROR(ENOMEM) ? CFP_NOMEM : CFP_IO, "%s: %s%s%s",
                    v->output->file.path, what, what[0] != '\0' ? ": " : "", text);
}

static AVRational frame_rate(const cfp_clip *clip)
{
    const double fps = (clip->fps > 0.0 ? clip->fps : FPS) / cfp_max_int(1, clip->stride);
    const AVRational rate = av_d2q(fps, 1000000);
    return rate.num > 0 && rate.den > 0 ? rate : (AVRational){25, 1};
}

static const AVCodec *find_encoder(void)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    return codec != NULL ? codec : avcodec_find_encoder(AV_CODEC_ID_H264);
}

static cfp_status check_mp4(cfp_ctx *ctx, const cfp_explanation *explanation)
{
    (void)explanation;
    if (find_encoder() == NULL)
        return cfp_fail(
            ctx, CFP_UNSUPPORTED,
            "--format mp4: this libavcodec has no H.264 encoder (libx264); choose other "
            "formats, e.g. --format h5,json,png");
    return CFP_OK;
}

static cfp_status open_encoder(video *v)
{
    const AVCodec *codec = find_encoder();
    AVCodecContext *e = v->encoder = avcodec_alloc_context3(codec);
    if (e == NULL)
        return cfp_fail(v->output->ctx, CFP_NOMEM, "%s: out of memory", v->output->file.path);
    const AVRational rate = frame_rate(v->canvas->clip);
    e->width = v->canvas->width + v->canvas->width % 2;
    e->height = v->canvas->height + v->canvas->height % 2;
    e->pix_fmt = AV_PIX_FMT_YUV420P;
    e->framerate = rate;
    e->time_base = av_inv_q(rate);
    e->color_range = AVCOL_RANGE_MPEG;
    e->colorspace = AVCOL_SPC_SMPTE170M; /* the matrix that to_yuv uses */
    e->color_primaries = AVCOL_PRI_SMPTE170M;
    e->color_trc = AVCOL_TRC_SMPTE170M;
    e->thread_count = 1;
    e->log_level_offset = 1000; /* libx264 tells its life otherwise */
    e->flags |= AV_CODEC_FLAG_BITEXACT;
    if (v->format->oformat->flags & AVFMT_GLOBALHEADER)
        e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set(e->priv_data, "preset", "medium", 0); /* of libx264; others ignore them */
    av_opt_set(e->priv_data, "crf", "18", 0);
    /* x264 164's macroblock tree reads memory that it never wrote: other bytes in every run. */
    av_opt_set(e->priv_data, "mbtree", "0", 0);
    const int error = avcodec_open2(e, codec, NULL);
    return error < 0 ? fail(v, codec->name, error) : CFP_OK;
}

static cfp_status open_file(video *v)
{
    const char *path = cfp_newfile_where(&v->output->file);
    int error = avformat_alloc_output_context2(&v->format, NULL, "mp4", path);
    if (error < 0)
        return fail(v, "", error);
    CFP_TRY(open_encoder(v));
    v->stream = avformat_new_stream(v->format, NULL);
    v->frame = av_frame_alloc();
    v->packet = av_packet_alloc();
    if (v->stream == NULL || v->frame == NULL || v->packet == NULL)
        return fail(v, "", AVERROR(ENOMEM));
    v->format->flags |= AVFMT_FLAG_BITEXACT;
    v->stream->time_base = v->encoder->time_base;
    v->stream->avg_frame_rate = v->encoder->framerate;
    error = avcodec_parameters_from_context(v->stream->codecpar, v->encoder);
    if (error >= 0)
        error = avio_open(&v->format->pb, path, AVIO_FLAG_WRITE);
    if (error >= 0)
        error = av_opt_set(v->format->priv_data, "movflags", "+faststart", 0);
    if (error >= 0)
        error = avformat_write_header(v->format, NULL);
    v->frame->format = AV_PIX_FMT_YUV420P;
    v->frame->width = v->encoder->width;
    v->frame->height = v->encoder->height;
    if (error >= 0)
        error = av_frame_get_buffer(v->frame, 0);
    if (error < 0)
        return fail(v, "", error);
    CFP_TRY_ALLOC(v->output->ctx, v->rgb, (size_t)v->canvas->height * (size_t)v->canvas->width * 3);
    return CFP_OK;
}

/* ITU-R BT.601, limited range, in 1/65536; chroma is the mean of 2 x 2 pixels. */
static void to_yuv(const video *v)
{
    const int H = v->canvas->height, W = v->canvas->width;
    for (int y = 0; y < v->frame->height; y += 2) {
        for (int x = 0; x < v->frame->width; x += 2) {
            int sum[3] = {0};
            for (int k = 0; k < 4; k++) {
                const int py = cfp_min_int(y + k / 2, H - 1), px = cfp_min_int(x + k % 2, W - 1);
                const uint8_t *p = v->rgb + 3 * ((size_t)py * (size_t)W + (size_t)px);
                const int luma = 16829 * p[0] + 33039 * p[1] + 6416 * p[2];
                v->frame->data[0][(y + k / 2) * v->frame->linesize[0] + x + k % 2] =
                    (uint8_t)(16 + ((luma + 32768) >> 16));
                for (int c = 0; c < 3; c++)
                    sum[c] += p[c];
            }
            const int blue = -9714 * sum[0] - 19071 * sum[1] + 28785 * sum[2];
            const int red = 28785 * sum[0] - 24103 * sum[1] - 4682 * sum[2];
            const int half = 128 * 4 * 65536 + 2 * 65536; /* 128 and rounding, before the shift */
            v->frame->data[1][y / 2 * v->frame->linesize[1] + x / 2] =
                (uint8_t)((blue + half) >> 18);
            v->frame->data[2][y / 2 * v->frame->linesize[2] + x / 2] =
                (uint8_t)((red + half) >> 18);
        }
    }
}

/* Hands a picture (NULL: the end) to the encoder and what it has ready to the file. */
static cfp_status encode(video *v, const AVFrame *frame)
{
    int error = avcodec_send_frame(v->encoder, frame);
    while (error >= 0) {
        error = avcodec_receive_packet(v->encoder, v->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF)
            return CFP_OK;
        if (error < 0)
            break;
        v->packet->duration = 1;
        v->packet->stream_index = v->stream->index;
        av_packet_rescale_ts(v->packet, v->encoder->time_base, v->stream->time_base);
        error = av_interleaved_write_frame(v->format, v->packet);
    }
    return fail(v, "", error);
}

static cfp_status encode_all(video *v)
{
    CFP_TRY(open_file(v));
    for (int t = 0; t < v->canvas->clip->frames; t++) {
        CFP_TRY(cfp_check_interrupt(v->output->ctx));
        const int error = av_frame_make_writable(v->frame);
        if (error < 0)
            return fail(v, "", error);
        CFP_TRY(cfp_canvas_draw(v->canvas, v->rgb, (size_t)v->canvas->width * 3, t));
        to_yuv(v);
        v->frame->pts = t;
        CFP_TRY(encode(v, v->frame));
    }
    CFP_TRY(encode(v, NULL));
    int error = av_write_trailer(v->format);
    avio_flush(v->format->pb);
    if (error >= 0)
        error = v->format->pb->error;
    const int closing = avio_closep(&v->format->pb);
    if (error >= 0)
        error = closing;
    return error < 0 ? fail(v, "", error) : CFP_OK;
}

static cfp_status write_video(cfp_output *output, const cfp_canvas *canvas, const cfp_tube *tube)
{
    char *name = cfp_output_overlay(output, canvas->explanation->model, tube, ".mp4");
    cfp_status status = name == NULL ? CFP_NOMEM : cfp_output_begin(output, name);
    cfp_free(name);
    video v = {.output = output, .canvas = canvas};
    if (status == CFP_OK)
        status = encode_all(&v);
    video_close(&v);
    CFP_TRY(status);
    return cfp_output_commit(output);
}

static cfp_status write_mp4(cfp_output *output, const cfp_explanation *explanation,
                            const cfp_run *run)
{
    av_log_set_level(AV_LOG_QUIET); /* failures come back as statuses */
    cfp_canvas canvas;
    cfp_status status = cfp_canvas_open(&canvas, output->ctx, explanation, run);
    for (int i = 0; i < explanation->tubes.n && status == CFP_OK; i++) {
        status = cfp_canvas_tube(&canvas, &explanation->tubes.tube[i]);
        if (status == CFP_OK)
            status = write_video(output, &canvas, &explanation->tubes.tube[i]);
        if (status == CFP_OK)
            status = cfp_output_step(output);
    }
    cfp_canvas_close(&canvas);
    return status;
}

const cfp_writer cfp_writer_mp4 = {
    .format = "mp4",
    .summary = "overlay/<layer>.mp4: the overlay as a video (H.264)",
    .write = write_mp4,
    .check = check_mp4,
    .draws_tubes = true,
};
