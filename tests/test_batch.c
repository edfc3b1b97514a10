/* test_batch.c - checks three ways of saving work.  Many questions at once get the answers that
 * each gets alone.  A recorded and replayed run gives what a plain run gives.  Frames that are
 * copied to the device as bytes become the numbers that the host makes of them.
 *
 *     test_batch [--device NAME] [--module-dir DIR] [--model FILE] [--sums by-clip|by-shape]
 *
 * by-clip (the default): the backend sums each clip separately, always in the same order.  So the
 * answers of a batch equal those of a single clip, to the last bit.  by-shape: libraries choose the
 * order of sums by the shape of the whole batch, as cuDNN and cuBLAS do.  Then answers must be the
 * same, to the last bit, in all batches of one shape, whatever the other clips are, and whether run
 * or replayed.  The relevances of a single clip need only be close, and a kernel whose relevance is
 * close to theta may be selected in one of the two only.
 *
 * Without a model the test makes a network.  Exit status 77: the device is missing. */
#include <stdlib.h>
#include "test.h"
#include "toy.h"

enum { CLIPS = 5, THETAS = 3, ROUNDS = 4 }; /* plain, recorded, replayed, replayed; host: plain */

static const double NEAR = 1e-4; /* sums of float32 in another order, through a network */

static const char *device_name = "ref", *module_dir, *model_path;
static bool by_shape;
static const double thetas[THETAS] = {0.3, 0.6, 0.9};

struct setting {
    cfp_ctx ctx;
    cfp_device device;
    cfp_model *model;
    cfp_clip clip[ROUNDS * CLIPS]; /* others in every round: a recording must not keep the first */
};

/* Groups, a shuffle, a projection, a concat: every kind of route. */
static void make_net(struct toy *t)
{
    static float w[64];
    for (int i = 0; i < 64; i++)
        w[i] = (float)((i * 29) % 23) / 8 - 1.25f;
    toy_begin(t, (cfp_shape){1, 3, 2, 3, 3});
    toy_conv(t, "c1", "input", 4, 3, 1, w);
    toy_batchnorm(t, "bn1", "c1", 4, (float[]){1.5f, -1, 0.5f, 1}, (float[]){0.1f, 0.2f, 0, -0.1f});
    toy_node(t, "r1", CFP_OP_RELU, "bn1", NULL);
    toy_conv(t, "c2", "r1", 4, 2, 2, w + 12);
    toy_node(t, "shuffle", CFP_OP_CHANNEL_SHUFFLE, "c2", NULL)->groups = 2;
    toy_conv(t, "down", "r1", 4, 4, 1, w + 20);
    toy_node(t, "sum", CFP_OP_ADD, "shuffle", "down");
    toy_node(t, "r2", CFP_OP_RELU, "sum", NULL);
    toy_node(t, "both", CFP_OP_CONCAT, "r2", "c2");
    toy_conv(t, "c3", "both", 3, 8, 1, w + 36);
    toy_node(t, "gap", CFP_OP_GLOBALAVGPOOL, "c3", NULL);
    toy_linear(t, "fc", "gap", 3, 3, w + 7);
    CHECK_EQ(toy_finish(t, "fc"), CFP_OK);
    t->model.input = (cfp_input_spec){.channels = 3, .frames = 2, .height = 3, .width = 3};
    t->model.input.scale = 255;
    t->model.input.mean = cfp_alloc(NULL, 3, sizeof(float));
    t->model.input.std = cfp_alloc(NULL, 3, sizeof(float));
    for (int c = 0; c < 3; c++) {
        t->model.input.mean[c] = 0.5f;
        t->model.input.std[c] = 0.25f;
    }
}

static void make_clips(struct setting *s)
{
    const cfp_input_spec *in = &s->model->input;
    const int64_t bytes = (int64_t)in->frames * in->height * in->width * 3;
    uint32_t state = 1;
    for (int n = 0; n < ROUNDS * CLIPS; n++) {
        cfp_clip *clip = &s->clip[n];
        *clip = (cfp_clip){.frames = in->frames, .height = in->height, .width = in->width};
        clip->rgb = cfp_alloc(NULL, (size_t)bytes, 1);
        for (int64_t i = 0; i < bytes; i++) {
            state = state * 1664525u + 1013904223u;
            clip->rgb[i] = (uint8_t)(state >> 24);
        }
    }
}

