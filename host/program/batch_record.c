/* batch_record.c - see batch_record.h. */
#include "batch_record.h"
#include "../base/hash.h"
#include "../batch/store_files.h"
#include "../files/run_json.h"
#include "../write/write_run.h"
#include "request.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Options that may differ from run to run: where things are, how fast it goes, what is shown.  The
 * results are the same.  (--device and --batch are compared as what they became.) */
static const char *const free_options[] = {"output",     "json",    "progress",   "quiet",
                                           "root",       "threads", "max-memory", "decoders",
                                           "time-limit", "shard",   "device",     "batch"};

static bool is_free(const char *name)
{
    for (size_t i = 0; i < sizeof free_options / sizeof *free_options; i++)
        if (strcmp(name, free_options[i]) == 0)
            return true;
    return false;
}

typedef struct record {
    cfp_session *session;
    cfp_ctx *ctx;
    const cfp_batch_plan *plan;
    char list_sha256[65], kind_sha256[65];
    char *path, *draft;
} record;

/* The value of an option, however it was typed: 0.60 is 0.6. */
static void value_text(char out[64], const char **text, const cfp_config *config, int row)
{
    const cfp_option *option = &cfp_options[row];
    const void *field = (const char *)config + option->field;
    *text = config->text[row] != NULL ? config->text[row] : "";
    if (option->type == CFP_OPTION_REAL) {
        snprintf(out, 64, "%.9g", *(const double *)field);
        *text = out;
    } else if (option->type == CFP_OPTION_MOMENT && config->start_seconds >= 0) {
        snprintf(out, 64, "%.9gs", config->start_seconds);
        *text = out;
    } else if (option->type == CFP_OPTION_INT || option->type == CFP_OPTION_MOMENT) {
        const int64_t value = *(const int64_t *)field;
        if (option->word == NULL || value != option->word_value) {
            snprintf(out, 64, "%lld", (long long)value);
            *text = out;
        }
    }
}

/* --- writing --- */

static void put_options(cfp_json *json, const cfp_config *config)
{
    cfp_json_key(json, "options");
    cfp_json_object(json);
    for (int i = 0; i < cfp_n_options; i++) {
        char room[64];
        const char *text;
        if ((cfp_options[i].commands & config->command->bit) == 0)
            continue;
        value_text(room, &text, config, i);
        const cfp_run_option option = {
            .name = cfp_options[i].name,
            .value = cfp_options[i].type == CFP_OPTION_FLAG && *text == '\0' ? "false" : text,
            .kind = cfp_option_kind(&cfp_options[i])};
        cfp_put_run_option(json, &option);
    }
    cfp_json_object_end(json);
}

static void put_facts(cfp_json *json, const record *r, const cfp_run *run)
{
    const cfp_model *model = &r->session->model;
    cfp_json_put_string(json, "model", model->path);
    cfp_json_put_string(json, "model_name", model->name);
    cfp_json_put_string(json, "model_sha256", model->sha256);
    cfp_json_put_string(json, "baseline_sha256", r->session->other.sha256);
    cfp_json_put_string(json, "list", r->plan->dataset.path);
    cfp_json_put_string(json, "list_sha256", r->list_sha256);
    cfp_json_put_string(json, "kind", r->plan->dataset.kind);
    cfp_json_put_string(json, "kind_sha256", r->kind_sha256);
    cfp_json_put_int(json, "clips", r->plan->list.n);
    cfp_json_put_int(json, "shard_clips", r->plan->list.shard_clips);
    cfp_json_put_int(json, "batch", r->session->config.batch);
    cfp_run_put_device(json, run);
}

