/* cmd_sweep.c - cfp-gpu sweep: what every threshold selects, as a table.
 *
 * Each clip is decoded and runs through the network once; twice, if some queries compare it with a
 * baseline (--baseline, --steps, --turn-down) and some do not.  Of several windows (--windows), all
 * run through the network first, and the mean of their probabilities chooses the classes.  Then
 * every class and every query gives a series of rows (method/sweep.h).  Only one series is in
 * memory at a time, never the whole table.
 *
 * A clip that cannot be read is reported, and the next one follows, as in predict.  If the table
 * cannot be written, the command fails. */
#include <stdio.h>
#include <string.h>
#include "../method/sweep.h"
#include "../draw/plot.h"
#include "commands.h"
#include "sweep_plan.h"
#include "sweep_rows.h"
#include "table.h"
#include "../method/window_scores.h"

typedef struct sweeping {
    cfp_session *session;
    cfp_sweep_plan plan;
    cfp_analyser *compared; /* for the queries that compare; NULL: none does */
    cfp_table table;
    cfp_plot *plot; /* NULL: none */
    cfp_status plot_status;
    cfp_sweep_rows rows;
    cfp_window_scores scores;
    int *class_index; /* [n_classes of the model] the classes that are explained */
    int n_windows;
    cfp_clip **window;   /* [n_windows] of the current clip */
    int64_t done, total; /* descents, the unit of progress */
} sweeping;

/* How many classes are explained for each clip. */
static int classes_of(const sweeping *w)
{
    return w->plan.n_classes > 0 ? w->plan.n_classes
                                 : cfp_min_int(w->plan.top_classes, w->session->model.n_classes);
}

static cfp_status open_plot(sweeping *w)
{
    cfp_session *session = w->session;
    const int64_t n_clips = session->config.n_operands - 1;
    int deepest = 0;
    for (int i = 0; i < session->model.n_nodes; i++)
        deepest = cfp_max_int(deepest, session->model.node[i].depth);
    if (session->config.depth != CFP_ALL_DEPTHS)
        deepest = cfp_min_int(deepest, (int)session->config.depth);
    const cfp_plot_request request = {.path = session->config.plot,
                                      .n_panels = n_clips * w->n_windows * classes_of(w) *
                                                  w->plan.n_queries,
                                      .theta = w->plan.theta,
                                      .n_thetas = w->plan.n_thetas,
                                      .max_depth = deepest};
    return cfp_plot_open(&w->plot, &session->ctx, &request);
}

static cfp_status open_outputs(sweeping *w)
{
    cfp_session *session = w->session;
    const cfp_config *config = &session->config;
    CFP_TRY(cfp_session_spare_inputs(session, "plot", config->plot));
    if (config->csv != NULL && config->plot != NULL && strcmp(config->csv, config->plot) == 0)
        return cfp_fail(&session->ctx, CFP_USAGE, "--plot: %s is also the file of --csv",
                        config->plot);
    CFP_TRY(cfp_table_open(&w->table, session));
    w->rows.csv = w->table.csv.ctx != NULL ? &w->table.csv : NULL;
    if (config->plot != NULL)
        CFP_TRY(open_plot(w));
    return cfp_sweep_rows_header(&w->rows);
}

/* The network for the queries that compare, or for the others; NULL if there are none. */
static cfp_status open_for(cfp_analyser **analyser, sweeping *w, bool compares)
{
    cfp_session *session = w->session;
    cfp_query *query;
    int n = 0;
    CFP_TRY_ALLOC(&session->ctx, query, w->plan.n_queries);
    for (int i = 0; i < w->plan.n_queries; i++)
        if (cfp_sweep_compares(&w->plan.query[i]) == compares)
            query[n++] = w->plan.query[i];
    cfp_status status = CFP_OK;
    if (n > 0)
        status = cfp_analyser_open_sweep(analyser, &session->ctx, &session->model, &session->device,
                                         query, n);
    cfp_free(query);
    return status;
}

static cfp_status open_analysers(sweeping *w)
{
    cfp_session *session = w->session;
    const int n_classes = session->model.n_classes;
    CFP_TRY_ALLOC(&session->ctx, session->logits, n_classes);
    CFP_TRY_ALLOC(&session->ctx, w->class_index, n_classes);
    CFP_TRY_ALLOC(&session->ctx, w->window, w->n_windows);
    cfp_session_range_begin(session, CFP_RANGE_LOAD, "plan");
    cfp_status status = open_for(&session->analyser, w, false);
    if (status == CFP_OK)
        status = open_for(&w->compared, w, true);
    cfp_session_range_end(session);
    return status;
}

