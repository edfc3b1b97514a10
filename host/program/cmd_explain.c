/* cmd_explain.c - cfp-gpu explain: one clip, one class -> the pyramid, its tubes, their pictures.
 *
 * explain() is the whole program in one screen.  Everything that can be refused is refused before
 * the first frame is decoded. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "commands.h"
#include "summary.h"

/* Without --output: CLIP's own name, less folder and extension, + "-explained", in the current
 * folder. */
static cfp_status default_directory(char **out, cfp_ctx *ctx, const char *clip)
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
        *out = cfp_strdup(ctx, "clip-explained");
    else
        *out = cfp_format(ctx, "%.*s-explained", (int)length, name);
    return *out == NULL ? CFP_NOMEM : CFP_OK;
}

/* Every option with the value that was in force, for run.json. */
static int list_options(cfp_run_option *list, const cfp_config *config)
{
    int n = 0;
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *option = &cfp_options[i];
        if ((option->commands & config->command->bit) == 0)
            continue;
        const char *const none = option->type == CFP_OPTION_FLAG ? "false" : "";
        list[n++] = (cfp_run_option){option->name, config->text[i] ? config->text[i] : none};
    }
    return n;
}

static cfp_run describe_run(const cfp_session *session, const cfp_run_option *options, int n)
{
    const cfp_config *config = &session->config;
    return (cfp_run){.argc = session->argc,
                     .argv = session->argv,
                     .n_options = n,
                     .option = options,
                     .device = session->device_name,
                     .device_detail = session->device.api->describe(session->device.backend),
                     .precision = cfp_precision_names[config->precision],
                     .seed = (uint64_t)config->seed,
                     .threads = session->threads,
                     .colormap = (cfp_colormap)config->colormap,
                     .alpha = config->alpha,
                     .canvas_source = config->canvas == 1,
                     .renders_on = &session->device,
                     .tuned = config->autotune != NULL ? &session->device : NULL};
}

/* True where every format of the list is a picture of tubes. */
static bool only_pictures(const char *formats)
{
    static const char *const pictures[] = {"png", "frames", "mp4", "gif", "stack"};
    for (const char *word = formats; *word != '\0';) {
        const size_t n = strcspn(word, ",");
        bool is_picture = false;
        for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
            is_picture |= strlen(pictures[i]) == n && memcmp(pictures[i], word, n) == 0;
        if (!is_picture)
            return false;
        word += n + (word[n] == ',');
    }
    return true;
}

static cfp_status check_request(cfp_session *session, const cfp_query *query)
{
    CFP_TRY(cfp_formats_check(&session->ctx, session->config.formats));
    if (query->tubes == CFP_TUBES_NONE && only_pictures(session->config.formats))
        return cfp_fail(&session->ctx, CFP_USAGE, "--tubes: none leaves nothing for --format %s",
                        session->config.formats);
    return cfp_query_check(&session->ctx, query);
}

static cfp_status write_files(cfp_session *session, cfp_result *result)
{
    cfp_run_option options[CFP_MAX_OPTIONS];
    const int n = list_options(options, &session->config);
    const cfp_run run = describe_run(session, options, n);
    const double start = cfp_now_ms();
    cfp_session_range_begin(session, CFP_RANGE_WRITE, result->directory);
    const cfp_status status = cfp_write(&session->ctx, result->directory, session->config.formats,
                                        &result->explanation, &run, &result->files);
    cfp_session_range_end(session);
    result->explanation.ms.write = cfp_now_ms() - start;
    return status;
}

/* The first layer, from the class down, that selects nothing of what it reads; NULL: none such. */
static const cfp_layer *dead_end(const cfp_pyramid *pyramid)
{
    for (int l = 0; l < pyramid->n_layers; l++)
        if (pyramid->layer[l].n_children > 0)
            return NULL;
    return pyramid->n_layers > 0 ? &pyramid->layer[0] : NULL;
}