static cfp_status write_draft(const record *r)
{
    cfp_run_option options[CFP_MAX_OPTIONS];
    cfp_run run = cfp_describe_run(r->session, options);
    run.device = r->session->device.api->name;
    cfp_json json;
    cfp_json_to_memory(&json, r->ctx, 2);
    cfp_json_object(&json);
    cfp_json_key(&json, "command");
    cfp_json_array(&json);
    for (int i = 0; i < r->session->argc; i++)
        cfp_json_string(&json, r->session->argv[i]);
    cfp_json_array_end(&json);
    put_options(&json, &r->session->config);
    put_facts(&json, r, &run);
    cfp_json_object_end(&json);
    cfp_status status = cfp_json_close(&json);
    if (status == CFP_OK) /* under its own name: another process may write one, too */
        status = cfp_file_put(r->ctx, r->draft, r->draft, json.text, json.length);
    cfp_json_free(&json);
    return status;
}

/* Gives the draft its name, unless another process was faster. */
static cfp_status publish(const record *r)
{
    CFP_TRY(write_draft(r));
    const int error = link(r->draft, r->path) == 0 || errno == EEXIST ? 0 : errno;
    unlink(r->draft);
    return error == 0 ? CFP_OK : cfp_fail(r->ctx, CFP_IO, "%s: %s", r->path, strerror(error));
}

/* --- comparing --- */

static cfp_status differ(const record *r, const char *what, const char *mine, const char *theirs)
{
    return cfp_fail(r->ctx, CFP_USAGE,
                    "%s: is '%s', but %s was begun with '%s'; choose another folder", what, mine,
                    r->session->config.output, theirs);
}

/* A number can be written in several ways: 0.00001 and 1e-05. */
static bool same_number(const char *a, const char *b)
{
    char *end_a, *end_b;
    const double x = strtod(a, &end_a), y = strtod(b, &end_b);
    return end_a != a && end_b != b && *end_a == '\0' && *end_b == '\0' && x == y;
}

static cfp_status compare(const record *r, cfp_run_json *run, const char *path, const char *what,
                          const char *mine)
{
    char *theirs;
    CFP_TRY(cfp_run_json_text(&theirs, run, path));
    cfp_status status = CFP_OK;
    if (theirs != NULL && strcmp(theirs, mine) != 0 && !same_number(theirs, mine))
        status = differ(r, what, mine, theirs);
    cfp_free(theirs);
    return status;
}

static cfp_status compare_options(const record *r, cfp_run_json *run)
{
    const cfp_config *config = &r->session->config;
    for (int i = 0; i < cfp_n_options; i++) {
        char room[64], path[96], what[64];
        const char *mine;
        if ((cfp_options[i].commands & config->command->bit) == 0 || is_free(cfp_options[i].name))
            continue;
        value_text(room, &mine, config, i);
        snprintf(path, sizeof path, "$.options.\"%s\"", cfp_options[i].name);
        snprintf(what, sizeof what, "--%s", cfp_options[i].name);
        CFP_TRY(compare(r, run, path, what, mine));
    }
    return CFP_OK;
}

/* Two files are told apart by their content; the message names the file. */
static cfp_status compare_file(const record *r, cfp_run_json *run, const char *path,
                               const char *mine, const char *file)
{
    char *theirs;
    CFP_TRY(cfp_run_json_text(&theirs, run, path));
    cfp_status status = CFP_OK;
    if (theirs == NULL || strcmp(theirs, mine) != 0)
        status = cfp_fail(r->ctx, CFP_USAGE,
                          "%s: its content (SHA-256 %.12s...) is not what %s was begun with "
                          "(%.12s...); choose another folder",
                          file, mine, r->session->config.output, theirs != NULL ? theirs : "none");
    cfp_free(theirs);
    return status;
}

/* Devices choose how to sum by the shape of a whole batch. */
static cfp_status compare_batch(const record *r, cfp_run_json *run)
{
    char mine[24];
    snprintf(mine, sizeof mine, "%lld", (long long)r->session->config.batch);
    return compare(r, run, "$.batch", "--batch", mine);
}

