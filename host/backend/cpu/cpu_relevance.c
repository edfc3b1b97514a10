/* cpu_relevance.c - ref's back-step of a layer, its kernels shared out among the threads.
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

cfp_status cpu_back_step(cfp_backend *backend, const cfp_back_step *s)
{
    const int64_t rows = (int64_t)s->clips * s->thetas * s->kernels;
    const int64_t count = (int64_t)s->clips * s->thetas * s->channels;
    const int threads = threads_for(backend, rows * cfp_span_length(s));
    cfp_demand *child;
    cfp_status result = CFP_OK;
    if (threads == 1)
        return ref_back_step(backend, s);
    CFP_TRY_ALLOC(backend->ctx, child, threads * count);
    memset(child, 0xff, (size_t)(threads * count) * sizeof *child);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        cfp_back_step mine = *s;
        mine.child = child + t * count;
        const cfp_status status =
            ref_back_step_rows(&mine, rows * t / threads, rows * (t + 1) / threads);
        if (status != CFP_OK)
#pragma omp critical
            result = status;
    }
    for (int64_t i = 0; i < threads * count; i++)
        s->child[i % count] = child[i] > s->child[i % count] ? child[i] : s->child[i % count];
    cfp_free(child);
    return result;
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
        const cfp_status status = ref_list_edges_rows(s, question, first, last, mine);
        if (status != CFP_OK)
#pragma omp critical
            result = status;
    }
    return result;
}
