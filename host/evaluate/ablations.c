/* ablations.c - see ablations.h.
 *
 * A set is identified by its layers and a bit for each kernel.  Layers that have one map count as
 * one layer here, because replacing a channel of the map ablates both.  The empty set is the clip
 * itself and never runs. */
#include "ablations.h"
#include "../method/target.h"
#include "random.h"
#include <string.h>

typedef struct known_set {
    uint64_t hash;
    uint8_t *bits; /* the key: which layers, then a bit a kernel; then the answers */
    size_t bytes;
    double *z; /* [classes] */
} known_set;

struct cfp_ablations {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_replay *replay;
    cfp_target target;
    int n_classes, *class_index;
    double *whole; /* [n_classes] nothing ablated */
    known_set *set;
    int64_t n, capacity;
    int64_t *slot; /* [slots] number of a set + 1; 0: free */
    int64_t slots; /* a power of two */
};

/* One call: which sets it asks for. */
typedef struct asking {
    cfp_ablations *a;
    const int *layer;
    int n_layers, kernels; /* of all its layers together */
    const uint8_t *ablated;
    int n_sets;
    uint8_t *key; /* one key */
    size_t bytes;
    int64_t *answer; /* [n_sets] number of the set; -1: the empty one */
    int *new;        /* [n_sets] those that have to be run */
    int n_new;
} asking;

cfp_status cfp_ablations_open(cfp_ablations **out, cfp_ctx *ctx, const cfp_model *model,
                              cfp_replay *replay, cfp_target target)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_ablations){.ctx = ctx, .model = model, .replay = replay, .target = target};
    return CFP_OK;
}

static void forget(cfp_ablations *a)
{
    for (int64_t i = 0; i < a->n; i++)
        cfp_free(a->set[i].bits);
    cfp_free(a->set);
    cfp_free(a->slot);
    cfp_free(a->class_index);
    cfp_free(a->whole);
    a->set = NULL;
    a->slot = NULL;
    a->class_index = NULL;
    a->whole = NULL;
    a->n = a->capacity = a->slots = 0;
}

void cfp_ablations_close(cfp_ablations **ablations)
{
    if (*ablations != NULL)
        forget(*ablations);
    cfp_free(*ablations);
    *ablations = NULL;
}

static void targets(double *z, const cfp_ablations *a, const float *logits)
{
    for (int k = 0; k < a->n_classes; k++)
        z[k] = cfp_target_value(logits, a->model->n_classes, a->class_index[k], a->target);
}

cfp_status cfp_ablations_clip(cfp_ablations *a, const float *logits, const int *class_index,
                              int n_classes)
{
    forget(a);
    CFP_TRY_ALLOC(a->ctx, a->class_index, n_classes);
    CFP_TRY_ALLOC(a->ctx, a->whole, n_classes);
    memcpy(a->class_index, class_index, (size_t)n_classes * sizeof *class_index);
    a->n_classes = n_classes;
    targets(a->whole, a, logits);
    return CFP_OK;
}

double cfp_ablations_whole(const cfp_ablations *a, int k)
{
    return a->whole[k];
}

/* --- what is known --- */

static uint64_t hash_of(const uint8_t *key, size_t bytes)
{
    return cfp_random_of_bytes(cfp_random_seed(0), key, bytes).state;
}

/* The place of the set in slot[], or the free place where it would go. */
static int64_t find_slot(const cfp_ablations *a, uint64_t hash, const uint8_t *key, size_t bytes)
{
    int64_t at = (int64_t)(hash & (uint64_t)(a->slots - 1));
    for (; a->slot[at] != 0; at = (at + 1) & (a->slots - 1)) {
        const known_set *s = &a->set[a->slot[at] - 1];
        if (s->hash == hash && s->bytes == bytes && memcmp(s->bits, key, bytes) == 0)
            break;
    }
    return at;
}

