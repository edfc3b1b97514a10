/* frame_rgb.c - see frame_rgb.h. */
#include "frame_rgb.h"
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

typedef struct orientation { /* transpose first, then mirror */
    bool transpose, mirror_x, mirror_y;
} orientation;

void cfp_libav_quiet(void)
{
    av_log_set_level(AV_LOG_QUIET);
}

/* Finds the nearest quarter turn.  The matrix maps (p, q) to (a*p + c*q, b*p + d*q), see
 * libavutil/display.h. */
static orientation find_orientation(const int32_t *matrix)
{
    if (matrix == NULL)
        return (orientation){0};
    const int64_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    if (llabs(a) + llabs(d) >= llabs(b) + llabs(c))
        return (orientation){false, a < 0, d < 0};
    return (orientation){true, c < 0, b < 0};
}

static void turn_image(cfp_image *to, const AVFrame *from, orientation turn)
{
    /* One pixel right in the output is step_x bytes in the input, one pixel down step_y. */
    const ptrdiff_t line = from->linesize[0];
    const ptrdiff_t along_x = turn.transpose ? line : 3, along_y = turn.transpose ? 3 : line;
    const ptrdiff_t step_x = turn.mirror_x ? -along_x : along_x;
    const ptrdiff_t step_y = turn.mirror_y ? -along_y : along_y;
    const uint8_t *origin = from->data[0] + (turn.mirror_x ? along_x * (to->width - 1) : 0) +
                            (turn.mirror_y ? along_y * (to->height - 1) : 0);
    for (int y = 0; y < to->height; y++) {
        const uint8_t *row = origin + step_y * y;
        uint8_t *out = to->rgb + 3 * (size_t)to->width * (size_t)y;
        if (step_x == 3) {
            memcpy(out, row, 3 * (size_t)to->width);
            continue;
        }
        for (int x = 0; x < to->width; x++)
            memcpy(out + 3 * x, row + step_x * x, 3);
    }
}

/* Sets the colour matrix and range of a step.  *full_range is the range of the step's input; -1
 * means that the frame or its format decides, and it is then set.  keep_range: the output has the
 * same range as the input. */
static void set_colours(struct SwsContext *sws, const AVFrame *frame, int *full_range,
                        bool keep_range)
{
    int *from, *to, range, out_range, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(sws, &from, &range, &to, &out_range, &brightness, &contrast,
                                 &saturation) < 0)
        return;
    const int *table = from;
    if (frame->colorspace != AVCOL_SPC_UNSPECIFIED && frame->colorspace != AVCOL_SPC_RGB)
        table = sws_getCoefficients((int)frame->colorspace);
    if (*full_range < 0)
        *full_range = frame->color_range == AVCOL_RANGE_UNSPECIFIED
                          ? range
                          : frame->color_range == AVCOL_RANGE_JPEG;
    sws_setColorspaceDetails(sws, table, *full_range, keep_range ? table : to,
                             keep_range ? *full_range : out_range, brightness, contrast,
                             saturation);
}

/* For a format with subsampled chroma: the format with full chroma and at least the same depth. */
static enum AVPixelFormat widened(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    const uint64_t other =
        AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_HWACCEL;
    if (d == NULL || d->nb_components < 3 || (d->flags & other) ||
        (d->log2_chroma_w == 0 && d->log2_chroma_h == 0))
        return AV_PIX_FMT_NONE;
    const int depth = d->comp[0].depth;
    return depth <= 8    ? AV_PIX_FMT_YUV444P
           : depth <= 10 ? AV_PIX_FMT_YUV444P10
           : depth <= 12 ? AV_PIX_FMT_YUV444P12
                         : AV_PIX_FMT_YUV444P16;
}