static cfp_status compare_all(const record *r, cfp_run_json *run)
{
    char *list, count[24];
    CFP_TRY(cfp_run_json_text(&list, run, "$.list_sha256"));
    const bool batch = list != NULL;
    cfp_free(list);
    if (!batch)
        return cfp_fail(r->ctx, CFP_USAGE, "%s: is of another command; choose another folder",
                        r->path);
    CFP_TRY(compare_options(r, run));
    CFP_TRY(
        compare_file(r, run, "$.model_sha256", r->session->model.sha256, r->session->model.path));
    CFP_TRY(compare_file(r, run, "$.baseline_sha256", r->session->other.sha256,
                         r->session->config.baseline));
    CFP_TRY(compare_file(r, run, "$.list_sha256", r->list_sha256, r->plan->dataset.path));
    CFP_TRY(compare_file(r, run, "$.kind_sha256", r->kind_sha256, r->plan->dataset.kind_file));
    CFP_TRY(compare(r, run, "$.device", "--device", r->session->device.api->name));
    CFP_TRY(compare_batch(r, run));
    snprintf(count, sizeof count, "%d", r->plan->list.n);
    CFP_TRY(compare(r, run, "$.clips", "the number of clips", count));
    snprintf(count, sizeof count, "%d", r->plan->list.shard_clips);
    return compare(r, run, "$.shard_clips", "--shard-clips", count);
}

/* Adds the name and the content of each list that a pattern matched. */
static cfp_status hash_lists(cfp_sha256 *sum, const record *r)
{
    const cfp_dataset *d = &r->plan->dataset;
    char content[65];
    for (int i = 0; i < d->n; i++) {
        const char *file = d->clip[i].list;
        if (i > 0 && strcmp(file, d->clip[i - 1].list) == 0)
            continue;
        CFP_TRY(cfp_sha256_file(content, r->ctx, file));
        const char *slash = strrchr(file, '/'), *name = slash == NULL ? file : slash + 1;
        cfp_sha256_update(sum, name, strlen(name) + 1); /* some kinds take the class from it */
        cfp_sha256_update(sum, content, sizeof content);
    }
    return CFP_OK;
}

/* Of the list's file, or of all files of a pattern. */
static cfp_status hash_list(record *r)
{
    cfp_sha256 *sum;
    struct stat about;
    if (stat(r->plan->dataset.path, &about) == 0 && S_ISREG(about.st_mode))
        return cfp_sha256_file(r->list_sha256, r->ctx, r->plan->dataset.path);
    CFP_TRY(cfp_sha256_open(&sum, r->ctx));
    const cfp_status status = hash_lists(sum, r);
    cfp_sha256_finish(r->list_sha256, sum);
    cfp_sha256_close(&sum);
    return status;
}

static cfp_status make_or_compare(record *r)
{
    cfp_run_json *run;
    struct stat about;
    if (stat(r->session->config.output, &about) == 0 && !S_ISDIR(about.st_mode))
        return cfp_fail(r->ctx, CFP_IO, "%s: is a file where a folder is needed",
                        r->session->config.output);
    CFP_TRY(hash_list(r));
    CFP_TRY(cfp_sha256_file(r->kind_sha256, r->ctx, r->plan->dataset.kind_file));
    CFP_TRY(cfp_run_json_open(&run, r->ctx, r->path));
    if (run == NULL) {
        CFP_TRY(cfp_folder_make(r->ctx, r->session->config.output));
        CFP_TRY(publish(r));
        CFP_TRY(cfp_run_json_open(&run, r->ctx, r->path));
    }
    const cfp_status status = run == NULL
                                  ? cfp_fail(r->ctx, CFP_IO, "%s: it has disappeared", r->path)
                                  : compare_all(r, run);
    cfp_run_json_close(&run);
    return status;
}

cfp_status cfp_batch_record(cfp_session *session, const cfp_batch_plan *plan)
{
    record r = {.session = session, .ctx = &session->ctx, .plan = plan};
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    r.path = cfp_format(r.ctx, "%s/run.json", session->config.output);
    r.draft = cfp_format(r.ctx, "%s/run.json.%s-%ld", session->config.output, host, (long)getpid());
    const cfp_status status = r.path == NULL || r.draft == NULL ? CFP_NOMEM : make_or_compare(&r);
    cfp_free(r.path);
    cfp_free(r.draft);
    return status;
}
