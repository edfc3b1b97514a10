/* test_api.c - uses libcfp as another program does: through host/cfp.h alone.
 *
 *     test_api MODEL CLIP        the motion network and one of its clips
 *
 * It also checks what a library must not do: print, leave signal handlers behind, or change the
 * environment, the number of OpenMP threads or the working folder. */
#include "../host/cfp.h"
#include "scratch.h"
#include "surroundings.h"
#include <pthread.h>

enum { THETAS = 3 };
static const double thetas[THETAS] = {0.9, 0.3, 0.6};
static const char *model_path, *clip_path;

typedef struct opened { /* what most checks need */
    cfp_context *context;
    cfp_device *device;
    cfp_model *model;
    cfp_clip *clip;
} opened;

static void open_all(opened *o, const cfp_settings *settings)
{
    const cfp_device_settings device = {.name = "cpu", .threads = 1};
    *o = (opened){0};
    CHECK_EQ(cfp_open_context(&o->context, settings), CFP_OK);
    CHECK_EQ(cfp_open_device(&o->device, o->context, &device), CFP_OK);
    CHECK_EQ(cfp_open_model(&o->model, o->context, model_path), CFP_OK);
    CHECK_EQ(cfp_read_clip(&o->clip, o->context, o->model, clip_path, NULL), CFP_OK);
}

static void close_all(opened *o)
{
    cfp_close_clip(&o->clip);
    cfp_close_model(&o->model);
    cfp_close_device(&o->device);
    cfp_close_context(&o->context);
    CHECK(o->clip == NULL && o->model == NULL && o->device == NULL && o->context == NULL);
}

static cfp_explanation *explain_once(opened *o, const cfp_question *question)
{
    cfp_explainer *explainer = NULL;
    cfp_explanation *answer = NULL;
    const cfp_clip *const clip[] = {o->clip};
    CHECK_EQ(cfp_open_explainer(&explainer, o->device, o->model, question, 1, NULL, 0), CFP_OK);
    CHECK_EQ(cfp_explain_clips(&answer, explainer, clip, NULL), CFP_OK);
    cfp_close_explainer(&explainer); /* an explanation outlives it */
    return answer;
}

static void every_status_has_a_text(void)
{
    for (int s = 0; s < CFP_STATUS_COUNT; s++)
        CHECK(strcmp(cfp_status_text((cfp_status)s), "unknown status") != 0);
    CHECK_STR(cfp_status_text((cfp_status)CFP_STATUS_COUNT), "unknown status");
    CHECK_STR(cfp_status_text((cfp_status)-1), "unknown status");
    CHECK(cfp_version()[0] >= '0' && cfp_version()[0] <= '9');
}

static void closing_nothing_is_no_error(void)
{
    opened none = {0};
    cfp_close_explainer(&(cfp_explainer *){NULL});
    cfp_close_explanation(&(cfp_explanation *){NULL});
    cfp_free_counts(&(cfp_theta_counts){0});
    close_all(&none);
}

static void a_model_tells_what_it_is(opened *o)
{
    cfp_model_facts facts;
    cfp_node_facts node;
    int index = -1, kernel_layers = 0;
    cfp_describe_model(&facts, o->model);
    CHECK_STR(facts.name, "motion");
    CHECK_EQ(facts.channels, 3);
    CHECK_STR(facts.head, "softmax");
    for (int c = 0; c < facts.classes; c++)
        CHECK(cfp_class_name(o->model, c) != NULL);
    CHECK(cfp_class_name(o->model, facts.classes) == NULL && cfp_class_name(o->model, -1) == NULL);
    CHECK_EQ(cfp_find_class(&index, o->context, o->model, "Clockwise"), CFP_OK);
    CHECK_STR(cfp_class_name(o->model, index), "clockwise");
    for (int i = 0; cfp_describe_node(&node, o->model, i); i++) {
        kernel_layers += node.depth >= 0;
        for (int k = 0; k < node.inputs; k++)
            CHECK(node.input[k] < i);
        CHECK(i < facts.nodes);
    }
    CHECK(kernel_layers > 10);
    CHECK(!cfp_describe_node(&node, o->model, -1) &&
          !cfp_describe_node(&node, o->model, facts.nodes));
}

