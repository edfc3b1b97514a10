/* check_primitives.c - compares the primitives that the method calls, besides ops, with ref's. */
#include "check_backends.h"
#include <math.h>
#include <stdio.h>

enum { THETAS = 2 }; /* questions of a clip */

/* Two tensors of one shape, on the host (plain) and on the device. */
typedef struct pair {
    cfp_shape shape;
    int64_t count;
    float *x, *g, *right;       /* plain; right: what is expected */
    float *means, *right_means; /* N x C */
    float *map, *right_map;     /* questions x T x H x W */
    cfp_demand *demand;         /* questions x C */
    float *seed;                /* N x C */
    cfp_tensor on_x, on_g;
} pair;

static cfp_status pair_open(check *k, pair *p, const cfp_tensor *like)
{
    const cfp_shape shape = like->shape;
    uint64_t seed = 4711 + (uint64_t)shape.c;
    *p = (pair){.shape = shape, .count = cfp_count(shape)};
    CFP_TRY_ALLOC(&k->ctx, p->x, p->count);
    CFP_TRY_ALLOC(&k->ctx, p->g, p->count);
    CFP_TRY_ALLOC(&k->ctx, p->right, p->count);
    CFP_TRY_ALLOC(&k->ctx, p->means, shape.n * shape.c);
    CFP_TRY_ALLOC(&k->ctx, p->right_means, shape.n * shape.c);
    CFP_TRY_ALLOC(&k->ctx, p->map, THETAS * shape.n * cfp_positions(shape));
    CFP_TRY_ALLOC(&k->ctx, p->right_map, THETAS * shape.n * cfp_positions(shape));
    CFP_TRY_ALLOC(&k->ctx, p->demand, THETAS * shape.n * shape.c);
    CFP_TRY_ALLOC(&k->ctx, p->seed, shape.n * shape.c);
    random_values(p->x, p->count, ANY, &seed);
    random_values(p->g, p->count, ANY, &seed);
    make_exact(k, p->x, p->count);
    make_exact(k, p->g, p->count);
    for (int c = 0; c < THETAS * shape.n * shape.c; c++)
        p->demand[c] = random_bits(&seed) & 1 ? cfp_demand_of(0.25 * c) : CFP_NOT_DEMANDED;
    random_values(p->seed, shape.n * shape.c, ANY, &seed);
    make_exact(k, p->seed, shape.n * shape.c);
    p->on_x = p->on_g = *like;
    CFP_TRY(device_tensor_open(k, &p->on_x));
    CFP_TRY(device_tensor_open(k, &p->on_g));
    CFP_TRY(device_tensor_spoil(k, &p->on_x));
    CFP_TRY(device_tensor_spoil(k, &p->on_g));
    CFP_TRY(k->device.api->upload(k->device.backend, &p->on_x, p->x));
    return k->device.api->upload(k->device.backend, &p->on_g, p->g);
}

static void pair_close(check *k, pair *p)
{
    device_tensor_free(k, &p->on_x);
    device_tensor_free(k, &p->on_g);
    cfp_free(p->x);
    cfp_free(p->g);
    cfp_free(p->right);
    cfp_free(p->means);
    cfp_free(p->right_means);
    cfp_free(p->map);
    cfp_free(p->right_map);
    cfp_free(p->demand);
    cfp_free(p->seed);
}

static cfp_tensor plain_tensor(cfp_shape shape, float *data)
{
    return (cfp_tensor){.shape = shape, .block = 1, .data = data};
}

