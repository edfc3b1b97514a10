/* movie.c - see movie.h. */
#include "movie.h"
#include "../files/versions.h"
#include <libavutil/opt.h>
#include <math.h>

#define FPS 25.0

const char *cfp_video_version(void)
{
    return av_version_info();
}

static cfp_status fail(const cfp_movie *m, const char *what, int error)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cfp_fail(m->output->ctx, error == AVERROR(ENOMEM) ? CFP_NOMEM : CFP_IO, "%s: %s%s%s",
                    m->output->file.path, what, what[0] != '\0' ? ": " : "", text);
}

AVRational cfp_movie_rate(const cfp_clip *clip, double asked)
{
    double fps = (clip->fps > 0.0 ? clip->fps : FPS) / cfp_max_int(1, clip->stride);
    fps = fmax(1.0, fmin(fps, cfp_max_int(1, clip->frames)));
    const AVRational rate = av_d2q(asked > 0.0 ? asked : fps, 1000000);
    return rate.num > 0 && rate.den > 0 ? rate : (AVRational){25, 1};
}

static cfp_status open_encoder(cfp_movie *m, const cfp_movie_kind *kind)
{
    m->encoder = avcodec_alloc_context3(kind->codec);
    if (m->encoder == NULL)
        return fail(m, "", AVERROR(ENOMEM));
    AVCodecContext *e = m->encoder;
    e->width = kind->width;
    e->height = kind->height;
    e->pix_fmt = kind->pixels;
    e->framerate = kind->rate;
    e->time_base = av_inv_q(kind->rate);
    e->thread_count = 1;
    e->log_level_offset = 1000; /* otherwise libx264 prints statistics */
    e->flags |= AV_CODEC_FLAG_BITEXACT;
    if (m->format->oformat->flags & AVFMT_GLOBALHEADER)
        e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (kind->tune != NULL)
        kind->tune(e);
    const int error = avcodec_open2(e, kind->codec, NULL);
    return error < 0 ? fail(m, kind->codec->name, error) : CFP_OK;
}

cfp_status cfp_movie_open(cfp_movie *m, cfp_output *output, const cfp_movie_kind *kind)
{
    *m = (cfp_movie){.output = output};
    av_log_set_level(AV_LOG_QUIET); /* errors are returned as statuses */
    const char *path = cfp_newfile_where(&output->file);
    CFP_TRY(cfp_libav_format(output->ctx, output->file.path));
    int error = avformat_alloc_output_context2(&m->format, NULL, kind->muxer, path);
    if (error < 0)
        return fail(m, "", error);
    CFP_TRY(open_encoder(m, kind));
    m->stream = avformat_new_stream(m->format, NULL);
    m->frame = av_frame_alloc();
    m->packet = av_packet_alloc();
    if (m->stream == NULL || m->frame == NULL || m->packet == NULL)
        return fail(m, "", AVERROR(ENOMEM));
    m->format->flags |= AVFMT_FLAG_BITEXACT;
    m->stream->time_base = m->encoder->time_base;
    m->stream->avg_frame_rate = m->encoder->framerate;
    error = avcodec_parameters_from_context(m->stream->codecpar, m->encoder);
    if (error >= 0)
        error = avio_open(&m->format->pb, path, AVIO_FLAG_WRITE);
    if (error >= 0 && kind->flag != NULL)
        error = av_opt_set(m->format->priv_data, kind->flag, kind->flag_value, 0);
    if (error >= 0)
        error = avformat_write_header(m->format, NULL);
    m->frame->format = kind->pixels;
    m->frame->width = kind->width;
    m->frame->height = kind->height;
    if (error >= 0)
        error = av_frame_get_buffer(m->frame, 0);
    return error < 0 ? fail(m, "", error) : CFP_OK;
}

cfp_status cfp_movie_ready(cfp_movie *m)
{
    const int error = av_frame_make_writable(m->frame);
    return error < 0 ? fail(m, "", error) : CFP_OK;
}

/* Sends a picture to the encoder (NULL: the end) and writes the packets that are ready. */
static cfp_status encode(cfp_movie *m, const AVFrame *frame)
{
    int error = avcodec_send_frame(m->encoder, frame);
    while (error >= 0) {
        error = avcodec_receive_packet(m->encoder, m->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF)
            return CFP_OK;
        if (error < 0)
            break;
        m->packet->duration = 1;
        m->packet->stream_index = m->stream->index;
        av_packet_rescale_ts(m->packet, m->encoder->time_base, m->stream->time_base);
        error = av_interleaved_write_frame(m->format, m->packet);
    }
    return fail(m, "", error);
}

cfp_status cfp_movie_add(cfp_movie *m, int64_t number)
{
    m->frame->pts = number;
    return encode(m, m->frame);
}

cfp_status cfp_movie_end(cfp_movie *m)
{
    CFP_TRY(encode(m, NULL));
    int error = av_write_trailer(m->format);
    avio_flush(m->format->pb);
    if (error >= 0)
        error = m->format->pb->error;
    const int closing = avio_closep(&m->format->pb);
    if (error >= 0)
        error = closing;
    return error < 0 ? fail(m, "", error) : CFP_OK;
}

void cfp_movie_close(cfp_movie *m)
{
    if (m->format != NULL) { /* else nothing was opened, and libav may not be loaded */
        avio_closep(&m->format->pb);
        avformat_free_context(m->format);
        avcodec_free_context(&m->encoder);
        av_frame_free(&m->frame);
        av_packet_free(&m->packet);
    }
    *m = (cfp_movie){0};
}
