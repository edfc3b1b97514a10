/* frame_rgb.h - a decoded libav frame -> RGB as displayed; private to host/clip/.
 *
 * swscale only changes the colour space (matrix and range as the stream says; BT.601 and
 * studio range where it is silent, as ffmpeg and OpenCV do), bit exact on every CPU.  Subsampled
 * colour is first spread to full size linearly, which gives what libjpeg gives (within 3 levels);
 * swscale's direct way to RGB shifts it by up to half a sample.  The display matrix is applied
 * last: quarter turns and mirrors, other angles to the nearest quarter.
 * The pixel aspect ratio is ignored, as the loaders do that models are trained with. */
#pragma once
#include "clip_source.h"
#include <libavutil/frame.h>

typedef struct cfp_rgb_step {
    struct SwsContext *sws;
    AVFrame *out;
} cfp_rgb_step;

typedef struct cfp_frame_rgb { /* {0} is valid: everything is made at the first frame */
    cfp_image image;           /* the last frame converted */
    size_t image_bytes;        /* room behind image.rgb */
    cfp_rgb_step step[2];      /* [n_steps]: to full colour resolution (where needed), to RGB */
    int n_steps;
    int width, height, format, colorspace, range; /* of the frames that the steps are made for */
} cfp_frame_rgb;

/* matrix: the stream's display matrix, [9], or NULL; one that the frame carries goes first. */
CFP_CHECKED cfp_status cfp_frame_to_rgb(cfp_frame_rgb *out, cfp_ctx *ctx, const char *path,
                                        const AVFrame *frame, const int32_t *matrix);
void cfp_frame_rgb_free(cfp_frame_rgb *out);

/* libav's own messages go nowhere (process-wide: its log has one level); ours say what failed. */
void cfp_libav_quiet(void);
