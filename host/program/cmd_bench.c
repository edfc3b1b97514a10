/* cmd_bench.c - cfp-gpu bench: times the forward pass, the back-step and the tubes separately.
 *
 * The clip has random frames from --seed.  The time of the forward pass does not depend on what the
 * frames show.  That of the descent depends on how many kernels are selected. */
#include <stdio.h>
#include <stdlib.h>
#include "commands.h"
#include "../draw/renderer.h"

enum { FORWARD, BACKSTEP, TUBES, N_STAGES };
static const char *const stage_names[N_STAGES] = {"forward", "backstep", "tubes"};

typedef struct stage {
    double *ms; /* [runs], ascending once measured */
    double median;
} stage;

typedef struct bench {
    stage stage[N_STAGES];
    int runs;
    int clips; /* in the batch, all with the same frames: other frames would take the same time */
    cfp_renderer renderer;
    cfp_explanation *explanation; /* [clips] */
    const cfp_clip **clip;        /* [clips] */
    int *class_index;             /* [clips] */
} bench;

/* xorshift64*: the same bytes on every machine. */
static uint8_t random_byte(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint8_t)((*state * 0x2545F4914F6CDD1Du) >> 56);
}

static cfp_status random_clip(cfp_session *session)
{
    const cfp_input_spec *spec = &session->model.input;
    cfp_clip *clip = &session->clip;
    uint64_t state = (uint64_t)session->config.seed * 0x9E3779B97F4A7C15u + 0x632BE59BD9B4E019u;
    const int64_t bytes = (int64_t)spec->frames * spec->height * spec->width * 3;
    *clip = (cfp_clip){.frames = spec->frames,
                       .height = spec->height,
                       .width = spec->width,
                       .stride = 1,
                       .source_frames = spec->frames,
                       .source_width = spec->width,
                       .source_height = spec->height,
                       .step_x = 1,
                       .step_y = 1};
    clip->rgb = cfp_session_clip_buffer(session);
    clip->lent = clip->rgb != NULL;
    if (!clip->lent)
        CFP_TRY_ALLOC(&session->ctx, clip->rgb, cfp_clip_bytes(spec));
    CFP_TRY_ALLOC(&session->ctx, clip->index, clip->frames);
    if ((clip->path = cfp_strdup(&session->ctx, "random frames")) == NULL)
        return CFP_NOMEM;
    for (int t = 0; t < clip->frames; t++)
        clip->index[t] = t;
    for (int64_t i = 0; i < bytes; i++)
        clip->rgb[i] = random_byte(&state);
    float *const number = cfp_input_floats(clip->rgb, spec);
    for (int64_t i = 0; spec->numbers && i < bytes / 3 * spec->channels; i++)
        number[i] = random_byte(&state);
    return CFP_OK;
}

/* The time of the tubes includes resizing them to the clip (on the device, if it can) and copying
 * them to host memory. */
static cfp_status render_tubes(double *ms, bench *b)
{
    const double start = cfp_now_ms();
    for (int n = 0; n < b->clips; n++) {
        const cfp_explanation *e = &b->explanation[n];
        for (int i = 0; i < e->tubes.n; i++) {
            CFP_TRY(cfp_renderer_tube(&b->renderer, &e->tubes.tube[i]));
            CFP_TRY(cfp_renderer_volume(&b->renderer));
        }
    }
    *ms = cfp_now_ms() - start;
    return CFP_OK;
}

