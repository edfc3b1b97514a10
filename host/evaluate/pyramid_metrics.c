/* pyramid_metrics.c - tests a whole pyramid as circuits are tested: ablates everything outside it,
 * or everything inside it, in all its layers at once.
 *
 * The layers of a pyramid are the convolutions below the classifier in which it has kernels.  A
 * layer that the descent did not reach is never ablated (SPEC: "every visited conv3d layer"). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "metrics_inside.h"
#include "sets.h"
#include "statistics.h"

typedef struct whole_pyramid {
    cfp_kernel_subject *s;
    int k, method;
    double share;
    int *layer, n_layers; /* that it has kernels in */
    int *size;            /* [n_layers] so many */
    int kernels, chosen;  /* of all layers */
    cfp_sets keep, drop;  /* the pyramid, then random ones; then, in keep, everything ablated */
} whole_pyramid;

static bool takes_part(const whole_pyramid *p, int node)
{
    return cfp_is_scored(p->s->model, node, p->s->request->depth) &&
           p->s->model->node[node].op == CFP_OP_CONV3D;
}

/* Finds the layers, and which of their kernels are selected: set[all their kernels]. */
static cfp_status find_layers(whole_pyramid *p, uint8_t *set)
{
    const cfp_model *model = p->s->model;
    const cfp_scores *scores = cfp_scores_of(p->s, p->method, p->k);
    for (int i = 1; i < model->n_nodes; i++) {
        int size;
        if (!takes_part(p, i))
            continue;
        CFP_TRY(cfp_pick_kernels(set + p->kernels, &size, p->s->ctx, scores, i,
                                 model->node[i].shape.c, p->share));
        if (size == 0)
            continue;
        p->size[p->n_layers] = size;
        p->layer[p->n_layers++] = i;
        p->kernels += model->node[i].shape.c;
        p->chosen += size;
    }
    return CFP_OK;
}

/* Draws the kernels of one layer in every random pyramid, flag[draws][kernels].  Layers that have
 * one map take their kernels from the same random order, so that their channels overlap as those of
 * a pyramid do. */
static cfp_status draw_layer(uint8_t *flag, const whole_pyramid *p, int l, int first)
{
    const cfp_model *model = p->s->model;
    const int kernels = model->node[p->layer[l]].shape.c;
    const char *map = model->node[cfp_map_node(model, p->layer[l])].name;
    cfp_random stream = cfp_random_of_text(cfp_random_of_text(p->s->stream, "pyramid"), map);
    int *order;
    CFP_TRY_ALLOC(p->s->ctx, order, kernels);
    for (int i = 0; i < p->s->request->draws; i++) {
        cfp_random_order(order, kernels, &stream);
        for (int j = 0; j < p->size[l]; j++)
            flag[(int64_t)i * p->kernels + first + order[j]] = 1;
    }
    cfp_free(order);
    return CFP_OK;
}

static cfp_status draw_pyramids(uint8_t **flag, const whole_pyramid *p)
{
    int first = 0;
    CFP_TRY_ALLOC(p->s->ctx, *flag, (int64_t)p->s->request->draws * p->kernels);
    for (int l = 0; l < p->n_layers; l++) {
        CFP_TRY(draw_layer(*flag, p, l, first));
        first += p->s->model->node[p->layer[l]].shape.c;
    }
    return CFP_OK;
}

/* Lists the sets of both metrics: the pyramid, random pyramids, and last everything ablated. */
static cfp_status list_sets(whole_pyramid *p, uint8_t *set, const uint8_t *flag)
{
    const int draws = p->s->request->draws;
    for (int i = -1; i < draws; i++) {
        const uint8_t *one = i < 0 ? set : flag + (int64_t)i * p->kernels;
        CFP_TRY(cfp_sets_add(&p->keep, one, true));
        CFP_TRY(cfp_sets_add(&p->drop, one, false));
    }
    memset(set, 1, (size_t)p->kernels);
    return cfp_sets_add(&p->keep, set, false);
}

static cfp_status answer(double **z, const whole_pyramid *p, const cfp_sets *sets)
{
    const cfp_kernel_subject *s = p->s;
    CFP_TRY_ALLOC(s->ctx, *z, (int64_t)sets->n * s->n_classes);
    return cfp_ablate_together(s->ablations, p->layer, p->n_layers, sets->flag, sets->n, *z);
}