/* Gradients may be multiplied by a power of two (backend.h): the number that seed makes of 1. */
cfp_status check_unit(check *k)
{
    cfp_tensor x = {.shape = {1, 11, 1, 1, 1}, .block = 1};
    float plain[11] = {0}, right[11] = {0};
    const float one[11] = {[7] = 1};
    int exponent;
    CFP_TRY(choose_layout(k, &x));
    CFP_TRY(device_tensor_open(k, &x));
    cfp_status status = device_tensor_spoil(k, &x);
    struct lent seed;
    if (status == CFP_OK)
        status = lend(k, &seed, one, sizeof one);
    if (status == CFP_OK)
        status = k->device.api->seed(k->device.backend, &x, seed.memory);
    if (status == CFP_OK)
        status = give_back(k, &seed, NULL);
    if (status == CFP_OK)
        status = k->device.api->download(k->device.backend, plain, &x);
    k->unit = right[7] = plain[7];
    k->exact = true;
    snprintf(k->where, sizeof k->where, "the unit of gradients");
    if (status == CFP_OK)
        status = check_tensor(k, "seed", &x, right);
    device_tensor_free(k, &x);
    const bool usual = k->precision == CFP_FP16 || k->unit == 1;
    if (!(k->unit >= 1) || frexp(k->unit, &exponent) != 0.5 || !usual)
        check_failed(k, "not 1, nor fp16's power of two");
    return status;
}

static cfp_status check_round_trip(check *k, pair *p)
{
    k->exact = true;
    CFP_TRY(check_tensor(k, "upload, download", &p->on_x, p->x));
    return check_tensor(k, "upload, download of the second", &p->on_g, p->g);
}

static cfp_status check_sums(check *k, pair *p, bool times_g, bool positive)
{
    const cfp_backend_api *api = k->device.api;
    const int questions = THETAS * p->shape.n;
    const int64_t count = questions * cfp_positions(p->shape);
    const cfp_tensor x = plain_tensor(p->shape, p->x), g = plain_tensor(p->shape, p->g);
    struct lent demand, map;
    char what[48];
    CFP_TRY(cfp_backend_ref.channel_sum(NULL, p->right_map, &x, times_g ? &g : NULL, p->demand,
                                        questions, THETAS, positive));
    CFP_TRY(lend(k, &demand, p->demand, (size_t)questions * p->shape.c * sizeof *p->demand));
    CFP_TRY(lend(k, &map, NULL, (size_t)count * sizeof *p->map));
    CFP_TRY(api->channel_sum(k->device.backend, map.memory, &p->on_x, times_g ? &p->on_g : NULL,
                             demand.memory, questions, THETAS, positive));
    CFP_TRY(give_back(k, &map, p->map));
    CFP_TRY(give_back(k, &demand, NULL));
    for (int64_t i = 0; times_g && i < count; i++)
        p->right_map[i] /= k->unit;
    snprintf(what, sizeof what, "channel_sum%s%s", times_g ? " of products" : "",
             positive ? ", positive" : "");
    check_values(k, what, p->map, p->right_map, count);
    return CFP_OK;
}

/* Reductions read only. */
static cfp_status check_means(check *k, pair *p)
{
    const cfp_backend_api *api = k->device.api, *ref = &cfp_backend_ref;
    const cfp_tensor x = plain_tensor(p->shape, p->x), g = plain_tensor(p->shape, p->g);
    const int means = p->shape.n * p->shape.c;
    const double tolerance = k->tolerance;
    struct lent mean;
    k->exact = false;
    k->tolerance = k->float_tolerance; /* they come in float32 */
    CFP_TRY(lend(k, &mean, NULL, (size_t)means * sizeof *p->means));
    CFP_TRY(api->channel_mean(k->device.backend, mean.memory, &p->on_x, NULL));
    CFP_TRY(api->fetch(k->device.backend, p->means, mean.memory, mean.bytes));
    CFP_TRY(ref->channel_mean(NULL, p->right_means, &x, NULL));
    check_values(k, "channel_mean", p->means, p->right_means, means);
    CFP_TRY(api->channel_mean(k->device.backend, mean.memory, &p->on_x, &p->on_g));
    CFP_TRY(give_back(k, &mean, p->means));
    CFP_TRY(ref->channel_mean(NULL, p->right_means, &x, &g));
    for (int i = 0; i < means; i++)
        p->right_means[i] /= k->unit;
    check_values(k, "channel_mean times g", p->means, p->right_means, means);
    for (int times_g = 0; times_g < 2; times_g++)
        for (int positive = 0; positive < 2; positive++)
            CFP_TRY(check_sums(k, p, times_g, positive));
    k->tolerance = tolerance;
    return check_tensor(k, "x after being read", &p->on_x, p->x);
}

