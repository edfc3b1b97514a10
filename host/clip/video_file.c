/* video_file.c - see video_file.h. */
#include "video_file.h"
#include "../base/infile.h"
#include "frame_rgb.h"
#include <errno.h>
#include <libavutil/dict.h>
#include <libavutil/parseutils.h>
#include <math.h>
#include <string.h>

enum { IO_BYTES = 1 << 16, MAX_ERRORS_IN_A_ROW = 1000 };

static int read_bytes(void *cookie, uint8_t *to, int bytes)
{
    cfp_video_file *video = cookie;
    if (cfp_check_interrupt(video->ctx) != CFP_OK)
        return AVERROR_EXIT;
    const size_t got = fread(to, 1, (size_t)bytes, video->file);
    if (got > 0)
        return (int)got;
    return ferror(video->file) ? AVERROR(EIO) : AVERROR_EOF;
}

static int64_t seek_bytes(void *cookie, int64_t offset, int whence)
{
    cfp_video_file *video = cookie;
    if (whence & AVSEEK_SIZE) {
        const off_t here = ftello(video->file);
        if (here < 0 || fseeko(video->file, 0, SEEK_END) != 0)
            return AVERROR(EIO);
        const off_t size = ftello(video->file);
        return fseeko(video->file, here, SEEK_SET) != 0 ? AVERROR(EIO) : (int64_t)size;
    }
    if (fseeko(video->file, (off_t)offset, whence & ~AVSEEK_FORCE) != 0)
        return AVERROR(errno);
    return ftello(video->file);
}

/* libav calls this while it searches the file, so that an interrupt can stop it. */
static int is_interrupted(void *cookie)
{
    const cfp_video_file *video = cookie;
    return cfp_check_interrupt(video->ctx) != CFP_OK;
}

static int refuse_other_files(AVFormatContext *demuxer, AVIOContext **io, const char *url,
                              int flags, AVDictionary **options)
{
    (void)demuxer, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EACCES);
}

static cfp_status no_memory(cfp_video_file *video)
{
    return cfp_fail(video->ctx, CFP_NOMEM, "%s: out of memory", video->path);
}

static cfp_status fail_libav(cfp_video_file *video, int error, const char *what)
{
    CFP_TRY(cfp_check_interrupt(video->ctx));
    if (error == AVERROR(ENOMEM))
        return no_memory(video);
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cfp_fail(video->ctx, CFP_FORMAT, "%s: %s (%s)", video->path, what, text);
}

static cfp_status open_io(cfp_video_file *video)
{
    CFP_TRY(cfp_infile_open(&video->file, video->ctx, video->path));
    uint8_t *buffer = av_malloc(IO_BYTES);
    if (buffer == NULL)
        return no_memory(video);
    video->io = avio_alloc_context(buffer, IO_BYTES, 0, video, read_bytes, NULL, seek_bytes);
    if (video->io == NULL) {
        av_free(buffer);
        return no_memory(video);
    }
    video->demuxer = avformat_alloc_context();
    video->packet = av_packet_alloc();
    video->frame = av_frame_alloc();
    if (video->demuxer == NULL || video->packet == NULL || video->frame == NULL)
        return no_memory(video);
    video->demuxer->pb = video->io;
    video->demuxer->io_open = refuse_other_files;
    video->demuxer->interrupt_callback = (AVIOInterruptCB){is_interrupted, video};
    return CFP_OK;
}

/* Finding the streams decodes some frames, so the limit on the frame size is set here, too. */
static int find_streams(AVFormatContext *demuxer)
{
    const unsigned n = demuxer->nb_streams; /* the search may find more */
    AVDictionary **options = av_calloc(n + 1, sizeof(AVDictionary *));
    if (options == NULL)
        return AVERROR(ENOMEM);
    int error = 0;
    for (unsigned i = 0; i < n && error >= 0; i++)
        error = av_dict_set_int(&options[i], "max_pixels", CFP_MAX_FRAME_PIXELS, 0);
    if (error >= 0)
        error = avformat_find_stream_info(demuxer, options);
    for (unsigned i = 0; i < n; i++)
        av_dict_free(&options[i]);
    av_free(options);
    return error;
}

