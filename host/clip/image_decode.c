/* image_decode.c - see image_decode.h. */
#include "image_decode.h"
#include "../base/infile.h"
#include "../base/libav.h"
#include "frame_rgb.h"
#include "pictures_inside.h"
#include "tiff_decode.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

typedef struct image_kind {
    const char *magic;
    int magic_bytes, at;
    enum AVCodecID codec;
    bool checks; /* the decoder reports damage reliably; if not, decode_twice finds it */
} image_kind;

static const image_kind kinds[] = {
    {"\xff\xd8\xff", 3, 0, AV_CODEC_ID_MJPEG, true},
    {"\x89PNG\r\n\x1a\n", 8, 0, AV_CODEC_ID_PNG, true},
    {"BM", 2, 0, AV_CODEC_ID_BMP, false},
    {"WEBP", 4, 8, AV_CODEC_ID_WEBP, false},
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
    AVPacket *packet; /* NULL until libavcodec is needed: TIFF does without */
    AVFrame *frame;
    cfp_frame_rgb rgb;
    uint8_t fill; /* the byte that fills a frame before it is decoded */
    cfp_tiff *tiff;
    bool said; /* the warning about several pictures in a file has been logged */
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
    return CFP_OK;
}

void cfp_image_decoder_close(cfp_image_decoder **decoder)
{
    if (*decoder == NULL)
        return;
    if ((*decoder)->packet != NULL)
        av_packet_free(&(*decoder)->packet);
    av_frame_free(&(*decoder)->frame);
    cfp_frame_rgb_free(&(*decoder)->rgb);
    cfp_tiff_close(&(*decoder)->tiff);
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

bool cfp_is_image_head(const uint8_t *head, size_t n_bytes)
{
    return cfp_is_tiff(head, n_bytes) || find_kind(head, n_bytes) != NULL;
}

static cfp_status read_whole(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx, const char *path,
                             FILE *file)
{
    struct stat facts;
    if (fstat(fileno(file), &facts) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    if (facts.st_size > INT_MAX / 2)
        return cfp_fail(ctx, CFP_FORMAT, "%s: an image of %lld bytes", path,
                        (long long)facts.st_size);
    *n_bytes = (size_t)facts.st_size;
    CFP_TRY_ALLOC(ctx, *bytes, *n_bytes);
    if (fread(*bytes, 1, *n_bytes, file) != *n_bytes)
        return cfp_fail(ctx, CFP_IO, "%s: cannot be read to its end", path);
    return CFP_OK;
}

cfp_status cfp_image_read_file(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx, const char *path)
{
    FILE *file;
    *bytes = NULL;
    CFP_TRY(cfp_infile_open(&file, ctx, path));
    const cfp_status status = read_whole(bytes, n_bytes, ctx, path, file);
    fclose(file);
    return status;
}

/* Allocates a frame and fills it with decoder->fill, so that unwritten pixels can be found. */
static int filled_buffer(AVCodecContext *context, AVFrame *frame, int flags)
{
    const cfp_image_decoder *decoder = context->opaque;
    const int error = avcodec_default_get_buffer2(context, frame, flags);
    for (int i = 0; error >= 0 && i < AV_NUM_DATA_POINTERS && frame->buf[i] != NULL; i++)
        memset(frame->buf[i]->data, decoder->fill, frame->buf[i]->size);
    return error;
}

/* Decodes decoder->packet into decoder->frame.  Returns 0 or the error of libav.  strict: any
 * damage is an error. */
static int decode(cfp_image_decoder *decoder, const AVCodec *codec, bool strict)
{
    AVCodecContext *context = avcodec_alloc_context3(codec);
    if (context == NULL)
        return AVERROR(ENOMEM);
    context->thread_count = 1;
    context->max_pixels = CFP_MAX_FRAME_PIXELS;
    context->opaque = decoder;
    context->get_buffer2 = filled_buffer;
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

static cfp_status fail_decode(cfp_ctx *ctx, const char *name, int error)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cfp_fail(ctx, error == AVERROR(ENOMEM) ? CFP_NOMEM : CFP_FORMAT,
                    "%s: cannot be decoded: %s", name, text);
}

static void warn_of_damage(cfp_ctx *ctx, const char *name)
{
    cfp_log(ctx, CFP_LOG_WARNING, "%s: damaged image, used as far as it could be decoded", name);
}

static cfp_status to_rgb(cfp_image_decoder *decoder, cfp_ctx *ctx, const char *name)
{
    return cfp_frame_to_rgb(&decoder->rgb, ctx, name, decoder->frame, NULL);
}

/* Some decoders skip missing parts without an error.  So the image is decoded twice, into memory
 * that is filled with two different bytes.  Where the results differ, nothing was written. */
static cfp_status decode_twice(cfp_image_decoder *decoder, cfp_ctx *ctx, const char *name,
                               const AVCodec *codec)
{
    uint8_t *first = NULL;
    decoder->fill = 0xff;
    int error = decode(decoder, codec, false);
    if (error < 0)
        return fail_decode(ctx, name, error);
    CFP_TRY(to_rgb(decoder, ctx, name));
    const size_t bytes = 3 * (size_t)decoder->rgb.image.width * (size_t)decoder->rgb.image.height;
    CFP_TRY_ALLOC(ctx, first, bytes);
    memcpy(first, decoder->rgb.image.rgb, bytes);
    decoder->fill = 0;
    error = decode(decoder, codec, false);
    cfp_status status = error < 0 ? fail_decode(ctx, name, error) : to_rgb(decoder, ctx, name);
    if (status == CFP_OK && memcmp(first, decoder->rgb.image.rgb, bytes) != 0)
        warn_of_damage(ctx, name);
    cfp_free(first);
    return status;
}

/* JPEG and PNG: decodes strictly; if that fails, again without `strict`. */
static cfp_status decode_strictly(cfp_image_decoder *decoder, cfp_ctx *ctx, const char *name,
                                  const AVCodec *codec)
{
    int error = decode(decoder, codec, true);
    if (error == AVERROR_INVALIDDATA) {
        error = decode(decoder, codec, false);
        if (error >= 0)
            warn_of_damage(ctx, name);
    } else if (error >= 0 && codec->id == AV_CODEC_ID_MJPEG &&
               !cfp_jpeg_has_end(decoder->packet->data, (size_t)decoder->packet->size)) {
        warn_of_damage(ctx, name);
    }
    return error < 0 ? fail_decode(ctx, name, error) : to_rgb(decoder, ctx, name);
}

static cfp_status begin_libav(cfp_image_decoder *decoder, cfp_ctx *ctx, const char *name)
{
    if (decoder->packet != NULL)
        return CFP_OK;
    CFP_TRY(cfp_libav_codec(ctx, name));
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    if (decoder->packet == NULL || decoder->frame == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory for a decoder", name);
    return CFP_OK;
}

static cfp_status decode_libav(cfp_image_decoder *decoder, cfp_ctx *ctx, const char *name,
                               const void *bytes, size_t n_bytes)
{
    const image_kind *kind = find_kind(bytes, n_bytes);
    CFP_TRY(begin_libav(decoder, ctx, name));
    const AVCodec *codec = kind != NULL ? avcodec_find_decoder(kind->codec) : NULL;
    if (codec == NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: not an image that can be read", name);
    if (kind->codec == AV_CODEC_ID_WEBP && cfp_pictures_inside(bytes, n_bytes) > 1)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: an animated WebP, which FFmpeg's decoder does not read: save its "
                        "pictures one by one",
                        name);
    av_packet_unref(decoder->packet);
    if (n_bytes > INT_MAX / 2)
        return cfp_fail(ctx, CFP_FORMAT, "%s: an image of %zu bytes", name, n_bytes);
    if (av_new_packet(decoder->packet, (int)n_bytes) < 0)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory for %zu bytes", name, n_bytes);
    memcpy(decoder->packet->data, bytes, n_bytes);
    CFP_TRY(kind->checks ? decode_strictly(decoder, ctx, name, codec)
                         : decode_twice(decoder, ctx, name, codec));
    return CFP_OK;
}

static cfp_status decode_tiff(const cfp_image **image, cfp_image_decoder *decoder, cfp_ctx *ctx,
                              const char *name, const void *bytes, size_t n_bytes, int *pictures)
{
    cfp_tiff_close(&decoder->tiff);
    CFP_TRY(cfp_tiff_open(&decoder->tiff, ctx, name, NULL, bytes, n_bytes));
    *pictures = cfp_tiff_pages(decoder->tiff);
    return cfp_tiff_page(image, decoder->tiff, ctx, 0);
}

cfp_status cfp_image_decode(const cfp_image **image, cfp_image_decoder *decoder, cfp_ctx *ctx,
                            const char *name, const void *bytes, size_t n_bytes)
{
    int pictures = cfp_pictures_inside(bytes, n_bytes);
    *image = &decoder->rgb.image;
    if (cfp_is_tiff(bytes, n_bytes))
        CFP_TRY(decode_tiff(image, decoder, ctx, name, bytes, n_bytes, &pictures));
    else
        CFP_TRY(decode_libav(decoder, ctx, name, bytes, n_bytes));
    if (pictures > 1 && !decoder->said)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: it holds %d pictures: the first one is shown", name,
                pictures);
    decoder->said |= pictures > 1;
    return CFP_OK;
}