/* Messages name fields, never options of a command line. */
static void check_message(opened *o, cfp_status status, cfp_status expected, const char *begins)
{
    const char *const message = cfp_message(o->context);
    CHECK_EQ(status, expected);
    CHECK(strncmp(message, begins, strlen(begins)) == 0);
    if (strncmp(message, begins, strlen(begins)) != 0)
        fprintf(stderr, "    it says: %s\n", message);
    CHECK(strstr(message, "--") == NULL);
}

static void every_wrong_question_is_refused_by_its_field(opened *o)
{
    const struct {
        cfp_question question;
        const char *begins;
    } wrong[] = {
        {{.rule = "best", .steps = 1}, "rule: 'best' is none of cfp, reference, grad"},
        {{.propagate = "x", .steps = 1}, "propagate: "},
        {{.normalise = "x", .steps = 1}, "normalise: "},
        {{.class_relevance = "x", .steps = 1}, "class_relevance: "},
        {{.target = "x", .steps = 1}, "target: "},
        {{.mask = "x", .steps = 1}, "mask: "},
        {{.baseline = "x", .steps = 1}, "baseline: "},
        {{.tubes = "x", .steps = 1}, "tubes: "},
        {{.interp = "x", .steps = 1}, "interp: "},
        {{.layers = "none such*", .steps = 1}, "layers: "},
        {{.theta = 1.5, .steps = 1}, "theta: "},
        {{.theta = NAN, .steps = 1}, "theta: "},
        {{.depth = -2, .steps = 1}, "depth: "},
        {{.top = -1, .steps = 1}, "top: "},
        {{.steps = 0}, "steps: "},
        {{.rule = "grad", .propagate = "path", .steps = 1}, "propagate: "},
        {{.rule = "grad", .class_relevance = "contrast", .steps = 1}, "class_relevance: "},
        {{.rule = "reference", .normalise = "max", .steps = 1}, "normalise: "},
        {{.mask = "none", .steps = 1}, "mask: "},
        {{.target = "margin", .steps = 1},
         "target: rule cfp asks for none without class_relevance"},
    };
    cfp_explainer *explainer = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        check_message(
            o, cfp_open_explainer(&explainer, o->device, o->model, &wrong[i].question, 1, NULL, 0),
            CFP_USAGE, wrong[i].begins);
        CHECK(explainer == NULL);
    }
}

static void wrong_batches_are_refused(opened *o)
{
    cfp_question question;
    cfp_explainer *explainer = NULL;
    const double bad[] = {0.5, 2};
    cfp_published_question(&question);
    check_message(o, cfp_open_explainer(&explainer, o->device, o->model, &question, 0, NULL, 0),
                  CFP_USAGE, "clips: ");
    check_message(o, cfp_open_explainer(&explainer, o->device, o->model, &question, 1, NULL, 2),
                  CFP_USAGE, "thetas: ");
    check_message(o, cfp_open_explainer(&explainer, o->device, o->model, &question, 1, bad, 2),
                  CFP_USAGE, "theta: 2");
    question.rule = "grad";
    check_message(o, cfp_open_explainer(&explainer, o->device, o->model, &question, 1, thetas, 2),
                  CFP_USAGE, "rule: grad takes one theta");
}

