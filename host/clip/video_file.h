/* video_file.h - decodes a video file frame by frame; private to host/clip/.
 *
 * It reads this one local file: a playlist that names other files or addresses is refused.  The
 * content decides which container it is, never the file's name. */
#pragma once
#include "../base/libav.h"
#include "clip_source.h"
#include <stdio.h>

typedef struct cfp_video_file { /* {0} is valid and closed */
    const char *path;
    cfp_ctx *ctx; /* to notice interrupts while libav reads */
    FILE *file;
    AVIOContext *io;
    AVFormatContext *demuxer;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame; /* the last one decoded */
    int stream;
    int tracks;     /* video streams, cover pictures not counted */
    bool drained;   /* the file's end was reached */
    int64_t damage; /* errors met so far */
} cfp_video_file;

/* Opens a video track by its number, from 1 in the order of the file; 0: the first.  Cover pictures
 * and thumbnails do not count as tracks. */
CFP_CHECKED cfp_status cfp_video_open(cfp_video_file *video, cfp_ctx *ctx, const char *path,
                                      int track);
void cfp_video_close(cfp_video_file *video);

/* Decodes the next frame in display order; *more is false at the end.  Damaged parts are concealed
 * or left out, and counted.  One thread decodes: with several, libavcodec decodes damaged streams
 * differently from run to run.  To use all cores, open several clips. */
CFP_CHECKED cfp_status cfp_video_next(cfp_video_file *video, bool *more);

/* Reads the next packet of the track into video->packet, without decoding it; *more is false at the
 * end, and `damage` counts what cannot be read. */
CFP_CHECKED cfp_status cfp_video_packet(cfp_video_file *video, bool *more);

int64_t cfp_video_frames(const cfp_video_file *video); /* as the header says; 0: unknown */
/* How long the track is, as the header says; 0: unknown. */
double cfp_video_seconds(const cfp_video_file *video);
double cfp_video_fps(const cfp_video_file *video);            /* average; 0: unknown */
const int32_t *cfp_video_matrix(const cfp_video_file *video); /* display matrix [9] or NULL */
