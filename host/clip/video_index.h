/* video_index.h - what is stored in a video, packet by packet; private to host/clip/.
 *
 * One pass reads every packet and decodes none.  It tells how many frames there are, which packet
 * gives each of them, when each is shown, and where decoding may begin.  The numbers are those that
 * the frames have if the whole video is decoded.  Where this cannot be told for sure (a damaged
 * file, a codec that video_packet.h does not know, no times), the index is not trusted. */
#pragma once
#include "video_packet.h"

typedef struct cfp_video_packet_entry {
    int64_t pts, dts, pos; /* AV_NOPTS_VALUE, -1: unknown */
    int64_t order;         /* ascends in the order of display */
    int32_t bytes;
    int32_t frame; /* the number of its frame; -1: it shows none */
    uint8_t start; /* cfp_packet_start */
} cfp_video_packet_entry;

typedef struct cfp_video_index { /* {0} is valid and not trusted */
    bool trusted;
    cfp_video_packet_entry *packet; /* [n], in the order in which they are stored */
    int32_t n;
    int32_t *packet_of; /* [frames]: which packet gives the frame */
    int32_t frames;
    double *time;    /* [frames] as cfp_source.time; NULL: not known */
    double seconds;  /* when the last frame ends; 0: not known */
    double begins;   /* the file's own time of the first frame */
    AVPacket *first; /* the first packet: it may hold settings that all others need */
} cfp_video_index;

/* Reads the video, which has just been opened, to its end. */
CFP_CHECKED cfp_status cfp_video_index_make(cfp_video_index *out, cfp_video_file *video);
void cfp_video_index_free(cfp_video_index *index);

/* The packet from which decoding gives this frame exactly.  If a decoder has to begin earlier to
 * get there, *from is before it, else the same. */
int32_t cfp_video_index_start(const cfp_video_index *index, int32_t frame, int32_t *from);