static cfp_analyser *open_analyser(struct setting *s, const cfp_query *q, const cfp_batch *batch)
{
    cfp_analyser *analyser = NULL;
    const cfp_status status = cfp_analyser_open(&analyser, &s->ctx, s->model, &s->device, q, batch);
    if (status != CFP_OK)
        fprintf(stderr, "%s\n", s->ctx.message);
    CHECK_EQ(status, CFP_OK);
    return analyser;
}

static void same_layer(const cfp_layer *a, const cfp_layer *b)
{
    CHECK_EQ(a->node, b->node);
    CHECK_EQ(a->n_selected, b->n_selected);
    CHECK_EQ(a->n_edges, b->n_edges);
    CHECK_EQ(a->n_children, b->n_children);
    if (a->n_selected != b->n_selected || a->n_edges != b->n_edges ||
        a->n_children != b->n_children)
        return;
    CHECK(memcmp(a->selected, b->selected, (size_t)a->n_selected * sizeof *a->selected) == 0);
    CHECK(memcmp(a->relevance, b->relevance, (size_t)a->n_kernels * sizeof *a->relevance) == 0);
    CHECK(memcmp(a->child, b->child, (size_t)a->n_children * sizeof *a->child) == 0);
    for (int64_t e = 0; e < a->n_edges; e++) {
        CHECK(a->edge[e].o == b->edge[e].o && a->edge[e].i == b->edge[e].i);
        CHECK_NEAR(a->edge[e].relevance, b->edge[e].relevance, 0);
    }
}

/* The same bits. */
static void same_explanation(const cfp_explanation *a, const cfp_explanation *b)
{
    CHECK_EQ(a->class_index, b->class_index);
    CHECK_NEAR(a->query.theta, b->query.theta, 0);
    CHECK_EQ(a->pyramid.n_layers, b->pyramid.n_layers);
    CHECK_EQ(a->tubes.n, b->tubes.n);
    for (int l = 0; l < a->pyramid.n_layers && l < b->pyramid.n_layers; l++)
        same_layer(&a->pyramid.layer[l], &b->pyramid.layer[l]);
    for (int i = 0; i < a->tubes.n && i < b->tubes.n; i++) {
        const cfp_tube *x = &a->tubes.tube[i], *y = &b->tubes.tube[i];
        const size_t bytes = (size_t)x->t * x->h * x->w * sizeof *x->raw;
        CHECK_EQ(x->node, y->node);
        CHECK_EQ(x->kernel, y->kernel);
        CHECK(memcmp(x->raw, y->raw, bytes) == 0);
    }
}

static bool same_kernels(const cfp_layer *a, const cfp_layer *b)
{
    return a->node == b->node && a->n_selected == b->n_selected &&
           memcmp(a->selected, b->selected, (size_t)a->n_selected * sizeof *a->selected) == 0;
}

/* Compares layers down to the first one with other selected kernels, since everything after it
 * differs, too.  Returns false if there is such a layer. */
static bool near_explanation(const cfp_explanation *a, const cfp_explanation *b)
{
    CHECK_EQ(a->class_index, b->class_index);
    CHECK_EQ(a->pyramid.n_layers, b->pyramid.n_layers);
    for (int l = 0; l < a->pyramid.n_layers && l < b->pyramid.n_layers; l++) {
        const cfp_layer *x = &a->pyramid.layer[l], *y = &b->pyramid.layer[l];
        if (!same_kernels(x, y))
            return false;
        for (int k = 0; k < x->n_selected; k++)
            CHECK_NEAR(x->relevance[x->selected[k]], y->relevance[x->selected[k]], NEAR);
    }
    return true;
}

