/* frames.h - which frames a folder, a tar or a frames.db has; private to host/dataset/.
 *
 * Many lines of a list are windows of one long video, so the frames of the last few are kept. */
#pragma once
#include "places.h"

enum { CFP_FRAMES_KEPT = 64 };

typedef struct cfp_frames_of { /* one folder or file */
    char *path;
    int64_t frames;  /* 0: unknown until it is decoded, or it cannot be read */
    int64_t *number; /* [frames] ascending; NULL: their places, from 0 */
    bool broken;     /* it has no frames, or they cannot be told */
    char *why;       /* broken: what is wrong, in words */
} cfp_frames_of;

typedef struct cfp_frames_kept {
    cfp_frames_of item[CFP_FRAMES_KEPT];
    int next; /* the item that is replaced next */
} cfp_frames_kept;

/* The frames of what was found; only for folders and tars.  *out lives until the next call. */
CFP_CHECKED cfp_status cfp_frames_look(const cfp_frames_of **out, cfp_frames_kept *kept,
                                       cfp_ctx *ctx, const cfp_found *found);
/* True if one of the frames lies from start up to, and without, stop (stop < 0: to the end). */
bool cfp_frames_have(const cfp_frames_of *frames, double start, double stop);
void cfp_frames_forget(cfp_frames_kept *kept);
