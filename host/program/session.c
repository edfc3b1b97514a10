/* session.c - the steps that several commands take: device, model, trace; see commands.h. */
#include "commands.h"
#include "guard.h"
#include "local_gpu.h"
#include "model_file_kind.h"
#include <fnmatch.h>
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *cfp_lanes_wanted(void)
{
    const char *const wanted = getenv("CFP_LANES");
    return wanted != NULL && wanted[0] != '\0' ? wanted : NULL;
}

cfp_status cfp_session_open_device(cfp_session *session)
{
    const cfp_config *config = &session->config;
    CFP_TRY(cfp_session_choose_threads(session));
    const bool batch = config->command->bit == CFP_CMD_BATCH; /* mpirun and srun start several */
    const cfp_device_request request = {.threads = session->threads,
                                        .ordinal = batch ? cfp_local_gpu() : 0,
                                        .precision = (cfp_precision)config->precision,
                                        .module_dir = CFP_MODULE_DIR,
                                        .autotune = config->autotune,
                                        .lanes = cfp_lanes_wanted()};
    CFP_TRY(cfp_device_open(&session->device, &session->ctx, config->device, &request));
    const cfp_backend_api *api = session->device.api;
    if (api == &cfp_backend_ref)
        session->threads = 1;              /* ref never uses more */
    omp_set_num_threads(session->threads); /* for work on the host, such as resizing tubes */
    const char *const ordinal = strchr(config->device, ':');
    snprintf(session->device_name, sizeof session->device_name, "%s%s", api->name,
             api->host_memory  ? ""
             : ordinal != NULL ? ordinal
                               : ":0");
    if (config->profile && api->profile == NULL)
        return cfp_fail(&session->ctx, CFP_UNSUPPORTED, "--profile: device %s has no profiler",
                        api->name);
    if (config->autotune != NULL && api->tuned == NULL)
        return cfp_fail(&session->ctx, CFP_UNSUPPORTED, "--autotune: device %s has nothing to tune",
                        api->name);
    return CFP_OK;
}

void cfp_session_range_begin(cfp_session *session, cfp_range_kind kind, const char *name)
{
    if (session->device.api != NULL)
        cfp_range_begin(session->device.api, session->device.backend, kind, name, 0);
}

void cfp_session_range_end(cfp_session *session)
{
    if (session->device.api != NULL)
        cfp_range_end(session->device.api, session->device.backend);
}

void cfp_session_profile(cfp_session *session, bool on)
{
    if (session->config.profile)
        session->device.api->profile->collect(session->device.backend, on);
}

/* --head chooses one head.  Without it, these commands take all heads, and the others the first. */
static cfp_status choose_head(cfp_session *session)
{
    const unsigned take_all = CFP_CMD_EXPLAIN | CFP_CMD_PREDICT | CFP_CMD_INSPECT;
    const cfp_config *config = &session->config;
    cfp_model *model = &session->model;
    int head = 0;
    if (config->head == NULL && (model->n_heads == 0 || config->command->bit & take_all))
        return CFP_OK;
    if (config->head != NULL)
        CFP_TRY(cfp_model_find_head(&head, &session->ctx, model, config->head));
    else
        cfp_log(&session->ctx, CFP_LOG_INFO,
                "%s: this is about the first of its %d heads, '%s'; --head chooses another",
                model->path, model->n_heads, model->view[0].head_name);
    cfp_model_keep_head(model, head);
    return CFP_OK;
}

cfp_status cfp_session_open_model(cfp_session *session)
{
    CFP_TRY(cfp_check_model_file(session, session->config.operand[0]));
    cfp_session_range_begin(session, CFP_RANGE_LOAD, "model");
    const cfp_status status =
        cfp_model_open(&session->model, &session->ctx, session->config.operand[0]);
    cfp_session_range_end(session);
    CFP_TRY(status);
    CFP_TRY(choose_head(session));
    const char *const show = session->config.show_channels;
    return show == NULL
               ? CFP_OK
               : cfp_input_show(&session->model.input, &session->ctx, "--show-channels", show);
}

