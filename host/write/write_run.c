/* write_run.c - see write_run.h.
 *
 * {"command", "options", "model", "model_name", "model_sha256", "clip", "clip_sha256", "class"
 * ("classes" of a contrast, or of several heads, and "action" of these), "head", "frames": {...},
 * "device", "device_detail", "precision", "threads", "seed", "versions", "autotune" (only if used),
 * "host", "ms", "files"}.  If a run is repeated, only `ms`, `host` and the paths differ.  A run
 * that explains nothing (aggregate) has only the command, the options, the host and the files. */
#include "write_run.h"
#include "version.h"
#include "../files/versions.h"
#include "../method/actions.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

void cfp_put_run_option(cfp_json *json, const cfp_run_option *option)
{
    char *whole, *real;
    const char *text = option->value;
    const bool number = option->kind == CFP_RUN_NUMBER && *text != '\0';
    const long long i = strtoll(text, &whole, 10);
    const double d = strtod(text, &real);
    if (number && *whole == '\0')
        cfp_json_put_int(json, option->name, i);
    else if (number && *real == '\0' && isfinite(d))
        cfp_json_put_double(json, option->name, d);
    else if (option->kind == CFP_RUN_FLAG)
        cfp_json_put_bool(json, option->name, strcmp(text, "true") == 0);
    else
        cfp_json_put_string(json, option->name, text);
}

static void put_command(cfp_json *json, const cfp_run *run)
{
    cfp_json_key(json, "command");
    cfp_json_array(json);
    for (int i = 0; i < run->argc; i++)
        cfp_json_string(json, run->argv[i]);
    cfp_json_array_end(json);
    cfp_json_key(json, "options");
    cfp_json_object(json);
    for (int i = 0; i < run->n_options; i++)
        cfp_put_run_option(json, &run->option[i]);
    cfp_json_object_end(json);
}

void cfp_put_class(cfp_json *json, const cfp_explanation *e)
{
    cfp_json_object(json);
    cfp_json_put_int(json, "index", e->class_index);
    cfp_json_put_string(json, "name", e->model->class_name[e->class_index]);
    cfp_json_put_float(json, "probability", e->probabilities[e->class_index]);
    if (e->model->head_name != NULL)
        cfp_json_put_string(json, "head", e->model->head_name);
    cfp_json_object_end(json);
}

cfp_status cfp_put_action(cfp_json *json, cfp_ctx *ctx, const cfp_explanation *first)
{
    char *name = cfp_action_name(ctx, first);
    if (name == NULL)
        return CFP_NOMEM;
    cfp_json_key(json, "action");
    cfp_json_object(json);
    cfp_json_put_string(json, "name", name);
    cfp_json_put_float(json, "probability", (float)cfp_action_probability(first));
    cfp_json_object_end(json);
    cfp_free(name);
    return CFP_OK;
}

void cfp_put_classes(cfp_json *json, const cfp_explanation *e)
{
    const bool one = e->against == NULL && e->next == NULL;
    cfp_json_key(json, one ? "class" : "classes");
    if (one) {
        cfp_put_class(json, e);
        return;
    }
    cfp_json_array(json);
    for (const cfp_explanation *k = e; k != NULL; k = e->against != NULL ? k->against : k->next)
        cfp_put_class(json, k);
    cfp_json_array_end(json);
}

static void put_inputs(cfp_json *json, const cfp_explanation *e)
{
    const cfp_model *model = e->model;
    cfp_json_put_string(json, "model", model->path);
    cfp_json_put_string(json, "model_name", model->name);
    cfp_json_put_string(json, "model_sha256", model->sha256);
    cfp_json_put_string(json, "clip", e->clip->path);
    cfp_json_put_string(json, "clip_sha256", e->clip->sha256);
    cfp_put_classes(json, e);
    cfp_json_put_string(
        json, "head",
        cfp_head_names[model->head]); /* which head of the network gives the probability */
}

/* For several heads: their action, too. */
static cfp_status put_together(cfp_json *json, cfp_ctx *ctx, const cfp_explanation *e)
{
    return e->next != NULL ? cfp_put_action(json, ctx, e) : CFP_OK;
}

static void put_frames(cfp_json *json, const cfp_explanation *e)
{
    const cfp_clip *clip = e->clip;
    cfp_json_key(json, "frames");
    cfp_json_object(json);
    cfp_json_put_int(json, "height", clip->height);
    cfp_json_put_int(json, "width", clip->width);
    cfp_json_put_string(json, "resize_filter", cfp_resize_filter(&e->model->input));
    cfp_json_put_string(json, "sample", clip->uniform ? "uniform" : "window");
    cfp_json_put_int(json, "stride", clip->stride);
    cfp_json_put_bool(json, "looped", clip->looped);
    cfp_json_put_double(json, "source_fps", clip->fps);
    cfp_json_put_int(json, "source_frames", clip->source_frames);
    cfp_json_put_int(json, "source_height", clip->source_height);
    cfp_json_put_int(json, "source_width", clip->source_width);
    cfp_json_key(json, "indices");
    const int lines = json->lines;
    json->lines = 0; /* on one line */
    cfp_json_array(json);
    for (int t = 0; t < clip->frames; t++)
        cfp_json_int(json, clip->index[t]);
    cfp_json_array_end(json);
    json->lines = lines;
    cfp_json_object_end(json);
}

