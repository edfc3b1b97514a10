/* sets.c - see sets.h. */
#include "sets.h"
#include "statistics.h"
#include <math.h>
#include <string.h>

cfp_status cfp_sets_add(cfp_sets *sets, const uint8_t *set, bool others)
{
    if (sets->n == sets->capacity) {
        const int capacity = sets->capacity > 0 ? 2 * sets->capacity : 64;
        uint8_t *flag = cfp_enlarge(sets->ctx, sets->flag, (size_t)sets->n, (size_t)capacity,
                                    (size_t)sets->kernels);
        if (flag == NULL)
            return CFP_NOMEM;
        sets->flag = flag;
        sets->capacity = capacity;
    }
    uint8_t *to = sets->flag + (int64_t)sets->n++ * sets->kernels;
    for (int o = 0; o < sets->kernels; o++)
        to[o] = (set[o] != 0) != others;
    return CFP_OK;
}

void cfp_sets_free(cfp_sets *sets)
{
    cfp_free(sets->flag);
    *sets = (cfp_sets){0};
}

cfp_status cfp_pick_kernels(uint8_t *set, int *size, cfp_ctx *ctx, const cfp_scores *scores,
                            int node, int kernels, double share)
{
    if (share == CFP_SHARE_SELECTED) {
        memcpy(set, scores->selected[node], (size_t)kernels);
        *size = scores->n_selected[node];
        return CFP_OK;
    }
    int *order;
    CFP_TRY_ALLOC(ctx, order, kernels);
    *size = cfp_max_int(1, cfp_min_int(kernels, (int)floor(share * kernels + 0.5)));
    memset(set, 0, (size_t)kernels);
    const cfp_status status = cfp_falling_order(order, ctx, scores->score[node], kernels);
    for (int i = 0; i < *size && status == CFP_OK; i++)
        set[order[i]] = 1;
    cfp_free(order);
    return status;
}

cfp_status cfp_draw_sets(cfp_sets *sets, const cfp_kernel_subject *subject, int layer,
                         cfp_kernel_metric metric, int size)
{
    const int kernels = sets->kernels;
    cfp_random stream = cfp_random_of_text(subject->stream, subject->model->node[layer].name);
    stream = cfp_random_of_text(stream, cfp_kernel_metric_names[metric]);
    stream = cfp_random_of_number(stream, (uint64_t)size);
    uint8_t *set;
    CFP_TRY_ALLOC(sets->ctx, set, kernels);
    int *order = cfp_alloc(sets->ctx, (size_t)kernels, sizeof *order);
    cfp_status status = order == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = 0; i < subject->request->draws && status == CFP_OK; i++) {
        cfp_random_set(set, order, kernels, size, &stream);
        status = cfp_sets_add(sets, set, metric == CFP_KERNEL_KEEP);
    }
    cfp_free(order);
    cfp_free(set);
    return status;
}