static int64_t descents_of_clip(const sweeping *w)
{
    int64_t descents = 0;
    for (int i = 0; i < w->plan.n_queries; i++)
        descents += cfp_sweep_descents(&w->plan.query[i], w->plan.n_thetas);
    return descents * classes_of(w) * w->n_windows;
}

/* The title of a panel is the class and, if there are several, the clip and the first frame of the
 * window; below it is the query. */
static cfp_status add_panel(sweeping *w, const cfp_sweep_subject *subject, const cfp_series *series)
{
    char title[512], options[256], frame[32] = "";
    const cfp_sweep_words words = cfp_sweep_words_of(subject->query);
    const char *const word[] = {words.mask, words.propagate, words.normalise,
                                words.class_relevance};
    static const char *const before[] = {"mask ", "", "", "class "};
    const char *const slash = strrchr(subject->clip, '/');
    const char *const clip = slash != NULL && slash[1] != '\0' ? slash + 1 : subject->clip;
    int used = snprintf(options, sizeof options, "rule %s", words.rule);
    for (int i = 0; i < 4; i++)
        if (word[i] != NULL)
            used += snprintf(options + used, sizeof options - (size_t)used, ", %s%s", before[i],
                             word[i]);
    if (w->n_windows > 1)
        snprintf(frame, sizeof frame, ", from frame %d", (int)subject->start);
    snprintf(title, sizeof title, "%.200s (%.3g)%s%.200s%s",
             subject->model->class_name[subject->class_index], subject->probability,
             w->session->config.n_operands > 2 ? ", " : "",
             w->session->config.n_operands > 2 ? clip : "", frame);
    return cfp_plot_add(w->plot, title, options, series);
}

static cfp_status sweep_series(sweeping *w, const cfp_clip *clip, int class_index,
                               const cfp_query *query)
{
    cfp_session *session = w->session;
    cfp_series series;
    const cfp_sweep_subject subject = {.model = &session->model,
                                       .clip = clip->path,
                                       .start = w->n_windows > 1 ? clip->index[0] : -1,
                                       .class_index = class_index,
                                       .probability = (double)w->scores.probability[class_index],
                                       .query = query,
                                       .theta = w->plan.theta,
                                       .n_thetas = w->plan.n_thetas};
    cfp_analyser *const analyser = cfp_sweep_compares(query) ? w->compared : session->analyser;
    CFP_TRY(cfp_sweep(&series, analyser, query, class_index, w->plan.theta, w->plan.n_thetas));
    cfp_terminal_clear(&session->terminal); /* the rows may go to the same terminal */
    cfp_status status = cfp_sweep_rows_put(&w->rows, &session->ctx, &subject, &series);
    if (status == CFP_OK && w->plot != NULL)
        w->plot_status = status = add_panel(w, &subject, &series);
    cfp_series_free(&series);
    return status;
}

/* Runs the network on a window; then its series can be computed. */
static cfp_status forward(sweeping *w, const cfp_clip *clip)
{
    cfp_session *session = w->session;
    if (session->other.path != NULL)
        CFP_TRY(cfp_session_check_frames(session, "baseline", &session->other, clip));
    if (w->compared != NULL)
        CFP_TRY(cfp_sweep_forward(w->compared, clip, &session->other, session->logits));
    if (session->analyser != NULL)
        CFP_TRY(cfp_session_forward(session, clip));
    return CFP_OK;
}

static cfp_status sweep_window(sweeping *w, const cfp_clip *clip)
{
    const int n = classes_of(w);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < w->plan.n_queries; i++) {
            const cfp_query *query = &w->plan.query[i];
            CFP_TRY(sweep_series(w, clip, w->class_index[k], query));
            w->done += cfp_sweep_descents(query, w->plan.n_thetas);
            cfp_progress(&w->session->ctx, "sweep", w->done, w->total);
        }
    return CFP_OK;
}

/* The windows are in w->window. */
static cfp_status sweep_clip(sweeping *w)
{
    cfp_session *session = w->session;
    CFP_TRY(cfp_window_scores_begin(&w->scores, &session->ctx, &session->model));
    for (int i = 0; i < w->n_windows; i++) {
        CFP_TRY(forward(w, w->window[i]));
        cfp_window_scores_add(&w->scores, session->logits);
    }
    memcpy(w->class_index, w->plan.n_classes > 0 ? w->plan.class_index : w->scores.rank,
           (size_t)classes_of(w) * sizeof *w->class_index);
    for (int i = 0; i < w->n_windows; i++) {
        if (w->n_windows > 1) /* the network holds the last window */
            CFP_TRY(forward(w, w->window[i]));
        CFP_TRY(sweep_window(w, w->window[i]));
    }
    return CFP_OK;
}

