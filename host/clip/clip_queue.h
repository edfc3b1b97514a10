/* clip_queue.h - clips decoded ahead of whoever computes: a few threads read the paths into a ring
 * of slots, and the clips come out in the order of the paths, each as cfp_clip_open would have
 * given it.
 *
 * A clip is bound to nothing but its slot, so memory is bounded: `threads` clips under way or
 * waiting and `held` in the caller's hands.  Each thread has a cfp_ctx of its own; what it logs is
 * kept and said on the caller's thread when the clip is handed out, so notes stay in order and by
 * their clip. Not here: what is done with the clips, and how many threads are sensible
 * (host/program/).
 */
#pragma once
#include "clip.h"

typedef struct cfp_clip_queue cfp_clip_queue;

typedef struct cfp_clip_queue_request {
    const cfp_input_spec *input; /* this and the paths are the caller's and outlive the queue */
    const char *const *path;
    int n_paths;
    cfp_sampling sampling;
    int threads; /* that decode; no more than there are paths are started */
    int held;    /* clips that the caller holds at one time, at least 1 */
    /* Memory of the frames, asked for and given back on the caller's thread; NULL: cfp_alloc. */
    cfp_status (*alloc)(void *cookie, void **out, size_t bytes);
    void (*release)(void *cookie, void *memory);
    void *cookie;
    /* Called around the reading of each path, by the thread that reads it; NULL: nothing is. */
    void (*begin_read)(const char *path);
    void (*end_read)(void);
} cfp_clip_queue_request;

/* Starts to decode.  ctx: of the caller's thread; messages, notes and progress go there. */
CFP_CHECKED cfp_status cfp_clip_queue_open(cfp_clip_queue **out, cfp_ctx *ctx,
                                           const cfp_clip_queue_request *request);
/* Waits for the next clip, which is the caller's to hold until it is given back; NULL behind the
 * last.  A path that cannot be read is a failure of this call alone, and the next call goes on
 * behind it; CFP_INTERRUPTED is for good. */
CFP_CHECKED cfp_status cfp_clip_queue_next(cfp_clip_queue *queue, cfp_clip **clip);
/* The frames of the clip that comes next, where it has been read well already; else NULL.  Waits
 * for nothing and says nothing: the clip still is to be asked for, and its frames stay where they
 * are until it is given back or the queue closed. */
const uint8_t *cfp_clip_queue_peek(cfp_clip_queue *queue);
/* In any order.  Nothing may read the clip's frames any more, devices included.  Accepts NULL. */
void cfp_clip_queue_give_back(cfp_clip_queue *queue, cfp_clip *clip);
/* At any time: what is being decoded is broken off.  Accepts NULL inside; nulls. */
void cfp_clip_queue_close(cfp_clip_queue **queue);
