/* renderer.h - renders tubes, one at a time: as a volume, and as colours on the frames of a clip.
 *
 * The renderer alone decides where the work is done: on the device that explained, if it can
 * (render.h), else on the host.  The results are equal to the last bit.  The host also takes over
 * if the device is out of memory, and does what devices cannot: the cubic spline, maps with more
 * positions than the clip, and differences of tubes. */
#pragma once
#include "../backend/backend.h"
#include "../method/explain.h"

typedef struct cfp_renderer {
    cfp_ctx *ctx;
    cfp_device device; /* without an api, the host does all the work */
    cfp_interp interp;
    int size[3];         /* T, H, W of the volumes */
    cfp_overlay overlay; /* width 0: only volumes are rendered */
    float *volume;       /* T x H x W on the host: the current tube, after cfp_renderer_volume */
    float *minus; /* T x H x W: the tube that a difference subtracts; NULL until there is one */
    bool away;    /* the current tube is on the device only */
    struct {      /* memory of the device, allocated in one piece */
        float *volume, *map, *bounds;
        uint8_t *rgb; /* one frame */
    } there;
} cfp_renderer;

/* Opens a renderer for volumes of T x H x W.  device may be NULL.  overlay may be NULL if no frames
 * are coloured.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_renderer_open(cfp_renderer *out, cfp_ctx *ctx, const cfp_device *device,
                                         const int size[3], cfp_interp interp,
                                         const cfp_overlay *overlay);
void cfp_renderer_close(cfp_renderer *r); /* accepts {0} */

/* Renders `tube`, which becomes the current tube. */
CFP_CHECKED cfp_status cfp_renderer_tube(cfp_renderer *r, const cfp_tube *tube);
/* Copies the current tube to r->volume, on the host. */
CFP_CHECKED cfp_status cfp_renderer_volume(cfp_renderer *r);
/* Colours rgb, a frame on the host of the overlay's size, in place with frame t of the current
 * tube. */
CFP_CHECKED cfp_status cfp_renderer_overlay(const cfp_renderer *r, uint8_t *rgb, int t);
