/* cmd_evaluate.c - cfp-gpu evaluate: does the pyramid name the kernels that matter?  As a table.
 *
 * host/evaluate/ does the measuring.  This file reads the clips and writes the rows, each as soon
 * as it is known.  A clip that cannot be read is reported, and the next one follows, as in sweep.
 */
#include "../evaluate/evaluate.h"
#include "commands.h"
#include "evaluate_plan.h"
#include "table.h"

typedef struct evaluating {
    cfp_session *session;
    cfp_evaluate_plan plan;
    cfp_evaluation *evaluation;
    cfp_table table;
    cfp_csv *csv; /* NULL: none */
    cfp_json *json;
    int64_t rows;
} evaluating;

static void put_fields(cfp_csv *csv, cfp_json *json, const cfp_eval_row *row)
{
    cfp_put_text(csv, json, "clip", row->clip);
    cfp_put_int(csv, json, "class_index", row->class_index);
    cfp_put_text(csv, json, "class_name", row->class_name);
    cfp_put_text(csv, json, "method", row->method);
    cfp_put_number(csv, json, "theta", row->theta);
    cfp_put_text(csv, json, "metric", row->metric);
    cfp_put_text(csv, json, "layer", row->layer);
    cfp_put_int(csv, json, "depth", row->depth);
    cfp_put_int(csv, json, "kernels", row->kernels);
    cfp_put_int(csv, json, "ablated", row->ablated);
    cfp_put_number(csv, json, "share", row->share);
    cfp_put_number(csv, json, "value", row->value);
    cfp_put_number(csv, json, "chance", row->chance);
    cfp_put_number(csv, json, "percentile", row->percentile);
    cfp_put_int(csv, json, "draws", row->draws);
    cfp_put_text(csv, json, "definition", row->definition);
}