static cfp_status run_once(bench *b, cfp_session *session, int run)
{
    double render_ms = 0;
    CFP_TRY(cfp_explain_batch(b->explanation, session->analyser, b->clip, b->class_index,
                              (cfp_interp)session->config.interp));
    const cfp_status status = render_tubes(&render_ms, b);
    const cfp_timings ms = b->explanation[0].ms;
    if (status == CFP_OK && run >= 0) {
        b->stage[FORWARD].ms[run] = ms.forward;
        b->stage[BACKSTEP].ms[run] = ms.descent;
        b->stage[TUBES].ms[run] = ms.tubes + render_ms;
    }
    for (int n = 0; n < b->clips; n++)
        cfp_explanation_free(&b->explanation[n]);
    return status;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static cfp_status measure(bench *b, cfp_session *session, int class_index)
{
    const cfp_clip *clip = &session->clip;
    const int warmup = (int)session->config.warmup;
    b->runs = (int)session->config.runs;
    for (int k = 0; k < N_STAGES; k++)
        CFP_TRY_ALLOC(&session->ctx, b->stage[k].ms, b->runs);
    CFP_TRY(cfp_renderer_open(&b->renderer, &session->ctx, &session->device,
                              (int[]){clip->frames, clip->height, clip->width},
                              (cfp_interp)session->config.interp, NULL));
    CFP_TRY_ALLOC(&session->ctx, b->explanation, b->clips);
    CFP_TRY_ALLOC(&session->ctx, b->clip, b->clips);
    CFP_TRY_ALLOC(&session->ctx, b->class_index, b->clips);
    for (int n = 0; n < b->clips; n++) {
        b->clip[n] = clip;
        b->class_index[n] = class_index;
    }
    for (int run = -warmup; run < b->runs; run++) {
        if (run == 0)
            cfp_session_profile(session, true);
        CFP_TRY(cfp_check_interrupt(&session->ctx));
        CFP_TRY(run_once(b, session, run));
        cfp_progress(&session->ctx, "bench", run + warmup + 1, warmup + b->runs);
    }
    cfp_session_profile(session, false);
    for (int k = 0; k < N_STAGES; k++) {
        double *ms = b->stage[k].ms;
        qsort(ms, (size_t)b->runs, sizeof *ms, by_value);
        b->stage[k].median = (ms[(b->runs - 1) / 2] + ms[b->runs / 2]) / 2;
    }
    return CFP_OK;
}

static double gflop_per_s(const bench *b, const cfp_session *session)
{
    return cfp_model_gflop(&session->model) * (double)session->config.batch /
           (b->stage[FORWARD].median * 1e-3);
}

static cfp_status print_json(const bench *b, cfp_session *session)
{
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "device", session->device_name);
    cfp_json_put_string(&json, "precision", cfp_precision_names[session->config.precision]);
    cfp_json_put_int(&json, "threads", session->threads);
    cfp_json_put_int(&json, "batch", session->config.batch);
    cfp_json_key(&json, "ms");
    cfp_json_object(&json);
    for (int k = 0; k < N_STAGES; k++) {
        cfp_json_key(&json, stage_names[k]);
        cfp_json_object(&json);
        cfp_json_put_ms(&json, "median", b->stage[k].median);
        cfp_json_put_ms(&json, "min", b->stage[k].ms[0]);
        cfp_json_put_ms(&json, "max", b->stage[k].ms[b->runs - 1]);
        cfp_json_put_int(&json, "runs", b->runs);
        cfp_json_object_end(&json);
    }
    cfp_json_object_end(&json);
    cfp_json_put_double(&json, "gflop", cfp_model_gflop(&session->model));
    cfp_json_put_double(&json, "gflop_per_s", gflop_per_s(b, session));
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static void print_table(const bench *b, const cfp_session *session)
{
    cfp_print_text(stdout, session->model.name, 0);
    printf(" on %s: %s\n\n%-10s %10s %10s %10s   ms, %d runs of %d clip%s\n", session->device_name,
           session->device.api->describe(session->device.backend), "", "median", "min", "max",
           b->runs, (int)session->config.batch, session->config.batch == 1 ? "" : "s");
    for (int k = 0; k < N_STAGES; k++)
        printf("%-10s %10.3f %10.3f %10.3f\n", stage_names[k], b->stage[k].median,
               b->stage[k].ms[0], b->stage[k].ms[b->runs - 1]);
    printf("\n%.4g GFLOP a clip, %.4g GFLOP/s forward\n", cfp_model_gflop(&session->model),
           gflop_per_s(b, session));
}

cfp_status cfp_cmd_bench(cfp_session *session)
{
    const cfp_query query = cfp_config_query(&session->config);
    bench b = {.clips = (int)session->config.batch};
    int class_index;
    CFP_TRY(cfp_query_check(&session->ctx, &query));
    if (query.baseline == CFP_BASELINE_CLIP)
        return cfp_fail(&session->ctx, CFP_USAGE,
                        "--baseline: bench makes its own frames and cannot compare them with '%s'",
                        query.baseline_path);
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_class(&class_index, session));
    CFP_TRY(random_clip(session));
    /* Edges must be listed only if something reads them: here, the tubes of kernels. */
    CFP_TRY(cfp_session_open_analyser(session, &query, query.tubes == CFP_TUBES_KERNELS));
    cfp_status status = measure(&b, session, class_index);
    if (status == CFP_OK && session->config.json)
        status = print_json(&b, session);
    else if (status == CFP_OK)
        print_table(&b, session);
    cfp_renderer_close(&b.renderer);
    cfp_free(b.explanation);
    cfp_free(b.clip);
    cfp_free(b.class_index);
    for (int k = 0; k < N_STAGES; k++)
        cfp_free(b.stage[k].ms);
    return status;
}