/* Means over many positions must not lose digits to a running float sum. */
static cfp_status check_long_mean(check *k, const cfp_tensor *like)
{
    const cfp_shape shape = like->shape;
    pair p;
    cfp_status status = pair_open(k, &p, like);
    for (int64_t i = 0; i < p.count && status == CFP_OK; i++)
        p.x[i] = 1000 + 10 * p.x[i];
    make_exact(k, p.x, p.count);
    if (status == CFP_OK)
        status = k->device.api->upload(k->device.backend, &p.on_x, p.x);
    const cfp_tensor x = plain_tensor(shape, p.x);
    struct lent mean = {0};
    if (status == CFP_OK)
        status = lend(k, &mean, NULL, 2 * sizeof *p.means);
    if (status == CFP_OK)
        status = k->device.api->channel_mean(k->device.backend, mean.memory, &p.on_x, NULL);
    if (status == CFP_OK)
        status = give_back(k, &mean, p.means);
    if (status == CFP_OK)
        status = cfp_backend_ref.channel_mean(NULL, p.right_means, &x, NULL);
    const double tolerance = k->tolerance;
    k->exact = false;
    k->tolerance = k->float_tolerance < 1e-4 ? 2e-7 : k->float_tolerance;
    if (status == CFP_OK)
        check_values(k, "channel_mean of 262144", p.means, p.right_means, 2);
    k->tolerance = tolerance;
    pair_close(k, &p);
    return status;
}

/* Primitives that write, one after the other on the same tensors.  The host does the same to
 * `right`. */
static cfp_status check_writers(check *k, pair *p)
{
    const cfp_backend_api *api = k->device.api, *ref = &cfp_backend_ref;
    cfp_tensor right = plain_tensor(p->shape, p->right);
    const cfp_tensor g = plain_tensor(p->shape, p->g);
    memcpy(p->right, p->x, (size_t)p->count * sizeof *p->right);
    k->exact = true;
    const int entries = p->shape.n; /* mask: all of them are of one clip */
    struct lent demand, seed;
    CFP_TRY(lend(k, &demand, p->demand, (size_t)p->shape.n * p->shape.c * sizeof *p->demand));
    cfp_gating mask = {.dy = &p->on_x, .demand = demand.memory, .entries = entries};
    CFP_TRY(api->gate(k->device.backend, &mask));
    CFP_TRY(give_back(k, &demand, NULL));
    mask.dy = &right;
    mask.demand = p->demand;
    CFP_TRY(ref->gate(NULL, &mask));
    CFP_TRY(check_tensor(k, "gate without activation", &p->on_x, p->right));
    CFP_TRY(api->accumulate(k->device.backend, &p->on_x, &p->on_g));
    CFP_TRY(ref->accumulate(NULL, &right, &g));
    if (p->on_x.type != CFP_FLOAT32)
        make_exact(k, p->right, p->count);
    CFP_TRY(check_tensor(k, "accumulate", &p->on_x, p->right));
    if (cfp_positions(p->shape) > 1)
        return CFP_OK; /* logits have one */
    CFP_TRY(lend(k, &seed, p->seed, (size_t)p->count * sizeof *p->seed));
    CFP_TRY(api->seed(k->device.backend, &p->on_x, seed.memory));
    CFP_TRY(give_back(k, &seed, NULL));
    CFP_TRY(ref->seed(NULL, &right, p->seed));
    for (int64_t i = 0; i < p->count; i++)
        p->right[i] *= k->unit;
    return check_tensor(k, "seed", &p->on_x, p->right);
}

