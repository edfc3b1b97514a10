/* clip_queue.c - see clip_queue.h.
 *
 * A turn is one window of one path.  A thread takes a free slot and the next turn in one step.  So
 * the turns in the slots are always consecutive, and the turn that the caller gets next has a slot
 * whenever a later one has. */
#include "clip_queue.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY_MS = 20 }; /* for an interrupt, and to show progress */

typedef struct note { /* a log line, kept until its clip is handed out */
    struct note *next;
    cfp_level level;
    char *line;
} note;

typedef struct progress {
    const char *what; /* NULL: none was made */
    int64_t done, total;
} progress;

typedef enum slot_state { FREE, READING, READ, HELD } slot_state;

typedef struct slot {
    cfp_clip clip; /* first member: the address of a clip is the address of its slot */
    cfp_clip_queue *queue;
    slot_state state; /* like `turn` and `progress` under the queue's lock, the rest is the reader's
                         or, once READ, the caller's */
    int turn;
    progress progress;
    uint8_t *buffer; /* memory for the frames */
    cfp_status status;
    note *notes, **last_note;
    cfp_ctx ctx; /* of the thread, for this clip */
    bool lost;   /* a note was dropped because memory was out */
} slot;

struct cfp_clip_queue {
    cfp_ctx *ctx;
    cfp_clip_queue_request request;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t *thread;
    slot *slot;
    int n_threads, n_slots;
    int n_turns;
    int taken; /* number of turns that threads have begun */
    int stop;  /* asks the threads to end; also read without the lock */
    /* Used only by the caller's thread: */
    int given; /* turns that were handed out, or that failed */
    int held;  /* clips that were handed out and not given back */
};

static int windows_of(const cfp_clip_queue_request *r)
{
    return cfp_max_int(1, r->sampling.windows);
}

static const char *path_of(const cfp_clip_queue_request *r, int turn)
{
    return r->path[turn / windows_of(r)];
}

/* --- the reading threads --- */

static void keep_note(void *cookie, cfp_level level, const char *line)
{
    slot *s = cookie;
    note *n = cfp_alloc(&s->ctx, 1, sizeof *n);
    if (n != NULL)
        *n = (note){.level = level, .line = cfp_strdup(&s->ctx, line)};
    if (n == NULL || n->line == NULL) {
        s->lost = true;
        cfp_free(n);
        return;
    }
    *s->last_note = n;
    s->last_note = &n->next;
}

static void keep_progress(void *cookie, const char *what, int64_t done, int64_t total)
{
    slot *s = cookie;
    pthread_mutex_lock(&s->queue->lock);
    s->progress = (progress){what, done, total};
    pthread_mutex_unlock(&s->queue->lock);
}

static void read_path(slot *s, const cfp_clip_queue_request *r)
{
    const char *const path = path_of(r, s->turn);
    cfp_sampling sampling = r->sampling;
    sampling.window = s->turn % windows_of(r);
    s->lost = false;
    s->last_note = &s->notes;
    s->ctx = (cfp_ctx){.log = keep_note,
                       .progress = keep_progress,
                       .cookie = s,
                       .interrupted = &s->queue->stop,
                       .max_memory = s->queue->ctx->max_memory};
    if (r->begin_read != NULL)
        r->begin_read(path);
    s->status = cfp_clip_open_in(&s->clip, &s->ctx, path, r->input, &sampling, s->buffer);
    if (r->end_read != NULL)
        r->end_read();
    if (s->lost && s->status == CFP_OK)
        s->status = CFP_NOMEM; /* cfp_alloc has set the message */
}

static slot *free_slot(cfp_clip_queue *queue)
{
    for (int i = 0; i < queue->n_slots; i++)
        if (queue->slot[i].state == FREE)
            return &queue->slot[i];
    return NULL;
}

static void *read_paths(void *cookie)
{
    cfp_clip_queue *queue = cookie;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stop && queue->taken < queue->n_turns) {
        slot *s = free_slot(queue);
        if (s == NULL) {
            pthread_cond_wait(&queue->changed, &queue->lock);
            continue;
        }
        s->state = READING;
        s->turn = queue->taken++;
        s->progress = (progress){0};
        pthread_mutex_unlock(&queue->lock);
        read_path(s, &queue->request);
        pthread_mutex_lock(&queue->lock);
        s->state = READ;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* --- the caller's thread --- */

static slot *slot_of_turn(cfp_clip_queue *queue, int turn)
{
    for (int i = 0; i < queue->n_slots; i++)
        if (queue->slot[i].state != FREE && queue->slot[i].turn == turn)
            return &queue->slot[i];
    return NULL;
}

/* Waits a short time for the next turn to be read, and shows progress.  Returns its slot, or NULL
 * if it is not ready yet. */
static slot *wait_a_little(cfp_clip_queue *queue, progress *seen)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_EVERY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    int error = 0;
    slot *s;
    pthread_mutex_lock(&queue->lock);
    while (((s = slot_of_turn(queue, queue->given)) == NULL || s->state != READ) && error == 0)
        error = pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
    *seen = s != NULL ? s->progress : (progress){0};
    const bool ready = s != NULL && s->state == READ;
    pthread_mutex_unlock(&queue->lock);
    return ready ? s : NULL;
}

