/* frame_rgb.h - converts a decoded libav frame to RGB as displayed; private to host/clip/.
 *
 * swscale converts the colours, bit exact on every CPU.  It takes matrix and range from the stream,
 * or BT.601 and studio range where the stream does not name them, as ffmpeg and OpenCV do.  Chroma
 * that is stored at a lower resolution is first enlarged linearly.  The result is within 3 levels
 * of libjpeg's; swscale's direct conversion to RGB would shift chroma by up to half a sample.  Last
 * comes the display matrix: quarter turns and mirrors, other angles rounded to a quarter turn.
 * The pixel aspect ratio is ignored, because the loaders that models are trained with ignore it. */
#pragma once
#include "clip_source.h"
#include <libavutil/frame.h>

typedef struct cfp_rgb_step {
    struct SwsContext *sws;
    AVFrame *out;
} cfp_rgb_step;

typedef struct cfp_frame_rgb { /* {0} is valid; the first frame sets it up */
    cfp_image image;           /* the last converted frame */
    size_t image_bytes;        /* size of the memory at image.rgb */
    cfp_rgb_step step[2];      /* [n_steps]: to full colour resolution (where needed), to RGB */
    int n_steps;
    int width, height, format, colorspace, range; /* of the frames that the steps fit */
} cfp_frame_rgb;

/* matrix: the display matrix of the stream, [9], or NULL.  If the frame has its own, that is used.
 */
CFP_CHECKED cfp_status cfp_frame_to_rgb(cfp_frame_rgb *out, cfp_ctx *ctx, const char *path,
                                        const AVFrame *frame, const int32_t *matrix);
void cfp_frame_rgb_free(cfp_frame_rgb *out);

/* Turns libav's own messages off, in the whole process.  Our messages say what failed. */
void cfp_libav_quiet(void);
