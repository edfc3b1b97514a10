/* movie.h - pictures into a file of libav*: muxer, encoder and what may go wrong there, for mp4 and
 * gif.
 *
 * One thread and no encoder or muxer stamps: the same pictures give the same bytes.  A picture is
 * filled in movie->frame, of the size and pixel format asked for. */
#pragma once
#include "../files/output.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

typedef struct cfp_movie {
    cfp_output *output; /* whose growing file it is */
    AVFormatContext *format;
    AVCodecContext *encoder;
    AVStream *stream; /* of format */
    AVFrame *frame;   /* the picture to fill, before each cfp_movie_add */
    AVPacket *packet;
} cfp_movie;

typedef struct cfp_movie_kind {
    const char *muxer; /* of libavformat */
    const AVCodec *codec;
    enum AVPixelFormat pixels;
    int width, height;
    AVRational rate;                /* pictures a second */
    void (*tune)(AVCodecContext *); /* the codec's own settings; NULL: none */
    const char *flag, *flag_value;  /* an option of the muxer, or NULL */
} cfp_movie_kind;

/* The clip's frame rate over the stride of its sampling; a source without a rate has 25. */
AVRational cfp_movie_rate(const cfp_clip *clip);

/* Whatever open returns, close is to follow; the file itself is the output's. */
CFP_CHECKED cfp_status cfp_movie_open(cfp_movie *out, cfp_output *output,
                                      const cfp_movie_kind *kind);
/* movie->frame may be filled: what the encoder still holds of it is copied first. */
CFP_CHECKED cfp_status cfp_movie_ready(cfp_movie *movie);
CFP_CHECKED cfp_status cfp_movie_add(cfp_movie *movie, int64_t number);
CFP_CHECKED cfp_status cfp_movie_end(cfp_movie *movie);
void cfp_movie_close(cfp_movie *movie);
