/* pipeline.c - see pipeline.h.
 *
 * A slot holds one clip from the moment it is decoded until it is written.  There are enough slots
 * that the network can always get a full batch. */
#define _GNU_SOURCE
#include "pipeline.h"
#include "clip_file.h"
#include "decoder.h"
#include "lines.h"
#include "window_choice.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY_MS = 100, ASK_AGAIN_MS = 200, MOST_REPORTS = 64 };

typedef enum slot_state { FREE, DECODING, READY, RUNNING, RESULT, WRITING } slot_state;

typedef struct slot {
    slot_state state;
    uint64_t order; /* of arrival in its state */
    int item;
    cfp_clip *window;         /* [windows] of the clip */
    cfp_window_choice choice; /* what of it is explained */
    char note[512];
    cfp_explanation explanation;
    cfp_batch_times ms;
} slot;

typedef struct pipeline {
    const cfp_pipeline_request *r;
    cfp_frame_memory memory;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    slot *slot;
    int n_slots;
    cfp_clip *window; /* [n_slots x windows] */
    uint64_t order;
    int active;           /* decoding threads that have work, or are about to take some */
    int decoders_running; /* threads that have not ended */
    bool closed;          /* no more results come */
    int stop;             /* decoding threads end; also read without the lock */
    cfp_status broken;    /* why no more can be done */
    char message[sizeof((cfp_ctx){0}).message];
    char *report[MOST_REPORTS]; /* failures to tell of; the caller's thread takes them */
    int n_reports;
    cfp_pipeline_work work;
    double told_ms; /* when progress was told; the caller's thread alone */
    pthread_t *decoder, writer;
    int n_decoders;
    bool writes;
} pipeline;

/* --- what all threads use --- */

/* Waits for a change, or until some time has passed.  Returns false in the second case. */
static bool wait_until(pipeline *p, const struct timespec *until)
{
    return pthread_cond_timedwait(&p->changed, &p->lock, until) == 0;
}

static struct timespec after_ms(int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

static void set_state(pipeline *p, slot *s, slot_state state)
{
    s->state = state;
    s->order = ++p->order;
    pthread_cond_broadcast(&p->changed);
}

/* The slot that has been in a state for longest; NULL: none is. */
static slot *oldest(pipeline *p, slot_state state)
{
    slot *found = NULL;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slot[i].state == state && (found == NULL || p->slot[i].order < found->order))
            found = &p->slot[i];
    return found;
}

static int count(const pipeline *p, slot_state state)
{
    int n = 0;
    for (int i = 0; i < p->n_slots; i++)
        n += p->slot[i].state == state;
    return n;
}