static cfp_status put_row(whole_pyramid *p, cfp_kernel_metric metric, const double *z, double none,
                          cfp_eval_emit emit)
{
    const cfp_kernel_subject *s = p->s;
    const int draws = s->request->draws;
    const bool keep = metric == CFP_PYRAMID_KEEP;
    const double whole = cfp_ablations_whole(s->ablations, p->k);
    double *share;
    char definition[256];
    CFP_TRY_ALLOC(s->ctx, share, 1 + (int64_t)draws);
    for (int i = 0; i <= draws; i++) {
        const double part = z[(int64_t)i * s->n_classes + p->k];
        share[i] = whole != none ? (keep ? part - none : whole - part) / (whole - none) : NAN;
    }
    cfp_eval_row row = cfp_kernel_row(s, p->k, p->method, metric, p->share);
    row.kernels = p->kernels;
    row.ablated = keep ? p->kernels - p->chosen : p->chosen;
    row.value = share[0];
    if (whole != none) {
        row.chance = cfp_mean_of(share + 1, draws);
        row.percentile = cfp_percentile(share[0], share + 1, draws);
    }
    row.draws = draws;
    snprintf(definition, sizeof definition, "%s; z: %s; fill: %.80s; %d layers; pyramid: %s",
             keep ? "(z' - z0)/(z - z0), z' with all outside the pyramid ablated"
                  : "(z - z')/(z - z0), z' with the pyramid ablated",
             cfp_target_names[s->request->target], s->request->fill, p->n_layers,
             cfp_share_words(p->share));
    row.definition = definition;
    cfp_free(share);
    return emit.row(emit.cookie, &row);
}

/* Both metrics need z0.  All sets of both run together. */
static cfp_status measure(whole_pyramid *p, uint8_t *set, cfp_eval_emit emit)
{
    const cfp_kernel_subject *s = p->s;
    uint8_t *flag = NULL;
    double *keep = NULL, *drop = NULL;
    cfp_status status = draw_pyramids(&flag, p);
    if (status == CFP_OK)
        status = list_sets(p, set, flag);
    if (status == CFP_OK && !cfp_wants(s, CFP_PYRAMID_KEEP)) { /* only z0 of it */
        p->keep.n = 1;
        memcpy(p->keep.flag, set, (size_t)p->kernels);
    }
    if (status == CFP_OK)
        status = answer(&keep, p, &p->keep);
    if (status == CFP_OK && cfp_wants(s, CFP_PYRAMID_DROP))
        status = answer(&drop, p, &p->drop);
    const double none =
        status == CFP_OK ? keep[(int64_t)(p->keep.n - 1) * s->n_classes + p->k] : NAN;
    if (status == CFP_OK && cfp_wants(s, CFP_PYRAMID_KEEP))
        status = put_row(p, CFP_PYRAMID_KEEP, keep, none, emit);
    if (status == CFP_OK && cfp_wants(s, CFP_PYRAMID_DROP))
        status = put_row(p, CFP_PYRAMID_DROP, drop, none, emit);
    cfp_free(flag);
    cfp_free(keep);
    cfp_free(drop);
    return status;
}

static int all_kernels(const cfp_model *model)
{
    int n = 0;
    for (int i = 1; i < model->n_nodes; i++)
        n += cfp_is_kernel_layer(&model->node[i]) ? model->node[i].shape.c : 0;
    return n;
}

/* Finds the layers and the kernels of a pyramid; *set is for the caller to free. */
static cfp_status open_pyramid(whole_pyramid *p, uint8_t **set)
{
    cfp_ctx *ctx = p->s->ctx;
    CFP_TRY_ALLOC(ctx, p->layer, p->s->model->n_nodes);
    CFP_TRY_ALLOC(ctx, p->size, p->s->model->n_nodes);
    CFP_TRY_ALLOC(ctx, *set, all_kernels(p->s->model));
    const cfp_status status = find_layers(p, *set);
    p->keep = p->drop = (cfp_sets){.ctx = ctx, .kernels = p->kernels};
    return status;
}

static void close_pyramid(whole_pyramid *p, uint8_t *set)
{
    cfp_free(set);
    cfp_sets_free(&p->keep);
    cfp_sets_free(&p->drop);
    cfp_free(p->layer);
    cfp_free(p->size);
}