/* Makes a step from one format to another, at the size of the frame. */
static cfp_status make_step(cfp_rgb_step *step, cfp_ctx *ctx, const char *path,
                            const AVFrame *frame, enum AVPixelFormat from, enum AVPixelFormat to)
{
    const int w = frame->width, h = frame->height;
    const int flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;
    step->sws = sws_getContext(w, h, from, w, h, to, flags, NULL, NULL, NULL);
    if (step->sws == NULL) {
        const char *format = av_get_pix_fmt_name(from);
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: frames of %d x %d in pixel format %s", path, w,
                        h, format != NULL ? format : "unknown");
    }
    step->out = av_frame_alloc();
    if (step->out == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory for a frame", path);
    step->out->format = to;
    step->out->width = w;
    step->out->height = h;
    if (av_frame_get_buffer(step->out, 0) < 0)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory for a frame of %d x %d", path, w, h);
    return CFP_OK;
}

static void free_steps(cfp_frame_rgb *out)
{
    for (int i = 0; i < out->n_steps; i++) {
        sws_freeContext(out->step[i].sws);
        av_frame_free(&out->step[i].out);
    }
    memset(out->step, 0, sizeof out->step);
    out->n_steps = 0;
}

static bool fits(const cfp_frame_rgb *out, const AVFrame *frame)
{
    return out->n_steps > 0 && out->width == frame->width && out->height == frame->height &&
           out->format == frame->format && out->colorspace == (int)frame->colorspace &&
           out->range == (int)frame->color_range;
}

/* Makes the steps for frames of this size and format. */
static cfp_status prepare(cfp_frame_rgb *out, cfp_ctx *ctx, const char *path, const AVFrame *frame)
{
    enum AVPixelFormat from = frame->format;
    const enum AVPixelFormat wide = widened(from);
    int full_range = -1; /* not known yet */
    free_steps(out);
    out->width = 0; /* if this fails, the steps fit no frame */
    if (wide != AV_PIX_FMT_NONE) {
        cfp_rgb_step *step = &out->step[out->n_steps++];
        CFP_TRY(make_step(step, ctx, path, frame, from, wide));
        set_colours(step->sws, frame, &full_range, true);
        from = wide;
    }
    cfp_rgb_step *step = &out->step[out->n_steps++];
    CFP_TRY(make_step(step, ctx, path, frame, from, AV_PIX_FMT_RGB24));
    set_colours(step->sws, frame, &full_range, false);
    out->width = frame->width;
    out->height = frame->height;
    out->format = frame->format;
    out->colorspace = (int)frame->colorspace;
    out->range = (int)frame->color_range;
    return CFP_OK;
}

static cfp_status grow(cfp_frame_rgb *out, cfp_ctx *ctx, size_t bytes)
{
    if (bytes <= out->image_bytes)
        return CFP_OK;
    cfp_free(out->image.rgb);
    out->image_bytes = 0;
    CFP_TRY_ALLOC(ctx, out->image.rgb, bytes);
    out->image_bytes = bytes;
    return CFP_OK;
}

cfp_status cfp_frame_to_rgb(cfp_frame_rgb *out, cfp_ctx *ctx, const char *path,
                            const AVFrame *frame, const int32_t *matrix)
{
    CFP_TRY(cfp_source_check_size(ctx, path, 1, frame->height, frame->width));
    if (!fits(out, frame))
        CFP_TRY(prepare(out, ctx, path, frame));
    const AVFrame *flat = frame;
    for (int i = 0; i < out->n_steps; i++) {
        AVFrame *to = out->step[i].out;
        if (sws_scale(out->step[i].sws, (const uint8_t *const *)flat->data, flat->linesize, 0,
                      flat->height, to->data, to->linesize) != flat->height)
            return cfp_fail(ctx, CFP_FORMAT, "%s: a frame could not be converted to RGB", path);
        flat = to;
    }
    const AVFrameSideData *own = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (own != NULL && own->size >= 9 * sizeof *matrix)
        matrix = (const int32_t *)(const void *)own->data;
    const orientation turn = find_orientation(matrix);
    CFP_TRY(grow(out, ctx, 3 * (size_t)frame->width * (size_t)frame->height));
    out->image.width = turn.transpose ? frame->height : frame->width;
    out->image.height = turn.transpose ? frame->width : frame->height;
    turn_image(&out->image, flat, turn);
    return CFP_OK;
}

void cfp_frame_rgb_free(cfp_frame_rgb *out)
{
    free_steps(out);
    cfp_free(out->image.rgb);
    *out = (cfp_frame_rgb){0};
}
