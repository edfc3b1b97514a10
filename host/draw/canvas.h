/* canvas.h - a tube drawn over the frames of its clip: what every picture is made of.
 *
 * pixel = alpha * colour(tube) + (1 - alpha) * frame, rounded.  The frames are the clip's as the
 * model saw them, or (--canvas source) the uncropped ones of its source, on which the tube covers
 * what the model saw and the rest stays as it is.  Small pictures are enlarged by a whole number,
 * each pixel repeated, until the short side has CFP_CANVAS_SHORT or the long one CFP_CANVAS_LONG.
 */
#pragma once
#include "colormap.h"
#include "renderer.h"

#define CFP_CANVAS_SHORT 112
#define CFP_CANVAS_LONG 4096  /* enlarged no further */
#define CFP_CANVAS_MOST 16384 /* what encoders take of a side */

typedef struct cfp_canvas {
    cfp_ctx *ctx;
    const cfp_explanation *explanation;
    const cfp_clip *clip; /* whose frames are drawn on: the explanation's, or source */
    cfp_clip source;      /* own; empty where the canvas is the model's */
    int enlarge;          /* >= 1 */
    int height, width;    /* of a picture: the clip's, enlarged */
    cfp_renderer renderer;
    uint8_t *frame; /* the one being drawn, before it is enlarged */
} cfp_canvas;

/* May read the source again (CFP_IO ...); a side beyond CFP_CANVAS_MOST is refused.  On failure
 * *out is empty. */
CFP_CHECKED cfp_status cfp_canvas_open(cfp_canvas *out, cfp_ctx *ctx,
                                       const cfp_explanation *explanation, const cfp_run *run);
void cfp_canvas_close(cfp_canvas *canvas);

CFP_CHECKED cfp_status cfp_canvas_tube(cfp_canvas *canvas, const cfp_tube *tube);
/* Frame t of the tube at hand into canvas->frame, clip->height x clip->width x 3: not enlarged. */
CFP_CHECKED cfp_status cfp_canvas_colour(const cfp_canvas *canvas, int t);
/* Frame t of the tube at hand: height x width x 3 into rgb, whose rows are `stride` bytes apart. */
CFP_CHECKED cfp_status cfp_canvas_draw(const cfp_canvas *canvas, uint8_t *rgb, size_t stride,
                                       int t);
/* The same without the tube. */
void cfp_canvas_plain(const cfp_canvas *canvas, uint8_t *rgb, size_t stride, int t);

/* The tube at hand at every pixel of its frame t, clip->height x clip->width (a difference without
 * its sign); 0 where the model did not look.  The tube comes to the host once: cfp_canvas_volume,
 * which goes first. */
CFP_CHECKED cfp_status cfp_canvas_volume(cfp_canvas *canvas);
void cfp_canvas_values(const cfp_canvas *canvas, float *value, int t);
/* How much of the tube at hand lies in frame t: its mean there, signs aside. */
double cfp_canvas_strength(const cfp_canvas *canvas, int t);

/* Numbers of at most `most` frames, evenly spread over the clip, ascending; their count. */
int cfp_canvas_spread(const cfp_canvas *canvas, int *frame, int most);
