/* jpeg.c - see jpeg.h.  Encodes with libav*. */
#include "jpeg.h"
#include "../base/libav.h"

enum { QUALITY = 1 }; /* from 1 (best) to 31 */

struct cfp_jpeg {
    cfp_ctx *ctx;
    const char *where;
    AVCodecContext *encoder;
    AVFrame *frame;
    AVPacket *packet;
};

static cfp_status fail(const cfp_jpeg *j, int error)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cfp_fail(j->ctx, error == AVERROR(ENOMEM) ? CFP_NOMEM : CFP_IO, "%s: JPEG: %s", j->where,
                    text);
}

static cfp_status open_encoder(cfp_jpeg *j, int height, int width)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    if (codec == NULL)
        return cfp_fail(j->ctx, CFP_UNSUPPORTED, "%s: this libavcodec has no JPEG encoder",
                        j->where);
    AVCodecContext *e = j->encoder = avcodec_alloc_context3(codec);
    j->frame = av_frame_alloc();
    j->packet = av_packet_alloc();
    if (e == NULL || j->frame == NULL || j->packet == NULL)
        return fail(j, AVERROR(ENOMEM));
    e->width = width;
    e->height = height;
    e->pix_fmt = AV_PIX_FMT_YUVJ444P;
    e->color_range = AVCOL_RANGE_JPEG;
    e->time_base = (AVRational){1, 25};
    e->thread_count = 1;
    e->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    e->global_quality = QUALITY * FF_QP2LAMBDA;
    e->qmin = QUALITY;
    int error = avcodec_open2(e, codec, NULL);
    j->frame->format = AV_PIX_FMT_YUVJ444P;
    j->frame->width = width;
    j->frame->height = height;
    j->frame->quality = e->global_quality;
    if (error >= 0)
        error = av_frame_get_buffer(j->frame, 0);
    return error < 0 ? fail(j, error) : CFP_OK;
}

cfp_status cfp_jpeg_open(cfp_jpeg **out, cfp_ctx *ctx, const char *where, int height, int width)
{
    *out = NULL;
    av_log_set_level(AV_LOG_QUIET); /* errors are returned as statuses */
    CFP_TRY(cfp_libav_codec(ctx, where));
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_jpeg){.ctx = ctx, .where = where};
    const cfp_status status = open_encoder(*out, height, width);
    if (status != CFP_OK)
        cfp_jpeg_close(out);
    return status;
}

void cfp_jpeg_close(cfp_jpeg **jpeg)
{
    cfp_jpeg *j = *jpeg;
    if (j == NULL)
        return;
    avcodec_free_context(&j->encoder);
    av_frame_free(&j->frame);
    av_packet_free(&j->packet);
    cfp_free(j);
    *jpeg = NULL;
}

/* In units of 1/65536, rounded.  The last term keeps the sum for chroma positive. */
static void to_yuv(const cfp_jpeg *j, const uint8_t *rgb)
{
    const AVFrame *f = j->frame;
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++, rgb += 3) {
            const int r = rgb[0], g = rgb[1], b = rgb[2];
            const int middle = 128 * 65536 + 32767;
            f->data[0][y * f->linesize[0] + x] =
                (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
            f->data[1][y * f->linesize[1] + x] =
                (uint8_t)((-11058 * r - 21710 * g + 32768 * b + middle) >> 16);
            f->data[2][y * f->linesize[2] + x] =
                (uint8_t)((32768 * r - 27439 * g - 5329 * b + middle) >> 16);
        }
}

cfp_status cfp_jpeg_encode(cfp_jpeg *j, const uint8_t *rgb, const uint8_t **bytes, size_t *n)
{
    int error = av_frame_make_writable(j->frame);
    if (error < 0)
        return fail(j, error);
    to_yuv(j, rgb);
    av_packet_unref(j->packet);
    error = avcodec_send_frame(j->encoder, j->frame);
    if (error >= 0)
        error = avcodec_receive_packet(j->encoder, j->packet);
    j->frame->pts++;
    if (error < 0)
        return fail(j, error);
    *bytes = j->packet->data;
    *n = (size_t)j->packet->size;
    return CFP_OK;
}

void cfp_shrink(uint8_t *out, const uint8_t *rgb, int height, int width, int n)
{
    const int H = height / n, W = width / n;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) {
                int sum = n * n / 2; /* rounds to the nearest */
                for (int k = 0; k < n * n; k++)
                    sum += rgb[((size_t)(y * n + k / n) * (size_t)width + (size_t)(x * n + k % n)) *
                                   3 +
                               (size_t)c];
                *out++ = (uint8_t)(sum / (n * n));
            }
}