static void what_cannot_be_opened_says_why(opened *o)
{
    cfp_model *model = (cfp_model *)o; /* to be overwritten */
    cfp_clip *clip = NULL;
    cfp_device *device = NULL;
    int index;
    cfp_clip_settings late;
    cfp_default_clip_settings(&late);
    late.start = 1000000;
    check_message(o, cfp_open_model(&model, o->context, "nowhere.h5"), CFP_IO, "nowhere.h5: ");
    CHECK(model == NULL);
    check_message(o, cfp_open_model(&model, o->context, clip_path), CFP_FORMAT, clip_path);
    check_message(o, cfp_read_clip(&clip, o->context, o->model, "nowhere.mp4", NULL), CFP_IO,
                  "nowhere.mp4: ");
    check_message(o, cfp_read_clip(&clip, o->context, o->model, clip_path, &late), CFP_USAGE,
                  "start: 1000000");
    late = (cfp_clip_settings){.start = -2};
    check_message(o, cfp_read_clip(&clip, o->context, o->model, clip_path, &late), CFP_USAGE,
                  "start: ");
    late = (cfp_clip_settings){.stride = -1};
    check_message(o, cfp_read_clip(&clip, o->context, o->model, clip_path, &late), CFP_USAGE,
                  "stride: ");
    check_message(o, cfp_open_device(&device, o->context, &(cfp_device_settings){.name = "x y"}),
                  CFP_USAGE, "device: ");
    check_message(o,
                  cfp_open_device(&device, o->context,
                                  &(cfp_device_settings){.name = "cpu", .precision = "fp8"}),
                  CFP_USAGE, "precision: 'fp8' is none of fp32");
    check_message(o,
                  cfp_open_device(&device, o->context,
                                  &(cfp_device_settings){.name = "cpu", .precision = "fp16"}),
                  CFP_UNSUPPORTED, "precision fp16: ");
    check_message(o, cfp_open_device(&device, o->context, &(cfp_device_settings){.threads = -1}),
                  CFP_USAGE, "threads: ");
    check_message(o, cfp_find_class(&index, o->context, o->model, "clok"), CFP_USAGE, "class: ");
}

/* The clip's own frames, given back as an array, are the same clip. */
static void frames_in_memory_make_the_same_clip(opened *o)
{
    cfp_clip_facts seen, again;
    cfp_clip *made = NULL, *short_one = NULL, *empty = NULL;
    cfp_describe_clip(&seen, o->clip);
    CHECK_EQ(cfp_make_clip(&made, o->context, o->model, "frames", seen.rgb, seen.frames,
                           seen.height, seen.width, 0, NULL),
             CFP_OK);
    cfp_describe_clip(&again, made);
    CHECK_STR(again.path, "frames");
    CHECK_EQ(again.source_frames, seen.frames);
    CHECK_EQ(strlen(again.sha256), 64);
    CHECK(again.rgb != seen.rgb &&
          memcmp(again.rgb, seen.rgb, (size_t)(seen.frames * seen.height * seen.width * 3)) == 0);
    CHECK_EQ(cfp_make_clip(&short_one, o->context, o->model, "two frames", seen.rgb, 2, seen.height,
                           seen.width, 25, NULL),
             CFP_OK);
    cfp_describe_clip(&again, short_one);
    CHECK(again.looped && again.fps == 25 && again.index[2] == 0);
    check_message(o,
                  cfp_make_clip(&empty, o->context, o->model, "empty", seen.rgb, 0, 4, 4, 0, NULL),
                  CFP_FORMAT, "empty: ");
    cfp_close_clip(&made);
    cfp_close_clip(&short_one);
}

static void check_layers(const cfp_explanation *answer, cfp_context *context)
{
    cfp_explanation_facts facts;
    cfp_layer_facts layer;
    int n = 0, depth = 0;
    cfp_describe_explanation(&facts, answer);
    for (int i = 0; cfp_get_layer(&layer, answer, i); i++, n++) {
        int in_list = 0;
        CHECK(layer.depth >= depth);
        depth = layer.depth;
        for (int k = 0; k < layer.kernels; k++)
            in_list += layer.relevance[k] > 0;
        CHECK(in_list <= layer.selected);
        for (int64_t e = 0; e < layer.edges; e++)
            if (!(layer.edge[e].kernel < layer.kernels && layer.edge[e].relevance <= 1 &&
                  (double)layer.edge[e].relevance >= facts.theta))
                CHECK(!"an edge is out of range");
        if (layer.edges > 0) {
            cfp_kernel_place place[2];
            int origins = 0, all = 0;
            CHECK_EQ(
                cfp_find_origins(place, 2, &origins, context, answer, i, layer.edge[0].channel),
                CFP_OK);
            CHECK_EQ(cfp_find_origins(NULL, 0, &all, context, answer, i, layer.edge[0].channel),
                     CFP_OK);
            CHECK_EQ(origins, all);
        }
    }
    CHECK_EQ(n, facts.layers);
    CHECK(!cfp_get_layer(&layer, answer, -1));
    CHECK(cfp_find_origins(NULL, 0, &n, context, answer, facts.layers, 0) == CFP_USAGE);
    CHECK(cfp_find_origins(NULL, 0, &n, context, answer, 0, 1 << 20) == CFP_USAGE);
}

