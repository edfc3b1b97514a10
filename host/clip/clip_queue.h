/* clip_queue.h - decodes clips ahead of their use.
 *
 * A few threads read the paths into slots.  The caller gets the clips in the order of the paths,
 * each as cfp_clip_open would give it.  Memory is bounded: there are never more than `threads`
 * clips that are being read or are waiting, and `held` clips that the caller holds.
 *
 * Each thread has its own cfp_ctx.  Its log lines are kept, and logged on the caller's thread when
 * the clip is handed out, so they stay in order and with their clip.  The caller decides how many
 * threads there are (host/program/). */
#pragma once
#include "clip.h"

typedef struct cfp_clip_queue cfp_clip_queue;

typedef struct cfp_clip_queue_request {
    const cfp_input_spec *input; /* like the paths: the caller keeps it longer than the queue */
    const char *const *path;
    int n_paths;
    cfp_sampling
        sampling; /* with several windows, each path gives so many clips, one after another */
    int threads;  /* decoding threads; no more are started than there are clips */
    int held;     /* the most clips that the caller holds at one time, at least 1 */
    /* Memory for frames, allocated and released on the caller's thread; NULL: cfp_alloc. */
    cfp_status (*alloc)(void *cookie, void **out, size_t bytes);
    void (*release)(void *cookie, void *memory);
    void *cookie;
    /* The reading thread calls these before and after each path; both may be NULL. */
    void (*begin_read)(const char *path);
    void (*end_read)(void);
} cfp_clip_queue_request;

/* Starts the threads.  ctx is that of the caller's thread; messages, log lines and progress go to
 * it. */
CFP_CHECKED cfp_status cfp_clip_queue_open(cfp_clip_queue **out, cfp_ctx *ctx,
                                           const cfp_clip_queue_request *request);
/* Waits for the next clip.  The caller holds it until cfp_clip_queue_give_back.  *clip is NULL
 * after the last.  If a clip cannot be read, this call fails, and the next call goes on with the
 * next clip.  After CFP_INTERRUPTED all calls fail. */
CFP_CHECKED cfp_status cfp_clip_queue_next(cfp_clip_queue *queue, cfp_clip **clip);
/* The frames of the next clip if it has been read without an error already, else NULL.  Does not
 * wait.  The clip must still be fetched with cfp_clip_queue_next.  Its frames stay in place until
 * the clip is given back or the queue is closed. */
const uint8_t *cfp_clip_queue_peek(cfp_clip_queue *queue);
/* Gives clips back, in any order.  Neither the host nor a device may read the frames any more.
 * Accepts NULL. */
void cfp_clip_queue_give_back(cfp_clip_queue *queue, cfp_clip *clip);
/* Stops all decoding and frees the queue; allowed at any time.  Accepts *queue NULL, and sets it to
 * NULL. */
void cfp_clip_queue_close(cfp_clip_queue **queue);