static void break_off(pipeline *p, cfp_status status, const char *message)
{
    pthread_mutex_lock(&p->lock);
    if (p->broken == CFP_OK) {
        p->broken = status;
        snprintf(p->message, sizeof p->message, "%s", message);
    }
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void report_failure(pipeline *p, const char *message)
{
    char *copy = strdup(message);
    pthread_mutex_lock(&p->lock);
    if (p->n_reports < MOST_REPORTS) {
        p->report[p->n_reports++] = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    free(copy);
}

/* Tells of a clip that failed.  The message names the clip even where the reason does not. */
static void report_clip(pipeline *p, const cfp_batch_item *item, const char *why)
{
    char message[sizeof((cfp_ctx){0}).message];
    if (item->clip == NULL || strstr(why, item->clip) != NULL)
        snprintf(message, sizeof message, "%s", why);
    else
        snprintf(message, sizeof message, "%.400s: %.500s", item->clip, why);
    report_failure(p, message);
}

/* A clip failed: ctx says why. */
static void fail_clip(pipeline *p, cfp_ctx *ctx, int item)
{
    char *line;
    char why[sizeof ctx->message];
    snprintf(why, sizeof why, "%s", ctx->message);
    cfp_status status = cfp_line_failed(&line, ctx, &p->r->list->item[item], CFP_BATCH_FAILED, why);
    if (status == CFP_OK)
        status = cfp_batch_store_failed(p->r->store, ctx, item, line);
    if (status != CFP_OK)
        break_off(p, status, ctx->message);
    else
        report_clip(p, &p->r->list->item[item], why);
}

static void free_windows(const pipeline *p, slot *s)
{
    for (int w = 0; w < p->r->windows; w++) {
        cfp_clip_free(&s->window[w]);
        s->window[w] = (cfp_clip){0};
    }
}

static void empty_slot(pipeline *p, slot *s)
{
    cfp_explanation_free(&s->explanation);
    cfp_free(s->choice.mean);
    s->choice.mean = NULL;
    free_windows(p, s);
    pthread_mutex_lock(&p->lock);
    set_state(p, s, FREE);
    pthread_mutex_unlock(&p->lock);
}

/* --- decoding --- */

static cfp_status check_other(cfp_ctx *ctx, const cfp_clip *other, const cfp_clip *clip)
{
    if (other == NULL || other->source_frames == clip->source_frames)
        return CFP_OK;
    return cfp_fail(ctx, CFP_FORMAT,
                    "%s: has %lld frames, but the clip of --baseline has %lld: they are compared "
                    "frame by frame",
                    clip->path, (long long)clip->source_frames, (long long)other->source_frames);
}

/* The note is the first warning of all windows. */
static cfp_status read_windows(pipeline *p, cfp_decoder *decoder, cfp_ctx *ctx, slot *s)
{
    const cfp_batch_item *item = &p->r->list->item[s->item];
    const int first = (int)(s - p->slot) * p->r->windows;
    char note[sizeof s->note];
    for (int w = 0; w < p->r->windows; w++) {
        CFP_TRY(cfp_decoder_read(&s->window[w], decoder, ctx, item, w, first + w, note));
        if (s->note[0] == '\0')
            memcpy(s->note, note, sizeof s->note);
    }
    return check_other(ctx, p->r->other, &s->window[0]);
}

static void decode(pipeline *p, cfp_decoder *decoder, slot *s)
{
    cfp_ctx ctx = {.max_memory = p->r->max_memory};
    const double start = cfp_now_ms();
    s->note[0] = '\0';
    const cfp_status started = cfp_decoder_start(decoder, &ctx);
    if (started != CFP_OK) /* no fault of the clip: the next one would not do better */
        break_off(p, started, ctx.message);
    cfp_status status = CFP_INTERRUPTED;
    if (started == CFP_OK)
        status = read_windows(p, decoder, &ctx, s);
    s->ms.decode = cfp_now_ms() - start;
    if (status == CFP_INTERRUPTED)
        cfp_batch_store_give_back(p->r->store, s->item);
    else if (status != CFP_OK)
        fail_clip(p, &ctx, s->item);
    if (status != CFP_OK)
        free_windows(p, s);
    pthread_mutex_lock(&p->lock);
    p->work.decode.clips++;
    p->work.decode.busy_ms += s->ms.decode;
    set_state(p, s, status == CFP_OK ? READY : FREE);
    pthread_mutex_unlock(&p->lock);
}

/* Waits for a free slot; NULL: it is time to end. */
static slot *take_slot(pipeline *p)
{
    slot *s = NULL;
    pthread_mutex_lock(&p->lock);
    while (p->stop == 0 && (s = oldest(p, FREE)) == NULL)
        pthread_cond_wait(&p->changed, &p->lock);
    if (s != NULL)
        set_state(p, s, DECODING);
    pthread_mutex_unlock(&p->lock);
    return s;
}

/* There is no clip for the slot, for now or for ever. */
static void put_back(pipeline *p, slot *s, int wait_ms)
{
    pthread_mutex_lock(&p->lock);
    p->active--;
    set_state(p, s, FREE);
    const struct timespec until = after_ms(wait_ms);
    while (wait_ms > 0 && p->stop == 0 && wait_until(p, &until)) {
    }
    p->active++;
    pthread_mutex_unlock(&p->lock);
}

static void *decode_clips(void *cookie)
{
    pipeline *p = cookie;
    cfp_ctx ctx = {0};
    cfp_decoder decoder = {.helper = {.socket = -1},
                           .memory = &p->memory,
                           .input = &p->r->model->input,
                           .windows = p->r->windows,
                           .max_memory = p->r->max_memory,
                           .seconds = p->r->seconds,
                           .stop = &p->stop};
    cfp_batch_next next = CFP_NEXT_WAIT;
    slot *s;
    while (next != CFP_NEXT_END && next != CFP_NEXT_BROKEN && (s = take_slot(p)) != NULL) {
        next = cfp_batch_store_next(p->r->store, &ctx, &s->item);
        if (next == CFP_NEXT_TAKEN)
            decode(p, &decoder, s);
        else
            put_back(p, s, next == CFP_NEXT_WAIT ? ASK_AGAIN_MS : 0);
    }
    if (next == CFP_NEXT_BROKEN)
        break_off(p, CFP_IO, ctx.message);
    cfp_decoder_close(&decoder);
    pthread_mutex_lock(&p->lock);
    p->active--;
    p->decoders_running--;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- writing --- */

static cfp_status write_result(pipeline *p, cfp_ctx *ctx, slot *s)
{
    const cfp_batch_item *item = &p->r->list->item[s->item];
    const int shard = s->item / p->r->list->shard_clips;
    char *line, *draft = cfp_batch_store_draft(p->r->store, ctx, s->item);
    if (draft == NULL)
        return CFP_NOMEM;
    cfp_status status =
        cfp_clip_file_write(ctx, draft, item->id, &s->explanation, p->r->run, &p->r->parts);
    cfp_free(draft);
    CFP_TRY(status);
    const cfp_explanation *e = &s->explanation;
    const cfp_batch_scores scores = {.model = e->model,
                                     .order = s->choice.mean != NULL ? s->choice.mean : e->logits,
                                     .probability = s->choice.mean != NULL ? s->choice.mean
                                                                           : e->probabilities};
    CFP_TRY(cfp_line_done(&line, ctx, item, shard, s->note, &scores, &s->ms));
    CFP_TRY(cfp_batch_store_done(p->r->store, ctx, s->item, line));
    return cfp_batch_store_pack(p->r->store, ctx, shard);
}

static void write_one(pipeline *p, slot *s)
{
    cfp_ctx ctx = {0};
    const double start = cfp_now_ms();
    pthread_mutex_lock(&p->lock);
    const bool can = p->broken == CFP_OK;
    pthread_mutex_unlock(&p->lock);
    const cfp_status status = can ? write_result(p, &ctx, s) : CFP_OK;
    if (!can)
        cfp_batch_store_give_back(p->r->store, s->item);
    if (status != CFP_OK)
        break_off(p, status, ctx.message);
    pthread_mutex_lock(&p->lock);
    p->work.write.clips++;
    p->work.write.busy_ms += cfp_now_ms() - start;
    pthread_mutex_unlock(&p->lock);
    empty_slot(p, s);
}

static void *write_results(void *cookie)
{
    pipeline *p = cookie;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        slot *s;
        while ((s = oldest(p, RESULT)) == NULL && !p->closed)
            pthread_cond_wait(&p->changed, &p->lock);
        if (s != NULL)
            set_state(p, s, WRITING);
        pthread_mutex_unlock(&p->lock);
        if (s == NULL)
            return NULL;
        write_one(p, s);
    }
}

/* --- the network --- */

/* Not more often than LOOK_EVERY_MS, unless it is the last time. */
static void tell(pipeline *p, bool last)
{
    char *report[MOST_REPORTS];
    const double now = cfp_now_ms();
    if (!last && now - p->told_ms < LOOK_EVERY_MS)
        return;
    p->told_ms = now;
    pthread_mutex_lock(&p->lock);
    const int n = p->n_reports;
    memcpy(report, p->report, sizeof report);
    p->n_reports = 0;
    const cfp_pipeline_work work = p->work;
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < n; i++) {
        if (report[i] != NULL && p->r->failed != NULL)
            p->r->failed(p->r->cookie, report[i]);
        free(report[i]);
    }
    if (p->r->progress != NULL)
        p->r->progress(p->r->cookie, &work);
}

/* Takes clips for the next run of the network: as many as it runs at once, or fewer where no more
 * are on their way.  0: there are none. */
static int take_batch(pipeline *p, slot **taken)
{
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        const int ready = count(p, READY);
        if (*p->r->interrupted || p->broken != CFP_OK || ready >= p->r->batch ||
            (p->active == 0 && ready > 0) || p->decoders_running == 0)
            break;
        const struct timespec until = after_ms(LOOK_EVERY_MS);
        wait_until(p, &until);
        pthread_mutex_unlock(&p->lock);
        tell(p, false);
        pthread_mutex_lock(&p->lock);
    }
    while (!*p->r->interrupted && p->broken == CFP_OK && n < p->r->batch &&
           (taken[n] = oldest(p, READY)) != NULL)
        set_state(p, taken[n++], RUNNING);
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* Decides for each clip which class and which window of it are explained. */
static cfp_status choose(pipeline *p, cfp_ctx *ctx, slot *const *taken, int n)
{
    const cfp_window_request request = {.analyser = p->r->analyser,
                                        .model = p->r->model,
                                        .batch = p->r->batch,
                                        .windows = p->r->windows,
                                        .class_index = p->r->class_index};
    const cfp_clip **clip;
    cfp_window_choice **choice;
    CFP_TRY_ALLOC(ctx, clip, n);
    choice = cfp_alloc(ctx, (size_t)n, sizeof *choice);
    for (int i = 0; i < n && choice != NULL; i++) {
        clip[i] = taken[i]->window;
        choice[i] = &taken[i]->choice;
    }
    const cfp_status status =
        choice == NULL ? CFP_NOMEM : cfp_window_choose(choice, ctx, &request, clip, n);
    cfp_free(clip);
    cfp_free(choice);
    return status;
}

/* A batch has a fixed size: clips are repeated where there are too few. */
static cfp_status explain(pipeline *p, cfp_ctx *ctx, slot *const *taken, int n,
                          cfp_explanation *out)
{
    const int batch = p->r->batch;
    const cfp_clip **clip;
    int *class_index;
    CFP_TRY(choose(p, ctx, taken, n));
    CFP_TRY_ALLOC(ctx, clip, batch);
    class_index = cfp_alloc(ctx, (size_t)batch, sizeof *class_index);
    for (int i = 0; i < batch; i++) {
        const slot *s = taken[i % n];
        clip[i] = &s->window[s->choice.window];
        if (class_index != NULL)
            class_index[i] = s->choice.class_index;
    }
    const cfp_status status = class_index == NULL ? CFP_NOMEM
                                                  : cfp_explain_batch(out, p->r->analyser, clip,
                                                                      class_index, p->r->interp);
    cfp_free(clip);
    cfp_free(class_index);
    return status;
}

static void hand_on(pipeline *p, slot *s, const cfp_explanation *explanation, double ms)
{
    s->explanation = *explanation;
    s->ms.network = ms;
    pthread_mutex_lock(&p->lock);
    p->work.network.clips++;
    set_state(p, s, RESULT);
    pthread_mutex_unlock(&p->lock);
}

/* Runs n clips together.  If the network gives no numbers for one of them, each is run again alone,
 * to find which one it is. */
static cfp_status run_together(pipeline *p, cfp_ctx *ctx, slot *const *taken, int n,
                               cfp_explanation *out)
{
    const double start = cfp_now_ms();
    const cfp_status status = explain(p, ctx, taken, n, out);
    const double ms = cfp_now_ms() - start;
    pthread_mutex_lock(&p->lock);
    p->work.network.busy_ms += ms;
    pthread_mutex_unlock(&p->lock);
    if (status == CFP_OK) {
        for (int i = n; i < p->r->batch; i++)
            cfp_explanation_free(&out[i]);
        for (int i = 0; i < n; i++)
            hand_on(p, taken[i], &out[i], ms / n);
        return CFP_OK;
    }
    if (status != CFP_FORMAT)
        return status;
    if (n == 1) {
        fail_clip(p, ctx, taken[0]->item);
        empty_slot(p, taken[0]);
    }
    for (int i = 0; i < n && n > 1; i++)
        CFP_TRY(run_together(p, ctx, &taken[i], 1, out));
    return CFP_OK;
}

static cfp_status run_network(pipeline *p, cfp_ctx *ctx)
{
    slot **taken;
    cfp_explanation *out;
    int n;
    CFP_TRY_ALLOC(ctx, taken, p->r->batch);
    cfp_status status = CFP_NOMEM;
    out = cfp_alloc(ctx, (size_t)p->r->batch, sizeof *out);
    if (out != NULL)
        status = CFP_OK;
    while (status == CFP_OK && (n = take_batch(p, taken)) > 0) {
        status = run_together(p, ctx, taken, n, out);
        tell(p, false);
    }
    cfp_free(taken);
    cfp_free(out);
    return status;
}

/* --- begin and end --- */

static bool start_thread(pthread_t *thread, void *(*run)(void *), pipeline *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* the program's first thread handles signals */
    const bool good = pthread_create(thread, NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

static cfp_status start(pipeline *p, cfp_ctx *ctx)
{
    CFP_TRY_ALLOC(ctx, p->slot, p->n_slots);
    CFP_TRY_ALLOC(ctx, p->decoder, p->r->decoders);
    CFP_TRY_ALLOC(ctx, p->window, (int64_t)p->n_slots * p->r->windows);
    for (int i = 0; i < p->n_slots; i++)
        p->slot[i].window = p->window + (int64_t)i * p->r->windows;
    CFP_TRY(
        cfp_frame_memory_open(&p->memory, ctx, &p->r->model->input, p->n_slots * p->r->windows));
    p->writes = start_thread(&p->writer, write_results, p);
    pthread_mutex_lock(&p->lock);
    while (p->writes && p->n_decoders < p->r->decoders &&
           start_thread(&p->decoder[p->n_decoders], decode_clips, p)) {
        p->n_decoders++;
        p->active++;
        p->decoders_running++;
    }
    p->work.decode.threads = p->n_decoders;
    p->work.network.threads = p->work.write.threads = 1;
    pthread_mutex_unlock(&p->lock);
    if (p->n_decoders == 0) /* fewer threads than wanted are enough */
        return cfp_fail(ctx, CFP_NOMEM, "no thread can be started");
    return CFP_OK;
}

/* Ends the threads.  Clips that are decoded and not explained are given back. */
static void end(pipeline *p)
{
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_decoders; i++)
        pthread_join(p->decoder[i], NULL);
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->writes)
        pthread_join(p->writer, NULL);
    for (int i = 0; p->window != NULL && i < p->n_slots; i++) {
        slot *s = &p->slot[i];
        if (s->state == FREE)
            continue;
        cfp_batch_store_give_back(p->r->store, s->item);
        empty_slot(p, s);
    }
}

cfp_status cfp_pipeline_run(cfp_pipeline_work *out, cfp_ctx *ctx,
                            const cfp_pipeline_request *request)
{
    pthread_condattr_t clock;
    pipeline p = {
        .r = request, .memory = {.fd = -1}, .n_slots = request->decoders + 3 * request->batch + 1};
    const double began = cfp_now_ms();
    pthread_mutex_init(&p.lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p.changed, &clock);
    pthread_condattr_destroy(&clock);
    cfp_status status = start(&p, ctx);
    if (status == CFP_OK)
        status = run_network(&p, ctx);
    end(&p);
    tell(&p, true);
    if (status == CFP_OK && p.broken != CFP_OK)
        status = cfp_fail(ctx, p.broken, "%s", p.message);
    if (status == CFP_OK && *request->interrupted)
        status = cfp_fail(ctx, CFP_INTERRUPTED, "interrupted");
    *out = p.work;
    out->wall_ms = cfp_now_ms() - began;
    cfp_frame_memory_close(&p.memory);
    cfp_free(p.slot);
    cfp_free(p.window);
    cfp_free(p.decoder);
    pthread_mutex_destroy(&p.lock);
    pthread_cond_destroy(&p.changed);
    return status;
}
