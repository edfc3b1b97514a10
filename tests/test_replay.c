/* test_replay.c - checks kernel ablation: a replay must give what a network gives whose kernels
 * really were edited.
 *
 *     test_replay [--device NAME] [--module-dir DIR] [--sums by-clip|by-shape]
 *
 * --sums: see test_batch.c.  With by-clip, the logits of a set are the same bits in any batch. Exit
 * status 77: the device is missing. */
#include <stdlib.h>
#include "../host/network/replay.h"
#include "judge.h"
#include "make_node.h"
#include "test.h"

static const char *device_name = "ref", *module_dir;
static bool by_shape, exact; /* exact: sums are the same bits in any step (ref) */

enum { MOST_SETS = 24 };
#if defined(__SANITIZE_ADDRESS__)
enum { LEAST_SETS = 3 }; /* memory is looked at, not numbers again */
#else
enum { LEAST_SETS = 1 };
#endif

/* --- what is checked with every network --- */

struct bench {
    struct toy t;
    cfp_replay *replay;
    float *clip[3];
    judged of[3]; /* of each clip, nothing ablated */
    judged mean;  /* of clips 1 and 2 */
};

static bool open_device(struct toy *t)
{
    const cfp_device_request any = {.threads = 2, .module_dir = module_dir};
    if (cfp_device_open(&t->device, &t->ctx, device_name, &any) == CFP_OK)
        return true;
    printf("skipped: %s\n", t->ctx.message);
    return false;
}

static void begin(struct bench *b, judge_network *make)
{
    uint64_t seed = 23;
    *b = (struct bench){0};
    CHECK_EQ(toy_finish(&b->t, make(&b->t)), CFP_OK);
    CHECK(open_device(&b->t));
    const int64_t count = cfp_count(b->t.model.node[0].shape);
    for (int i = 0; i < 3; i++) {
        b->clip[i] = cfp_alloc(NULL, (size_t)count, sizeof(float));
        random_values(b->clip[i], count, ANY, &seed);
        judge(&b->of[i], &b->t.model, b->clip[i], NULL, NULL);
    }
    judge(&b->mean, &b->t.model, b->clip[1], NULL, NULL);
    for (int v = 0; v < b->t.model.n_nodes; v++)
        for (int64_t i = 0; b->mean.value[v] != NULL && i < cfp_count(b->t.model.node[v].shape);
             i++)
            b->mean.value[v][i] = (b->of[1].value[v][i] + b->of[2].value[v][i]) / 2;
}

static void end(struct bench *b)
{
    cfp_replay_close(&b->replay);
    for (int i = 0; i < 3; i++) {
        cfp_free(b->clip[i]);
        judged_free(&b->of[i]);
    }
    judged_free(&b->mean);
    toy_end(&b->t);
}

static const float *logits_of(const cfp_model *model, const judged *j)
{
    return j->value[model->node[model->logits].alias];
}

static void check_logits(const struct bench *b, const char *what, const float *got,
                         const float *right)
{
    double most = 1;
    const int n = b->t.model.n_classes, failed = test_failures;
    for (int c = 0; c < n; c++)
        most = fmax(most, fabs((double)right[c]));
    for (int c = 0; c < n; c++)
        CHECK_NEAR(got[c], right[c], 2e-5 * most);
    if (test_failures > failed)
        fprintf(stderr, "    %s\n", what);
}

/* Random sets of a layer's kernels.  The first set is empty, the second has all kernels. */
static void make_sets(uint8_t *ablated, int n_sets, int kernels, uint64_t *seed)
{
    for (int s = 0; s < n_sets; s++) {
        const unsigned share = random_bits(seed) % 8;
        for (int o = 0; o < kernels; o++)
            ablated[s * kernels + o] = s == 0 ? 0 : s == 1 ? 1 : random_bits(seed) % 8 < share;
    }
}

