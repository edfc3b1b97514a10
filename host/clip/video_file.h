/* video_file.h - a video file as a run of decoded frames; private to host/clip/.
 *
 * Only local bytes are read: a playlist that names other files or addresses is refused, and the
 * container is told by the content, never by the file's name. */
#pragma once
#include "clip_source.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>

typedef struct cfp_video_file { /* {0} is valid and closed */
    const char *path;
    cfp_ctx *ctx; /* for interrupts while libav reads */
    FILE *file;
    AVIOContext *io;
    AVFormatContext *demuxer;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame; /* the last one decoded */
    int stream;
    int tracks;     /* video streams that are no cover pictures */
    bool careful;   /* see cfp_video_open */
    bool drained;   /* the file's end was reached */
    int64_t damage; /* errors met so far */
} cfp_video_file;

/* Opens video track `track`, from 1 in the order of the file; 0: the first.  A cover picture or a
 * set of thumbnails is no track. */
CFP_CHECKED cfp_status cfp_video_open(cfp_video_file *video, cfp_ctx *ctx, const char *path,
                                      int track);
void cfp_video_close(cfp_video_file *video);

/* Decodes the next frame, in display order; what is damaged is concealed or left out and counted.
 * *more is false at the end.  It decodes in one thread: with several, libavcodec gives other
 * frames for damaged streams, and not always the same ones.  To use all cores open several clips.
 */
CFP_CHECKED cfp_status cfp_video_next(cfp_video_file *video, bool *more);

int64_t cfp_video_frames(const cfp_video_file *video); /* as the header claims; 0: it does not */
double cfp_video_fps(const cfp_video_file *video);     /* average; 0: unknown */
const int32_t *cfp_video_matrix(const cfp_video_file *video); /* display matrix [9] or NULL */
