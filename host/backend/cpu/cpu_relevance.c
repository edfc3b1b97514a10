/* cpu_relevance.c - the back-step of a layer, with its kernels divided among the threads.  The
 * usual query is computed by lane_score.c, others by ref's loops.
 *
 * Each thread has its own demands.  At the end their maximum is taken, so the result does not
 * depend on the number of threads, nor on which thread scores which kernel. */
#include "cpu.h"
#include "../ref/ref.h"
#include "../relevance_math.h"
#include <omp.h>
#include <string.h>

enum {
    MIN_PAIRS = 1 << 15, /* pairs (kernel, channel) for each thread of ref's loops, at least */
    MIN_WORK = 1 << 16,  /* and to score_row, where a kernel costs as much again */
    ROW_WORK = 128,      /* as so many pairs */
    PIECE_WORK = 1 << 13 /* what a thread takes at a time */
};

static int threads_for(const cfp_backend *backend, int64_t work, int64_t min)
{
    const int64_t worth = work / min;
    return worth < 1 ? 1 : worth < backend->threads ? (int)worth : backend->threads;
}

/* True if lanes->score_list can list the edges (lanes.h). */
static bool lists_as_usual(const cfp_back_step *s)
{
    return s->rule == CFP_RULE_CFP && !s->classifier && s->normalise == CFP_NORMALISE_MINMAX;
}
/* True if lanes->score_row can do the back-step. */
static bool is_usual(const cfp_back_step *s)
{
    return lists_as_usual(s) && s->propagate != CFP_PROPAGATE_PATH && s->top == 0;
}

/* Bytes of working memory of score_row, for one thread. */
static size_t estimate_bytes(const cfp_back_step *s)
{
    return cpu_aligned((size_t)cfp_span_words(s) * 32 * sizeof(float));
}
static size_t best_bytes(const cfp_back_step *s)
{
    return cpu_aligned(((size_t)s->channels + 32) * sizeof(float));
}

/* The least float r >= 0 with (double)r >= theta. */
static float min_that_reaches(double theta)
{
    const float r = theta > 0 ? (float)theta : 0;
    return (double)r < theta ? nextafterf(r, INFINITY) : r;
}

/* Raises the demands on the layer's channels to the relevances in job->best. */
static void raise_children(const lane_score *job, int question)
{
    const cfp_back_step *s = job->step;
    cfp_demand *child = s->child + (int64_t)question * s->channels;
#pragma omp critical(raise_children)
    for (int c = 0; c < s->channels; c++) {
        const cfp_demand found =
            job->best[c] < job->floor ? CFP_NOT_DEMANDED : cfp_demand_of((double)job->best[c]);
        child[c] = found > child[c] ? found : child[c];
    }
}

/* A thread's share of the kernels that a question demands. */
static void score_question(const cfp_backend *backend, lane_score *job, int question)
{
    const cfp_back_step *s = job->step;
    const int piece = 1 + PIECE_WORK / (ROW_WORK + cfp_span_length(s));
    job->floor = min_that_reaches(s->theta[question % s->thetas]);
    const float below = nextafterf(job->floor, -INFINITY);
    for (int c = 0; c < s->channels; c++)
        job->best[c] = below;
#pragma omp for schedule(dynamic, piece) nowait
    for (int o = 0; o < s->kernels; o++) {
        if (s->demand[(int64_t)question * s->kernels + o] >= 0)
            backend->lanes->score_row(job, question, o);
        else
            s->n_edges[(int64_t)question * s->kernels + o] = 0;
    }
    raise_children(job, question);
}

static cfp_status usual_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    const int questions = s->clips * s->thetas;
    const size_t estimates = estimate_bytes(s), bytes = estimates + best_bytes(s);
    int64_t demanded = 0;
    char *workspace;
    for (int64_t row = 0; row < (int64_t)questions * s->kernels; row++)
        demanded += s->demand[row] >= 0;
    const int threads = threads_for(backend, demanded * (ROW_WORK + cfp_span_length(s)), MIN_WORK);
    CFP_TRY(cpu_workspace(&workspace, backend, (size_t)threads * bytes));
#pragma omp parallel num_threads(threads)
    {
        char *mine = workspace + (size_t)omp_get_thread_num() * bytes;
        lane_score job = {
            .step = s, .estimate = (float *)mine, .best = (float *)(mine + estimates)};
        for (int question = 0; question < questions; question++)
            score_question(backend, &job, question);
    }
    return CFP_OK;
}

static cfp_status back_step(cfp_backend *backend, const cfp_back_step *s)
{
    const int64_t all = (int64_t)s->clips * s->thetas * s->kernels;
    const int64_t count = (int64_t)s->clips * s->thetas * s->channels;
    const int threads = threads_for(backend, all * cfp_span_length(s), MIN_PAIRS);
    cfp_demand *child;
    cfp_status result = CFP_OK;
    if (is_usual(s))
        return usual_back_step(backend, s);
    if (threads == 1)
        return ref_back_step_rows(backend->ctx, s, 0, all);
    CFP_TRY_ALLOC(backend->ctx, child, threads * count);
    memset(child, 0xff, (size_t)(threads * count) * sizeof *child);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        cfp_back_step mine = *s;
        mine.child = child + t * count;
        cfp_ctx own = {0};
        const cfp_status status =
            ref_back_step_rows(&own, &mine, all * t / threads, all * (t + 1) / threads);
        if (status != CFP_OK)
#pragma omp critical
            result = cfp_fail(backend->ctx, status, "%s", own.message);
    }
    for (int64_t i = 0; i < threads * count; i++)
        s->child[i % count] = child[i] > s->child[i % count] ? child[i] : s->child[i % count];
    cfp_free(child);
    return result;
}

cfp_status cpu_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    CFP_TRY(back_step(backend, s));
    ref_raise_targets(s);
    return CFP_OK;
}

/* As ref_list_edges_rows. */
static cfp_status list_rows(const cfp_backend *backend, cfp_ctx *ctx, const cfp_back_step *s,
                            int question, int first, int last, cfp_edge *edge)
{
    lane_score job = {.step = s};
    if (!lists_as_usual(s))
        return ref_list_edges_rows(ctx, s, question, first, last, edge);
    CFP_TRY_ALLOC(ctx, job.value, cfp_span_length(s));
    cfp_status status = CFP_OK;
    for (int o = first; o < last && status == CFP_OK; o++) {
        const int64_t row = (int64_t)question * s->kernels + o;
        if (s->n_edges[row] == 0)
            continue;
        if (s->row[row].high > s->row[row].low)
            backend->lanes->score_list(&job, question, o, edge);
        else
            status = ref_list_edges_rows(ctx, s, question, o, o + 1, edge);
        edge += s->n_edges[row];
    }
    cfp_free(job.value);
    return status;
}

cfp_status cpu_list_edges(cfp_backend *backend, const cfp_back_step *s, int question,
                          cfp_edge *edge)
{
    const int threads = threads_for(backend, (int64_t)s->kernels * cfp_span_length(s), MIN_PAIRS);
    const int32_t *n = s->n_edges + (int64_t)question * s->kernels;
    cfp_status result = CFP_OK;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const int first = (int)((int64_t)s->kernels * t / threads);
        const int last = (int)((int64_t)s->kernels * (t + 1) / threads);
        cfp_edge *mine = edge;
        for (int o = 0; o < first; o++)
            mine += n[o];
        cfp_ctx own = {0};
        const cfp_status status = list_rows(backend, &own, s, question, first, last, mine);
        if (status != CFP_OK)
#pragma omp critical
            result = cfp_fail(backend->ctx, status, "%s", own.message);
    }
    return result;
}