static void check_tubes(const cfp_explanation *answer, opened *o)
{
    cfp_clip_facts clip;
    cfp_tube_facts tube;
    int n = 0;
    cfp_describe_clip(&clip, o->clip);
    const size_t voxels = (size_t)(clip.frames * clip.height * clip.width);
    float *volume = calloc(voxels, sizeof *volume);
    uint8_t *rgb = calloc(voxels, 3);
    for (; cfp_get_tube(&tube, answer, n); n++)
        CHECK(tube.min <= tube.max && tube.kernel == -1);
    CHECK(n > 10 && cfp_render_tube(volume, o->context, answer, 0) == CFP_OK);
    CHECK_EQ(cfp_draw_overlay(rgb, o->context, answer, 0, &(cfp_drawing){.alpha = 0}), CFP_OK);
    CHECK(memcmp(rgb, clip.rgb, voxels * 3) == 0); /* alpha 0: the clip alone */
    CHECK_EQ(cfp_draw_overlay(rgb, o->context, answer, 0, NULL), CFP_OK);
    CHECK(memcmp(rgb, clip.rgb, voxels * 3) != 0);
    CHECK_EQ(cfp_draw_overlay(rgb, o->context, answer, 0, &(cfp_drawing){.alpha = -1}), CFP_OK);
    for (size_t i = 0; i < voxels; i++)
        if (!(volume[i] >= 0 && volume[i] <= 1) ||
            (volume[i] == 0 && memcmp(rgb + 3 * i, clip.rgb + 3 * i, 3) != 0))
            CHECK(!"a tube is in [0, 1], and over 0 the clip is unchanged");
    check_message(o, cfp_render_tube(volume, o->context, answer, n), CFP_USAGE, "tube: ");
    const cfp_drawing pink = {.colormap = "pink", .alpha = 0.5};
    check_message(o, cfp_draw_overlay(rgb, o->context, answer, 0, &pink), CFP_USAGE,
                  "colormap: 'pink' is none of jet");
    check_message(o, cfp_draw_overlay(rgb, o->context, answer, 0, &(cfp_drawing){.alpha = -2}),
                  CFP_USAGE, "alpha: ");
    free(volume);
    free(rgb);
}

static void an_explanation_can_be_walked_drawn_and_written(opened *o)
{
    char folder[SCRATCH_PATH];
    cfp_question question;
    cfp_published_question(&question);
    char layers[] = "*"; /* is copied */
    question.layers = layers;
    cfp_explanation *answer = explain_once(o, &question);
    layers[0] = '?';
    check_layers(answer, o->context);
    check_tubes(answer, o);
    scratch_open(folder);
    CHECK_EQ(cfp_write_explanation(o->context, answer, folder, "json", NULL), CFP_OK);
    CHECK(scratch_has(folder, "pyramid.json") && scratch_has(folder, "run.json"));
    char *run = scratch_text(folder, "run.json");
    CHECK_HAS(run, "\"layers\": \"*\"");
    free(run);
    check_message(o, cfp_write_explanation(o->context, answer, folder, "jpg", NULL), CFP_USAGE,
                  "format: 'jpg' is not a format");
    check_message(o, cfp_write_explanation(o->context, answer, "/dev/null/x", "json", NULL), CFP_IO,
                  "/dev/null");
    check_message(
        o,
        cfp_write_explanation(o->context, answer, folder, "json", &(cfp_drawing){.canvas = "wall"}),
        CFP_USAGE, "canvas: 'wall' is none of model, source");
    scratch_remove(folder);
    cfp_close_explanation(&answer);
}

