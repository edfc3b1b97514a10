/* cmd_batch.c - cfp-gpu batch: all clips of a list, explained into one folder (SPEC 9).
 *
 * batch_clips() shows the whole command.  host/batch does the work: store.h keeps the folder,
 * pipeline.h decodes, explains and writes.
 *
 * mpirun and srun may start several processes, the ranks of a job.  Rank 0 shows the progress, and
 * the summary when all ranks are done; the others print only errors.  mpirun ends a job as soon as
 * one rank ends with another exit status than 0.  So a rank that has begun and fails waits until no
 * rank works any more. */
#include "../base/hash.h"
#include "../batch/pipeline.h"
#include "batch_list.h"
#include "batch_record.h"
#include "batch_summary.h"
#include "interrupt.h"
#include "local_gpu.h"
#include "request.h"
#include <string.h>

enum {
    CLIPS_AT_ONCE_ON_A_GPU = 8,
    NETWORK_PER_DECODER = 8,
    FAILURES_TOLD = 20,
    FOLLOW_EVERY_MS = 1000
};

typedef struct batch {
    cfp_session *session;
    cfp_batch_plan plan;
    cfp_batch_store *store;
    cfp_query query;
    cfp_h5_parts parts;
    int class_index;
    int rank;           /* -1: this process is alone */
    int n_told;         /* failures */
    double followed_ms; /* when the other processes' clips were counted */
    cfp_batch_result result;
} batch;

/* --keep: a list of words. */
static cfp_status read_keep(cfp_h5_parts *out, cfp_ctx *ctx, const char *list)
{
    static const char *const names[] = {"pyramid", "raw", "frames", "tubes"};
    bool *const part[] = {&out->pyramid, &out->raw, &out->frames, &out->tubes};
    *out = (cfp_h5_parts){0};
    for (const char *word = list;; word++) {
        const size_t length = strcspn(word, ",");
        int k = 0;
        while (k < 4 && (strlen(names[k]) != length || strncmp(word, names[k], length) != 0))
            k++;
        if (k == 4)
            return cfp_fail(ctx, CFP_USAGE, "--keep: '%.*s' is none of pyramid, raw, frames, tubes",
                            (int)length, word);
        *part[k] = true;
        word += length;
        if (*word == '\0')
            return CFP_OK;
    }
}

static cfp_status check_options(batch *b)
{
    cfp_session *session = b->session;
    cfp_ctx *ctx = &session->ctx;
    int part, n_parts;
    b->query = cfp_config_query(&session->config);
    if (session->config.output == NULL)
        return cfp_fail(ctx, CFP_USAGE, "--output: missing: the folder for the results");
    CFP_TRY(read_keep(&b->parts, ctx, session->config.keep));
    CFP_TRY(cfp_batch_part(&part, &n_parts, ctx, session->config.shard));
    CFP_TRY(cfp_query_check(ctx, &b->query));
    if (session->config.windows > 1 && b->query.baseline == CFP_BASELINE_CLIP)
        return cfp_fail(ctx, CFP_USAGE,
                        "--windows: a clip as --baseline is compared with one window; take "
                        "--windows 1");
    if (!b->parts.raw && !b->parts.tubes)
        b->query.tubes = CFP_TUBES_NONE; /* nobody would see them */
    return CFP_OK;
}

static int clips_at_once(const cfp_session *session)
{
    if (session->config.batch > 0)
        return (int)session->config.batch;
    return session->device.api->host_memory ? 1 : CLIPS_AT_ONCE_ON_A_GPU;
}

static int decoders(const cfp_session *session)
{
    if (session->config.decoders > 0)
        return (int)session->config.decoders;
    return session->device.api->host_memory ? 1 + session->threads / NETWORK_PER_DECODER
                                            : session->threads;
}

static cfp_status open_network(batch *b)
{
    cfp_session *session = b->session;
    cfp_ctx *ctx = &session->ctx;
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_class(&b->class_index, session));
    CFP_TRY(cfp_batch_plan_open(&b->plan, session, session->config.operand[1]));
    session->config.batch = clips_at_once(session);
    CFP_TRY(cfp_sha256_file(session->model.sha256, ctx, session->config.operand[0]));
    /* Before the first thread is started: reading an HDF5 file forks. */
    if (b->query.baseline == CFP_BASELINE_CLIP)
        CFP_TRY(cfp_session_read_clip(&session->other, session, b->query.baseline_path));
    return cfp_batch_record(session, &b->plan);
}

static cfp_status open_rest(batch *b)
{
    cfp_session *session = b->session;
    CFP_TRY(cfp_session_open_analyser(session, &b->query, true));
    if (session->other.path != NULL)
        cfp_analyser_compare_with(session->analyser, &session->other);
    return CFP_OK;
}

/* The first failures are told at once; the manifest has all. */
static void tell_failure(void *cookie, const char *message)
{
    batch *b = cookie;
    b->n_told++;
    if (b->n_told <= FAILURES_TOLD)
        cfp_terminal_error(&b->session->terminal, message);
    if (b->n_told == FAILURES_TOLD)
        cfp_log(&b->session->ctx, CFP_LOG_WARNING,
                "more clips that fail are not shown here; %s/manifest.jsonl has all",
                b->session->config.output);
}