/* An explanation that holds nothing says why. */
static void warn_of_nothing(cfp_session *session, const cfp_result *result, const cfp_query *query)
{
    const cfp_explanation *e = &result->explanation;
    const cfp_layer *end = dead_end(&e->pyramid);
    const bool grad = query->rule == CFP_RULE_GRAD;
    if (end != NULL)
        cfp_log(&session->ctx, CFP_LOG_WARNING,
                "nothing is selected below '%s': no channel that it reads %s '%s'%s",
                session->model.node[end->node].name, grad ? "speaks for" : "reaches theta for",
                session->model.class_name[e->class_index],
                !grad                                  ? ""
                : e->query.target == CFP_TARGET_LOGIT  ? " (activation times gradient of the logit "
                                                         "is nowhere above 0)"
                : e->query.target == CFP_TARGET_MARGIN ? " (activation times gradient of the "
                                                         "margin is nowhere above 0)"
                                                       : " (activation times gradient of the "
                                                         "log-odds is nowhere above 0)");
    else if (query->tubes != CFP_TUBES_NONE && e->tubes.n == 0)
        cfp_log(&session->ctx, CFP_LOG_WARNING,
                "no tubes: the descent reached no conv3d layer that --layers and --depth allow");
}

/* Where most kernels of most layers are selected an explanation says little: what would help. */
static void tell_of_saturation(cfp_session *session, const cfp_explanation *e)
{
    const cfp_saturation s = cfp_pyramid_saturation(&e->pyramid);
    const cfp_query *q = &e->query;
    const bool higher = q->theta < 1, grad = q->rule == CFP_RULE_GRAD;
    char help[160];
    if (!s.most || (grad && !higher))
        return;
    snprintf(help, sizeof help, "%s%s%s%s%s", grad ? "" : "--rule grad",
             q->rule == CFP_RULE_CFP && q->normalise == CFP_NORMALISE_MINMAX ? ", --normalise max"
                                                                             : "",
             !grad && higher ? " or " : "", higher ? "a higher --theta" : "",
             !grad && higher && q->propagate == CFP_PROPAGATE_EDGE ? ", best with --propagate path"
                                                                   : "");
    cfp_log(&session->ctx, CFP_LOG_INFO,
            "saturated: at least 90 %% of the kernels are selected in %d of %d layers, which tells "
            "little about the class; try %s",
            s.saturated, s.layers, help);
}

static cfp_status explain(cfp_session *session, cfp_result *result)
{
    const cfp_config *config = &session->config;
    const cfp_query query = cfp_config_query(config);
    int class_index;

    CFP_TRY(check_request(session, &query));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_class(&class_index, session));
    CFP_TRY(cfp_session_open_trace(session, &query, true));
    const double start = cfp_now_ms();
    CFP_TRY(cfp_session_open_clip(session, config->operand[1]));
    CFP_TRY(cfp_session_open_baseline(session, &query));
    const double decode_ms = cfp_now_ms() - start;
    /* Its thread starts when HDF5's processes have been forked (host/h5): a sanitizer's allocator
     * does not survive a fork beside another thread. */
    CFP_TRY(cfp_hashing_begin(&result->hashing, &session->ctx, config->operand[0]));
    CFP_TRY(cfp_directory_check(&session->ctx, result->directory));
    cfp_session_profile(session, true);
    const cfp_status status = cfp_explain(&result->explanation, session->trace, &session->clip,
                                          class_index, (cfp_interp)config->interp);
    cfp_session_profile(session, false);
    CFP_TRY(status);
    result->explanation.ms.decode = decode_ms;
    warn_of_nothing(session, result, &query);
    tell_of_saturation(session, &result->explanation);
    CFP_TRY(cfp_hashing_finish(session->model.sha256, result->hashing, &session->ctx));
    CFP_TRY(write_files(session, result));
    if (!config->quiet)
        cfp_print_summary(session, result);
    return config->json ? cfp_print_result(session, result) : CFP_OK;
}

cfp_status cfp_cmd_explain(cfp_session *session)
{
    cfp_result result = {0};
    cfp_config *config = &session->config;
    cfp_status status = CFP_OK;
    if (config->output != NULL)
        result.directory = cfp_strdup(&session->ctx, config->output);
    else
        status = default_directory(&result.directory, &session->ctx, config->operand[1]);
    if (status == CFP_OK)
        status = result.directory == NULL ? CFP_NOMEM : explain(session, &result);
    cfp_result_free(&result);
    return status;
}