/* The tensor's clips taken for the entries of one, or for clips of one entry each. */
static cfp_status check_blend(check *k, pair *p, const cfp_blend *how, int others)
{
    const cfp_tensor x = plain_tensor(p->shape, p->x), all = p->on_x;
    cfp_tensor right = plain_tensor(p->shape, p->right), got = p->on_x;
    cfp_tensor g = plain_tensor(p->shape, p->g), other = p->on_g;
    right.shape.n = got.shape.n = p->shape.n / how->entries;
    g.shape.n = other.shape.n = others;
    cfp_status status = device_tensor_open(k, &got);
    if (status == CFP_OK)
        status = device_tensor_spoil(k, &got);
    if (status == CFP_OK)
        status =
            k->device.api->blend(k->device.backend, &got, &all, others > 0 ? &other : NULL, how);
    if (status == CFP_OK)
        status = cfp_backend_ref.blend(NULL, &right, &x, others > 0 ? &g : NULL, how);
    if (got.type != CFP_FLOAT32)
        make_exact(k, p->right, cfp_count(right.shape));
    k->exact = true;
    if (status == CFP_OK)
        status = check_tensor(k, "blend", &got, p->right);
    device_tensor_free(k, &got);
    return status;
}

static cfp_status check_blends(check *k, pair *p)
{
    const int n = p->shape.n;
    const cfp_blend how[] = {{n, 1, 1}, {n, n, 0.25}, {1, 1, 1}};
    CFP_TRY(k->device.api->upload(k->device.backend, &p->on_g, p->g));
    for (int i = 0; i < 3; i++) {
        CFP_TRY(check_blend(k, p, &how[i], 0));
        CFP_TRY(check_blend(k, p, &how[i], 1));
    }
    return check_blend(k, p, &how[2], n); /* each clip has an other one */
}

/* Some numbers are 0, 1 and 6.  After turning down and back they must be exactly these.  others: 0:
 * they are turned down to 0; 1: all clips to the same other one; n: each to its own. */
static cfp_status check_turn(check *k, pair *p, int others, float *before)
{
    const cfp_backend_api *api = k->device.api;
    const int entries = others == 1 ? p->shape.n : 1;
    const cfp_turn down = {entries, 0.8f, false}, up = {entries, 0.8f, true};
    const cfp_tensor x = plain_tensor(p->shape, before);
    cfp_tensor right = plain_tensor(p->shape, p->right), to = plain_tensor(p->shape, p->x);
    cfp_tensor other = p->on_x;
    to.shape.n = other.shape.n = others;
    CFP_TRY(api->upload(k->device.backend, &p->on_x, p->x));
    CFP_TRY(api->upload(k->device.backend, &p->on_g, before));
    CFP_TRY(api->turn(k->device.backend, &p->on_g, &p->on_g, others > 0 ? &other : NULL, &down));
    CFP_TRY(cfp_backend_ref.turn(NULL, &right, &x, others > 0 ? &to : NULL, &down));
    k->exact = p->on_g.type == CFP_FLOAT32;
    CFP_TRY(check_tensor(k, "turn", &p->on_g, p->right));
    CFP_TRY(api->download(k->device.backend, p->right, &p->on_g));
    CFP_TRY(cfp_backend_ref.turn(NULL, &right, &right, others > 0 ? &to : NULL, &up));
    CFP_TRY(api->turn(k->device.backend, &p->on_g, &p->on_g, others > 0 ? &other : NULL, &up));
    CFP_TRY(check_tensor(k, "turn back", &p->on_g, p->right));
    for (int64_t j = 0; j < p->count && p->on_g.type == CFP_FLOAT32; j++)
        if (j % 5 < 3 && p->right[j] != before[j])
            check_failed(k, "a number at a kink does not come back");
    return CFP_OK;
}

static cfp_status check_turns(check *k, pair *p)
{
    static const float kinks[] = {0, 1, 6};
    const int others[] = {0, 1, p->shape.n};
    float *const before = p->g;
    for (int64_t i = 0; i < p->count; i++)
        if (i % 5 < 3)
            before[i] = kinks[i % 5];
    for (int i = 0; i < 3; i++)
        CFP_TRY(check_turn(k, p, others[i], before));
    return CFP_OK;
}

