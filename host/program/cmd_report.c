/* cmd_report.c - cfp-gpu report: one page that lists many explanations, with links to their
 * reports.
 *
 * The facts of each explanation come from its explanation.h5.  Links are relative, so that the page
 * and the folders can be moved together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../report/index_row.h"
#include "commands.h"
#include "url.h"

typedef struct listing {
    cfp_index_row *row; /* [n] */
    int n;
    char *folder; /* of the page: absolute, from realpath, freed with free() */
} listing;

/* Finds the folder of `file`, which must exist. */
static cfp_status find_folder(listing *list, cfp_ctx *ctx, const char *file)
{
    char *folder = cfp_strdup(ctx, file);
    if (folder == NULL)
        return CFP_NOMEM;
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = '\0';
    list->folder = realpath(slash == NULL ? "." : folder, NULL);
    cfp_status status = CFP_OK;
    if (list->folder == NULL)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", folder, strerror(errno));
    cfp_free(folder);
    return status;
}

/* Refuses to overwrite a report that the page links to. */
static cfp_status check_target(cfp_ctx *ctx, const char *file, const char *listed)
{
    char *target = realpath(file, NULL), *source = realpath(listed, NULL);
    const bool same = target != NULL && source != NULL && strcmp(target, source) == 0;
    free(target);
    free(source);
    return same ? cfp_fail(ctx, CFP_USAGE,
                           "--output: %s is a report that the page links to; choose another file",
                           file)
                : CFP_OK;
}

/* Refuses the folder of a network with several heads: each head has a report of its own. */
static cfp_status check_one_head(cfp_ctx *ctx, const char *directory)
{
    char *own = cfp_format(ctx, "%s/explanation.h5", directory);
    char *heads = cfp_format(ctx, "%s/heads", directory);
    const bool several =
        own != NULL && heads != NULL && access(own, F_OK) != 0 && access(heads, F_OK) == 0;
    const bool full = own == NULL || heads == NULL;
    cfp_free(own);
    cfp_free(heads);
    if (full)
        return CFP_NOMEM;
    return several
               ? cfp_fail(ctx, CFP_IO,
                          "%s: has an explanation for each head of the network: give %s/heads/*",
                          directory, directory)
               : CFP_OK;
}

/* Refuses a file: a shell pattern for a whole folder matches those, too. */
static cfp_status check_folder(cfp_ctx *ctx, const char *directory)
{
    struct stat facts;
    return stat(directory, &facts) == 0 && !S_ISDIR(facts.st_mode)
               ? cfp_fail(ctx, CFP_IO, "%s: not a folder that explain has written", directory)
               : CFP_OK;
}

static cfp_status add(listing *list, cfp_session *session, const char *directory)
{
    cfp_ctx *ctx = &session->ctx;
    cfp_index_row *row = &list->row[list->n];
    char *report, *path;
    CFP_TRY(check_folder(ctx, directory));
    CFP_TRY(check_one_head(ctx, directory));
    CFP_TRY(cfp_report_path(&report, ctx, directory, true));
    cfp_status status = check_target(ctx, session->config.output, report);
    char *href = cfp_url_between(ctx, list->folder, report);
    free(report);
    path = cfp_format(ctx, "%s/explanation.h5", directory);
    if (status == CFP_OK && (href == NULL || path == NULL))
        status = CFP_NOMEM;
    if (status == CFP_OK)
        status = check_target(ctx, session->config.output, path);
    if (status == CFP_OK)
        status = cfp_index_row_read(row, ctx, path);
    cfp_free(path);
    if (status != CFP_OK) {
        cfp_free(href);
        return status;
    }
    list->n++;
    row->href = href;
    row->folder = cfp_strdup(ctx, directory);
    return row->folder == NULL ? CFP_NOMEM : CFP_OK;
}

/* True for the page of an earlier run, which a shell pattern for a whole folder matches. */
static bool is_page(const char *page, const char *operand)
{
    char *old = realpath(page, NULL), *given = realpath(operand, NULL);
    const bool same = old != NULL && given != NULL && strcmp(old, given) == 0;
    free(old);
    free(given);
    return same;
}

/* Adds every folder.  One that lacks a file, or whose file is damaged, is reported and left out;
 * *left_out is then the last such error. */
static cfp_status add_all(listing *list, cfp_session *session, cfp_status *left_out)
{
    const cfp_config *config = &session->config;
    for (int i = 0; i < config->n_operands; i++) {
        CFP_TRY(cfp_check_interrupt(&session->ctx));
        if (is_page(config->output, config->operand[i]))
            continue;
        const cfp_status status = add(list, session, config->operand[i]);
        if (status == CFP_IO || status == CFP_FORMAT) {
            cfp_terminal_clear(&session->terminal);
            cfp_terminal_error(&session->terminal, session->ctx.message);
            session->ctx.message[0] = '\0'; /* it has been shown */
            *left_out = status;
        } else {
            CFP_TRY(status);
        }
        cfp_progress(&session->ctx, "read", i + 1, config->n_operands);
    }
    if (list->n == 0 && *left_out == CFP_OK)
        return cfp_fail(&session->ctx, CFP_USAGE, "DIR: only the page itself is given");
    return list->n == 0 ? *left_out : CFP_OK;
}

static cfp_status print_json(cfp_session *session, const listing *list)
{
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "file", session->config.output);
    cfp_json_key(&json, "rows");
    cfp_json_array(&json);
    for (int i = 0; i < list->n; i++) {
        cfp_json_object(&json);
        cfp_json_put_string(&json, "folder", list->row[i].folder);
        cfp_json_put_string(&json, "class", list->row[i].class_name);
        cfp_json_put_double(&json, "probability", list->row[i].probability);
        cfp_json_put_string(&json, "clip", list->row[i].clip);
        cfp_json_object_end(&json);
    }
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static cfp_status check_page(cfp_ctx *ctx, const char *file)
{
    struct stat facts;
    return stat(file, &facts) == 0 && S_ISDIR(facts.st_mode)
               ? cfp_fail(ctx, CFP_USAGE,
                          "--output: %s is a folder; name a file, such as index.html in it", file)
               : CFP_OK;
}

static cfp_status report(cfp_session *session, listing *list)
{
    const cfp_config *config = &session->config;
    CFP_TRY(check_page(&session->ctx, config->output));
    CFP_TRY(find_folder(list, &session->ctx, config->output));
    CFP_TRY_ALLOC(&session->ctx, list->row, config->n_operands);
    cfp_status left_out = CFP_OK;
    CFP_TRY(add_all(list, session, &left_out));
    CFP_TRY(cfp_write_index(&session->ctx, config->output, list->row, list->n));
    cfp_log(&session->ctx, CFP_LOG_INFO, "%d explanation%s in %s", list->n, list->n == 1 ? "" : "s",
            config->output);
    if (config->json)
        CFP_TRY(print_json(session, list));
    return left_out;
}

cfp_status cfp_cmd_report(cfp_session *session)
{
    listing list = {0};
    const cfp_status status = report(session, &list);
    for (int i = 0; i < list.n; i++)
        cfp_index_row_free(&list.row[i]);
    cfp_free(list.row);
    free(list.folder);
    return status;
}
