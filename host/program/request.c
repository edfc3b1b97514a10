/* request.c - see request.h. */
#include "request.h"
#include <string.h>
#include <sys/stat.h>

char *cfp_clip_stem(cfp_ctx *ctx, const char *clip)
{
    struct stat facts;
    size_t length = strlen(clip);
    while (length > 1 && clip[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && clip[start - 1] != '/')
        start--;
    const char *const name = clip + start;
    length -= start;
    if (stat(clip, &facts) != 0 || !S_ISDIR(facts.st_mode))
        for (size_t i = length; i-- > 1;)
            if (name[i] == '.') {
                length = i;
                break;
            }
    if (length == 0 || strncmp(name, "..", length) == 0 || *name == '/')
        return cfp_strdup(ctx, "clip");
    return cfp_format(ctx, "%.*s", (int)length, name);
}

cfp_status cfp_output_directory(char **out, cfp_session *session, const char *done)
{
    const cfp_config *config = &session->config;
    if (config->output != NULL) {
        *out = cfp_strdup(&session->ctx, config->output);
    } else {
        char *stem = cfp_clip_stem(&session->ctx, config->operand[1]);
        *out = stem == NULL ? NULL : cfp_format(&session->ctx, "%s-%s", stem, done);
        cfp_free(stem);
    }
    return *out == NULL ? CFP_NOMEM : CFP_OK;
}

/* Lists every option with its value, given or default, for run.json.  Returns how many. */
static int list_options(cfp_run_option *list, const cfp_config *config)
{
    int n = 0;
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *option = &cfp_options[i];
        if ((option->commands & config->command->bit) == 0)
            continue;
        const char *const none = option->type == CFP_OPTION_FLAG ? "false" : "";
        list[n++] = (cfp_run_option){.name = option->name,
                                     .value = config->text[i] ? config->text[i] : none,
                                     .kind = cfp_option_kind(option),
                                     .about_run = option->about_run};
    }
    return n;
}

cfp_run cfp_describe_run(const cfp_session *session, cfp_run_option *options)
{
    const cfp_config *config = &session->config;
    const cfp_backend_api *api = session->device.api; /* aggregate needs none */
    const int n = list_options(options, config);
    /* --colormap of contrast counts from the first map for differences. */
    const int first_map = config->against != NULL ? CFP_COLORMAP_COUNT : 0;
    return (cfp_run){.argc = session->argc,
                     .argv = session->argv,
                     .n_options = n,
                     .option = options,
                     .device = session->device_name,
                     .device_detail = api == NULL ? "" : api->describe(session->device.backend),
                     .precision = cfp_precision_names[config->precision],
                     .seed = (uint64_t)config->seed,
                     .threads = session->threads,
                     .colormap = (cfp_colormap)(config->colormap + first_map),
                     .alpha = config->alpha,
                     .movies = (int)config->movies,
                     .links = config->links,
                     .fps = config->fps,
                     .canvas_source = config->canvas == 1,
                     .renders_on = api == NULL ? NULL : &session->device,
                     .tuned = config->autotune != NULL ? &session->device : NULL};
}

cfp_status cfp_check_request(cfp_session *session, const cfp_writer *const *writers,
                             const cfp_query *query)
{
    CFP_TRY(cfp_formats_check(&session->ctx, writers, session->config.formats));
    if (query->tubes == CFP_TUBES_NONE && cfp_formats_only_tubes(writers, session->config.formats))
        return cfp_fail(&session->ctx, CFP_USAGE,
                        "--tubes: none, but --format %s shows only tubes: no file would be written",
                        session->config.formats);
    return cfp_query_check(&session->ctx, query);
}

static cfp_status write_files(cfp_session *session, cfp_result *result)
{
    cfp_run_option options[CFP_MAX_OPTIONS];
    const cfp_run run = cfp_describe_run(session, options);
    const double start = cfp_now_ms();
    cfp_session_range_begin(session, CFP_RANGE_WRITE, result->directory);
    const cfp_status status = cfp_write(&session->ctx, result->directory, session->config.formats,
                                        &result->explanation, &run, &result->files);
    cfp_session_range_end(session);
    result->explanation.ms.write = cfp_now_ms() - start;
    return status;
}

cfp_status cfp_deliver(cfp_session *session, cfp_result *result, cfp_json *json)
{
    const cfp_config *config = &session->config;
    cfp_model *model = &session->model;
    if (result->hashing != NULL)
        CFP_TRY(cfp_hashing_finish(model->sha256, result->hashing, &session->ctx));
    for (int h = 0; h < model->n_heads; h++)
        memcpy(model->view[h].sha256, model->sha256, sizeof model->sha256);
    CFP_TRY(write_files(session, result));
    if (!config->quiet)
        CFP_TRY(cfp_print_summary(session, result));
    if (json != NULL)
        return cfp_put_result(json, session, result);
    return config->json ? cfp_print_result(session, result) : CFP_OK;
}
