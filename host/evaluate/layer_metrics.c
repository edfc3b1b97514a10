/* layer_metrics.c - the metrics of one layer.  They ablate kernels, compare scores with the drop of
 * each kernel, and compare selections with those of another class or another network.
 *
 * The sets of all classes, methods and shares run together, so that batches are full.  The rows are
 * made from the answers afterwards. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "metrics_inside.h"
#include "sets.h"
#include "statistics.h"

static int kernels_of(const cfp_kernel_subject *s, int layer)
{
    return s->model->node[layer].shape.c;
}

static bool wants_singles(const cfp_kernel_subject *s)
{
    return cfp_wants(s, CFP_KERNEL_RANK) || cfp_wants_exact(s);
}

/* --- the kernels one by one --- */

bool cfp_wants_exact(const cfp_kernel_subject *s)
{
    for (int m = 0; m < s->request->n_methods; m++)
        if (s->request->method[m].kind == CFP_SCORE_EXACT)
            return true;
    return false;
}

/* z[kernels][classes] with each kernel alone ablated. */
static cfp_status ablate_singles(double **z, cfp_kernel_subject *s, int layer)
{
    const int kernels = kernels_of(s, layer);
    uint8_t *single;
    CFP_TRY_ALLOC(s->ctx, *z, (int64_t)kernels * s->n_classes);
    CFP_TRY_ALLOC(s->ctx, single, (int64_t)kernels * kernels);
    for (int o = 0; o < kernels; o++)
        single[(int64_t)o * kernels + o] = 1;
    const cfp_status status = cfp_ablate(s->ablations, layer, single, kernels, *z);
    cfp_free(single);
    return status;
}

/* drop[kernels]: how much the target of class k falls without the kernel. */
static void drops(double *drop, const cfp_kernel_subject *s, const double *z, int kernels, int k)
{
    for (int o = 0; o < kernels; o++)
        drop[o] = cfp_ablations_whole(s->ablations, k) - z[(int64_t)o * s->n_classes + k];
}

cfp_status cfp_make_exact(cfp_kernel_subject *s, int layer)
{
    const int kernels = kernels_of(s, layer);
    double *z = NULL;
    if (s->exact[layer])
        return CFP_OK;
    cfp_status status = ablate_singles(&z, s, layer);
    for (int m = 0; m < s->request->n_methods && status == CFP_OK; m++)
        for (int k = 0; k < s->n_classes; k++) {
            cfp_scores *scores = cfp_scores_of(s, m, k);
            if (s->request->method[m].kind != CFP_SCORE_EXACT)
                continue;
            drops(scores->score[layer], s, z, kernels, k);
            cfp_scores_select(scores, layer, kernels, s->request->method[m].query.theta);
        }
    s->exact[layer] = status == CFP_OK;
    cfp_free(z);
    return status;
}

/* --- sets of kernels --- */

typedef struct picked {
    cfp_kernel_subject *s;
    int layer, kernels;
    uint8_t *set;
    int size;
    double *z, *draw; /* [1 + draws][classes] of the set, then of random ones; [draws] */
} picked;

static cfp_status pick(picked *p, int method, int k, double share)
{
    return cfp_pick_kernels(p->set, &p->size, p->s->ctx, cfp_scores_of(p->s, method, k), p->layer,
                            p->kernels, share);
}

/* Adds the picked set, and random sets of its size unless they have been added. */
static cfp_status gather(cfp_sets *sets, picked *p, cfp_kernel_metric metric, uint8_t *drawn)
{
    CFP_TRY(cfp_sets_add(sets, p->set, metric == CFP_KERNEL_KEEP));
    if (drawn[p->size])
        return CFP_OK;
    drawn[p->size] = 1;
    return cfp_draw_sets(sets, p->s, p->layer, metric, p->size);
}

static cfp_status gather_metric(cfp_sets *sets, picked *p, int n_asked, cfp_kernel_metric metric,
                                uint8_t *drawn)
{
    const cfp_kernel_request *request = p->s->request;
    memset(drawn, 0, (size_t)p->kernels + 1);
    if (!cfp_wants(p->s, metric))
        return CFP_OK;
    for (int k = 0; k < n_asked; k++)
        for (int m = 0; m < request->n_methods; m++)
            for (int i = 0; i < request->n_shares; i++) {
                CFP_TRY(pick(p, m, k, request->share[i]));
                CFP_TRY(gather(sets, p, metric, drawn));
            }
    return CFP_OK;
}

/* Runs every set of the layer. */
static cfp_status ablate_all(picked *p, int n_asked)
{
    cfp_sets sets = {.ctx = p->s->ctx, .kernels = p->kernels};
    uint8_t *drawn;
    CFP_TRY_ALLOC(p->s->ctx, drawn, (int64_t)p->kernels + 1);
    cfp_status status = gather_metric(&sets, p, n_asked, CFP_KERNEL_DROP, drawn);
    if (status == CFP_OK)
        status = gather_metric(&sets, p, n_asked, CFP_KERNEL_KEEP, drawn);
    if (status == CFP_OK && sets.n > 0)
        status = cfp_ablate(p->s->ablations, p->layer, sets.flag, sets.n, NULL);
    cfp_sets_free(&sets);
    cfp_free(drawn);
    return status;
}