/* The answers of a batch whose every clip is this one. */
static void among_its_like(cfp_explanation out[], struct setting *s, const cfp_query *q,
                           const cfp_batch *batch, const cfp_clip *clip, int class_index)
{
    const cfp_clip *clips[CLIPS];
    int classes[CLIPS];
    cfp_analyser *analyser = open_analyser(s, q, batch);
    for (int n = 0; n < CLIPS; n++) {
        clips[n] = clip;
        classes[n] = class_index;
    }
    CHECK_EQ(cfp_explain_batch(out, analyser, clips, classes, CFP_INTERP_LINEAR), CFP_OK);
    cfp_analyser_close(&analyser);
}

/* What one clip and theta give alone, with a separate analyser. */
static void alone(cfp_explanation *out, struct setting *s, cfp_query q, const cfp_clip *clip,
                  int class_index)
{
    cfp_analyser *analyser = open_analyser(s, &q, NULL);
    CHECK_EQ(cfp_explain(out, analyser, clip, class_index, CFP_INTERP_LINEAR), CFP_OK);
    cfp_analyser_close(&analyser);
}

static void a_batch_answers_as_each_alone(struct setting *s, cfp_query q)
{
    const int n_thetas = q.rule == CFP_RULE_GRAD && q.mask == CFP_MASK_SELECTED ? 1 : THETAS;
    const cfp_batch batch = {.clips = CLIPS, .thetas = n_thetas, .theta = thetas};
    static const int classes[CLIPS] = {-1, 1, 0};
    const int rounds = s->device.api->record != NULL ? ROUNDS : 1;
    int layers = 0, others = 0;
    cfp_analyser *analyser = open_analyser(s, &q, &batch);
    for (int round = 0; round < rounds && analyser != NULL; round++) {
        cfp_explanation together[CLIPS * THETAS];
        const cfp_clip *clip[CLIPS];
        for (int n = 0; n < CLIPS; n++)
            clip[n] = &s->clip[round * CLIPS + n];
        CHECK_EQ(cfp_explain_batch(together, analyser, clip, classes, CFP_INTERP_LINEAR), CFP_OK);
        for (int n = 0; n < CLIPS && by_shape; n++) {
            cfp_explanation alike[CLIPS * THETAS];
            among_its_like(alike, s, &q, &batch, clip[n], classes[n]);
            for (int i = 0; i < n_thetas; i++)
                same_explanation(&together[n * n_thetas + i], &alike[n * n_thetas + i]);
            for (int i = 0; i < CLIPS * n_thetas; i++)
                cfp_explanation_free(&alike[i]);
        }
        for (int i = 0; i < CLIPS * n_thetas; i++) {
            cfp_explanation one = {0};
            q.theta = thetas[i % n_thetas];
            alone(&one, s, q, clip[i / n_thetas], classes[i / n_thetas]);
            if (by_shape)
                others += !near_explanation(&together[i], &one);
            else
                same_explanation(&together[i], &one);
            layers += one.pyramid.n_layers;
            cfp_explanation_free(&one);
            cfp_explanation_free(&together[i]);
        }
    }
    CHECK(others * 4 <= rounds * CLIPS * n_thetas); /* next to theta: the exception */
    if (analyser != NULL) {
        CHECK_EQ(analyser->trace->forward.memory != NULL, rounds > 1);
        CHECK_EQ(analyser->descent.memory != NULL, rounds > 1);
        CHECK_EQ(analyser->maps.memory != NULL, rounds > 1);
    }
    CHECK(layers > 2 * rounds * CLIPS * n_thetas); /* of the classifier alone nothing is learned */
    cfp_analyser_close(&analyser);
}