static void pictures_of_frames_in_memory_need_no_file(opened *o)
{
    char folder[SCRATCH_PATH];
    cfp_clip_facts seen;
    cfp_question question;
    opened other = *o;
    cfp_published_question(&question);
    question.layers = "stem*";
    cfp_describe_clip(&seen, o->clip);
    CHECK_EQ(cfp_make_clip(&other.clip, o->context, o->model, "frames", seen.rgb, seen.frames,
                           seen.height, seen.width, 25, NULL),
             CFP_OK);
    cfp_explanation *answer = explain_once(&other, &question);
    scratch_open(folder);
    CHECK_EQ(cfp_write_explanation(o->context, answer, folder, "png", NULL), CFP_OK);
    check_message(o,
                  cfp_write_explanation(o->context, answer, folder, "png",
                                        &(cfp_drawing){.canvas = "source", .alpha = 0.5}),
                  CFP_USAGE, "canvas: source: frames is in memory");
    scratch_remove(folder);
    cfp_close_explanation(&answer);
    cfp_close_clip(&other.clip);
}

/* A batch of thetas, each alone, and a sweep agree. */
static void thetas_at_once_are_thetas_alone(opened *o)
{
    cfp_explanation *batch[THETAS];
    cfp_explainer *explainer = NULL;
    cfp_question question;
    cfp_theta_counts counts;
    const cfp_clip *const clip[] = {o->clip};
    cfp_layer_facts one, many;
    cfp_published_question(&question);
    question.tubes = "none";
    question.normalise = "max";
    CHECK_EQ(cfp_open_explainer(&explainer, o->device, o->model, &question, 1, thetas, THETAS),
             CFP_OK);
    CHECK_EQ(cfp_explain_clips(batch, explainer, clip, NULL), CFP_OK);
    CHECK_EQ(cfp_sweep_clip(&counts, o->device, o->model, &question, o->clip, -1, thetas, THETAS),
             CFP_OK);
    int row = 0, kernels = 0;
    for (int k = 0; k < THETAS; k++) {
        question.theta = thetas[k];
        cfp_explanation *alone = explain_once(o, &question);
        for (int i = 0; cfp_get_layer(&one, alone, i); i++) {
            CHECK(cfp_get_layer(&many, batch[k], i));
            CHECK_EQ(one.selected, many.selected);
            CHECK_EQ(one.edges, many.edges);
            while (row < counts.n &&
                   (counts.row[row].theta != thetas[k] || counts.row[row].node != one.node))
                row++;
            CHECK(row < counts.n);
            if (row < counts.n) {
                CHECK_EQ(counts.row[row].selected, one.selected);
                CHECK_EQ(counts.row[row].edges, one.edges);
            }
            kernels += one.selected;
        }
        cfp_close_explanation(&alone);
        cfp_close_explanation(&batch[k]);
    }
    CHECK(kernels > 100);
    cfp_free_counts(&counts);
    question.baseline = "blank";
    question.rule = "grad";
    question.normalise = NULL;
    check_message(o,
                  cfp_sweep_clip(&counts, o->device, o->model, &question, o->clip, -1, thetas, 1),
                  CFP_USAGE, "baseline: ");
    cfp_close_explainer(&explainer);
}

static void a_predictor_predicts_and_refuses_the_rest(opened *o)
{
    cfp_model_facts facts;
    cfp_explainer *explainer = NULL;
    const cfp_clip *const clips[] = {o->clip, o->clip};
    cfp_explanation *answer[2];
    float flat[128], flat_share[128], sum = 0;
    cfp_describe_model(&facts, o->model);
    CHECK_EQ(cfp_open_explainer(&explainer, o->device, o->model, NULL, 2, NULL, 0), CFP_OK);
    CHECK_EQ(cfp_predict_clips(flat, flat_share, explainer, clips), CFP_OK);
    for (int c = 0; c < facts.classes; c++) {
        CHECK(flat[c] == flat[facts.classes + c]);
        sum += flat_share[c];
    }
    CHECK_NEAR((double)sum, 1, 1e-5);
    check_message(o, cfp_explain_clips(answer, explainer, clips, NULL), CFP_USAGE, "question: ");
    CHECK(answer[0] == NULL && answer[1] == NULL);
    cfp_close_explainer(&explainer);
}