/* Replaces channels of every clip by those of one clip, and by zeros: all of them, some, none.
 * Channels that are replaced in every clip hold NaN before, lanes included.  Their new values must
 * equal the other clip's to the last bit. */
static cfp_status check_replace(check *k, pair *p, bool zeros, int share)
{
    const cfp_backend_api *api = k->device.api;
    const int channels = p->shape.n * p->shape.c;
    const cfp_tensor g =
        plain_tensor((cfp_shape){1, p->shape.c, p->shape.t, p->shape.h, p->shape.w}, p->g);
    cfp_tensor right = plain_tensor(p->shape, p->right), other = p->on_g;
    uint8_t *where;
    char what[48];
    uint64_t seed = 97 + (uint64_t)share;
    struct lent on_device;
    other.shape.n = 1; /* its first clip */
    CFP_TRY_ALLOC(&k->ctx, where, channels);
    for (int c = 0; c < channels; c++)
        where[c] = random_bits(&seed) % 8 < (unsigned)share ? (uint8_t)(1 + c % 255) : 0;
    memcpy(p->right, p->x, (size_t)p->count * sizeof *p->right);
    cfp_status status = lend(k, &on_device, where, (size_t)channels);
    if (status == CFP_OK)
        status = share < 0 ? device_tensor_spoil(k, &p->on_x)
                           : api->upload(k->device.backend, &p->on_x, p->x);
    if (status == CFP_OK)
        status = api->replace(k->device.backend, &p->on_x, zeros ? NULL : &other,
                              share < 0 ? NULL : on_device.memory);
    if (status == CFP_OK)
        status = give_back(k, &on_device, NULL);
    if (status == CFP_OK)
        status = cfp_backend_ref.replace(NULL, &right, zeros ? NULL : &g, share < 0 ? NULL : where);
    k->exact = true;
    snprintf(what, sizeof what, "replace%s, %d of 8", zeros ? " by zeros" : "", share);
    if (status == CFP_OK)
        status = check_tensor(k, what, &p->on_x, p->right);
    cfp_free(where);
    return status;
}

static cfp_status check_replaces(check *k, pair *p)
{
    static const int shares[] = {-1, 0, 1, 4, 7, 8}; /* of the channels, in eighths; -1: no list */
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        for (int zeros = 0; zeros < 2; zeros++)
            CFP_TRY(check_replace(k, p, zeros, shares[i]));
    return CFP_OK;
}

/* The gate of every activation that has one, from outputs over its whole range, ends included; and
 * with the mask. */
static cfp_status check_gates(check *k, pair *p)
{
    char what[48];
    uint64_t seed = 5;
    cfp_status status = CFP_OK;
    struct lent demand;
    CFP_TRY(lend(k, &demand, p->demand, (size_t)p->shape.n * p->shape.c * sizeof *p->demand));
    for (int op = 0; op < CFP_OP_COUNT; op++) {
        if (!cfp_gate_from_output((cfp_op)op))
            continue;
        const cfp_node node = {.op = (cfp_op)op, .parameter = {0.125f, 1}};
        random_values(p->x, p->count, WIDE, &seed);
        for (int64_t i = 0; i < p->count; i++)
            p->x[i] = i % 7 == 0 ? 0 : p->x[i]; /* at the kink */
        cfp_tensor y = plain_tensor(p->shape, p->x), right = plain_tensor(p->shape, p->right);
        const cfp_tensor *const src[1] = {&y};
        const cfp_step step = {.node = &node, .n_src = 1};
        CFP_TRY(cfp_backend_ref.step_forward(NULL, &step, src, &y, NULL));
        make_exact(k, p->x, p->count);
        CFP_TRY(k->device.api->upload(k->device.backend, &p->on_x, p->x));
        for (int masked = 0; masked < 2 && status == CFP_OK; masked++) {
            memcpy(p->right, p->g, (size_t)p->count * sizeof *p->right);
            cfp_gating gating = {.dy = &right,
                                 .activation = &node,
                                 .y = &y,
                                 .demand = masked ? p->demand : NULL,
                                 .entries = 1};
            CFP_TRY(cfp_backend_ref.gate(NULL, &gating));
            CFP_TRY(k->device.api->upload(k->device.backend, &p->on_g, p->g));
            gating.dy = &p->on_g;
            gating.y = &p->on_x;
            gating.demand = masked ? demand.memory : NULL;
            CFP_TRY(k->device.api->gate(k->device.backend, &gating));
            snprintf(what, sizeof what, "gate of %s%s", cfp_op_table[op].name,
                     masked ? ", masked" : "");
            k->exact = false;
            status = check_tensor(k, what, &p->on_g, p->right);
        }
    }
    CFP_TRY(give_back(k, &demand, NULL));
    return status;
}

