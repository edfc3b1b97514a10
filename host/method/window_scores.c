/* window_scores.c - see window_scores.h. */
#define _GNU_SOURCE
#include "window_scores.h"
#include "../network/trace.h"
#include <stdlib.h>
#include <string.h>

/* For qsort_r: the larger logit first; of equal ones, the lower class number. */
static int by_logit(const void *a, const void *b, void *logits)
{
    const int i = *(const int *)a, k = *(const int *)b;
    const float x = ((const float *)logits)[i], y = ((const float *)logits)[k];
    if (x != y)
        return x > y ? -1 : 1;
    return (i > k) - (i < k);
}

void cfp_rank_classes(int *rank, const float *logits, int n_classes)
{
    for (int i = 0; i < n_classes; i++)
        rank[i] = i;
    qsort_r(rank, (size_t)n_classes, sizeof *rank, by_logit, (void *)(uintptr_t)logits);
}

static cfp_status allocate(cfp_window_scores *scores, cfp_ctx *ctx, int n)
{
    CFP_TRY_ALLOC(ctx, scores->probability_sum, n);
    CFP_TRY_ALLOC(ctx, scores->logit_sum, n);
    CFP_TRY_ALLOC(ctx, scores->probability, n);
    CFP_TRY_ALLOC(ctx, scores->logit, n);
    CFP_TRY_ALLOC(ctx, scores->rank, n);
    CFP_TRY_ALLOC(ctx, scores->top, scores->n_parts);
    CFP_TRY_ALLOC(ctx, scores->top_probability, scores->n_parts);
    return CFP_OK;
}

cfp_status cfp_window_scores_begin(cfp_window_scores *scores, cfp_ctx *ctx, const cfp_model *model)
{
    const int n = model->n_classes;
    if (scores->model == NULL) {
        scores->model = model;
        scores->n_parts = cfp_max_int(model->n_heads, 1);
        CFP_TRY(allocate(scores, ctx, n));
    }
    scores->windows = 0;
    memset(scores->probability_sum, 0, (size_t)n * sizeof *scores->probability_sum);
    memset(scores->logit_sum, 0, (size_t)n * sizeof *scores->logit_sum);
    return CFP_OK;
}

/* The network, or one of its heads. */
static const cfp_model *part_of(const cfp_window_scores *scores, int part)
{
    return scores->model->n_heads > 0 ? &scores->model->view[part] : scores->model;
}

static void rank(cfp_window_scores *scores, const float *value)
{
    for (int k = 0; k < scores->n_parts; k++) {
        const cfp_model *of = part_of(scores, k);
        cfp_rank_classes(scores->rank + of->first_class, value + of->first_class, of->n_classes);
    }
}

void cfp_window_scores_add(cfp_window_scores *scores, const float *logits)
{
    const int n = scores->model->n_classes, windows = ++scores->windows;
    cfp_probabilities(scores->probability, scores->model, logits);
    rank(scores, logits);
    for (int k = 0; k < scores->n_parts; k++) {
        const int first = part_of(scores, k)->first_class;
        scores->top[k] = scores->rank[first];
        scores->top_probability[k] = scores->probability[first + scores->top[k]];
    }
    for (int i = 0; i < n; i++) {
        scores->probability_sum[i] += (double)scores->probability[i];
        scores->logit_sum[i] += (double)logits[i];
        scores->probability[i] = (float)(scores->probability_sum[i] / windows);
        scores->logit[i] = (float)(scores->logit_sum[i] / windows);
    }
    if (windows > 1) /* of one, the logits tell apart what the probabilities round to one number */
        rank(scores, scores->probability);
}

void cfp_window_scores_free(cfp_window_scores *scores)
{
    cfp_free(scores->probability_sum);
    cfp_free(scores->logit_sum);
    cfp_free(scores->probability);
    cfp_free(scores->logit);
    cfp_free(scores->rank);
    cfp_free(scores->top);
    cfp_free(scores->top_probability);
    *scores = (cfp_window_scores){0};
}