static cfp_status one_pyramid(cfp_kernel_subject *s, int k, int method, double share,
                              cfp_eval_emit emit)
{
    whole_pyramid p = {.s = s, .k = k, .method = method, .share = share};
    uint8_t *set = NULL;
    cfp_status status = open_pyramid(&p, &set);
    if (status == CFP_OK)
        status = measure(&p, set, emit);
    close_pyramid(&p, set);
    return status;
}

/* --- pyramids that run together --- */

/* Pyramids of several methods and shares that have the same layers. */
typedef struct alike {
    int *layer, n_layers;
    cfp_sets sets;
} alike;

static cfp_status run_alike(const cfp_kernel_subject *s, alike *a)
{
    if (a->sets.n == 0)
        return CFP_OK;
    const cfp_status status =
        cfp_ablate_together(s->ablations, a->layer, a->n_layers, a->sets.flag, a->sets.n, NULL);
    cfp_sets_free(&a->sets);
    return status;
}

/* Adds the sets of one pyramid.  If it has other layers than those before it, they run first. */
static cfp_status add_alike(alike *a, const whole_pyramid *p, const uint8_t *set)
{
    const size_t bytes = (size_t)p->n_layers * sizeof *p->layer;
    if (a->n_layers != p->n_layers || memcmp(a->layer, p->layer, bytes) != 0)
        CFP_TRY(run_alike(p->s, a));
    memcpy(a->layer, p->layer, bytes);
    a->n_layers = p->n_layers;
    a->sets.ctx = p->s->ctx;
    a->sets.kernels = p->kernels;
    if (cfp_wants(p->s, CFP_PYRAMID_KEEP))
        CFP_TRY(cfp_sets_add(&a->sets, set, true));
    return cfp_wants(p->s, CFP_PYRAMID_DROP) ? cfp_sets_add(&a->sets, set, false) : CFP_OK;
}

static cfp_status gather_pyramids(alike *a, cfp_kernel_subject *s, int k)
{
    const cfp_kernel_request *r = s->request;
    for (int i = 0; i < r->n_shares; i++)
        for (int m = 0; m < r->n_methods; m++) {
            whole_pyramid p = {.s = s, .k = k, .method = m, .share = r->share[i]};
            uint8_t *set = NULL;
            cfp_status status = open_pyramid(&p, &set);
            if (status == CFP_OK)
                status = add_alike(a, &p, set);
            close_pyramid(&p, set);
            CFP_TRY(status);
        }
    return run_alike(s, a);
}

/* Runs the pyramids of all methods and shares.  Their random pyramids are often the same, so most
 * of the calls that make the rows would otherwise run a whole batch for a single new set. */
static cfp_status run_pyramids(cfp_kernel_subject *s, int k)
{
    alike a = {0};
    CFP_TRY_ALLOC(s->ctx, a.layer, s->model->n_nodes);
    const cfp_status status = gather_pyramids(&a, s, k);
    cfp_sets_free(&a.sets);
    cfp_free(a.layer);
    return status;
}

static bool wanted(const cfp_kernel_subject *s)
{
    return cfp_wants(s, CFP_PYRAMID_KEEP) || cfp_wants(s, CFP_PYRAMID_DROP);
}

cfp_status cfp_pyramid_metrics(cfp_kernel_subject *s, int k, cfp_eval_emit emit)
{
    if (!wanted(s))
        return CFP_OK;
    for (int i = 1; i < s->model->n_nodes && cfp_wants_exact(s); i++)
        if (cfp_is_scored(s->model, i, s->request->depth) && s->model->node[i].op == CFP_OP_CONV3D)
            CFP_TRY(cfp_make_exact(s, i));
    CFP_TRY(run_pyramids(s, k));
    for (int m = 0; m < s->request->n_methods; m++)
        for (int i = 0; i < s->request->n_shares; i++)
            CFP_TRY(one_pyramid(s, k, m, s->request->share[i], emit));
    return CFP_OK;
}

double cfp_pyramid_cost(const cfp_kernel_subject *s)
{
    const cfp_kernel_request *r = s->request;
    const int metrics = cfp_wants(s, CFP_PYRAMID_KEEP) + cfp_wants(s, CFP_PYRAMID_DROP);
    int64_t sets = wanted(s);
    for (int i = 0; i < r->n_shares; i++) {
        const int sizes = r->share[i] == CFP_SHARE_SELECTED ? r->n_methods : 1;
        sets += (int64_t)metrics * (r->n_methods + (int64_t)sizes * r->draws);
    }
    return sets > 0 ? cfp_replay_cost(s->replay, -1, (int)sets) : 0;
}
