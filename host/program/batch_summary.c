/* batch_summary.c - see batch_summary.h. */
#include "batch_summary.h"
#include "../batch/lines.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_REASONS = 8 };

typedef struct reason {
    char *text;
    int clips;
} reason;

typedef struct tally {
    int labelled, top1, top5; /* of the clips that are done */
    reason *reason;           /* [n_reasons] by number of clips */
    int n_reasons;
} tally;

/* The path in front of a message differs from clip to clip; what follows is the reason. */
static const char *without_path(const char *message, const char *clip)
{
    const size_t length = clip == NULL ? 0 : strlen(clip);
    if (length > 0 && strncmp(message, clip, length) == 0 && message[length] == ':')
        return message + length + 1 + strspn(message + length + 1, " ");
    return message;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const reason *)a)->text, ((const reason *)b)->text);
}

static int by_clips(const void *a, const void *b)
{
    const reason *x = a, *y = b;
    return x->clips != y->clips ? y->clips - x->clips : by_text(a, b);
}

/* Equal reasons become one. */
static void merge_reasons(tally *t)
{
    int kept = 0;
    if (t->n_reasons == 0)
        return;
    qsort(t->reason, (size_t)t->n_reasons, sizeof *t->reason, by_text);
    for (int i = 1; i < t->n_reasons; i++)
        if (strcmp(t->reason[i].text, t->reason[kept].text) == 0) {
            t->reason[kept].clips++;
            cfp_free(t->reason[i].text);
        } else {
            t->reason[++kept] = t->reason[i];
        }
    t->n_reasons = kept + 1;
    qsort(t->reason, (size_t)t->n_reasons, sizeof *t->reason, by_clips);
}