static void a_baseline_clip_is_compared_with(opened *o)
{
    cfp_question question;
    cfp_explainer *explainer = NULL;
    cfp_explanation *answer = NULL;
    cfp_layer_facts layer;
    const cfp_clip *const clip[] = {o->clip};
    const int beyond[] = {1000};
    cfp_published_question(&question);
    question.rule = "grad";
    question.baseline = "clip";
    question.tubes = "none";
    CHECK_EQ(cfp_open_explainer(&explainer, o->device, o->model, &question, 1, NULL, 0), CFP_OK);
    check_message(o, cfp_explain_clips(&answer, explainer, clip, NULL), CFP_USAGE, "baseline: ");
    cfp_set_baseline(explainer, o->clip);
    check_message(o, cfp_explain_clips(&answer, explainer, clip, beyond), CFP_USAGE,
                  "class_index: 1000");
    CHECK_EQ(cfp_explain_clips(&answer, explainer, clip, NULL), CFP_OK);
    int edges = 0; /* the clip against itself: nothing differs, so nothing is selected */
    for (int i = 0; cfp_get_layer(&layer, answer, i); i++)
        edges += (int)layer.edges;
    CHECK_EQ(edges, 0);
    cfp_close_explanation(&answer);
    cfp_close_explainer(&explainer);
}

static int lines_logged;
static void count_line(void *cookie, cfp_level level, const char *line)
{
    (void)level;
    *(int *)cookie += 1;
    CHECK(strstr(line, "--") == NULL);
}

static void interrupts_and_the_log_reach_the_caller(void)
{
    opened o;
    cfp_clip *clip = NULL;
    cfp_clip_facts seen;
    open_all(&o, &(cfp_settings){.log = count_line, .cookie = &lines_logged});
    cfp_describe_clip(&seen, o.clip);
    lines_logged = 0;
    CHECK_EQ(cfp_make_clip(&clip, o.context, o.model, "one", seen.rgb, 1, seen.height, seen.width,
                           0, NULL),
             CFP_OK);
    CHECK_EQ(lines_logged, 1); /* it is looped */
    cfp_close_clip(&clip);
    cfp_interrupt(o.context, true);
    CHECK_EQ(cfp_read_clip(&clip, o.context, o.model, clip_path, NULL), CFP_INTERRUPTED);
    cfp_interrupt(o.context, false);
    CHECK_EQ(cfp_read_clip(&clip, o.context, o.model, clip_path, NULL), CFP_OK);
    cfp_close_clip(&clip);
    close_all(&o);
}

/* A memory limit counts models that are open, not those that were closed. */
static void memory_that_was_given_back_counts_no_more(void)
{
    cfp_context *context;
    cfp_model *model = NULL;
    CHECK_EQ(cfp_open_context(&context, &(cfp_settings){.max_memory = 3 << 20}), CFP_OK);
    for (int i = 0; i < 12; i++) {
        const cfp_status status = cfp_open_model(&model, context, model_path);
        CHECK_EQ(status, CFP_OK);
        if (status != CFP_OK)
            fprintf(stderr, "    %s\n", cfp_message(context));
        cfp_close_model(&model);
    }
    cfp_close_context(&context);
    CHECK_EQ(cfp_open_context(&context, &(cfp_settings){.max_memory = 100000}), CFP_OK);
    CHECK_EQ(cfp_open_model(&model, context, model_path), CFP_NOMEM);
    CHECK(strstr(cfp_message(context), "(max_memory)") != NULL);
    cfp_close_context(&context);
}