/* Doubles the capacity.  There are twice as many slots as sets. */
static cfp_status grow(cfp_ablations *a)
{
    const int64_t capacity = a->capacity > 0 ? 2 * a->capacity : 256;
    known_set *set;
    int64_t *slot;
    if (a->n < a->capacity)
        return CFP_OK;
    CFP_TRY_ALLOC(a->ctx, set, capacity);
    if ((slot = cfp_alloc(a->ctx, (size_t)capacity * 2, sizeof *slot)) == NULL) {
        cfp_free(set);
        return CFP_NOMEM;
    }
    if (a->n > 0)
        memcpy(set, a->set, (size_t)a->n * sizeof *set);
    cfp_free(a->set);
    cfp_free(a->slot);
    a->set = set;
    a->slot = slot;
    a->capacity = capacity;
    a->slots = 2 * capacity;
    for (int64_t i = 0; i < a->n; i++)
        a->slot[find_slot(a, a->set[i].hash, a->set[i].bits, a->set[i].bytes)] = i + 1;
    return CFP_OK;
}

/* *number: that of the set.  *added: it was not known before. */
static cfp_status look_up(int64_t *number, bool *added, cfp_ablations *a, const uint8_t *key,
                          size_t bytes)
{
    const size_t before = (bytes + sizeof(double) - 1) / sizeof(double) * sizeof(double);
    const uint64_t hash = hash_of(key, bytes);
    CFP_TRY(grow(a));
    const int64_t at = find_slot(a, hash, key, bytes);
    *added = a->slot[at] == 0;
    if (*added) {
        known_set *s = &a->set[a->n];
        CFP_TRY_ALLOC(a->ctx, s->bits, before + (size_t)a->n_classes * sizeof(double));
        memcpy(s->bits, key, bytes);
        s->hash = hash;
        s->bytes = bytes;
        s->z = (double *)(void *)(s->bits + before);
        a->slot[at] = ++a->n;
    }
    *number = a->slot[at] - 1;
    return CFP_OK;
}

/* --- one call --- */

/* False: nothing is ablated. */
static bool make_key(asking *ask, const uint8_t *ablated)
{
    uint8_t *bits = ask->key + (size_t)ask->n_layers * sizeof(int32_t);
    bool any = false;
    memset(ask->key, 0, ask->bytes);
    for (int l = 0; l < ask->n_layers; l++) {
        const int32_t map = cfp_map_node(ask->a->model, ask->layer[l]);
        memcpy(ask->key + (size_t)l * sizeof map, &map, sizeof map);
    }
    for (int o = 0; o < ask->kernels; o++) {
        bits[o / 8] |= (uint8_t)((ablated[o] != 0) << o % 8);
        any |= ablated[o] != 0;
    }
    return any;
}

static cfp_status find_new(asking *ask)
{
    for (int i = 0; i < ask->n_sets; i++) {
        bool added = false;
        ask->answer[i] = -1;
        if (make_key(ask, ask->ablated + (int64_t)i * ask->kernels))
            CFP_TRY(look_up(&ask->answer[i], &added, ask->a, ask->key, ask->bytes));
        if (added)
            ask->new[ask->n_new++] = i;
    }
    return CFP_OK;
}

/* Runs the new sets from number `first` on, n of them, through the network. */
static cfp_status run_layer(asking *ask, int first, int n, uint8_t *sets, float *logits)
{
    for (int i = 0; i < n; i++)
        memcpy(sets + (int64_t)i * ask->kernels,
               ask->ablated + (int64_t)ask->new[first + i] * ask->kernels, (size_t)ask->kernels);
    return cfp_replay_layer(ask->a->replay, ask->layer[0], sets, n, logits);
}

static cfp_status run_together(asking *ask, int first, int n, uint8_t *sets, float *logits)
{
    const cfp_model *model = ask->a->model;
    const uint8_t **of_node;
    CFP_TRY_ALLOC(ask->a->ctx, of_node, model->n_nodes);
    int64_t at = 0, from = 0;
    for (int l = 0; l < ask->n_layers; l++) {
        const int kernels = model->node[ask->layer[l]].shape.c;
        of_node[ask->layer[l]] = sets + at;
        for (int i = 0; i < n; i++, at += kernels)
            memcpy(sets + at, ask->ablated + (int64_t)ask->new[first + i] * ask->kernels + from,
                   (size_t)kernels);
        from += kernels;
    }
    const cfp_status status = cfp_replay_network(ask->a->replay, of_node, n, logits);
    cfp_free(of_node);
    return status;
}