static void tell_progress(void *cookie, const cfp_pipeline_work *work)
{
    batch *b = cookie;
    const double now = cfp_now_ms();
    (void)work;
    if (b->rank > 0)
        return;
    if (now - b->followed_ms >= FOLLOW_EVERY_MS &&
        cfp_batch_store_follow(b->store, &b->session->ctx) != CFP_OK)
        b->session->ctx.message[0] = '\0'; /* only the bar is less exact */
    if (now - b->followed_ms >= FOLLOW_EVERY_MS)
        b->followed_ms = now;
    const cfp_batch_counts counts = cfp_batch_store_counts(b->store);
    b->session->terminal.counts_failures = true;
    b->session->terminal.failed = counts.failed;
    cfp_progress(&b->session->ctx, "clips", counts.done + counts.failed + counts.skipped,
                 counts.total);
}

static cfp_status run(batch *b)
{
    cfp_session *session = b->session;
    cfp_run_option options[CFP_MAX_OPTIONS];
    cfp_run facts = cfp_describe_run(session, options);
    facts.device = session->device.api->name; /* whichever of several GPUs it is */
    facts.renders_on = NULL; /* the device belongs to the network; tubes are made behind it */
    const cfp_pipeline_request request = {
        .list = &b->plan.list,
        .store = b->store,
        .analyser = session->analyser,
        .model = &session->model,
        .batch = (int)session->config.batch,
        .windows = cfp_session_windows(session),
        .class_index = b->class_index,
        .interp = (cfp_interp)session->config.interp,
        .other = session->other.path != NULL ? &session->other : NULL,
        .run = &facts,
        .parts = b->parts,
        .decoders = decoders(session),
        .seconds = session->config.time_limit,
        .max_memory = session->config.max_memory,
        .interrupted = cfp_interrupt_flag(),
        .progress = tell_progress,
        .failed = tell_failure,
        .cookie = b,
    };
    /* What the network has begun is finished; so it does not look for signals, and the timer of the
     * first one is off. */
    session->ctx.interrupted = NULL;
    cfp_interrupt_patience(0);
    const cfp_status status = cfp_pipeline_run(&b->result.work, &session->ctx, &request);
    session->ctx.interrupted = cfp_interrupt_flag();
    return status;
}

/* Also after an interrupt: shards whose clips are all done are packed, and index.h5 shows them. */
static cfp_status close_folder(batch *b, cfp_status status)
{
    cfp_ctx *ctx = &b->session->ctx;
    if (status != CFP_OK && status != CFP_INTERRUPTED)
        return status;
    ctx->interrupted = NULL;
    cfp_status closed = cfp_batch_store_pack_all(b->store, ctx);
    if (closed == CFP_OK)
        closed = cfp_batch_store_finish(b->store, ctx);
    ctx->interrupted = cfp_interrupt_flag();
    return closed != CFP_OK ? closed : status;
}

/* Of several ranks, the first one tells the result of all. */
static cfp_status tell_result(batch *b, cfp_status status)
{
    cfp_session *session = b->session;
    cfp_ctx *ctx = &session->ctx;
    if (b->rank >= 0)
        cfp_batch_store_outlast(b->store, ctx);
    CFP_TRY(cfp_batch_store_follow(b->store, ctx));
    b->result.counts = cfp_batch_store_counts(b->store);
    if (b->rank <= 0)
        CFP_TRY(cfp_batch_summary(session, &b->plan, b->store, &b->result, status));
    CFP_TRY(status);
    if (b->result.counts.failed == 0)
        return CFP_OK;
    status = cfp_fail(ctx, CFP_IO, "%s: %d of %d clips failed; %s/manifest.jsonl says why",
                      session->config.operand[1], b->result.counts.failed, b->result.counts.total,
                      session->config.output);
    if (b->rank > 0)
        ctx->message[0] = '\0'; /* rank 0 says it */
    return status;
}

static cfp_status batch_clips(batch *b)
{
    cfp_session *session = b->session;
    cfp_ctx *ctx = &session->ctx;
    CFP_TRY(check_options(b));
    CFP_TRY(open_network(b));
    CFP_TRY(cfp_batch_store_open(&b->store, ctx, session->config.output, &b->plan.list));
    b->result.before = cfp_batch_store_counts(b->store);
    const cfp_batch_counts *before = &b->result.before;
    cfp_status status = CFP_OK;
    if (before->done + before->failed + before->skipped < before->total) {
        CFP_TRY(open_rest(b));
        status = run(b);
    }
    status = close_folder(b, status);
    return status == CFP_OK || status == CFP_INTERRUPTED ? tell_result(b, status) : status;
}

/* This rank can do no more, for example because its GPU has failed.  That is told at once. */
static cfp_status fail_last(batch *b, cfp_status status)
{
    cfp_session *session = b->session;
    if (session->ctx.message[0] != '\0')
        cfp_terminal_error(&session->terminal, session->ctx.message);
    cfp_batch_store_outlast(b->store, &session->ctx);
    session->ctx.message[0] = '\0';
    return status;
}

cfp_status cfp_cmd_batch(cfp_session *session)
{
    batch b = {.session = session, .rank = cfp_rank()};
    session->terminal.silent = b.rank > 0;
    cfp_status status = batch_clips(&b);
    if (status != CFP_OK && status != CFP_INTERRUPTED && b.rank >= 0 && b.store != NULL)
        status = fail_last(&b, status);
    if (status == CFP_INTERRUPTED && b.rank > 0)
        session->ctx.message[0] = '\0'; /* rank 0 says it */
    cfp_batch_store_close(&b.store);
    cfp_batch_plan_free(&b.plan);
    return status;
}