/* Checks every layer, n_sets sets at once, and compares each set with the judge. */
static void check_layers(struct bench *b, const judged *fill, int n_sets)
{
    const cfp_model *model = &b->t.model;
    const int classes = model->n_classes;
    uint64_t seed = 5 + (uint64_t)n_sets;
    uint8_t ablated[MOST_SETS * 64];
    float logits[MOST_SETS * 8];
    for (int m = 1; m < model->n_nodes; m++) {
        const cfp_node *node = &model->node[m];
        if (!cfp_is_kernel_layer(node))
            continue;
        make_sets(ablated, n_sets, node->shape.c, &seed);
        CHECK_EQ(cfp_replay_layer(b->replay, m, ablated, n_sets, logits), CFP_OK);
        for (int s = 0; s < n_sets; s++) {
            const uint8_t *of_layer[TOY_MOST] = {[0] = NULL};
            judged right;
            of_layer[m] = ablated + s * node->shape.c;
            judge(&right, model, b->clip[0], of_layer, fill);
            check_logits(b, node->name, logits + s * classes, logits_of(model, &right));
            judged_free(&right);
        }
    }
}

/* All layers at once; some of them left out. */
static void check_network(struct bench *b, const judged *fill, int n_sets, unsigned left_out)
{
    const cfp_model *model = &b->t.model;
    uint64_t seed = 6 + left_out;
    const uint8_t *ablated[TOY_MOST] = {NULL};
    uint8_t *memory[TOY_MOST] = {NULL};
    float logits[MOST_SETS * 8];
    for (int m = 1; m < model->n_nodes; m++) {
        if (!cfp_is_kernel_layer(&model->node[m]) || random_bits(&seed) % 4 < left_out)
            continue;
        memory[m] = cfp_alloc(NULL, (size_t)(n_sets * model->node[m].shape.c), 1);
        make_sets(memory[m], n_sets, model->node[m].shape.c, &seed);
        ablated[m] = memory[m];
    }
    CHECK_EQ(cfp_replay_network(b->replay, ablated, n_sets, logits), CFP_OK);
    for (int s = 0; s < n_sets; s++) {
        const uint8_t *of_set[TOY_MOST];
        judged right;
        for (int m = 0; m < model->n_nodes; m++)
            of_set[m] = memory[m] == NULL ? NULL : memory[m] + s * model->node[m].shape.c;
        judge(&right, model, b->clip[0], of_set, fill);
        check_logits(b, "the network", logits + s * model->n_classes, logits_of(model, &right));
        judged_free(&right);
    }
    for (int m = 0; m < model->n_nodes; m++)
        cfp_free(memory[m]);
}

/* The logits of a set do not depend on the other sets of its batch; to the last bit, if the backend
 * sums each clip separately.  With nothing ablated they are those of the clip. */
static void check_bits(struct bench *b, const float *logits)
{
    const cfp_model *model = &b->t.model;
    const int classes = model->n_classes;
    uint64_t seed = 9;
    uint8_t ablated[MOST_SETS * 64];
    float together[MOST_SETS * 8], alone[MOST_SETS * 8];
    for (int m = 1; m < model->n_nodes; m++) {
        const int kernels = model->node[m].shape.c;
        if (!cfp_is_kernel_layer(&model->node[m]))
            continue;
        make_sets(ablated, 7, kernels, &seed);
        CHECK_EQ(cfp_replay_layer(b->replay, m, ablated, 7, together), CFP_OK);
        for (int s = 0; s < 7; s++) {
            CHECK_EQ(cfp_replay_layer(b->replay, m, ablated + s * kernels, 1, alone), CFP_OK);
            if (by_shape)
                check_logits(b, "alone", alone, together + s * classes);
            else
                CHECK(memcmp(alone, together + s * classes, (size_t)classes * sizeof *alone) == 0);
        }
        if (exact)
            CHECK(memcmp(together, logits, (size_t)classes * sizeof *logits) == 0);
        check_logits(b, "none ablated", together, logits);
    }
}

static void check_activation(struct bench *b)
{
    const cfp_model *model = &b->t.model;
    for (int m = 1; m < model->n_nodes; m++) {
        const cfp_node *node = &model->node[m];
        float mean[64];
        if (!cfp_is_kernel_layer(node))
            continue;
        CHECK_EQ(cfp_replay_activation(b->replay, m, mean), CFP_OK);
        const int map = model->node[cfp_map_node(model, m)].alias;
        const int64_t positions = cfp_positions(model->node[map].shape);
        for (int c = 0; c < node->shape.c; c++) {
            double sum = 0;
            for (int64_t p = 0; p < positions; p++)
                sum += fabs((double)b->of[0].value[map][c * positions + p]);
            CHECK_NEAR(mean[c], sum / (double)positions, 1e-5 * (1 + sum / (double)positions));
        }
    }
}