static bool has_tubes(const void *model, int node)
{
    return ((const cfp_model *)model)->node[node].op == CFP_OP_CONV3D;
}

/* Refuses a pattern that matches no layer with tubes: it was given by mistake. */
static cfp_status check_layers(cfp_session *session, const char *glob)
{
    const cfp_model *model = &session->model;
    for (int i = 0; i < model->n_nodes; i++)
        if (model->node[i].op == CFP_OP_CONV3D && fnmatch(glob, model->node[i].name, 0) == 0)
            return CFP_OK;
    char near[512];
    cfp_model_near_layers(near, sizeof near, model, glob, has_tubes, model);
    return cfp_fail(&session->ctx, CFP_USAGE, "--layers: no conv3d layer of %s matches '%s'%s",
                    model->path, glob, near);
}

cfp_status cfp_session_open_analyser_of(cfp_session *session, const cfp_model *model,
                                        const cfp_query *query, bool listed)
{
    const int clips = session->config.batch > 1 ? (int)session->config.batch : 1;
    const cfp_batch batch = {.clips = clips,
                             .thetas = 1,
                             .unlisted = !listed,
                             .apart = listed && session->config.against == NULL &&
                                      session->config.formats != NULL &&
                                      cfp_formats_name(session->config.formats, "html"),
                             .classes = session->config.against != NULL || model->n_heads > 0};
    if (query != NULL && query->layers != NULL)
        CFP_TRY(check_layers(session, query->layers));
    if (session->logits == NULL)
        CFP_TRY_ALLOC(&session->ctx, session->logits, session->model.n_classes);
    cfp_session_range_begin(session, CFP_RANGE_LOAD, "plan");
    const cfp_status status = cfp_analyser_open(&session->analyser, &session->ctx, model,
                                                &session->device, query, &batch);
    if (status == CFP_OK && session->config.profile)
        cfp_analyser_run_live(session->analyser);
    cfp_session_range_end(session);
    return status;
}

cfp_status cfp_session_open_analyser(cfp_session *session, const cfp_query *query, bool listed)
{
    CFP_TRY(cfp_session_open_analyser_of(session, &session->model, query, listed));
    if (query != NULL)
        cfp_config_set_text(&session->config, "target",
                            cfp_target_names[cfp_analyser_query(session->analyser)->target]);
    return CFP_OK;
}

uint8_t *cfp_session_clip_buffer(cfp_session *session)
{
    const cfp_device *device = &session->device;
    void *buffer = NULL;
    if (session->clip_buffer != NULL || device->api == NULL || device->api->host_memory)
        return session->clip_buffer;
    if (device->api->host_alloc(device->backend, &buffer, cfp_clip_bytes(&session->model.input)) !=
        CFP_OK)
        session->ctx.message[0] = '\0';
    return session->clip_buffer = buffer;
}

/* Frames are decoded into `buffer`; NULL: into memory that the clip allocates. */
static cfp_status open_clip(cfp_clip *clip, cfp_session *session, const char *path, uint8_t *buffer)
{
    const cfp_sampling sampling = cfp_config_sampling(&session->config);
    cfp_session_range_begin(session, CFP_RANGE_DECODE, path);
    cfp_guard_begin(path);
    const cfp_input_spec *input = &session->model.input;
    const cfp_status status =
        buffer != NULL ? cfp_clip_open_in(clip, &session->ctx, path, input, &sampling, buffer)
                       : cfp_clip_open(clip, &session->ctx, path, input, &sampling);
    cfp_guard_end();
    cfp_session_range_end(session);
    return status;
}

cfp_status cfp_session_read_clip(cfp_clip *clip, cfp_session *session, const char *path)
{
    return open_clip(clip, session, path, NULL);
}

cfp_status cfp_session_open_clip(cfp_session *session, const char *path)
{
    return open_clip(&session->clip, session, path, cfp_session_clip_buffer(session));
}

