/* video_packet.h - what a packet of a video holds, as far as its headers tell; private to
 * host/clip/.
 *
 * A packet is what a container stores at a time; nothing is decoded here.  It is enough to know
 * which packets give a frame, in which order these frames are shown, and where a decoder may begin.
 * For a codec that is not known here, or a packet that is not as it should be, the answer is "not
 * known", and the caller decodes the whole file. */
#pragma once
#include "video_file.h"

typedef enum cfp_packet_start {
    CFP_START_NONE,  /* its frame needs earlier ones */
    CFP_START_LOOSE, /* a decoder may begin here; what it gives from the next start on is exact */
    CFP_START_CLEAN  /* what is shown from this frame on is exact if a decoder begins here */
} cfp_packet_start;

typedef enum cfp_packet_order { /* how the packets' frames are put in the order of display */
                                CFP_ORDER_STORED,  /* they are stored in it */
                                CFP_ORDER_BY_KIND, /* MPEG-1, 2 and 4: B frames come before the
                                                    * frame that is stored before them
                                                    */
                                CFP_ORDER_BY_TIME  /* by the packets' own times */
} cfp_packet_order;

typedef struct cfp_packet_reader {
    int codec; /* enum AVCodecID */
    cfp_packet_order order;
    int length_bytes; /* H.264 and HEVC: of the length before each unit; 0: start codes */
    bool any_start;   /* each packet can be decoded alone */
    bool first_only;  /* a decoder may begin only at the first packet */
} cfp_packet_reader;

typedef struct cfp_packet_facts {
    bool known; /* false: damaged, or of a kind that is not read here */
    bool shown; /* it holds a frame that is shown: never more than one */
    bool is_b;  /* CFP_ORDER_BY_KIND: the frame is shown before the one that is stored before it */
    bool ends;  /* it ends the sequence: the decoder begins anew after it */
    bool drops; /* it makes the decoder drop frames that wait to be shown */
    cfp_packet_start start;
    bool sets;         /* it carries settings that later packets need ... */
    bool all_sets;     /* ... all that there are */
    uint32_t sets_sum; /* changes if the settings that fix the size of frames do */
} cfp_packet_facts;

/* False if the packets of this codec are not known here. */
bool cfp_packet_reader_begin(cfp_packet_reader *out, const AVCodecParameters *codec);
cfp_packet_facts cfp_packet_look(const cfp_packet_reader *reader, const uint8_t *bytes,
                                 size_t n_bytes);