static bool is_track(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           (stream->disposition &
            (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) == 0;
}

/* Sets stream and tracks. */
static cfp_status choose_track(cfp_video_file *video, int track)
{
    bool cover = false;
    video->stream = -1;
    for (unsigned i = 0; i < video->demuxer->nb_streams; i++) {
        AVStream *stream = video->demuxer->streams[i];
        cover |= stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
        if (is_track(stream) && ++video->tracks == cfp_max_int(1, track))
            video->stream = (int)i;
        else
            stream->discard = AVDISCARD_ALL;
    }
    if (video->tracks == 0)
        return cfp_fail(video->ctx, CFP_FORMAT, "%s: it has no video stream%s", video->path,
                        cover ? ", only a cover picture" : "");
    if (video->stream < 0)
        return cfp_fail(video->ctx, CFP_USAGE, "--track: %d: %s has %d video track%s", track,
                        video->path, video->tracks, video->tracks > 1 ? "s" : "");
    return CFP_OK;
}

static cfp_status open_demuxer(cfp_video_file *video, int track)
{
    AVDictionary *options = NULL;
    int error = av_dict_set(&options, "protocol_whitelist", "none", 0);
    if (error >= 0) /* a failed open has freed the demuxer */
        error = avformat_open_input(&video->demuxer, NULL, NULL, &options);
    av_dict_free(&options);
    if (error < 0)
        return fail_libav(video, error, "not a video that can be read");
    error = find_streams(video->demuxer);
    if (error < 0)
        return fail_libav(video, error, "not a video that can be read");
    return choose_track(video, track);
}

static cfp_status open_decoder(cfp_video_file *video)
{
    const AVCodecParameters *parameters = video->demuxer->streams[video->stream]->codecpar;
    if (parameters->width > 0 && parameters->height > 0)
        CFP_TRY(cfp_source_check_size(video->ctx, video->path, 1, parameters->height,
                                      parameters->width));
    const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
    if (codec == NULL)
        return cfp_fail(video->ctx, CFP_UNSUPPORTED, "%s: no decoder for its video (%s)",
                        video->path, avcodec_get_name(parameters->codec_id));
    video->decoder = avcodec_alloc_context3(codec);
    if (video->decoder == NULL)
        return no_memory(video);
    int error = avcodec_parameters_to_context(video->decoder, parameters);
    video->decoder->pkt_timebase = video->demuxer->streams[video->stream]->time_base;
    video->decoder->max_pixels = CFP_MAX_FRAME_PIXELS;
    video->decoder->thread_count = 1;
    if (error >= 0)
        error = avcodec_open2(video->decoder, codec, NULL);
    return error < 0 ? fail_libav(video, error, "its video cannot be decoded") : CFP_OK;
}

cfp_status cfp_video_open(cfp_video_file *video, cfp_ctx *ctx, const char *path, int track)
{
    cfp_libav_quiet();
    *video = (cfp_video_file){.path = path, .ctx = ctx};
    CFP_TRY(cfp_libav_format(ctx, path));
    CFP_TRY(open_io(video));
    CFP_TRY(open_demuxer(video, track));
    return open_decoder(video);
}

static void close_libav(cfp_video_file *video)
{
    avcodec_free_context(&video->decoder);
    avformat_close_input(&video->demuxer);
    if (video->io != NULL)
        av_freep(&video->io->buffer);
    avio_context_free(&video->io);
    av_packet_free(&video->packet);
    av_frame_free(&video->frame);
}

void cfp_video_close(cfp_video_file *video)
{
    if (video->file != NULL) { /* it was opened after libav was loaded */
        close_libav(video);
        fclose(video->file);
    }
    *video = (cfp_video_file){0};
}

/* Reads the next packet of any stream; false at the end of the file. */
static bool read_any(cfp_video_file *video)
{
    av_packet_unref(video->packet);
    const int error = av_read_frame(video->demuxer, video->packet);
    if (error < 0 && error != AVERROR_EOF)
        video->damage++;
    if (error == 0 && video->packet->stream_index == video->stream &&
        (video->packet->flags & AV_PKT_FLAG_CORRUPT))
        video->damage++;
    return error == 0;
}

cfp_status cfp_video_packet(cfp_video_file *video, bool *more)
{
    do {
        CFP_TRY(cfp_check_interrupt(video->ctx));
        *more = read_any(video);
    } while (*more && video->packet->stream_index != video->stream);
    return cfp_check_interrupt(video->ctx);
}

/* Sends the decoder the next packet of our stream, or the end of the file. */
static void feed(cfp_video_file *video)
{
    if (!read_any(video)) {
        video->drained = true;
        avcodec_send_packet(video->decoder, NULL);
    } else if (video->packet->stream_index == video->stream &&
               avcodec_send_packet(video->decoder, video->packet) < 0) {
        video->damage++;
    }
}

cfp_status cfp_video_next(cfp_video_file *video, bool *more)
{
    int errors = 0;
    *more = false;
    for (;;) {
        CFP_TRY(cfp_check_interrupt(video->ctx));
        const int error = avcodec_receive_frame(video->decoder, video->frame);
        if (error == 0) {
            if (video->frame->decode_error_flags || (video->frame->flags & AV_FRAME_FLAG_CORRUPT))
                video->damage++;
            *more = true;
            return CFP_OK;
        }
        if (error == AVERROR_EOF || (error == AVERROR(EAGAIN) && video->drained))
            return CFP_OK;
        if (error == AVERROR(ENOMEM))
            return no_memory(video);
        if (error != AVERROR(EAGAIN)) {
            video->damage++;
            if (video->drained && ++errors > MAX_ERRORS_IN_A_ROW)
                return CFP_OK; /* the decoder does not reach its end */
        }
        if (!video->drained)
            feed(video);
    }
}

/* The duration of this track in seconds; 0 if the file does not tell.  Matroska and WebM have it in
 * a tag; the duration in their header is that of the longest track, which may be the sound. */
static double track_seconds(const AVStream *stream)
{
    int64_t us;
    if (stream->duration > 0)
        return (double)stream->duration * av_q2d(stream->time_base);
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
    if (tag == NULL || av_parse_time(&us, tag->value, 1) < 0 || us <= 0)
        return 0;
    return (double)us / AV_TIME_BASE;
}

double cfp_video_seconds(const cfp_video_file *video)
{
    const AVFormatContext *demuxer = video->demuxer;
    const double seconds = track_seconds(demuxer->streams[video->stream]);
    if (seconds == 0 && demuxer->nb_streams == 1 && demuxer->duration > 0)
        return (double)demuxer->duration / AV_TIME_BASE;
    return seconds;
}

int64_t cfp_video_frames(const cfp_video_file *video)
{
    const AVStream *stream = video->demuxer->streams[video->stream];
    double seconds = track_seconds(stream);
    if (seconds == 0 && video->demuxer->duration > 0)
        seconds = (double)video->demuxer->duration / AV_TIME_BASE;
    const double frames = round(seconds * cfp_video_fps(video));
    const int64_t timed = frames > 0 && frames < INT32_MAX ? (int64_t)frames : 0;
    const int64_t stored = stream->nb_frames;
    /* An edit list may leave out some of the stored frames. */
    return stored > 0 && (timed == 0 || stored < timed) ? stored : timed;
}

double cfp_video_fps(const cfp_video_file *video)
{
    const AVStream *stream = video->demuxer->streams[video->stream];
    AVRational rate = stream->avg_frame_rate;
    if (rate.num <= 0 || rate.den <= 0)
        rate = stream->r_frame_rate;
    return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
}

#if CFP_LIBAV_MOVED_SIDE_DATA
static const uint8_t *stream_matrix(const AVStream *stream, size_t *bytes)
{
    const AVPacketSideData *data =
        av_packet_side_data_get(stream->codecpar->coded_side_data,
                                stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    *bytes = data != NULL ? data->size : 0;
    return data != NULL ? data->data : NULL;
}
#else
static const uint8_t *stream_matrix(const AVStream *stream, size_t *bytes)
{
    return av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, bytes);
}
#endif

const int32_t *cfp_video_matrix(const cfp_video_file *video)
{
    size_t bytes = 0;
    const uint8_t *data = stream_matrix(video->demuxer->streams[video->stream], &bytes);
    return data != NULL && bytes >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)data
                                                        : NULL;
}