/* Log lines about a clip, held back until it is known that the clip is used. */
typedef struct held_notes {
    int n;
    cfp_level level[4];
    char line[4][512];
} held_notes;

static void hold_note(void *cookie, cfp_level level, const char *line)
{
    held_notes *held = cookie;
    if (held->n == (int)(sizeof held->level / sizeof *held->level))
        return;
    held->level[held->n] = level;
    snprintf(held->line[held->n++], sizeof held->line[0], "%s", line);
}

cfp_status cfp_session_check_frames(cfp_session *session, const char *option, const cfp_clip *other,
                                    const cfp_clip *clip)
{
    if (other->source_frames != clip->source_frames)
        return cfp_fail(&session->ctx, CFP_FORMAT,
                        "--%s: %s has %lld frame%s, %s has %lld: they are compared frame by "
                        "frame",
                        option, other->path, (long long)other->source_frames,
                        other->source_frames == 1 ? "" : "s", clip->path,
                        (long long)clip->source_frames);
    return CFP_OK;
}

cfp_status cfp_session_open_baseline(cfp_session *session, const cfp_query *query)
{
    cfp_ctx *ctx = &session->ctx;
    const cfp_ctx usual = *ctx;
    held_notes held = {0};
    if (query->baseline != CFP_BASELINE_CLIP)
        return CFP_OK;
    cfp_clip_free(&session->other); /* of the clip before */
    ctx->log = hold_note;
    ctx->progress = NULL;
    ctx->cookie = &held;
    const cfp_status status = cfp_session_read_clip(&session->other, session, query->baseline_path);
    ctx->log = usual.log;
    ctx->progress = usual.progress;
    ctx->cookie = usual.cookie;
    CFP_TRY(status);
    CFP_TRY(cfp_session_check_frames(session, "baseline", &session->other, &session->clip));
    for (int i = 0; i < held.n; i++)
        cfp_log(ctx, held.level[i], "%s", held.line[i]);
    cfp_analyser_compare_with(session->analyser, &session->other);
    return CFP_OK;
}

cfp_status cfp_session_class(int *out, cfp_session *session)
{
    *out = -1;
    if (session->config.class_name == NULL)
        return CFP_OK;
    return cfp_model_class(out, &session->ctx, &session->model, session->config.class_name);
}

cfp_status cfp_session_forward(cfp_session *session, const cfp_clip *clip)
{
    const uint8_t *const rgb = clip->rgb;
    return cfp_trace_forward_frames(cfp_analyser_network(session->analyser), &rgb, session->logits);
}

void cfp_session_json(cfp_json *json, cfp_session *session)
{
    cfp_json_to_file(json, &session->ctx, stdout, "standard output", 0);
}

cfp_status cfp_session_json_close(cfp_json *json)
{
    const cfp_status status = cfp_json_close(json);
    cfp_json_free(json);
    return status;
}

void cfp_json_put_ms(cfp_json *json, const char *key, double ms)
{
    cfp_json_put_double(json, key, round(ms * 1e3) / 1e3);
}

double cfp_model_gflop(const cfp_model *model)
{
    double flop = 0;
    for (int i = 0; i < model->n_nodes; i++)
        flop += model->node[i].flop;
    return flop * 1e-9;
}

void cfp_session_close(cfp_session *session)
{
    cfp_free(session->logits);
    cfp_analyser_close(&session->analyser);
    cfp_clip_queue_close(&session->clips);
    cfp_clip_free(&session->clip);
    cfp_clip_free(&session->other);
    if (session->clip_buffer != NULL)
        session->device.api->host_release(session->device.backend, session->clip_buffer);
    cfp_model_free(&session->model);
    cfp_device_close(&session->device);
    cfp_config_free(&session->config);
    cfp_clip_list_free(&session->listed);
    for (int i = 0; session->words != NULL && session->words[i] != NULL; i++)
        cfp_free(session->words[i]);
    cfp_free(session->words);
}