/* Logs the kept lines to ctx, unless it is NULL, and frees them. */
static void say_notes(slot *s, cfp_ctx *ctx)
{
    for (note *n = s->notes, *next; n != NULL; n = next) {
        next = n->next;
        if (ctx != NULL)
            cfp_log(ctx, n->level, "%s", n->line);
        cfp_free(n->line);
        cfp_free(n);
    }
    s->notes = NULL;
}

static void set_state(slot *s, slot_state state)
{
    pthread_mutex_lock(&s->queue->lock);
    s->state = state;
    pthread_cond_broadcast(&s->queue->changed);
    pthread_mutex_unlock(&s->queue->lock);
}

cfp_status cfp_clip_queue_next(cfp_clip_queue *queue, cfp_clip **clip)
{
    slot *s = NULL;
    *clip = NULL;
    if (queue->given == queue->n_turns)
        return CFP_OK;
    if (queue->held == queue->n_slots)
        return cfp_fail(queue->ctx, CFP_NOMEM, "%s: no free slot: %d clips are held",
                        path_of(&queue->request, queue->given), queue->n_slots);
    while (s == NULL) {
        progress seen;
        CFP_TRY(cfp_check_interrupt(queue->ctx));
        s = wait_a_little(queue, &seen);
        if (seen.what != NULL)
            cfp_progress(queue->ctx, seen.what, seen.done, seen.total);
    }
    CFP_TRY(cfp_check_interrupt(queue->ctx));
    queue->given++;
    say_notes(s, queue->ctx);
    if (s->status != CFP_OK) {
        const cfp_status status = cfp_fail(queue->ctx, s->status, "%s", s->ctx.message);
        set_state(s, FREE);
        return status;
    }
    *clip = &s->clip;
    queue->held++;
    set_state(s, HELD);
    return CFP_OK;
}

const uint8_t *cfp_clip_queue_peek(cfp_clip_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    const slot *s = slot_of_turn(queue, queue->given);
    const bool ready = s != NULL && s->state == READ;
    pthread_mutex_unlock(&queue->lock);
    return ready && s->status == CFP_OK ? s->clip.rgb : NULL;
}

void cfp_clip_queue_give_back(cfp_clip_queue *queue, cfp_clip *clip)
{
    if (clip == NULL)
        return;
    cfp_clip_free(clip);
    queue->held--;
    set_state((slot *)(void *)clip, FREE);
}

static cfp_status take_buffer(cfp_clip_queue *queue, slot *s)
{
    const cfp_clip_queue_request *r = &queue->request;
    const size_t bytes = cfp_clip_bytes(r->input);
    void *buffer = NULL;
    s->queue = queue;
    if (r->alloc != NULL)
        CFP_TRY(r->alloc(r->cookie, &buffer, bytes));
    else if ((buffer = cfp_alloc(queue->ctx, bytes, 1)) == NULL)
        return CFP_NOMEM;
    s->buffer = buffer;
    return CFP_OK;
}

/* Blocks signals: the program's first thread handles them, and here they would only break reads. */
static void start_threads(cfp_clip_queue *queue, int wanted)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    while (queue->n_threads < wanted &&
           pthread_create(&queue->thread[queue->n_threads], NULL, read_paths, queue) == 0)
        queue->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static cfp_status open_queue(cfp_clip_queue *queue)
{
    const cfp_clip_queue_request *r = &queue->request;
    queue->n_turns =
        r->n_paths * windows_of(r); /* paths are words of a command line: no overflow */
    const int threads = cfp_max_int(1, cfp_min_int(r->threads, queue->n_turns));
    const int slots =
        cfp_min_int(threads + cfp_max_int(1, r->held), cfp_max_int(1, queue->n_turns));
    CFP_TRY_ALLOC(queue->ctx, queue->thread, threads);
    CFP_TRY_ALLOC(queue->ctx, queue->slot, slots);
    for (; queue->n_slots < slots; queue->n_slots++)
        CFP_TRY(take_buffer(queue, &queue->slot[queue->n_slots]));
    start_threads(queue, threads);
    if (queue->n_threads == 0) /* fewer threads than requested are enough */
        return cfp_fail(queue->ctx, CFP_NOMEM, "no thread to decode clips could be started");
    return CFP_OK;
}

cfp_status cfp_clip_queue_open(cfp_clip_queue **out, cfp_ctx *ctx,
                               const cfp_clip_queue_request *request)
{
    pthread_condattr_t clock;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->request = *request;
    pthread_mutex_init(&(*out)->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&(*out)->changed, &clock);
    pthread_condattr_destroy(&clock);
    const cfp_status status = open_queue(*out);
    if (status != CFP_OK)
        cfp_clip_queue_close(out);
    return status;
}

static void free_slots(cfp_clip_queue *queue)
{
    for (int i = 0; i < queue->n_slots; i++) {
        slot *s = &queue->slot[i];
        say_notes(s, NULL);
        cfp_clip_free(&s->clip);
        if (queue->request.alloc != NULL)
            queue->request.release(queue->request.cookie, s->buffer);
        else
            cfp_free(s->buffer);
    }
    cfp_free(queue->slot);
}

void cfp_clip_queue_close(cfp_clip_queue **queue)
{
    cfp_clip_queue *q = *queue;
    *queue = NULL;
    if (q == NULL)
        return;
    pthread_mutex_lock(&q->lock);
    __atomic_store_n(&q->stop, 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; i < q->n_threads; i++)
        pthread_join(q->thread[i], NULL);
    free_slots(q);
    cfp_free(q->thread);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    cfp_free(q);
}