static void a_replay_is_the_edited_network(judge_network *make, int sets)
{
    struct bench b;
    float logits[8], again[8];
    begin(&b, make);
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, sets), CFP_OK);
    CHECK(sets == 0 ? cfp_replay_sets(b.replay) >= 1 : cfp_replay_sets(b.replay) == sets);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], NULL, logits), CFP_OK);
    check_logits(&b, "the clip", logits, logits_of(&b.t.model, &b.of[0]));
    check_activation(&b);
    check_layers(&b, NULL, 5);
    check_network(&b, NULL, 5, 0);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], b.clip[1], again), CFP_OK);
    CHECK(memcmp(logits, again, (size_t)b.t.model.n_classes * sizeof *logits) == 0);
    check_layers(&b, &b.of[1], 4);
    check_network(&b, &b.of[1], 7, 2);
    if (sets > 0)
        check_bits(&b, logits);
    CHECK_EQ(cfp_replay_gather(b.replay, b.clip[1]), CFP_OK);
    CHECK_EQ(cfp_replay_gather(b.replay, b.clip[2]), CFP_OK);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], cfp_fill_gathered, again), CFP_OK);
    check_layers(&b, &b.mean, 3);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], cfp_fill_as_before, again), CFP_OK);
    check_network(&b, &b.mean, 4, 1);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], NULL, again), CFP_OK);
    check_layers(&b, NULL, 2);
    end(&b);
}

/* --- the edited network itself, run forward --- */

/* Adds a batch norm after the map of layer m, and lets every reader of the map read the batch norm.
 * Its scale is 0 for ablated kernels, else 1.  Returns false if the map is the network's output. */
static bool edit(struct toy *t, judge_network *make, const cfp_model *plain, int m,
                 const uint8_t *ablated)
{
    const cfp_node *map = &plain->node[cfp_map_node(plain, m)];
    const int kernels = plain->node[m].shape.c;
    float scale[64], shift[64] = {0};
    const char *output = make(t);
    if (strcmp(map->name, output) == 0 || strcmp(map->name, plain->node[plain->logits].name) == 0)
        return false;
    for (int i = 1; i < t->model.n_nodes; i++)
        for (int k = 0; k < t->model.node[i].n_inputs; k++)
            if (strcmp(t->input[i][k], map->name) == 0)
                t->input[i][k] = "edit";
    for (int o = 0; o < kernels; o++)
        scale[o] = ablated[o] != 0 ? 0 : 1;
    toy_batchnorm(t, "edit", map->name, kernels, scale, shift);
    CHECK_EQ(toy_finish(t, output), CFP_OK);
    return true;
}

static void replay_one(struct toy *t, const char *layer, const float *clip, const uint8_t *ablated,
                       int sets, float *logits)
{
    cfp_replay *replay = NULL;
    CHECK_EQ(cfp_replay_open(&replay, &t->ctx, &t->model, &t->device, sets), CFP_OK);
    CHECK_EQ(cfp_replay_clip(replay, clip, NULL, logits), CFP_OK);
    CHECK_EQ(cfp_replay_layer(replay, cfp_model_find(&t->model, layer), ablated, 1, logits),
             CFP_OK);
    cfp_replay_close(&replay);
}

static void run_one(struct toy *t, const float *clip, float *logits)
{
    const cfp_trace_request request = {.depth = CFP_ALL_DEPTHS};
    CHECK_EQ(cfp_trace_open(&t->trace, &t->ctx, &t->model, &t->device, &request), CFP_OK);
    CHECK_EQ(cfp_trace_forward(t->trace, clip, logits), CFP_OK);
}

/* Compares ablated kernels with kernels whose weights are 0.  Both are replayed, so the bits are
 * the same in any order of sums.  Also compares with a plain forward pass of the edited network. */