static void frames_are_the_numbers_of_the_host(struct setting *s)
{
    const cfp_input_spec *in = &s->model->input;
    const int64_t count = (int64_t)in->channels * in->frames * in->height * in->width;
    const int n_logits = CLIPS * s->model->n_classes;
    const cfp_batch batch = {.clips = CLIPS, .thetas = 1};
    cfp_analyser *analyser = open_analyser(s, NULL, &batch);
    float *numbers = cfp_alloc(NULL, (size_t)(CLIPS * count), sizeof *numbers);
    float *logits = cfp_alloc(NULL, 2 * (size_t)n_logits, sizeof *logits);
    for (int round = 0; round < ROUNDS && analyser != NULL; round++) {
        const uint8_t *rgb[CLIPS];
        for (int n = 0; n < CLIPS; n++) {
            rgb[n] = s->clip[round * CLIPS + n].rgb;
            cfp_clip_normalise(numbers + n * count, &s->clip[round * CLIPS + n], in);
        }
        CHECK_EQ(cfp_trace_forward(analyser->trace, numbers, logits), CFP_OK);
        CHECK_EQ(cfp_trace_forward_frames(analyser->trace, rgb, logits + n_logits), CFP_OK);
        CHECK(memcmp(logits, logits + n_logits, (size_t)n_logits * sizeof *logits) == 0);
        for (int n = 1; n < CLIPS; n++) /* they were not all of one clip */
            CHECK(memcmp(logits, logits + n * s->model->n_classes,
                         (size_t)s->model->n_classes * sizeof *logits) != 0);
    }
    cfp_free(numbers);
    cfp_free(logits);
    cfp_analyser_close(&analyser);
}

/* An interrupted run has uploaded its clips: those that came before their memory was written again.
 */
static void frames_may_be_written_again_after_a_failure(struct setting *s)
{
    const cfp_input_spec *in = &s->model->input;
    const int64_t count = (int64_t)in->channels * in->frames * in->height * in->width;
    const cfp_device *device = &s->device;
    const cfp_trace_request request = {.keep_all = true, .depth = CFP_ALL_DEPTHS};
    const int now = 1;
    cfp_trace *trace = NULL;
    void *rgb;
    float *right = cfp_alloc(NULL, 2 * (size_t)count, sizeof *right), *got = right + count;
    float *logits = cfp_alloc(NULL, (size_t)s->model->n_classes, sizeof *logits);
    CHECK_EQ(device->api->host_alloc(device->backend, &rgb, cfp_clip_bytes(in)), CFP_OK);
    CHECK_EQ(cfp_trace_open(&trace, &s->ctx, s->model, device, &request), CFP_OK);
    for (int n = 0; n < ROUNDS * CLIPS && trace != NULL; n++) {
        memcpy(rgb, s->clip[n].rgb, cfp_clip_bytes(in));
        cfp_clip_normalise(right, &s->clip[n], in);
        s->ctx.interrupted = &now;
        CHECK_EQ(cfp_trace_forward_frames(trace, &(const uint8_t *){rgb}, logits), CFP_INTERRUPTED);
        s->ctx.interrupted = NULL;
        memset(rgb, 7, cfp_clip_bytes(in));
        CHECK_EQ(device->api->download(device->backend, got, cfp_trace_value(trace, 0)), CFP_OK);
        CHECK(memcmp(got, right, (size_t)count * sizeof *got) == 0);
    }
    cfp_trace_close(&trace);
    device->api->host_release(device->backend, rgb);
    cfp_free(right);
    cfp_free(logits);
}

static void grad_takes_one_theta(struct setting *s)
{
    cfp_analyser *analyser = NULL;
    cfp_query q = cfp_query_default();
    const cfp_batch batch = {.clips = 1, .thetas = 2, .theta = thetas};
    q.rule = CFP_RULE_GRAD;
    CHECK_EQ(cfp_analyser_open(&analyser, &s->ctx, s->model, &s->device, &q, &batch), CFP_USAGE);
    CHECK_HAS(s->ctx.message, "grad takes one theta");
    CHECK(analyser == NULL);
}

/* Points in parts give the same as all points at once, except that sums are added in another order.
 */