/* Reads the targets of the picked set and of the random sets. */
static cfp_status read_answers(picked *p, cfp_kernel_metric metric)
{
    cfp_sets sets = {.ctx = p->s->ctx, .kernels = p->kernels};
    cfp_status status = cfp_sets_add(&sets, p->set, metric == CFP_KERNEL_KEEP);
    if (status == CFP_OK)
        status = cfp_draw_sets(&sets, p->s, p->layer, metric, p->size);
    if (status == CFP_OK)
        status = cfp_ablate(p->s->ablations, p->layer, sets.flag, sets.n, p->z);
    cfp_sets_free(&sets);
    return status;
}

static void of_layer(cfp_eval_row *row, const cfp_kernel_subject *s, int layer)
{
    row->layer = s->model->node[layer].name;
    row->depth = s->model->node[layer].depth;
    row->kernels = kernels_of(s, layer);
}

/* kernel-drop, kernel-keep: one row. */
static cfp_status ablation_row(picked *p, int k, int method, cfp_kernel_metric metric, double share,
                               cfp_eval_emit emit)
{
    const cfp_kernel_subject *s = p->s;
    const int draws = s->request->draws;
    const bool keep = metric == CFP_KERNEL_KEEP;
    const double whole = cfp_ablations_whole(s->ablations, k);
    char definition[192];
    CFP_TRY(pick(p, method, k, share));
    CFP_TRY(read_answers(p, metric));
    for (int i = 0; i <= draws; i++) {
        const double z = p->z[(int64_t)i * s->n_classes + k];
        p->draw[i] = keep ? z : whole - z;
    }
    cfp_eval_row row = cfp_kernel_row(s, k, method, metric, share);
    of_layer(&row, s, p->layer);
    row.ablated = keep ? p->kernels - p->size : p->size;
    row.value = p->draw[0];
    row.chance = cfp_mean_of(p->draw + 1, draws);
    row.percentile = cfp_percentile(p->draw[0], p->draw + 1, draws);
    row.draws = draws;
    snprintf(definition, sizeof definition, "%s; z: %s; fill: %.80s; K: %s",
             keep ? "z with all but K ablated" : "z - z(K ablated)",
             cfp_target_names[s->request->target], s->request->fill, cfp_share_words(share));
    row.definition = definition;
    return emit.row(emit.cookie, &row);
}

static cfp_status ablation_rows(picked *p, int k, int method, cfp_kernel_metric metric,
                                cfp_eval_emit emit)
{
    const cfp_kernel_request *request = p->s->request;
    for (int i = 0; i < request->n_shares && cfp_wants(p->s, metric); i++)
        CFP_TRY(ablation_row(p, k, method, metric, request->share[i], emit));
    return CFP_OK;
}

/* --- scores and selections compared --- */

static cfp_status rank_row(picked *p, int k, int method, cfp_eval_emit emit)
{
    cfp_kernel_subject *s = p->s;
    const double *score = cfp_scores_of(s, method, k)->score[p->layer];
    double *z = NULL, *drop;
    CFP_TRY_ALLOC(s->ctx, drop, p->kernels);
    cfp_status status = ablate_singles(&z, s, p->layer);
    cfp_eval_row row = cfp_kernel_row(s, k, method, CFP_KERNEL_RANK, NAN);
    if (status == CFP_OK) {
        drops(drop, s, z, p->kernels, k);
        status = cfp_spearman(&row.value, s->ctx, score, drop, p->kernels);
    }
    cfp_free(z);
    cfp_free(drop);
    CFP_TRY(status);
    char definition[192];
    of_layer(&row, s, p->layer);
    row.ablated = 1;
    row.chance = 0;
    snprintf(definition, sizeof definition,
             "Spearman's rho of scores and drops of single kernels; z: %s; fill: %.80s",
             cfp_target_names[s->request->target], s->request->fill);
    row.definition = definition;
    return emit.row(emit.cookie, &row);
}

static cfp_status class_row(picked *p, int k, int method, cfp_eval_emit emit)
{
    const cfp_kernel_subject *s = p->s;
    const int rival = s->rival[k];
    const cfp_scores *mine = cfp_scores_of(s, method, k);
    cfp_eval_row row = cfp_kernel_row(s, k, method, CFP_CLASS_JACCARD, CFP_SHARE_SELECTED);
    char definition[320] = "Jaccard with the selection of the next class; there is no other class";
    of_layer(&row, s, p->layer);
    if (rival >= 0) {
        const cfp_scores *theirs = cfp_scores_of(s, method, rival);
        row.value = cfp_jaccard(mine->selected[p->layer], theirs->selected[p->layer], p->kernels);
        row.chance = cfp_jaccard_by_chance(mine->n_selected[p->layer], theirs->n_selected[p->layer],
                                           p->kernels);
        snprintf(definition, sizeof definition, "Jaccard with the selection of class %.200s",
                 s->model->class_name[s->class_index[rival]]);
    }
    row.definition = definition;
    return emit.row(emit.cookie, &row);
}