static void a_replay_is_a_forward_pass_of_the_edited_network(judge_network *make)
{
    static const uint8_t none[64];
    struct bench b;
    float logits[8], right[8], plain_pass[8];
    uint8_t ablated[64];
    uint64_t seed = 31;
    begin(&b, make);
    for (int m = 1; m < b.t.model.n_nodes; m++) {
        const cfp_node *node = &b.t.model.node[m];
        const size_t bytes = (size_t)b.t.model.n_classes * sizeof *logits;
        struct toy plain = {.device = b.t.device}, edited = {.device = b.t.device};
        if (!cfp_is_kernel_layer(node))
            continue;
        for (int o = 0; o < node->shape.c; o++)
            ablated[o] = random_bits(&seed) & 1;
        if (edit(&plain, make, &b.t.model, m, none) &&
            edit(&edited, make, &b.t.model, m, ablated)) {
            const int sets = 1 + m % 3;
            replay_one(&plain, node->name, b.clip[0], ablated, sets, logits);
            replay_one(&edited, node->name, b.clip[0], none, sets, right);
            CHECK(memcmp(logits, right, bytes) == 0);
            run_one(&edited, b.clip[0], plain_pass);
            check_logits(&b, node->name, logits, plain_pass);
            if (exact)
                CHECK(memcmp(logits, plain_pass, bytes) == 0);
        }
        plain.device = edited.device = (cfp_device){0}; /* b's */
        cfp_trace_close(&edited.trace);
        toy_end(&plain);
        toy_end(&edited);
    }
    end(&b);
}

/* --- by hand --- */

/* Two channels on two positions; everything is computed by hand.
 *
 *     a = clip of 2 channels, relu    s = b + a, relu    mean over the positions, then fc */
static void a_tiny_network_is_done_by_hand(void)
{
    struct toy t = {0};
    cfp_replay *replay = NULL;
    const float clip[] = {1, 3, -2, 4}, blank[] = {1, 1, 1, 1};
    float logits[8];
    toy_begin(&t, (cfp_shape){1, 2, 1, 1, 2});
    toy_conv(&t, "a", "input", 2, 2, 1, (float[]){1, 0, 0, 1});
    toy_node(&t, "a.relu", CFP_OP_RELU, "a", NULL);
    toy_conv(&t, "b", "a.relu", 2, 2, 1, (float[]){1, 1, 2, -1});
    toy_node(&t, "s", CFP_OP_ADD, "b", "a.relu");
    toy_node(&t, "s.relu", CFP_OP_RELU, "s", NULL);
    toy_node(&t, "gap", CFP_OP_GLOBALAVGPOOL, "s.relu", NULL);
    toy_linear(&t, "fc", "gap", 2, 2, (float[]){1, 0, 1, 1});
    CHECK_EQ(toy_finish(&t, "fc"), CFP_OK);
    CHECK(open_device(&t));
    const int a = cfp_model_find(&t.model, "a"), b = cfp_model_find(&t.model, "b");
    CHECK_EQ(cfp_replay_open(&replay, &t.ctx, &t.model, &t.device, 3), CFP_OK);
    /* a.relu = (1 3, 0 4); b = (1 7, 2 2); s = (2 10, 2 6); gap = (6, 4) */
    CHECK_EQ(cfp_replay_clip(replay, clip, NULL, logits), CFP_OK);
    CHECK_NEAR(logits[0], 6, 1e-6);
    CHECK_NEAR(logits[1], 10, 1e-6);
    /* without a's kernel 0: a.relu = (0 0, 0 4); b = (0 4, 0 -4); s = (0 4, 0 0); gap = (2, 0)
     * without its kernel 1: a.relu = (1 3, 0 0); b = (1 3, 2 6); s = (2 6, 2 6); gap = (4, 4)
     * without both: 0.  Without none: as above. */
    const uint8_t sets[] = {1, 0, 0, 1, 1, 1, 0, 0};
    const float zero[] = {2, 2, 4, 8, 0, 0, 6, 10};
    CHECK_EQ(cfp_replay_layer(replay, a, sets, 4, logits), CFP_OK);
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(logits[i], zero[i], 1e-6);
    /* The blank clip: a.relu = (1 1, 1 1); b = (2 2, 1 1); s = (3 3, 2 2).
     * b's map is s: kernel 0 ablated: gap = (3, 4); kernel 1: (6, 2); both: (3, 2). */
    const float filled[] = {3, 7, 6, 8, 3, 5, 6, 10};
    CHECK_EQ(cfp_replay_clip(replay, clip, blank, logits), CFP_OK);
    CHECK_EQ(cfp_replay_layer(replay, b, sets, 4, logits), CFP_OK);
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(logits[i], filled[i], 1e-6);
    /* a's kernel 1 and b's kernel 0 at once: a.relu = (1 3, 1 1); b = (2 4, 1 5); s = (3 7, 2 6),
     * its kernel 0 replaced by (3 3); gap = (3, 4) */
    const uint8_t *both[TOY_MOST] = {NULL};
    both[a] = (uint8_t[]){0, 1};
    both[b] = (uint8_t[]){1, 0};
    CHECK_EQ(cfp_replay_network(replay, both, 1, logits), CFP_OK);
    CHECK_NEAR(logits[0], 3, 1e-6);
    CHECK_NEAR(logits[1], 7, 1e-6);
    /* no layer at all: the clip */
    both[a] = both[b] = NULL;
    CHECK_EQ(cfp_replay_network(replay, both, 2, logits), CFP_OK);
    CHECK_NEAR(logits[2], 6, 1e-6);
    CHECK_NEAR(logits[3], 10, 1e-6);
    CHECK_EQ(cfp_replay_layer(replay, a, sets, 0, logits), CFP_OK); /* no set at all */
    CHECK_EQ(cfp_replay_clip(replay, clip, cfp_fill_gathered, logits), CFP_USAGE);
    CHECK_HAS(t.ctx.message, "--fill clips");
    cfp_replay_close(&replay);
    toy_end(&t);
}

