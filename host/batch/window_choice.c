/* window_choice.c - see window_choice.h. */
#include "window_choice.h"
#include "../method/window_scores.h"
#include <string.h>

/* The logits of all windows of n clips: [n x windows][classes].  A batch has a fixed size: windows
 * are repeated where there are too few. */
static cfp_status predict(float *logits, cfp_ctx *ctx, const cfp_window_request *r,
                          const cfp_clip *const *clip, int n)
{
    const int all = n * r->windows;
    const size_t classes = (size_t)r->model->n_classes;
    const cfp_clip **window;
    CFP_TRY_ALLOC(ctx, window, r->batch);
    float *some = cfp_alloc(ctx, (size_t)r->batch * classes, sizeof *some);
    cfp_status status = some == NULL ? CFP_NOMEM : CFP_OK;
    for (int first = 0; first < all && status == CFP_OK; first += r->batch) {
        const int count = cfp_min_int(r->batch, all - first);
        for (int i = 0; i < r->batch; i++) {
            const int k = first + i % count;
            window[i] = &clip[k / r->windows][k % r->windows];
        }
        status = cfp_predict_batch(some, r->analyser, window);
        if (status == CFP_OK)
            memcpy(logits + (size_t)first * classes, some,
                   (size_t)count * classes * sizeof *logits);
    }
    cfp_free(window);
    cfp_free(some);
    return status;
}

static cfp_status choose(cfp_window_choice *out, cfp_ctx *ctx, const cfp_window_request *r,
                         const float *logits, cfp_window_scores *scores)
{
    const size_t classes = (size_t)r->model->n_classes;
    float best = -1;
    cfp_free(out->mean);
    CFP_TRY_ALLOC(ctx, out->mean, r->model->n_classes);
    CFP_TRY(cfp_window_scores_begin(scores, ctx, r->model));
    for (int w = 0; w < r->windows; w++)
        cfp_window_scores_add(scores, logits + (size_t)w * classes);
    memcpy(out->mean, scores->probability, classes * sizeof *out->mean);
    out->class_index = r->class_index >= 0 ? r->class_index : scores->rank[0];
    for (int w = 0; w < r->windows; w++) {
        cfp_probabilities(scores->probability, r->model, logits + (size_t)w * classes);
        if (scores->probability[out->class_index] > best) {
            best = scores->probability[out->class_index];
            out->window = w;
        }
    }
    return CFP_OK;
}

cfp_status cfp_window_choose(cfp_window_choice *const *out, cfp_ctx *ctx,
                             const cfp_window_request *r, const cfp_clip *const *clip, int n)
{
    const size_t classes = (size_t)r->model->n_classes;
    cfp_window_scores scores = {0};
    float *logits;
    for (int i = 0; i < n; i++) {
        out[i]->window = 0;
        out[i]->class_index = r->class_index;
    }
    if (r->windows == 1)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, logits, (int64_t)n * r->windows * (int64_t)classes);
    cfp_status status = predict(logits, ctx, r, clip, n);
    for (int i = 0; i < n && status == CFP_OK; i++)
        status = choose(out[i], ctx, r, logits + (size_t)i * (size_t)r->windows * classes, &scores);
    cfp_window_scores_free(&scores);
    cfp_free(logits);
    return status;
}
