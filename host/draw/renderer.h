/* renderer.h - tubes over their clip, one at a time: as a volume, and as colours on frames.
 *
 * Where the work is done is known here alone: on the device that explained, if it can (render.h),
 * else on the host, and the numbers are the same to the last bit.  The host takes over where the
 * device has no memory left, and what devices do not do: the cubic spline, maps of more positions
 * than the clip, and difference tubes. */
#pragma once
#include "../backend/backend.h"
#include "../method/explain.h"

typedef struct cfp_renderer {
    cfp_ctx *ctx;
    cfp_device device; /* without an api: the host does it all */
    cfp_interp interp;
    int size[3];         /* T, H, W of volumes */
    cfp_overlay overlay; /* no width: volumes only */
    float *volume; /* T x H x W, on the host: the tube at hand, once cfp_renderer_volume ran */
    float *minus;  /* the same of what a difference tube subtracts; NULL until there is one */
    bool away;     /* the tube at hand is on the device only */
    struct {       /* on the device, one piece of memory */
        float *volume, *map, *bounds;
        uint8_t *rgb; /* a frame */
    } there;
} cfp_renderer;

/* Volumes of T x H x W.  device may be NULL, overlay too, where no frames are to be coloured.  On
 * failure *out is empty. */
CFP_CHECKED cfp_status cfp_renderer_open(cfp_renderer *out, cfp_ctx *ctx, const cfp_device *device,
                                         const int size[3], cfp_interp interp,
                                         const cfp_overlay *overlay);
void cfp_renderer_close(cfp_renderer *r); /* accepts {0} */

/* Takes a tube at hand. */
CFP_CHECKED cfp_status cfp_renderer_tube(cfp_renderer *r, const cfp_tube *tube);
/* Brings the tube at hand to r->volume. */
CFP_CHECKED cfp_status cfp_renderer_volume(cfp_renderer *r);
/* Colours rgb, a frame of overlay's size on the host, in place by frame t of the tube at hand. */
CFP_CHECKED cfp_status cfp_renderer_overlay(const cfp_renderer *r, uint8_t *rgb, int t);