/* --- what runs, and what ends a run --- */

static const cfp_backend_api *real_api;
static int steps_run, steps_until_interrupt;
static volatile int interrupted;
static size_t pretended_free;

static cfp_status counting_forward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    interrupted = ++steps_run == steps_until_interrupt;
    return real_api->step_forward(backend, step, src, dst, scratch);
}

static size_t little_memory(cfp_backend *backend)
{
    (void)backend;
    return pretended_free;
}

static double told;
static void count_cost(void *cookie, double cost)
{
    told += cost;
    ++*(int *)cookie;
}

static int steps_of(struct bench *b, const char *layer, int n_sets)
{
    static const uint8_t none[MOST_SETS * 64];
    float logits[MOST_SETS * 8];
    steps_run = 0;
    CHECK_EQ(cfp_replay_layer(b->replay, cfp_model_find(&b->t.model, layer), none, n_sets, logits),
             CFP_OK);
    return steps_run;
}

/* The steps are stem, a1, a2, down + a2's sum (or the other way round), b1, b2, c1, gap, fc. */
static void only_what_is_downstream_is_run(void)
{
    struct bench b;
    float logits[8];
    int batches = 0;
    begin(&b, judge_residual);
    cfp_backend_api api = *b.t.device.api;
    real_api = b.t.device.api;
    api.step_forward = counting_forward;
    b.t.device.api = &api;
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 4), CFP_OK);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], NULL, logits), CFP_OK);
    CHECK_EQ(steps_of(&b, "stem", 4), 8);
    const int behind_a1 = steps_of(&b, "a1", 4);
    CHECK(behind_a1 == 6 || behind_a1 == 7); /* the sum is a2's or down's */
    CHECK_EQ(steps_of(&b, "a2", 4), 5);      /* b1 b2 c1 gap fc */
    CHECK_EQ(steps_of(&b, "down", 4), 5);
    CHECK_EQ(steps_of(&b, "b1", 4), 4);
    CHECK_EQ(steps_of(&b, "b2", 4), 3);
    CHECK_EQ(steps_of(&b, "c1", 4), 2);
    CHECK_EQ(steps_of(&b, "fc", 4), 0);
    CHECK_EQ(steps_of(&b, "c1", 5), 4); /* two batches */

    const int c1 = cfp_model_find(&b.t.model, "c1"), stem = cfp_model_find(&b.t.model, "stem");
    cfp_replay_watch(b.replay, count_cost, &batches);
    told = 0;
    (void)steps_of(&b, "c1", 9);
    CHECK_EQ(batches, 3);
    CHECK_NEAR(told, cfp_replay_cost(b.replay, c1, 9), 1e-6 * told);
    CHECK(cfp_replay_cost(b.replay, c1, 9) < cfp_replay_cost(b.replay, stem, 9));
    CHECK(cfp_replay_cost(b.replay, stem, 9) <= cfp_replay_cost(b.replay, -1, 9));
    cfp_replay_watch(b.replay, NULL, NULL);
    end(&b);
}

