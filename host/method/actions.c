/* actions.c - see actions.h.
 *
 * Heads are added one by one.  The most probable actions of the first h + 1 heads begin with some
 * of the most probable actions of the first h heads, so no others are kept. */
#include "actions.h"
#include <string.h>

cfp_status cfp_actions_open(cfp_actions *out, cfp_ctx *ctx, const cfp_model *model, int most)
{
    double all = 1;
    *out = (cfp_actions){0};
    for (int h = 0; h < model->n_heads; h++)
        all *= model->view[h].n_classes;
    most = cfp_min_int(most, CFP_MOST_ACTIONS);
    out->capacity = all < most ? (int)all : most;
    const int64_t indices = (int64_t)out->capacity * model->n_heads;
    CFP_TRY_ALLOC(ctx, out->probability, out->capacity);
    CFP_TRY_ALLOC(ctx, out->class_index, indices);
    CFP_TRY_ALLOC(ctx, out->next, out->capacity);
    CFP_TRY_ALLOC(ctx, out->next_class, indices);
    return CFP_OK;
}

void cfp_actions_close(cfp_actions *actions)
{
    cfp_free(actions->probability);
    cfp_free(actions->class_index);
    cfp_free(actions->next);
    cfp_free(actions->next_class);
    *actions = (cfp_actions){0};
}

/* Adds action `from` with class c of head h to the sorted list, if there is room or it is more
 * probable than the last.  Returns the new length. */
static int insert(cfp_actions *a, int n, int n_heads, double p, int from, int h, int c)
{
    if (n == a->capacity && p <= a->next[n - 1])
        return n;
    int at = n < a->capacity ? n : n - 1;
    n = at + 1;
    for (; at > 0 && p > a->next[at - 1]; at--) {
        a->next[at] = a->next[at - 1];
        memcpy(a->next_class + (size_t)at * (size_t)n_heads,
               a->next_class + (size_t)(at - 1) * (size_t)n_heads,
               (size_t)n_heads * sizeof *a->next_class);
    }
    a->next[at] = p;
    int *const to = a->next_class + (size_t)at * (size_t)n_heads;
    memcpy(to, a->class_index + (size_t)from * (size_t)n_heads, (size_t)h * sizeof *to);
    to[h] = c;
    return n;
}

static void swap_lists(cfp_actions *a)
{
    double *const p = a->probability;
    int *const c = a->class_index;
    a->probability = a->next;
    a->class_index = a->next_class;
    a->next = p;
    a->next_class = c;
}

void cfp_actions_find(cfp_actions *actions, const cfp_model *model, const float *probability)
{
    actions->n = 1; /* the empty action */
    actions->probability[0] = 1;
    for (int h = 0; h < model->n_heads; h++) {
        const cfp_model *view = &model->view[h];
        int n = 0;
        for (int k = 0; k < actions->n; k++)
            for (int c = 0; c < view->n_classes; c++)
                n = insert(actions, n, model->n_heads,
                           actions->probability[k] * (double)probability[view->first_class + c], k,
                           h, c);
        actions->n = n;
        swap_lists(actions);
    }
}

char *cfp_action_name(cfp_ctx *ctx, const cfp_explanation *first)
{
    char *name = cfp_strdup(ctx, first->model->class_name[first->class_index]);
    for (const cfp_explanation *e = first->next; e != NULL && name != NULL; e = e->next) {
        char *longer = cfp_format(ctx, "%s %s", name, e->model->class_name[e->class_index]);
        cfp_free(name);
        name = longer;
    }
    return name;
}

double cfp_action_probability(const cfp_explanation *first)
{
    double product = 1;
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        product *= (double)e->probabilities[e->class_index];
    return product;
}