static void parts_are_the_whole(struct setting *s)
{
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_GRAD;
    q.mask = CFP_MASK_NONE;
    q.theta = 0.05;
    q.steps = 5;
    q.baseline = CFP_BASELINE_BLANK;
    q.tubes = CFP_TUBES_KERNELS;
    q.depth = model_path != NULL ? 3 : CFP_ALL_DEPTHS;
    int64_t edges = 0;
    for (int points = 1; points <= 3; points++) {
        const cfp_batch batch = {.clips = 1, .thetas = 1, .points = points};
        cfp_explanation whole = {0}, parts = {0};
        const int class_index = points - 1;
        alone(&whole, s, q, &s->clip[0], class_index);
        cfp_analyser *analyser = open_analyser(s, &q, &batch);
        for (int again = 0; again < 2; again++) { /* an analyser is for any number of clips */
            cfp_explanation_free(&parts);
            CHECK_EQ(cfp_explain(&parts, analyser, &s->clip[0], class_index, CFP_INTERP_LINEAR),
                     CFP_OK);
        }
        CHECK(near_explanation(&whole, &parts));
        CHECK_EQ(whole.tubes.n, parts.tubes.n);
        for (int l = 0; l < whole.pyramid.n_layers && l < parts.pyramid.n_layers; l++) {
            const cfp_layer *x = &whole.pyramid.layer[l], *y = &parts.pyramid.layer[l];
            edges += x->n_edges;
            CHECK_EQ(x->n_edges, y->n_edges);
            for (int64_t e = 0; e < x->n_edges && e < y->n_edges; e++)
                CHECK_NEAR(x->edge[e].relevance, y->edge[e].relevance, NEAR);
        }
        for (int i = 0; i < whole.tubes.n && i < parts.tubes.n; i++)
            CHECK_NEAR(whole.tubes.tube[i].max, parts.tubes.tube[i].max,
                       NEAR * (1 + (double)whole.tubes.tube[i].max));
        cfp_explanation_free(&whole);
        cfp_explanation_free(&parts);
        cfp_analyser_close(&analyser);
    }
    CHECK(edges > 5);
    const cfp_batch batch = {.clips = 1, .thetas = 1, .points = 2};
    cfp_analyser *analyser = NULL;
    q.mask = CFP_MASK_SELECTED;
    CHECK_EQ(cfp_analyser_open(&analyser, &s->ctx, s->model, &s->device, &q, &batch), CFP_USAGE);
    CHECK_HAS(s->ctx.message, "only with --mask none");
}

/* Several classes of one forward pass: each as if it were asked about alone. */
static void classes_share_a_forward_pass(struct setting *s, cfp_query q)
{
    static const int classes[] = {1, 0, 1};
    const cfp_batch batch = {.clips = 1, .thetas = 1, .classes = true};
    cfp_explanation out[3];
    cfp_analyser *analyser = open_analyser(s, &q, &batch);
    if (analyser == NULL)
        return;
    CHECK_EQ(cfp_explain_classes(out, analyser, &s->clip[0], classes, 3, CFP_INTERP_LINEAR),
             CFP_OK);
    CHECK_EQ(analyser->trace->forward.runs, 1);
    int layers = 0;
    for (int k = 0; k < 3; k++) {
        cfp_explanation one = {0};
        alone(&one, s, q, &s->clip[0], classes[k]);
        same_explanation(&out[k], &one);
        layers += one.pyramid.n_layers;
        cfp_explanation_free(&one);
        cfp_explanation_free(&out[k]);
    }
    CHECK(layers >
          (q.rule == CFP_RULE_REFERENCE ? 0 : 3)); /* of the classifier alone nothing is learned */
    cfp_analyser_close(&analyser);
}

/* Where the points of --steps come in parts, each part is run forward again for every class. */
static void classes_in_parts(struct setting *s, cfp_query q)
{
    static const int classes[] = {1, 0};
    const cfp_batch batch = {.clips = 1, .thetas = 1, .points = 2, .classes = true};
    cfp_explanation out[2];
    q.mask = CFP_MASK_NONE;
    q.steps = 5;
    cfp_analyser *analyser = open_analyser(s, &q, &batch);
    if (analyser == NULL)
        return;
    CHECK_EQ(cfp_explain_classes(out, analyser, &s->clip[0], classes, 2, CFP_INTERP_LINEAR),
             CFP_OK);
    for (int k = 0; k < 2; k++) {
        cfp_explanation one = {0};
        alone(&one, s, q, &s->clip[0], classes[k]);
        CHECK(near_explanation(&out[k], &one));
        cfp_explanation_free(&one);
        cfp_explanation_free(&out[k]);
    }
    cfp_analyser_close(&analyser);
}

