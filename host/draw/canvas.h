/* canvas.h - draws a tube over the frames of its clip.  Every picture is made of such frames.
 *
 *     pixel = alpha * colour(tube) + (1 - alpha) * frame, rounded
 *
 * With --alpha saliency, alpha is the tube's own value.
 *
 * The frames are those that the model saw, or (--canvas source) the uncropped frames of the source.
 * On these the tube covers the part that the model saw, and the rest is unchanged.  Small pictures
 * are enlarged: each pixel is repeated a whole number of times, until the short side has
 * CFP_CANVAS_SHORT pixels or the long side would exceed CFP_CANVAS_LONG. */
#pragma once
#include "colormap.h"
#include "renderer.h"

#define CFP_CANVAS_SHORT 112
#define CFP_CANVAS_LONG 4096 /* small pictures are not enlarged beyond this */
#define CFP_CANVAS_MAX 16384 /* the longest side that the encoders accept */

typedef struct cfp_canvas {
    cfp_ctx *ctx;
    const cfp_explanation *explanation;
    const cfp_clip *clip; /* the frames to draw on: the explanation's clip, or source */
    cfp_clip source;      /* the canvas frees it; empty unless the canvas is the source */
    int enlarge;          /* how many times a pixel is repeated; >= 1 */
    int height, width;    /* size of a picture: the size of the clip, times enlarge */
    double fps;           /* of movies, as in cfp_run */
    cfp_renderer renderer;
    uint8_t *frame; /* the frame that is being drawn, before it is enlarged */
} cfp_canvas;

/* Opens a canvas.  With --canvas source the clip is read again, which may fail (CFP_IO ...).  A
 * side longer than CFP_CANVAS_MAX is refused.  The explanation must outlive the canvas.  On
 * failure *out is empty. */
CFP_CHECKED cfp_status cfp_canvas_open(cfp_canvas *out, cfp_ctx *ctx,
                                       const cfp_explanation *explanation, const cfp_run *run);
void cfp_canvas_close(cfp_canvas *canvas);

CFP_CHECKED cfp_status cfp_canvas_tube(cfp_canvas *canvas, const cfp_tube *tube);
/* Draws frame t of the current tube to canvas->frame, clip->height x clip->width x 3, not
 * enlarged. */
CFP_CHECKED cfp_status cfp_canvas_colour(const cfp_canvas *canvas, int t);
/* Draws frame t of the current tube to rgb, height x width x 3, whose rows are `stride` bytes
 * apart. */
CFP_CHECKED cfp_status cfp_canvas_draw(const cfp_canvas *canvas, uint8_t *rgb, size_t stride,
                                       int t);
/* Draws frame t of the clip without a tube, also enlarged. */
void cfp_canvas_plain(const cfp_canvas *canvas, uint8_t *rgb, size_t stride, int t);

/* The values of the current tube (of a difference, absolute values) for frame t, at each pixel of
 * clip->height x clip->width; 0 outside the part that the model saw.  Call cfp_canvas_volume
 * before: it copies the tube to the host. */
CFP_CHECKED cfp_status cfp_canvas_volume(cfp_canvas *canvas);
void cfp_canvas_values(const cfp_canvas *canvas, float *value, int t);
/* The mean of the current tube's absolute values in frame t. */
double cfp_canvas_strength(const cfp_canvas *canvas, int t);
/* The mean of its values. */
double cfp_canvas_mean(const cfp_canvas *canvas, int t);

/* Chooses at most `max_frames` frames, evenly spread over the clip, and writes their numbers in
 * ascending order.  Returns how many. */
int cfp_canvas_spread(const cfp_canvas *canvas, int *frame, int max_frames);
