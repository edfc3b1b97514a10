/* movie.h - writes pictures to a video file (mp4, gif) with libav*: muxer, encoder, error messages.
 *
 * The encoder uses one thread, and no version is written to the file, so equal pictures give equal
 * bytes.  The caller fills movie->frame, which has the requested size and pixel format. */
#pragma once
#include "../base/libav.h"
#include "../files/output.h"

typedef struct cfp_movie {
    cfp_output *output; /* the movie goes to its open file */
    AVFormatContext *format;
    AVCodecContext *encoder;
    AVStream *stream; /* the stream of format */
    AVFrame *frame;   /* the caller fills it before each cfp_movie_add */
    AVPacket *packet;
} cfp_movie;

typedef struct cfp_movie_kind {
    const char *muxer; /* its name in libavformat */
    const AVCodec *codec;
    enum AVPixelFormat pixels;
    int width, height;
    AVRational rate;                /* pictures per second */
    void (*tune)(AVCodecContext *); /* sets options of the codec; NULL: none */
    const char *flag, *flag_value;  /* an option of the muxer, or NULL */
} cfp_movie_kind;

/* The frame rate of the clip's source over the stride of its sampling, so that a movie has the
 * speed of the source; 25 stands for an unknown rate.  Very short clips are slower, so that a loop
 * takes at least a second.  Very sparse ones are faster: no picture stays for more than a second.
 * fps above 0 is the rate that the user asked for, which is taken as it is. */
AVRational cfp_movie_rate(const cfp_clip *clip, double fps);

/* Opens a movie in the file that output has begun.  Call close even if open fails; it leaves the
 * file to output. */
CFP_CHECKED cfp_status cfp_movie_open(cfp_movie *out, cfp_output *output,
                                      const cfp_movie_kind *kind);
/* Makes movie->frame writable.  (The encoder may still hold the previous picture, which is then
 * copied.) */
CFP_CHECKED cfp_status cfp_movie_ready(cfp_movie *movie);
CFP_CHECKED cfp_status cfp_movie_add(cfp_movie *movie, int64_t number);
CFP_CHECKED cfp_status cfp_movie_end(cfp_movie *movie);
void cfp_movie_close(cfp_movie *movie);