static void every_rule_of_two_classes(struct setting *s)
{
    cfp_query q = cfp_query_default();
    q.theta = 0.3;
    q.tubes = CFP_TUBES_KERNELS;
    q.depth = model_path != NULL ? 3 : CFP_ALL_DEPTHS;
    classes_share_a_forward_pass(s, q);
    q.class_relevance = CFP_CLASS_CONTRAST;
    classes_share_a_forward_pass(s, q);
    q.rule = CFP_RULE_REFERENCE;
    classes_share_a_forward_pass(s, q);
    q.rule = CFP_RULE_GRAD;
    q.class_relevance = CFP_CLASS_WEIGHTS;
    q.theta = 0.05;
    classes_share_a_forward_pass(s, q);
    q.mask = CFP_MASK_NONE;
    q.baseline = CFP_BASELINE_BLANK;
    classes_share_a_forward_pass(s, q);
    classes_in_parts(s, q);
}

static void count_forward(void *cookie, const char *what, int64_t done, int64_t total)
{
    *(int *)cookie += strcmp(what, "forward") == 0 && done == total;
}

/* How often the network runs forward for one batch of a question. */
static int forward_passes(struct setting *s, cfp_analyser *analyser, int round)
{
    const cfp_clip *clip[CLIPS];
    static const int classes[CLIPS];
    cfp_explanation out[CLIPS];
    int passes = 0;
    for (int n = 0; n < CLIPS; n++)
        clip[n] = &s->clip[round * CLIPS + n];
    s->ctx.progress = count_forward;
    s->ctx.cookie = &passes;
    CHECK_EQ(cfp_explain_batch(out, analyser, clip, classes, CFP_INTERP_LINEAR), CFP_OK);
    s->ctx.progress = NULL;
    for (int n = 0; n < CLIPS; n++)
        cfp_explanation_free(&out[n]);
    return passes;
}

/* The network that has a backward pass is shown what needs one, and nothing else.  A baseline that
 * is the same for all clips runs once. */
static void nothing_runs_for_nothing(struct setting *s)
{
    static const cfp_baseline baselines[] = {CFP_BASELINE_BLANK, CFP_BASELINE_FREEZE};
    const cfp_batch batch = {.clips = CLIPS, .thetas = 1};
    for (int i = 0; i < 4; i++) {
        cfp_query q = cfp_query_default();
        const bool turned = i >= 2, shared = i % 2 == 0;
        q.rule = CFP_RULE_GRAD;
        q.mask = CFP_MASK_NONE;
        q.baseline = baselines[i % 2];
        q.turn_down = turned ? 0.25 : 1;
        cfp_analyser *analyser = open_analyser(s, &q, &batch);
        if (analyser == NULL)
            continue;
        CHECK_EQ(analyser->trace->value[0].shape.n, CLIPS);
        CHECK_EQ(analyser->other_trace->value[0].shape.n, shared ? 1 : CLIPS);
        CHECK_EQ(analyser->plain != NULL, turned);
        if (s->device.api->record == NULL) { /* a recording tells no progress */
            CHECK_EQ(forward_passes(s, analyser, 0), 2 + turned);
            CHECK_EQ(forward_passes(s, analyser, 1), 1 + turned + !shared);
        }
        cfp_analyser_close(&analyser);
    }
}

/* An analyser that is given another clip to compare with forgets the first one. */
static void another_clip_to_compare_with(struct setting *s)
{
    cfp_query q = cfp_query_default();
    q.rule = CFP_RULE_GRAD;
    q.mask = CFP_MASK_NONE;
    q.baseline = CFP_BASELINE_CLIP;
    q.theta = 0.05;
    cfp_analyser *kept = open_analyser(s, &q, NULL);
    cfp_explanation of[4] = {{0}};
    for (int i = 0; i < 2 && kept != NULL; i++) {
        cfp_analyser *fresh = open_analyser(s, &q, NULL);
        cfp_analyser_compare_with(kept, &s->clip[1 + i]);
        cfp_analyser_compare_with(fresh, &s->clip[1 + i]);
        CHECK_EQ(cfp_explain(&of[i], kept, &s->clip[0], 1, CFP_INTERP_LINEAR), CFP_OK);
        CHECK_EQ(cfp_explain(&of[2 + i], fresh, &s->clip[0], 1, CFP_INTERP_LINEAR), CFP_OK);
        same_explanation(&of[i], &of[2 + i]);
        cfp_analyser_close(&fresh);
    }
    CHECK(of[0].pyramid.n_layers != of[1].pyramid.n_layers || /* the two clips were not the same */
          !near_explanation(&of[0], &of[1]));
    for (int i = 0; i < 4; i++)
        cfp_explanation_free(&of[i]);
    cfp_analyser_close(&kept);
}