static cfp_status put_header(cfp_csv *csv)
{
    static const char *const columns[] = {"clip",    "class_index", "class_name", "method",
                                          "theta",   "metric",      "layer",      "depth",
                                          "kernels", "ablated",     "share",      "value",
                                          "chance",  "percentile",  "draws",      "definition"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        cfp_csv_text(csv, columns[i]);
    return cfp_csv_end_row(csv);
}

static cfp_status put_row(void *cookie, const cfp_eval_row *row)
{
    evaluating *w = cookie;
    w->rows++;
    cfp_terminal_clear(&w->session->terminal); /* the rows may go to the same terminal */
    if (w->json != NULL)
        cfp_json_object(w->json);
    put_fields(w->csv, w->json, row);
    if (w->json != NULL) {
        cfp_json_object_end(w->json);
        CFP_TRY(w->json->status);
    }
    if (w->csv == NULL)
        return CFP_OK;
    CFP_TRY(cfp_csv_end_row(w->csv));
    return cfp_csv_flush(w->csv);
}

static cfp_status check_frames(evaluating *w, const cfp_clip *clip)
{
    cfp_session *session = w->session;
    if (w->plan.other)
        CFP_TRY(cfp_session_check_frames(session, "baseline", &session->other, clip));
    if (w->plan.fill_clip)
        CFP_TRY(cfp_session_check_frames(session, "fill", &session->clip, clip));
    return CFP_OK;
}

static cfp_status evaluate_next(evaluating *w)
{
    cfp_clip *clip;
    const cfp_status read = cfp_session_next_clip(w->session, &clip);
    if (read != CFP_OK) {
        cfp_evaluation_skip(w->evaluation);
        return read;
    }
    cfp_status status = check_frames(w, clip);
    if (status == CFP_OK)
        status = cfp_evaluate_clip(w->evaluation, clip, (cfp_eval_emit){put_row, w});
    else
        cfp_evaluation_skip(w->evaluation);
    const cfp_status given_back = cfp_session_give_back(w->session, clip);
    return status != CFP_OK ? status : given_back;
}

/* A clip that fails is logged at once; the others go on.  *failed receives its status. */
static cfp_status evaluate_clips(evaluating *w, cfp_status *failed)
{
    cfp_session *session = w->session;
    cfp_ctx *ctx = &session->ctx;
    const int n_clips = session->config.n_operands - 1;
    for (int i = 1; i <= n_clips; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const cfp_status status = evaluate_next(w);
        if (status == CFP_OK)
            continue;
        if (status == CFP_INTERRUPTED || cfp_table_is_broken(&w->table) || n_clips == 1)
            return status;
        cfp_terminal_error(&session->terminal, ctx->message);
        ctx->message[0] = '\0'; /* it has been logged */
        *failed = *failed == CFP_OK ? status : *failed;
    }
    if (*failed != CFP_OK)
        ctx->message[0] = '\0'; /* left by an attempt since then whose failure does not matter */
    return CFP_OK;
}

/* For --fill clips: reads all clips once, to take the mean.  A clip that cannot be read is not
 * reported here but when it is evaluated. */
static cfp_status gather_clips(evaluating *w)
{
    cfp_session *session = w->session;
    const int n_clips = session->config.n_operands - 1;
    if (w->plan.request.fill != CFP_FILL_CLIPS)
        return CFP_OK;
    CFP_TRY(cfp_session_open_clips(session, 1, 1));
    for (int i = 1; i <= n_clips; i++) {
        cfp_clip *clip;
        cfp_progress(&session->ctx, "fill", i - 1, n_clips);
        CFP_TRY(cfp_check_interrupt(&session->ctx));
        if (cfp_session_next_clip(session, &clip) != CFP_OK) {
            CFP_TRY(cfp_check_interrupt(&session->ctx));
            session->ctx.message[0] = '\0';
            continue;
        }
        const cfp_status status = cfp_evaluation_gather(w->evaluation, clip);
        const cfp_status given_back = cfp_session_give_back(session, clip);
        CFP_TRY(status);
        CFP_TRY(given_back);
    }
    cfp_progress(&session->ctx, "fill", n_clips, n_clips);
    cfp_clip_queue_close(&session->clips);
    return CFP_OK;
}

/* Opens the clips that --baseline and --fill name. */
static cfp_status open_named_clips(evaluating *w)
{
    cfp_session *session = w->session;
    const cfp_config *config = &session->config;
    if (w->plan.other)
        CFP_TRY(cfp_session_read_clip(&session->other, session, config->baseline));
    if (w->plan.fill_clip)
        CFP_TRY(cfp_session_read_clip(&session->clip, session, config->fill));
    cfp_evaluate_plan_clips(&w->plan, &session->other, &session->clip);
    return CFP_OK;
}

static cfp_status write_table(evaluating *w, cfp_status *failed)
{
    w->json = cfp_table_begin(&w->table);
    const cfp_status status = evaluate_clips(w, failed);
    const cfp_status closed = cfp_table_end(&w->table);
    return status != CFP_OK ? status : closed;
}

static cfp_status evaluate(evaluating *w)
{
    cfp_session *session = w->session;
    const cfp_config *config = &session->config;
    cfp_status failed = CFP_OK;
    CFP_TRY(cfp_evaluate_plan_make(&w->plan, &session->ctx, config));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(
        cfp_evaluate_plan_classes(&w->plan, &session->ctx, &session->model, config->class_name));
    CFP_TRY(open_named_clips(w));
    CFP_TRY(cfp_evaluation_open(&w->evaluation, &session->ctx, &session->model, &session->device,
                                &w->plan.request));
    CFP_TRY(gather_clips(w));
    CFP_TRY(cfp_table_open(&w->table, session));
    w->csv = w->table.csv.ctx != NULL ? &w->table.csv : NULL;
    if (w->csv != NULL)
        CFP_TRY(put_header(w->csv));
    CFP_TRY(cfp_session_open_clips(session, 1, 1));
    CFP_TRY(write_table(w, &failed));
    if (failed != CFP_OK && w->rows == 0)
        return failed; /* no table without a row */
    CFP_TRY(cfp_table_commit(&w->table, w->rows));
    return failed;
}

cfp_status cfp_cmd_evaluate(cfp_session *session)
{
    evaluating w = {.session = session};
    CFP_TRY(cfp_session_list_clips(session, 1));
    const cfp_status status = evaluate(&w);
    cfp_table_close(&w.table, status);
    cfp_evaluation_close(&w.evaluation);
    cfp_evaluate_plan_free(&w.plan);
    return status;
}