/* The lines of a gating (backend.h), by a call for each. */
static cfp_status gate_by_lines(check *k, const cfp_gating *g)
{
    const cfp_backend_api *api = k->device.api;
    cfp_backend *const b = k->device.backend;
    const cfp_gating activation = {.dy = g->dy, .activation = g->activation, .y = g->y};
    const cfp_gating mask = {.dy = g->dy, .demand = g->demand, .entries = g->entries};
    if (g->more != NULL)
        CFP_TRY(api->accumulate(b, g->dy, g->more));
    if (g->activation != NULL)
        CFP_TRY(api->gate(b, &activation));
    if (g->residual != NULL)
        CFP_TRY(g->residual_adds ? api->accumulate(b, g->residual, g->dy)
                                 : api->copy(b, g->residual, g->dy));
    return g->demand != NULL ? api->gate(b, &mask) : CFP_OK;
}

/* The tensors of a gating, with the numbers that they have before it. */
static cfp_status set_gating(check *k, const pair *p, const cfp_gating *g)
{
    const cfp_backend_api *api = k->device.api;
    CFP_TRY(api->upload(k->device.backend, g->dy, p->g));
    if (g->residual == NULL)
        return CFP_OK;
    return g->residual_adds ? api->upload(k->device.backend, g->residual, p->x)
                            : device_tensor_spoil(k, g->residual);
}

/* One pass must give the same bits as its lines, one after another. */
static cfp_status check_gating(check *k, pair *p, const cfp_gating *g)
{
    const cfp_backend_api *api = k->device.api;
    float *residual;
    char what[96];
    CFP_TRY_ALLOC(&k->ctx, residual, p->count);
    snprintf(what, sizeof what, "gradient: %s%s%s%s", g->more != NULL ? "sum, " : "",
             g->activation != NULL ? cfp_op_table[g->activation->op].name : "no gate",
             g->residual == NULL ? ""
             : g->residual_adds  ? ", residual +="
                                 : ", residual =",
             g->demand != NULL ? ", mask" : "");
    k->exact = true;
    cfp_status status = set_gating(k, p, g);
    if (status == CFP_OK)
        status = gate_by_lines(k, g);
    if (status == CFP_OK)
        status = api->download(k->device.backend, p->right, g->dy);
    if (status == CFP_OK && g->residual != NULL)
        status = api->download(k->device.backend, residual, g->residual);
    if (status == CFP_OK)
        status = set_gating(k, p, g);
    if (status == CFP_OK)
        status = api->gate(k->device.backend, g);
    if (status == CFP_OK)
        status = check_tensor(k, what, g->dy, p->right);
    if (status == CFP_OK && g->residual != NULL)
        status = check_tensor(k, what, g->residual, residual);
    cfp_free(residual);
    return status;
}

