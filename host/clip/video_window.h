/* video_window.h - decodes only what some frames of a video need; private to host/clip/.
 *
 * It goes to the key frame before a wanted frame, decodes from there, and stops behind the last
 * wanted frame.  Each packet is compared with the index: if the demuxer goes elsewhere than asked,
 * the packets are read from the start of the file, and only those needed are decoded. */
#pragma once
#include "video_index.h"

/* Called with each wanted frame; it is in video->frame. */
typedef struct cfp_video_taker {
    cfp_status (*take)(void *cookie, int32_t frame);
    void *cookie;
} cfp_video_taker;

/* wanted[n] ascends.  *exact becomes false if the frames cannot be had in this way: there is
 * damage, or the file is not as the index says.  Then the whole video has to be decoded. */
CFP_CHECKED cfp_status cfp_video_window(cfp_video_file *video, const cfp_video_index *index,
                                        int track, const int32_t *wanted, int n,
                                        const cfp_video_taker *taker, bool *exact);