void cfp_run_put_device(cfp_json *json, const cfp_run *run)
{
    char hdf5[32];
    cfp_h5_version(hdf5, sizeof hdf5);
    cfp_json_put_string(json, "device", run->device);
    cfp_json_put_string(json, "device_detail", run->device_detail);
    cfp_json_put_string(json, "precision", run->precision);
    cfp_json_put_int(json, "threads", run->threads);
    cfp_json_key(json, "seed");
    char seed[24]; /* enough for any uint64_t */
    cfp_json_raw(json, seed,
                 (size_t)snprintf(seed, sizeof seed, "%llu", (unsigned long long)run->seed));
    cfp_json_key(json, "versions");
    cfp_json_object(json);
    cfp_json_put_string(json, "cfp-gpu", CFP_GPU_VERSION);
    cfp_json_put_string(json, "backend", run->device_detail);
    cfp_json_put_string(json, "hdf5", hdf5);
    cfp_json_put_string(json, "ffmpeg", cfp_video_version());
    cfp_json_put_string(json, "libpng", cfp_png_version());
    cfp_json_put_string(json, "cairo", cfp_figure_version());
    cfp_json_object_end(json);
}

/* Writes what autotune chose.  Its plans depend on timings, so a repeated run needs them. */
static void put_tuned(cfp_json *json, const cfp_device *device)
{
    cfp_tuned row;
    if (device == NULL)
        return;
    cfp_json_key(json, "autotune");
    cfp_json_array(json);
    for (int i = 0; device->api->tuned(device->backend, i, &row); i++) {
        cfp_json_object(json);
        cfp_json_put_string(json, "what", row.what);
        cfp_json_put_int(json, "candidate", row.candidate);
        cfp_json_put_int(json, "engine", row.engine);
        cfp_json_put_float(json, "ms", row.ms);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

/* The name of the processor according to Linux, or "". */
static void processor(char *name, size_t bytes)
{
    char line[256];
    name[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && name[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, "model name", 10) != 0)
            continue;
        snprintf(name, bytes, "%s", colon + 1 + strspn(colon + 1, " \t"));
        name[strcspn(name, "\n")] = '\0';
    }
    if (file != NULL)
        fclose(file);
}

static void put_host(cfp_json *json)
{
    struct utsname about;
    char cpu[256];
    processor(cpu, sizeof cpu);
    cfp_json_key(json, "host");
    cfp_json_object(json);
    if (uname(&about) == 0) {
        cfp_json_put_string(json, "system", about.sysname);
        cfp_json_put_string(json, "release", about.release);
        cfp_json_put_string(json, "machine", about.machine);
    }
    cfp_json_put_string(json, "cpu", cpu);
    cfp_json_object_end(json);
}

static void put_timings(cfp_json *json, const cfp_timings *ms)
{
    cfp_json_key(json, "ms");
    cfp_json_object(json);
    cfp_json_put_double(json, "decode", ms->decode);
    cfp_json_put_double(json, "forward", ms->forward);
    cfp_json_put_double(json, "descent", ms->descent);
    cfp_json_put_double(json, "tubes", ms->tubes);
    cfp_json_put_double(json, "write", ms->write);
    cfp_json_object_end(json);
}

void cfp_run_put_facts(cfp_json *json, const cfp_explanation *explanation, const cfp_run *run)
{
    put_inputs(json, explanation);
    put_frames(json, explanation);
    cfp_run_put_device(json, run);
}

static cfp_status put_explanation(cfp_json *json, const cfp_explanation *explanation,
                                  const cfp_run *run)
{
    cfp_run_put_facts(json, explanation, run);
    CFP_TRY(put_together(json, json->ctx, explanation));
    put_tuned(json, run->tuned);
    put_host(json);
    put_timings(json, &explanation->ms);
    return CFP_OK;
}

cfp_status cfp_write_run(cfp_output *output, const cfp_explanation *explanation, const cfp_run *run)
{
    CFP_TRY(cfp_output_begin(output, "run.json"));
    cfp_json json;
    cfp_json_to_file(&json, output->ctx, output->file.stream, output->file.path, 2);
    cfp_json_object(&json);
    put_command(&json, run);
    cfp_status status = CFP_OK;
    if (explanation != NULL)
        status = put_explanation(&json, explanation, run);
    else
        put_host(&json);
    cfp_json_key(&json, "files");
    cfp_json_array(&json);
    for (int i = 0; i < output->n_files; i++)
        if (cfp_output_inside(output, i) != NULL)
            cfp_json_string(&json, cfp_output_inside(output, i));
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    if (status == CFP_OK)
        status = cfp_json_close(&json);
    cfp_json_free(&json);
    CFP_TRY(status);
    return cfp_output_commit(output);
}