static void every_rule(struct setting *s)
{
    every_rule_of_two_classes(s);
    for (int rule = 0; rule < CFP_RULE_COUNT; rule++) {
        cfp_query q = cfp_query_default();
        q.rule = (cfp_rule)rule;
        q.tubes = CFP_TUBES_KERNELS;
        if (model_path != NULL)
            q.depth = 3; /* its kernel tubes are many */
        a_batch_answers_as_each_alone(s, q);
    }
    cfp_query path = cfp_query_default();
    cfp_query grad = cfp_query_default();
    grad.rule = CFP_RULE_GRAD;
    grad.mask = CFP_MASK_NONE; /* then one backward pass answers every theta */
    grad.tubes = CFP_TUBES_KERNELS;
    grad.depth = model_path != NULL ? 2 : CFP_ALL_DEPTHS;
    a_batch_answers_as_each_alone(s, grad);
    const bool sums = by_shape;
    by_shape = true; /* every backend computes a linear layer of this size as another product */
    grad.baseline = CFP_BASELINE_BLANK; /* one for all clips */
    grad.turn_down = 0.25;
    a_batch_answers_as_each_alone(s, grad);
    grad.turn_down = 1;
    grad.baseline = CFP_BASELINE_FREEZE;
    grad.steps = 2;
    a_batch_answers_as_each_alone(s, grad);
    by_shape = sums;
    path.propagate = CFP_PROPAGATE_PATH;
    path.top = 2;
    path.class_relevance = CFP_CLASS_CONTRAST;
    a_batch_answers_as_each_alone(s, path);
    grad_takes_one_theta(s);
    parts_are_the_whole(s);
    nothing_runs_for_nothing(s);
    if (model_path == NULL)
        another_clip_to_compare_with(s);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0)
            device_name = argv[i + 1];
        else if (strcmp(argv[i], "--module-dir") == 0)
            module_dir = argv[i + 1];
        else if (strcmp(argv[i], "--model") == 0)
            model_path = argv[i + 1];
        else if (strcmp(argv[i], "--sums") == 0)
            by_shape = strcmp(argv[i + 1], "by-shape") == 0;
    }
    struct setting s = {0};
    struct toy t = {0};
    cfp_model opened = {0};
    const cfp_device_request request = {.module_dir = module_dir, .threads = 2};
    if (cfp_device_open(&s.device, &s.ctx, device_name, &request) != CFP_OK) {
        printf("skipped: %s\n", s.ctx.message);
        return 77;
    }
    make_net(&t);
    s.model = &t.model;
    if (model_path != NULL) {
        CHECK_EQ(cfp_model_open(&opened, &s.ctx, model_path), CFP_OK);
        s.model = &opened;
    }
    make_clips(&s);
    every_rule(&s);
    frames_are_the_numbers_of_the_host(&s);
    frames_may_be_written_again_after_a_failure(&s);
    if (s.device.api->host_memory && model_path == NULL) { /* as if it were a device's */
        cfp_backend_api apart = *s.device.api;
        const cfp_device direct = s.device;
        apart.host_memory = false;
        s.device.api = &apart;
        every_rule(&s);
        s.device = direct;
    }
    for (int n = 0; n < ROUNDS * CLIPS; n++)
        cfp_free(s.clip[n].rgb);
    cfp_model_free(&opened);
    toy_end(&t);
    cfp_device_close(&s.device);
    return test_result();
}