static cfp_status run_new(asking *ask, bool together, uint8_t *sets, float *logits, int max)
{
    cfp_ablations *a = ask->a;
    for (int first = 0; first < ask->n_new; first += max) {
        const int n = cfp_min_int(max, ask->n_new - first);
        CFP_TRY(together ? run_together(ask, first, n, sets, logits)
                         : run_layer(ask, first, n, sets, logits));
        for (int i = 0; i < n; i++)
            targets(a->set[ask->answer[ask->new[first + i]]].z, a,
                    logits + (int64_t)i * a->model->n_classes);
        CFP_TRY(cfp_check_interrupt(a->ctx));
    }
    return CFP_OK;
}

/* Runs the new sets, so many at a time that the device is busy and the logits stay small. */
static cfp_status run(asking *ask, bool together)
{
    enum { ROOM = 1 << 24 };
    const int batch = cfp_replay_sets(ask->a->replay);
    const int64_t each = (int64_t)ask->kernels + 4 * (int64_t)ask->a->model->n_classes;
    const int64_t batches = ROOM / (each * batch) + 1;
    const int max = (int)(batches * batch < ask->n_new ? batches * batch : ask->n_new);
    uint8_t *sets;
    float *logits;
    if (ask->n_new == 0)
        return CFP_OK;
    CFP_TRY_ALLOC(ask->a->ctx, sets, (int64_t)max * ask->kernels);
    logits = cfp_alloc(ask->a->ctx, (size_t)max * (size_t)ask->a->model->n_classes, sizeof *logits);
    const cfp_status status =
        logits == NULL ? CFP_NOMEM : run_new(ask, together, sets, logits, max);
    cfp_free(logits);
    cfp_free(sets);
    return status;
}

/* Forgets the sets that did not run. */
static void give_up(cfp_ablations *a, int64_t n)
{
    for (int64_t i = n; i < a->n; i++) {
        cfp_free(a->set[i].bits);
        a->set[i].bits = NULL;
    }
    a->n = n;
    memset(a->slot, 0, (size_t)a->slots * sizeof *a->slot);
    for (int64_t i = 0; i < a->n; i++)
        a->slot[find_slot(a, a->set[i].hash, a->set[i].bits, a->set[i].bytes)] = i + 1;
}

static cfp_status answer(asking *ask, bool together, double *z)
{
    cfp_ablations *a = ask->a;
    const int64_t before = a->n;
    CFP_TRY_ALLOC(a->ctx, ask->key, ask->bytes);
    CFP_TRY_ALLOC(a->ctx, ask->answer, ask->n_sets);
    CFP_TRY_ALLOC(a->ctx, ask->new, ask->n_sets);
    cfp_status status = find_new(ask);
    if (status == CFP_OK)
        status = run(ask, together);
    if (status != CFP_OK && a->slots > 0)
        give_up(a, before);
    for (int i = 0; i < ask->n_sets && status == CFP_OK && z != NULL; i++)
        memcpy(z + (int64_t)i * a->n_classes,
               ask->answer[i] < 0 ? a->whole : a->set[ask->answer[i]].z,
               (size_t)a->n_classes * sizeof *z);
    return status;
}

static cfp_status ask_for(cfp_ablations *a, const int *layer, int n_layers, const uint8_t *ablated,
                          int n_sets, double *z, bool together)
{
    asking ask = {
        .a = a, .layer = layer, .n_layers = n_layers, .ablated = ablated, .n_sets = n_sets};
    for (int l = 0; l < n_layers; l++)
        ask.kernels += a->model->node[layer[l]].shape.c;
    ask.bytes = (size_t)n_layers * sizeof(int32_t) + ((size_t)ask.kernels + 7) / 8;
    const cfp_status status = answer(&ask, together, z);
    cfp_free(ask.key);
    cfp_free(ask.answer);
    cfp_free(ask.new);
    return status;
}

cfp_status cfp_ablate(cfp_ablations *a, int layer, const uint8_t *ablated, int n_sets, double *z)
{
    return ask_for(a, &layer, 1, ablated, n_sets, z, false);
}

cfp_status cfp_ablate_together(cfp_ablations *a, const int *layer, int n_layers,
                               const uint8_t *ablated, int n_sets, double *z)
{
    return ask_for(a, layer, n_layers, ablated, n_sets, z, true);
}
