/* image_decode.c - see image_decode.h. */
#include "image_decode.h"
#include "frame_rgb.h"
#include <libavcodec/avcodec.h>
#include <limits.h>
#include <string.h>

typedef struct image_kind {
    const char *magic;
    int magic_bytes, at;
    enum AVCodecID codec;
    bool checks; /* the decoder can tell damage from what is merely unusual */
} image_kind;

static const image_kind kinds[] = {
    {"\xff\xd8\xff", 3, 0, AV_CODEC_ID_MJPEG, true},
    {"\x89PNG\r\n\x1a\n", 8, 0, AV_CODEC_ID_PNG, true},
    {"BM", 2, 0, AV_CODEC_ID_BMP, false},
    {"WEBP", 4, 8, AV_CODEC_ID_WEBP, false},
    {"II*\0", 4, 0, AV_CODEC_ID_TIFF, false},
    {"MM\0*", 4, 0, AV_CODEC_ID_TIFF, false},
    {"P1", 2, 0, AV_CODEC_ID_PBM, false},
    {"P4", 2, 0, AV_CODEC_ID_PBM, false},
    {"P2", 2, 0, AV_CODEC_ID_PGM, false},
    {"P5", 2, 0, AV_CODEC_ID_PGM, false},
    {"P3", 2, 0, AV_CODEC_ID_PPM, false},
    {"P6", 2, 0, AV_CODEC_ID_PPM, false},
};

static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".bmp", ".webp",
                                       ".tif", ".tiff", ".ppm", ".pgm", ".pbm"};

struct cfp_image_decoder {
    AVPacket *packet;
    AVFrame *frame;
    cfp_frame_rgb rgb;
};

bool cfp_is_image_name(const char *name)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (cfp_has_suffix(name, suffixes[i]))
            return true;
    return false;
}

cfp_status cfp_image_decoder_open(cfp_image_decoder **out, cfp_ctx *ctx)
{
    cfp_libav_quiet();
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->packet = av_packet_alloc();
    (*out)->frame = av_frame_alloc();
    if ((*out)->packet == NULL || (*out)->frame == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "out of memory: no room for a decoder");
    return CFP_OK;
}

void cfp_image_decoder_close(cfp_image_decoder **decoder)
{
    if (*decoder == NULL)
        return;
    av_packet_free(&(*decoder)->packet);
    av_frame_free(&(*decoder)->frame);
    cfp_frame_rgb_free(&(*decoder)->rgb);
    cfp_free(*decoder);
    *decoder = NULL;
}

static const image_kind *find_kind(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const image_kind *kind = &kinds[i];
        const size_t at = (size_t)kind->at, length = (size_t)kind->magic_bytes;
        if (n_bytes >= at + length && memcmp(bytes + at, kind->magic, length) == 0)
            return kind;
    }
    return NULL;
}

/* decoder->packet -> decoder->frame; 0 or libav's error.  strict: any damage is an error. */
static int decode(cfp_image_decoder *decoder, const AVCodec *codec, bool strict)
{
    AVCodecContext *context = avcodec_alloc_context3(codec);
    if (context == NULL)
        return AVERROR(ENOMEM);
    context->thread_count = 1;
    context->max_pixels = CFP_MAX_FRAME_PIXELS;
    if (strict)
        context->err_recognition |= AV_EF_EXPLODE;
    av_frame_unref(decoder->frame);
    int error = avcodec_open2(context, codec, NULL);
    if (error >= 0)
        error = avcodec_send_packet(context, decoder->packet);
    if (error >= 0)
        error = avcodec_send_packet(context, NULL);
    if (error >= 0)
        error = avcodec_receive_frame(context, decoder->frame);
    avcodec_free_context(&context);
    return error;
}

cfp_status cfp_image_decode(const cfp_image **image, cfp_image_decoder *decoder, cfp_ctx *ctx,
                            const char *name, const void *bytes, size_t n_bytes)
{
    const image_kind *kind = find_kind(bytes, n_bytes);
    const AVCodec *codec = kind != NULL ? avcodec_find_decoder(kind->codec) : NULL;
    if (codec == NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: not an image that can be read", name);
    av_packet_unref(decoder->packet);
    if (n_bytes > INT_MAX / 2)
        return cfp_fail(ctx, CFP_FORMAT, "%s: an image of %zu bytes", name, n_bytes);
    if (av_new_packet(decoder->packet, (int)n_bytes) < 0)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory for %zu bytes", name, n_bytes);
    memcpy(decoder->packet->data, bytes, n_bytes);

    int error = decode(decoder, codec, kind->checks);
    if (error == AVERROR_INVALIDDATA && kind->checks) {
        error = decode(decoder, codec, false);
        if (error >= 0)
            cfp_log(ctx, CFP_LOG_WARNING, "%s: damaged image, used as far as it could be decoded",
                    name);
    }
    if (error < 0) {
        char text[AV_ERROR_MAX_STRING_SIZE] = "";
        av_strerror(error, text, sizeof text);
        return cfp_fail(ctx, error == AVERROR(ENOMEM) ? CFP_NOMEM : CFP_FORMAT,
                        "%s: cannot be decoded: %s", name, text);
    }
    CFP_TRY(cfp_frame_to_rgb(&decoder->rgb, ctx, name, decoder->frame, NULL));
    *image = &decoder->rgb.image;
    return CFP_OK;
}