/* Every combination of the lines; for a large tensor, all lines at once. */
static cfp_status check_gating_lines(check *k, pair *p, const cfp_tensor *more,
                                     cfp_tensor *residual)
{
    static const cfp_node nodes[] = {{.op = CFP_OP_RELU}, {.op = CFP_OP_SIGMOID}};
    struct lent demand;
    CFP_TRY(lend(k, &demand, p->demand, (size_t)p->shape.n * p->shape.c * sizeof *p->demand));
    for (int lines = p->count > 20000 ? 34 : 1; lines < 36; lines++) {
        const int activation = lines / 12, to_residual = lines / 4 % 3;
        const cfp_gating g = {.dy = &p->on_g,
                              .more = lines % 2 != 0 ? more : NULL,
                              .activation = activation > 0 ? &nodes[activation - 1] : NULL,
                              .y = activation > 0 ? &p->on_x : NULL,
                              .residual = to_residual > 0 ? residual : NULL,
                              .residual_adds = to_residual == 2,
                              .demand = lines / 2 % 2 != 0 ? demand.memory : NULL,
                              .entries = 1};
        CFP_TRY(check_gating(k, p, &g));
    }
    return give_back(k, &demand, NULL);
}

/* The output y that the gates read is what check_gates left in on_x. */
static cfp_status check_gatings(check *k, pair *p)
{
    cfp_tensor more = p->on_x, residual = p->on_x;
    more.data = residual.data = NULL;
    CFP_TRY(device_tensor_open(k, &more));
    cfp_status status = device_tensor_open(k, &residual);
    if (status == CFP_OK)
        status = device_tensor_spoil(k, &more);
    if (status == CFP_OK)
        status = k->device.api->upload(k->device.backend, &more, p->x);
    if (status == CFP_OK)
        status = check_gating_lines(k, p, &more, &residual);
    device_tensor_free(k, &more);
    device_tensor_free(k, &residual);
    return status;
}

static cfp_status check_shape(check *k, pair *p, const cfp_tensor *like)
{
    CFP_TRY(pair_open(k, p, like));
    CFP_TRY(check_round_trip(k, p));
    CFP_TRY(check_means(k, p));
    CFP_TRY(check_blends(k, p));
    CFP_TRY(check_replaces(k, p));
    CFP_TRY(check_turns(k, p));
    CFP_TRY(k->device.api->upload(k->device.backend, &p->on_g, p->g));
    CFP_TRY(k->device.api->upload(k->device.backend, &p->on_x, p->x));
    CFP_TRY(check_writers(k, p));
    CFP_TRY(check_gates(k, p));
    return check_gatings(k, p);
}

void check_primitives(check *k)
{
    static const cfp_shape shapes[] = {{1, 16, 3, 5, 7},   {2, 17, 2, 3, 5}, {1, 3, 4, 6, 6},
                                       {1, 101, 1, 1, 1},  {2, 1, 1, 1, 1},  {1, 230, 2, 4, 4},
                                       {1, 64, 4, 28, 28}, {2, 54, 3, 9, 11}};
    const int compared = k->compared, failed = k->failed;
    k->worst = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const cfp_tensor plain = {.shape = shapes[i], .block = 1};
        cfp_tensor like[2] = {plain, plain};
        if (choose_layout(k, &like[0]) != CFP_OK)
            check_failed(k, k->ctx.message);
        for (int l = 0; l <= (like[0].block != 1); l++) {
            pair p;
            snprintf(k->where, sizeof k->where, "primitives of %d x %d x %d x %d x %d, block %d",
                     shapes[i].n, shapes[i].c, shapes[i].t, shapes[i].h, shapes[i].w,
                     like[l].block);
            if (check_shape(k, &p, &like[l]) != CFP_OK)
                check_failed(k, k->ctx.message);
            pair_close(k, &p);
        }
    }
    cfp_tensor like = {.shape = {1, 2, 16, 128, 128}, .block = 1};
    if (check_long_mean(k, &like) != CFP_OK || choose_layout(k, &like) != CFP_OK ||
        check_long_mean(k, &like) != CFP_OK)
        check_failed(k, k->ctx.message);
    printf("%-16s %9s %5d comparisons  max rel %.2g%s\n", "primitives", "", k->compared - compared,
           k->worst, k->failed > failed ? "  FAILED" : "");
}
