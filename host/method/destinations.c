/* destinations.c - see destinations.h.
 *
 * A map (a table, not a feature map) says for each channel of the start where it is in a node's
 * output.  Maps are passed
 * backwards node by node, as demands would be.  If several branches lead to a node with the same
 * map, as in x * sigmoid(x), the map is kept once.  So their number stays small, however often
 * branches part and meet. */
#include "destinations.h"
#include <string.h>

/* The maps that have arrived at one node. */
typedef struct arrived {
    int n;
    int32_t **map;
} arrived;

typedef struct search {
    cfp_ctx *ctx;
    const cfp_model *model;
    int channels; /* of the start: the length of every map */
    arrived *at;  /* [n_nodes] */
    cfp_destinations *found;
} search;

/* Makes *list, which has n elements, one element longer; the new element is zeroed. */
static cfp_status grow(void **list, cfp_ctx *ctx, int n, size_t size)
{
    void *more = cfp_alloc(ctx, (size_t)n + 1, size);
    if (more == NULL)
        return CFP_NOMEM;
    if (n > 0)
        memcpy(more, *list, (size_t)n * size);
    cfp_free(*list);
    *list = more;
    return CFP_OK;
}

static bool leads_nowhere(const search *s, const int32_t *map)
{
    for (int j = 0; j < s->channels; j++)
        if (map[j] >= 0)
            return false;
    return true;
}

/* Keeps the map at the node, or frees it if the node has it already. */
static cfp_status arrive(search *s, int node, int32_t *map)
{
    arrived *const at = &s->at[node];
    bool known = leads_nowhere(s, map);
    for (int i = 0; i < at->n && !known; i++)
        known = memcmp(at->map[i], map, (size_t)s->channels * sizeof *map) == 0;
    void *list = at->map;
    const cfp_status status = known ? CFP_OK : grow(&list, s->ctx, at->n, sizeof *at->map);
    at->map = list;
    if (known || status != CFP_OK)
        cfp_free(map);
    else
        at->map[at->n++] = map;
    return status;
}

static cfp_status pass_on(search *s, int node, int k, const int32_t *map)
{
    int32_t *before;
    CFP_TRY_ALLOC(s->ctx, before, s->channels);
    for (int j = 0; j < s->channels; j++)
        before[j] = map[j] < 0 ? -1 : cfp_route(s->model, node, k, map[j]);
    return arrive(s, s->model->node[node].input[k], before);
}

static bool is_identity(const int32_t *map, int n)
{
    for (int j = 0; j < n; j++)
        if (map[j] != j)
            return false;
    return true;
}

/* The new destination takes the map over. */
static cfp_status add_destination(search *s, int node, int32_t **map)
{
    cfp_destinations *const found = s->found;
    void *list = found->target;
    CFP_TRY(grow(&list, s->ctx, found->n, sizeof *found->target));
    found->target = list;
    cfp_destination *const target = &found->target[found->n++];
    target->node = node;
    if (!is_identity(*map, s->channels)) {
        target->map = *map;
        *map = NULL;
    }
    return CFP_OK;
}

static cfp_status go_back_from(search *s, int node, bool first_only, const bool *wanted)
{
    const cfp_node *n = &s->model->node[node];
    const int inputs = first_only && n->op == CFP_OP_ADD ? 1 : n->n_inputs;
    for (int i = 0; i < s->at[node].n; i++) {
        int32_t **map = &s->at[node].map[i];
        if (cfp_is_kernel_layer(n)) {
            if (wanted[node])
                CFP_TRY(add_destination(s, node, map));
            continue;
        }
        for (int k = 0; k < inputs; k++)
            CFP_TRY(pass_on(s, node, k, *map));
    }
    return CFP_OK;
}

static cfp_status run(search *s, int node, bool first_only, const bool *wanted)
{
    int32_t *map;
    CFP_TRY_ALLOC(s->ctx, s->at, s->model->n_nodes);
    CFP_TRY_ALLOC(s->ctx, map, s->channels);
    for (int j = 0; j < s->channels; j++)
        map[j] = j;
    CFP_TRY(arrive(s, node, map));
    for (int i = node; i > 0; i--) /* the clip is no destination */
        CFP_TRY(go_back_from(s, i, first_only, wanted));
    return CFP_OK;
}

cfp_status cfp_destinations_find(cfp_destinations *out, cfp_ctx *ctx, const cfp_model *model,
                                 int node, bool first_only, const bool *wanted)
{
    search s = {ctx, model, model->node[node].shape.c, NULL, out};
    *out = (cfp_destinations){0};
    const cfp_status status = run(&s, node, first_only, wanted);
    for (int i = 0; s.at != NULL && i < model->n_nodes; i++) {
        for (int k = 0; k < s.at[i].n; k++)
            cfp_free(s.at[i].map[k]);
        cfp_free(s.at[i].map);
    }
    cfp_free(s.at);
    if (status != CFP_OK)
        cfp_destinations_free(out);
    return status;
}

void cfp_destinations_free(cfp_destinations *destinations)
{
    for (int i = 0; i < destinations->n; i++)
        cfp_free(destinations->target[i].map);
    cfp_free(destinations->target);
    *destinations = (cfp_destinations){0};
}