static cfp_status count_line(tally *t, cfp_ctx *ctx, const cfp_batch_item *item, const char *line)
{
    cfp_line_facts facts;
    if (line == NULL || !cfp_line_read(&facts, line, strlen(line)))
        return CFP_OK;
    if (facts.status == CFP_BATCH_DONE) {
        t->labelled += facts.rank > 0;
        t->top1 += facts.rank == 1;
        t->top5 += facts.rank >= 1 && facts.rank <= CFP_BATCH_TOP;
        return CFP_OK;
    }
    char *text = cfp_line_reason(ctx, line);
    if (text == NULL)
        return CFP_NOMEM;
    char *shown = cfp_strdup(ctx, without_path(text, item->clip));
    cfp_free(text);
    t->reason[t->n_reasons++] = (reason){shown, 1};
    return shown == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status count_lines(tally *t, cfp_ctx *ctx, const cfp_batch_plan *plan,
                              const cfp_batch_store *store, const cfp_batch_counts *counts)
{
    CFP_TRY_ALLOC(ctx, t->reason, counts->failed + counts->skipped);
    for (int i = 0; i < plan->list.n; i++)
        CFP_TRY(count_line(t, ctx, &plan->item[i], cfp_batch_store_line(store, i)));
    merge_reasons(t);
    return CFP_OK;
}

static double per_second(const cfp_stage_work *work)
{
    return work->busy_ms > 0 ? 1e3 * work->clips * work->threads / work->busy_ms : 0;
}

/* --- as text --- */

static void print_rates(const cfp_batch_result *r)
{
    const cfp_pipeline_work *w = &r->work;
    const int done = r->counts.done - r->before.done;
    if (w->network.clips == 0)
        return;
    printf("%-10s %.3g clips/s: %d in %.1f s\n", "speed", 1e3 * done / w->wall_ms, done,
           w->wall_ms * 1e-3);
    printf("%-10s decode %.3g, network %.3g, write %.3g clips/s (each alone)\n", "stages",
           per_second(&w->decode), per_second(&w->network), per_second(&w->write));
}

static void print_reasons(const tally *t)
{
    int more = 0;
    for (int i = 0; i < t->n_reasons; i++) {
        if (i >= MOST_REASONS) {
            more += t->reason[i].clips;
            continue;
        }
        printf("%8d  ", t->reason[i].clips);
        cfp_print_text(stdout, t->reason[i].text, 0);
        printf("\n");
    }
    if (more > 0)
        printf("%8d  other reasons: see manifest.jsonl\n", more);
}

static void print_text(const cfp_session *session, const cfp_batch_result *r, const tally *t,
                       cfp_status ended)
{
    const cfp_batch_counts *c = &r->counts;
    const int open = c->total - c->done - c->failed - c->skipped;
    cfp_print_text(stdout, session->config.output, 0);
    printf(": %d of %d clips done", c->done, c->total);
    if (c->failed > 0)
        printf(", %d failed", c->failed);
    if (c->skipped > 0)
        printf(", %d skipped", c->skipped);
    if (open > 0)
        printf(", %d open%s", open, ended == CFP_OK ? "" : ": start again to go on");
    printf("\n");
    if (t->labelled > 0)
        printf("%-10s top-1 %.2f %%, top-5 %.2f %% of %d labelled clips\n", "accuracy",
               100.0 * t->top1 / t->labelled, 100.0 * t->top5 / t->labelled, t->labelled);
    print_rates(r);
    print_reasons(t);
}

/* --- as JSON --- */

static void put_stage(cfp_json *json, const char *name, const cfp_stage_work *work)
{
    cfp_json_key(json, name);
    cfp_json_object(json);
    cfp_json_put_int(json, "clips", work->clips);
    cfp_json_put_double(json, "clips_per_s", per_second(work));
    cfp_json_object_end(json);
}

static cfp_status print_json(cfp_session *session, const cfp_batch_result *r, const tally *t)
{
    const cfp_batch_counts *c = &r->counts;
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "folder", session->config.output);
    cfp_json_put_int(&json, "clips", c->total);
    cfp_json_put_int(&json, "ok", c->done);
    cfp_json_put_int(&json, "failed", c->failed);
    cfp_json_put_int(&json, "skipped", c->skipped);
    cfp_json_put_int(&json, "open", c->total - c->done - c->failed - c->skipped);
    cfp_json_put_int(&json, "labelled", t->labelled);
    if (t->labelled > 0) {
        cfp_json_put_double(&json, "top1", (double)t->top1 / t->labelled);
        cfp_json_put_double(&json, "top5", (double)t->top5 / t->labelled);
    }
    cfp_json_put_double(&json, "seconds", r->work.wall_ms * 1e-3);
    cfp_json_key(&json, "stages");
    cfp_json_object(&json);
    put_stage(&json, "decode", &r->work.decode);
    put_stage(&json, "network", &r->work.network);
    put_stage(&json, "write", &r->work.write);
    cfp_json_object_end(&json);
    cfp_json_key(&json, "reasons");
    cfp_json_object(&json);
    for (int i = 0; i < t->n_reasons; i++)
        cfp_json_put_int(&json, t->reason[i].text, t->reason[i].clips);
    cfp_json_object_end(&json);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

cfp_status cfp_batch_summary(cfp_session *session, const cfp_batch_plan *plan,
                             const cfp_batch_store *store, const cfp_batch_result *result,
                             cfp_status ended)
{
    tally t = {0};
    cfp_status status = CFP_OK;
    if (ended != CFP_OK && ended != CFP_INTERRUPTED)
        return CFP_OK; /* the message of the failure is all that counts */
    status = count_lines(&t, &session->ctx, plan, store, &result->counts);
    cfp_terminal_clear(&session->terminal);
    if (status == CFP_OK && session->config.json)
        status = print_json(session, result, &t);
    else if (status == CFP_OK && !session->config.quiet)
        print_text(session, result, &t, ended);
    for (int i = 0; i < t.n_reasons; i++)
        cfp_free(t.reason[i].text);
    cfp_free(t.reason);
    return status;
}