static void *write_alone(void *unused)
{
    char folder[SCRATCH_PATH];
    opened o;
    cfp_question question;
    (void)unused;
    cfp_default_question(&question);
    open_all(&o, NULL);
    cfp_explanation *answer = explain_once(&o, &question);
    scratch_open(folder);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(cfp_write_explanation(o.context, answer, folder, "h5", NULL), CFP_OK);
    scratch_remove(folder);
    cfp_close_explanation(&answer);
    close_all(&o);
    return NULL;
}

static void *work_alone(void *selected)
{
    opened o;
    cfp_question question;
    cfp_layer_facts layer;
    cfp_default_question(&question);
    question.tubes = "none";
    open_all(&o, NULL);
    for (int i = 0; i < 15; i++) {
        cfp_model *another = NULL;
        CHECK_EQ(cfp_open_model(&another, o.context, model_path), CFP_OK);
        cfp_close_model(&another);
        if (i % 5 != 0)
            continue;
        cfp_explanation *answer = explain_once(&o, &question);
        CHECK(cfp_get_layer(&layer, answer, 1));
        *(int *)selected = layer.selected;
        cfp_close_explanation(&answer);
    }
    close_all(&o);
    return NULL;
}

static void threads_work_side_by_side(void)
{
    enum { THREADS = 3 };
    pthread_t thread[THREADS], writer;
    CHECK_EQ(pthread_create(&writer, NULL, write_alone, NULL), 0);
    int selected[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, work_alone, &selected[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    pthread_join(writer, NULL);
    CHECK(selected[0] > 0 && selected[0] == selected[1] && selected[1] == selected[2]);
}

static void devices_are_listed(void)
{
    cfp_device_facts facts;
    for (int i = 0; i < 3; i++)
        CHECK(cfp_describe_device(&facts, i, NULL) && facts.detail[0] != '\0');
    CHECK(!cfp_describe_device(&facts, 1000, NULL) && !cfp_describe_device(&facts, -1, NULL));
    CHECK(cfp_describe_device(&facts, 1, NULL) && facts.ready);
    CHECK_STR(facts.name, "cpu");
}

static void check_all(void)
{
    opened o;
    open_all(&o, NULL);
    CHECK_STR(cfp_message(o.context), "");
    CHECK_HAS(cfp_device_text(o.device), "oneDNN");
    every_status_has_a_text();
    closing_nothing_is_no_error();
    devices_are_listed();
    a_model_tells_what_it_is(&o);
    every_wrong_question_is_refused_by_its_field(&o);
    wrong_batches_are_refused(&o);
    what_cannot_be_opened_says_why(&o);
    frames_in_memory_make_the_same_clip(&o);
    an_explanation_can_be_walked_drawn_and_written(&o);
    pictures_of_frames_in_memory_need_no_file(&o);
    thetas_at_once_are_thetas_alone(&o);
    a_predictor_predicts_and_refuses_the_rest(&o);
    a_baseline_clip_is_compared_with(&o);
    close_all(&o);
    interrupts_and_the_log_reach_the_caller();
    memory_that_was_given_back_counts_no_more();
    if (!SANITIZED) /* whose allocators do not survive a fork beside another thread */
        threads_work_side_by_side();
}

int main(int argc, char **argv)
{
    static surroundings before, after;
    model_path = argc == 3 ? argv[1] : "";
    clip_path = argc == 3 ? argv[2] : "";
    FILE *said = tmpfile(); /* what is written to standard output and to standard error meanwhile */
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    if (said == NULL || out < 0 || dup2(fileno(said), STDOUT_FILENO) < 0 ||
        (!SANITIZED && dup2(fileno(said), STDERR_FILENO) < 0)) /* reports are to be seen */
        abort();
    omp_set_num_threads(7);
    look_around(&before);
    check_all();
    look_around(&after);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    rewind(said);
    for (int c = fgetc(said); c != EOF; c = fgetc(said))
        fputc(c, stderr);
    check_surroundings(&before, &after);
    fclose(said);
    return test_result();
}