static cfp_status weight_row(picked *p, int k, int method, cfp_eval_emit emit)
{
    cfp_kernel_subject *s = p->s;
    const int64_t at = ((int64_t)method * s->n_classes + k) * s->model->n_nodes + p->layer;
    if (isnan(s->weight_jaccard[at]))
        CFP_TRY(cfp_find_weight_jaccard(s, p->layer));
    cfp_eval_row row = cfp_kernel_row(s, k, method, CFP_WEIGHT_JACCARD, CFP_SHARE_SELECTED);
    of_layer(&row, s, p->layer);
    row.value = s->weight_jaccard[at];
    row.chance = cfp_jaccard_by_chance(cfp_scores_of(s, method, k)->n_selected[p->layer],
                                       s->permuted_count[at], p->kernels);
    row.definition =
        "Jaccard with the selection after the weights of this layer and of all between "
        "it and the class were permuted";
    return emit.row(emit.cookie, &row);
}

static cfp_status method_rows(picked *p, int k, int method, cfp_eval_emit emit)
{
    CFP_TRY(ablation_rows(p, k, method, CFP_KERNEL_DROP, emit));
    CFP_TRY(ablation_rows(p, k, method, CFP_KERNEL_KEEP, emit));
    if (cfp_wants(p->s, CFP_KERNEL_RANK))
        CFP_TRY(rank_row(p, k, method, emit));
    if (cfp_wants(p->s, CFP_CLASS_JACCARD))
        CFP_TRY(class_row(p, k, method, emit));
    if (cfp_wants(p->s, CFP_WEIGHT_JACCARD))
        CFP_TRY(weight_row(p, k, method, emit));
    return CFP_OK;
}

/* --- the layer --- */

/* Says once that a layer with a single kernel has no random sets to compare with. */
static void note_lone_kernel(cfp_kernel_subject *s, int layer)
{
    const bool draws = cfp_wants(s, CFP_KERNEL_DROP) || cfp_wants(s, CFP_KERNEL_KEEP) ||
                       cfp_wants(s, CFP_KERNEL_RANK);
    if (kernels_of(s, layer) > 1 || !draws || s->noted[layer])
        return;
    s->noted[layer] = 1;
    cfp_log(s->ctx, CFP_LOG_WARNING,
            "layer %s has one kernel: no random set differs from it, and there is nothing to rank",
            s->model->node[layer].name);
}

static cfp_status measure(picked *p, int k, int n_asked, cfp_eval_emit emit)
{
    cfp_kernel_subject *s = p->s;
    const int64_t sets = 1 + s->request->draws;
    CFP_TRY_ALLOC(s->ctx, p->set, p->kernels);
    CFP_TRY_ALLOC(s->ctx, p->z, sets * s->n_classes);
    CFP_TRY_ALLOC(s->ctx, p->draw, sets);
    note_lone_kernel(s, p->layer);
    if (wants_singles(s))
        CFP_TRY(cfp_make_exact(s, p->layer));
    CFP_TRY(ablate_all(p, n_asked));
    for (int m = 0; m < s->request->n_methods; m++)
        CFP_TRY(method_rows(p, k, m, emit));
    return CFP_OK;
}

cfp_status cfp_layer_metrics(cfp_kernel_subject *s, int k, int n_asked, int layer,
                             cfp_eval_emit emit)
{
    picked p = {.s = s, .layer = layer, .kernels = kernels_of(s, layer)};
    const cfp_status status = measure(&p, k, n_asked, emit);
    cfp_free(p.set);
    cfp_free(p.z);
    cfp_free(p.draw);
    return status;
}

enum { PASSES_OF_A_METHOD = 4 }; /* roughly what scoring a permuted network costs */

/* Counts the draws of each method and class, although those of equal size are shared. */
double cfp_layer_cost(const cfp_kernel_subject *s, int n_asked, int layer)
{
    const cfp_kernel_request *r = s->request;
    const int metrics = cfp_wants(s, CFP_KERNEL_DROP) + cfp_wants(s, CFP_KERNEL_KEEP);
    int64_t sets = wants_singles(s) ? kernels_of(s, layer) : 0;
    for (int i = 0; i < r->n_shares; i++) {
        const int asked = n_asked * r->n_methods;
        const int sizes = r->share[i] == CFP_SHARE_SELECTED ? asked : 1;
        sets += (int64_t)metrics * (asked + (int64_t)sizes * r->draws);
    }
    double cost = sets > 0 ? cfp_replay_cost(s->replay, layer, (int)sets) : 0;
    for (int i = 0; i < s->model->n_nodes && cfp_wants(s, CFP_WEIGHT_JACCARD); i++)
        cost += PASSES_OF_A_METHOD * r->n_methods * s->model->node[i].flop;
    return cost;
}