static cfp_status sweep_next(sweeping *w)
{
    cfp_session *session = w->session;
    cfp_status status = CFP_OK;
    int n = 0;
    while (n < w->n_windows && status == CFP_OK) {
        status = cfp_session_next_clip(session, &w->window[n]);
        n += status == CFP_OK;
    }
    if (status == CFP_OK)
        status = sweep_clip(w);
    else
        cfp_session_skip_windows(session, w->n_windows - n - 1);
    for (int i = 0; i < n; i++) {
        const cfp_status given_back = cfp_session_give_back(session, w->window[i]);
        status = status != CFP_OK ? status : given_back;
    }
    return status;
}

static bool is_broken(const sweeping *w)
{
    return cfp_table_is_broken(&w->table) || w->plot_status != CFP_OK;
}

/* A clip that fails is logged at once; the others go on.  *failed receives its status. */
static cfp_status sweep_clips(sweeping *w, cfp_status *failed)
{
    cfp_session *session = w->session;
    cfp_ctx *ctx = &session->ctx;
    const int n_clips = session->config.n_operands - 1;
    w->total = descents_of_clip(w) * n_clips;
    for (int i = 1; i <= n_clips; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "sweep", w->done, w->total);
        const cfp_status status = sweep_next(w);
        if (status == CFP_INTERRUPTED || is_broken(w) || (status != CFP_OK && n_clips == 1))
            return status;
        w->done = descents_of_clip(w) * i;
        if (status == CFP_OK)
            continue;
        cfp_terminal_error(&session->terminal, ctx->message);
        ctx->message[0] = '\0'; /* it has been logged */
        *failed = *failed == CFP_OK ? status : *failed;
    }
    cfp_progress(ctx, "sweep", w->total, w->total);
    return CFP_OK;
}

static cfp_status sweep_table(sweeping *w, cfp_status *failed)
{
    w->rows.json = cfp_table_begin(&w->table);
    const cfp_status status = sweep_clips(w, failed);
    const cfp_status closed = cfp_table_end(&w->table);
    return status != CFP_OK ? status : closed;
}

static cfp_status finish(sweeping *w)
{
    const cfp_config *config = &w->session->config;
    CFP_TRY(cfp_table_commit(&w->table, w->rows.n));
    if (w->plot == NULL)
        return CFP_OK;
    int pages;
    CFP_TRY(cfp_plot_commit(w->plot, &pages));
    cfp_log(&w->session->ctx, CFP_LOG_INFO, "the figure is %s%s", config->plot,
            pages > 1 ? ", and its further pages beside it" : "");
    return CFP_OK;
}

/* The clip that --baseline names. */
static cfp_status read_baseline(sweeping *w)
{
    cfp_session *session = w->session;
    for (int i = 0; i < w->plan.n_queries; i++)
        if (w->plan.query[i].baseline == CFP_BASELINE_CLIP)
            return cfp_session_read_clip(&session->other, session, w->plan.query[i].baseline_path);
    return CFP_OK;
}

static cfp_status sweep(sweeping *w)
{
    cfp_session *session = w->session;
    const cfp_config *config = &session->config;
    cfp_status failed = CFP_OK;
    CFP_TRY(cfp_sweep_plan_make(&w->plan, &session->ctx, config));
    if (config->plot != NULL)
        CFP_TRY(cfp_plot_check(&session->ctx, config->plot));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_sweep_plan_classes(&w->plan, &session->ctx, &session->model, config->class_name));
    CFP_TRY(read_baseline(w));
    CFP_TRY(open_outputs(w));
    CFP_TRY(cfp_session_open_clips(
        session, 1, w->n_windows)); /* before the network is planned, so that decoding starts now */
    CFP_TRY(open_analysers(w));
    CFP_TRY(sweep_table(w, &failed));
    if (failed != CFP_OK && w->rows.n == 0)
        return failed; /* no table without a row */
    CFP_TRY(finish(w));
    return failed;
}

cfp_status cfp_cmd_sweep(cfp_session *session)
{
    sweeping w = {.session = session, .n_windows = cfp_session_windows(session)};
    w.rows.has_windows = w.n_windows > 1;
    CFP_TRY(cfp_session_list_clips(session, 1));
    const cfp_status status = sweep(&w);
    cfp_table_close(&w.table, status);
    cfp_plot_close(&w.plot);
    cfp_analyser_close(&w.compared);
    cfp_window_scores_free(&w.scores);
    cfp_free(w.class_index);
    cfp_free(w.window);
    cfp_sweep_plan_free(&w.plan);
    return status;
}