static void an_interrupt_ends_it_and_it_can_go_on(void)
{
    struct bench b;
    static const uint8_t none[6 * 64];
    float logits[6 * 8];
    begin(&b, judge_residual);
    cfp_backend_api api = *b.t.device.api;
    real_api = b.t.device.api;
    api.step_forward = counting_forward;
    b.t.device.api = &api;
    b.t.ctx.interrupted = &interrupted;
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 2), CFP_OK);
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], NULL, logits), CFP_OK);
    steps_run = 0;
    steps_until_interrupt = 11; /* in the second batch */
    const int stem = cfp_model_find(&b.t.model, "stem");
    CHECK_EQ(cfp_replay_layer(b.replay, stem, none, 6, logits), CFP_INTERRUPTED);
    CHECK_EQ(steps_run, 11);
    interrupted = steps_until_interrupt = 0;
    check_layers(&b, NULL, 3);
    end(&b);
}

/* If memory is short: a given number of sets at once is refused, with the bytes; otherwise fewer
 * run at once. */
static void memory_that_is_not_there_is_refused_in_numbers(void)
{
    struct bench b;
    float logits[8];
    begin(&b, judge_gates);
    cfp_backend_api api = *b.t.device.api;
    api.free_bytes = little_memory;
    b.t.device.api = &api;
    pretended_free = 8000; /* its weights would fit */
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 0), CFP_NOMEM);
    CHECK(b.replay == NULL);
    CHECK_HAS(b.t.ctx.message, "GiB for the activations of 1 clip, ");
    CHECK(strstr(b.t.ctx.message, "--tubes") == NULL);
    pretended_free = 256 << 10;
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 64), CFP_NOMEM);
    CHECK_HAS(b.t.ctx.message, "GiB for the activations of 64 clips, ");
    CHECK_HAS(b.t.ctx.message, "try a smaller --batch");
    CHECK_EQ(cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 0), CFP_OK);
    CHECK(cfp_replay_sets(b.replay) < 16);
    pretended_free = 8000;
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], b.clip[1], logits), CFP_NOMEM);
    CHECK_HAS(b.t.ctx.message, "GiB for the maps that fill ablated channels, ");
    CHECK_EQ(cfp_replay_clip(b.replay, b.clip[0], NULL, logits), CFP_OK);
    check_network(&b, NULL, 3, 1);
    end(&b);
}

/* Lets each request for memory fail in turn.  All must end in CFP_NOMEM; sanitizers find leaks. */
static void an_allocation_that_fails_is_said(void)
{
    struct bench b;
    static const uint8_t none[2 * 64];
    float logits[2 * 8];
    begin(&b, judge_branches);
    const int stem = cfp_model_find(&b.t.model, "stem");
    int n = 0;
    for (cfp_status status = CFP_NOMEM; status == CFP_NOMEM && n < 1000; n++) {
        b.t.ctx.fail_allocation = n + 1;
        status = cfp_replay_open(&b.replay, &b.t.ctx, &b.t.model, &b.t.device, 2);
        if (status == CFP_OK)
            status = cfp_replay_gather(b.replay, b.clip[1]);
        if (status == CFP_OK)
            status = cfp_replay_clip(b.replay, b.clip[0], cfp_fill_gathered, logits);
        if (status == CFP_OK)
            status = cfp_replay_layer(b.replay, stem, none, 2, logits);
        CHECK(status == CFP_OK || status == CFP_NOMEM);
        cfp_replay_close(&b.replay);
    }
    b.t.ctx.fail_allocation = 0;
    CHECK(n > 20 && n < 1000);
    end(&b);
}

int main(int argc, char **argv)
{
    struct toy probe = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            device_name = argv[i + 1];
        else if (strcmp(argv[i], "--module-dir") == 0)
            module_dir = argv[i + 1];
        else if (strcmp(argv[i], "--sums") == 0)
            by_shape = strcmp(argv[i + 1], "by-shape") == 0;
    }
    exact = strcmp(device_name, "ref") == 0;
    if (!open_device(&probe))
        return 77;
    cfp_device_close(&probe.device);
    a_tiny_network_is_done_by_hand();
    judge_network *const networks[] = {judge_residual, judge_branches, judge_gates};
    for (int i = 0; i < 3; i++) {
        a_replay_is_a_forward_pass_of_the_edited_network(networks[i]);
        for (int sets = LEAST_SETS; sets < 4; sets += 2)
            a_replay_is_the_edited_network(networks[i], sets);
    }
    a_replay_is_the_edited_network(judge_residual, 0);
    only_what_is_downstream_is_run();
    an_interrupt_ends_it_and_it_can_go_on();
    memory_that_is_not_there_is_refused_in_numbers();
    an_allocation_that_fails_is_said();
    return test_result();
}
