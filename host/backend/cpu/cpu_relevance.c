/* cpu_relevance.c - the back-step of a layer, its kernels shared out among the threads: by the
 * kernel of lane_score.inc where the query is the usual one, else by ref's loops.
 *
 * Each thread raises a demand of its own; they are merged by their maximum, so the result does not
 * depend on how many there are. */
#include "cpu.h"
#include "../ref/ref.h"
#include "../relevance_math.h"
#include <string.h>

enum { LEAST_PAIRS = 1 << 15 }; /* (kernel, channel) pairs that are worth a thread */

static int threads_for(const cfp_backend *backend, int64_t pairs)
{
    const int64_t worth = pairs / LEAST_PAIRS;
    return worth < 1 ? 1 : worth < backend->threads ? (int)worth : backend->threads;
}

/* What lanes->score_row and score_list are for (lanes.h). */
static bool is_usual(const cfp_back_step *s)
{
    return s->rule == CFP_RULE_CFP && !s->classifier && s->normalise == CFP_NORMALISE_MINMAX &&
           s->propagate == CFP_PROPAGATE_EDGE && s->top == 0;
}

static void close_score(lane_score *job)
{
    cfp_free(job->value);
    cfp_free(job->best);
}

static cfp_status open_score(lane_score *job, const cfp_back_step *s)
{
    *job = (lane_score){.step = s};
    job->value = cfp_alloc(NULL, (size_t)cfp_span_length(s), sizeof *job->value);
    job->best = cfp_alloc(NULL, (size_t)s->channels, sizeof *job->best);
    if (job->value != NULL && job->best != NULL)
        return CFP_OK;
    close_score(job);
    return CFP_NOMEM;
}

/* Demands of the relevances in best, which a question's rows have raised from -1. */
static void raise_children(const lane_score *job, int64_t question)
{
    const cfp_back_step *s = job->step;
    cfp_demand *child = s->child + question * s->channels;
    for (int c = 0; c < s->channels; c++) {
        const cfp_demand found = job->best[c] < 0 ? CFP_NOT_DEMANDED : cfp_demand_of(job->best[c]);
        child[c] = found > child[c] ? found : child[c];
        job->best[c] = -1;
    }
}

/* As ref_back_step_rows. */
static cfp_status usual_rows(const cfp_backend *backend, const cfp_back_step *s, int64_t first,
                             int64_t last)
{
    lane_score job;
    CFP_TRY(open_score(&job, s));
    cfp_status status = CFP_OK;
    for (int c = 0; c < s->channels; c++)
        job.best[c] = -1;
    for (int64_t row = first; row < last && status == CFP_OK; row++) {
        if (s->demand[row] < 0)
            s->n_edges[row] = 0;
        else if (!backend->lanes->score_row(&job, row))
            status = ref_back_step_rows(s, row, row + 1);
        if ((row + 1) % s->kernels == 0 || row + 1 == last)
            raise_children(&job, row / s->kernels);
    }
    close_score(&job);
    return status;
}

static cfp_status rows(const cfp_backend *backend, const cfp_back_step *s, int64_t first,
                       int64_t last)
{
    return is_usual(s) ? usual_rows(backend, s, first, last) : ref_back_step_rows(s, first, last);
}

cfp_status cpu_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    const int64_t all = (int64_t)s->clips * s->thetas * s->kernels;
    const int64_t count = (int64_t)s->clips * s->thetas * s->channels;
    const int threads = threads_for(backend, all * cfp_span_length(s));
    cfp_demand *child;
    cfp_status result = CFP_OK;
    if (threads == 1)
        return rows(backend, s, 0, all);
    CFP_TRY_ALLOC(backend->ctx, child, threads * count);
    memset(child, 0xff, (size_t)(threads * count) * sizeof *child);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        cfp_back_step mine = *s;
        mine.child = child + t * count;
        const cfp_status status = rows(backend, &mine, all * t / threads, all * (t + 1) / threads);
        if (status != CFP_OK)
#pragma omp critical
            result = status;
    }
    for (int64_t i = 0; i < threads * count; i++)
        s->child[i % count] = child[i] > s->child[i % count] ? child[i] : s->child[i % count];
    cfp_free(child);
    return result;
}

/* As ref_list_edges_rows. */
static cfp_status list_rows(const cfp_backend *backend, const cfp_back_step *s, int question,
                            int first, int last, cfp_edge *edge)
{
    lane_score job;
    if (!is_usual(s))
        return ref_list_edges_rows(s, question, first, last, edge);
    CFP_TRY(open_score(&job, s));
    cfp_status status = CFP_OK;
    for (int o = first; o < last && status == CFP_OK; o++) {
        const int64_t row = (int64_t)question * s->kernels + o;
        if (s->n_edges[row] == 0)
            continue;
        if (s->row[row].high > s->row[row].low)
            backend->lanes->score_list(&job, row, edge);
        else
            status = ref_list_edges_rows(s, question, o, o + 1, edge);
        edge += s->n_edges[row];
    }
    close_score(&job);
    return status;
}

cfp_status cpu_list_edges(cfp_backend *backend, const cfp_back_step *s, int question,
                          cfp_edge *edge)
{
    const int threads = threads_for(backend, (int64_t)s->kernels * cfp_span_length(s));
    const int32_t *n = s->n_edges + (int64_t)question * s->kernels;
    cfp_status result = CFP_OK;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const int first = (int)((int64_t)s->kernels * t / threads);
        const int last = (int)((int64_t)s->kernels * (t + 1) / threads);
        cfp_edge *mine = edge;
        for (int o = 0; o < first; o++)
            mine += n[o];
        const cfp_status status = list_rows(backend, s, question, first, last, mine);
        if (status != CFP_OK)
#pragma omp critical
            result = status;
    }
    return result;
}
