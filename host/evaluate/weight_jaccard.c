/* weight_jaccard.c - the metric weight-jaccard: compares a selection with that of a network whose
 * weights are permuted.
 *
 * For a layer, the weights of this layer and of every kernel layer between it and the class are
 * permuted, each tensor in itself.  Biases and batch norms stay.  A score that does not depend on
 * what the network has learned selects the same kernels again.  The permutation of a tensor depends
 * on --seed and the layer's name alone, so it is the same for every clip and every layer below. */
#include <math.h>
#include <string.h>
#include "metrics_inside.h"
#include "statistics.h"

typedef struct permuted {
    cfp_kernel_subject *s;
    uint8_t *behind; /* [n_nodes] what the layer's output reaches, itself included */
    int layer;
    cfp_model model;
    cfp_replay *replay; /* of that model, for `exact` */
    cfp_ablations *ablations;
    cfp_scores *scores; /* [n_classes] of one method */
} permuted;

static void permute(void *cookie, const cfp_node *node, float *weight, int64_t n)
{
    const permuted *r = cookie;
    const cfp_model *model = r->s->model;
    for (int i = 1; i < model->n_nodes; i++)
        if (strcmp(model->node[i].name, node->name) == 0 && !r->behind[i])
            return;
    cfp_random stream = cfp_random_of_text(cfp_random_seed(r->s->request->seed), "weights");
    stream = cfp_random_of_text(stream, node->name);
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)cfp_random_below(&stream, (uint64_t)i + 1);
        const float held = weight[i];
        weight[i] = weight[j];
        weight[j] = held;
    }
}

static cfp_status open_permuted(permuted *r)
{
    const cfp_model *model = r->s->model;
    const cfp_weight_change change = {.layer = permute, .cookie = r};
    CFP_TRY_ALLOC(r->s->ctx, r->behind, model->n_nodes);
    r->behind[r->layer] = 1;
    for (int i = r->layer + 1; i < model->n_nodes; i++)
        for (int j = 0; j < model->node[i].n_inputs; j++)
            r->behind[i] |= r->behind[model->node[i].input[j]];
    CFP_TRY(cfp_model_open_changed(&r->model, r->s->ctx, model->path, &change));
    int head = 0;
    if (r->model.n_heads > 0) /* then `model` is one of its heads */
        CFP_TRY(cfp_model_find_head(&head, r->s->ctx, &r->model, model->head_name));
    cfp_model_keep_head(&r->model, head);
    return CFP_OK;
}

/* For `exact`: ablates the kernels of the permuted network one by one. */
static cfp_status open_replay(permuted *r)
{
    cfp_kernel_subject *s = r->s;
    float *logits;
    CFP_TRY(cfp_replay_open(&r->replay, s->ctx, &r->model, s->device, 0));
    CFP_TRY(cfp_ablations_open(&r->ablations, s->ctx, &r->model, r->replay, s->request->target));
    CFP_TRY_ALLOC(s->ctx, logits, r->model.n_classes);
    cfp_status status = cfp_replay_clip(r->replay, s->input, s->fill, logits);
    if (status == CFP_OK)
        status = cfp_ablations_clip(r->ablations, logits, s->class_index, s->n_classes);
    cfp_free(logits);
    return status;
}

static cfp_status exact_scores(permuted *r, const cfp_score_method *method)
{
    cfp_kernel_subject *s = r->s;
    cfp_kernel_request request = *s->request;
    if (r->replay == NULL)
        CFP_TRY(open_replay(r));
    request.method = method;
    request.n_methods = 1;
    cfp_kernel_subject there = *s;
    there.model = &r->model;
    there.request = &request;
    there.ablations = r->ablations;
    there.scores = r->scores;
    CFP_TRY_ALLOC(s->ctx, there.exact, r->model.n_nodes);
    for (int k = 0; k < s->n_classes; k++)
        CFP_TRY(cfp_scores_open(&r->scores[k], s->ctx, &r->model, request.depth));
    const cfp_status status = cfp_make_exact(&there, r->layer);
    cfp_free(there.exact);
    return status;
}

/* Only the layer's selection is compared, so the descent goes no deeper. */
static cfp_status descend(permuted *r, const cfp_score_method *method)
{
    cfp_kernel_subject *s = r->s;
    cfp_analyser *analyser = NULL;
    cfp_score_method here = *method;
    here.selects = true;
    here.query.depth = s->model->node[r->layer].depth;
    const cfp_status status = cfp_scores_make(r->scores, s->ctx, &r->model, s->device, &analyser,
                                              &here, s->clip, s->class_index, s->n_classes);
    cfp_analyser_close(&analyser);
    return status;
}

static cfp_status score(permuted *r, int method)
{
    cfp_kernel_subject *s = r->s;
    const cfp_score_method *m = &s->request->method[method];
    if (m->kind == CFP_SCORE_EXACT)
        return exact_scores(r, m);
    if (cfp_score_descends(m->kind))
        return descend(r, m);
    for (int k = 0; k < s->n_classes; k++) {
        CFP_TRY(cfp_scores_open(&r->scores[k], s->ctx, &r->model, s->request->depth));
        cfp_scores_draw(&r->scores[k], &r->model, m->query.theta, s->stream);
    }
    return CFP_OK;
}

static void compare(permuted *r, int method)
{
    cfp_kernel_subject *s = r->s;
    for (int k = 0; k < s->n_classes; k++) {
        const int64_t at = ((int64_t)method * s->n_classes + k) * s->model->n_nodes + r->layer;
        const cfp_scores *before = cfp_scores_of(s, method, k);
        s->weight_jaccard[at] =
            cfp_jaccard(before->selected[r->layer], r->scores[k].selected[r->layer],
                        s->model->node[r->layer].shape.c);
        s->permuted_count[at] = r->scores[k].n_selected[r->layer];
    }
}

static cfp_status compare_methods(permuted *r)
{
    cfp_kernel_subject *s = r->s;
    CFP_TRY(open_permuted(r));
    CFP_TRY_ALLOC(s->ctx, r->scores, s->n_classes);
    for (int m = 0; m < s->request->n_methods; m++) {
        CFP_TRY(score(r, m));
        compare(r, m);
        for (int k = 0; k < s->n_classes; k++)
            cfp_scores_free(&r->scores[k]);
        CFP_TRY(cfp_check_interrupt(s->ctx));
    }
    return CFP_OK;
}

cfp_status cfp_find_weight_jaccard(cfp_kernel_subject *s, int layer)
{
    permuted r = {.s = s, .layer = layer};
    const cfp_status status = compare_methods(&r);
    for (int k = 0; r.scores != NULL && k < s->n_classes; k++)
        cfp_scores_free(&r.scores[k]);
    cfp_free(r.scores);
    cfp_ablations_close(&r.ablations);
    cfp_replay_close(&r.replay);
    cfp_model_free(&r.model);
    cfp_free(r.behind);
    return status;
}
