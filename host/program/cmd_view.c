/* cmd_view.c - cfp-gpu view: prints the URL of an explanation's report.
 *
 * It does not open the browser: that is left to the user. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "../files/run_list.h"
#include "commands.h"
#include "url.h"

static cfp_status find(char **out, cfp_ctx *ctx, const char *directory, const cfp_run_need *need,
                       int n)
{
    *out = NULL;
    CFP_TRY(cfp_run_check(ctx, directory, need, n));
    char *path = cfp_format(ctx, "%s/report.html", directory);
    *out = path == NULL ? NULL : realpath(path, NULL);
    cfp_status status = path == NULL ? CFP_NOMEM : CFP_OK;
    if (path != NULL && *out == NULL)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    cfp_free(path);
    return status;
}

cfp_status cfp_report_path(char **out, cfp_ctx *ctx, const char *directory, bool numbers_too)
{
    static const cfp_run_need need[] = {{"report.html", "html"}, {"explanation.h5", "h5"}};
    return find(out, ctx, directory, need, numbers_too ? 2 : 1);
}

/* Cuts the last part of a path; false if there is none. */
static bool cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return false;
    *slash = '\0';
    return true;
}

/* The nearest folder above the file that has a run.json, for example of overlay/conv1/000000.png.
 * NULL: there is none. */
static char *folder_of_run(cfp_ctx *ctx, const char *file)
{
    enum { HIGHEST = 4 };
    struct stat about;
    char *folder = cfp_strdup(ctx, file);
    for (int i = 0; folder != NULL && i < HIGHEST && cut_last(folder); i++) {
        char *record = cfp_format(ctx, "%s/run.json", folder);
        const bool found = record != NULL && stat(record, &about) == 0 && S_ISREG(about.st_mode);
        cfp_free(record);
        if (found)
            return folder;
    }
    cfp_free(folder);
    return NULL;
}

/* The report that belongs to a file of an explanation; of another page the page itself, such as
 * that of `report`. */
static cfp_status find_page(char **out, cfp_ctx *ctx, const char *file)
{
    char *whole = realpath(file, NULL);
    *out = NULL;
    if (whole == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", file, strerror(errno));
    const size_t length = strlen(whole);
    char *folder = folder_of_run(ctx, whole);
    cfp_status status = CFP_OK;
    if (folder != NULL)
        status = cfp_report_path(out, ctx, folder, false);
    else if (length > 5 && strcmp(whole + length - 5, ".html") == 0)
        *out = strdup(whole);
    else
        status = cfp_fail(ctx, CFP_IO, "%s: is in no folder that explain has filled", file);
    if (status == CFP_OK && *out == NULL)
        status = cfp_fail(ctx, CFP_NOMEM, "%s: out of memory", file);
    cfp_free(folder);
    free(whole); /* it came from realpath */
    return status;
}

static cfp_status find_report(char **out, cfp_ctx *ctx, const char *operand)
{
    struct stat about;
    if (stat(operand, &about) == 0 && S_ISREG(about.st_mode))
        return find_page(out, ctx, operand);
    return cfp_report_path(out, ctx, operand, false);
}

cfp_status cfp_cmd_view(cfp_session *session)
{
    char *path;
    CFP_TRY(find_report(&path, &session->ctx, session->config.operand[0]));
    char *encoded = cfp_url_encode(&session->ctx, path);
    free(path); /* it came from realpath */
    char *url = encoded == NULL ? NULL : cfp_format(&session->ctx, "file://%s", encoded);
    cfp_free(encoded);
    cfp_status status = url == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK && session->config.json) {
        cfp_json json;
        cfp_session_json(&json, session);
        cfp_json_object(&json);
        cfp_json_put_string(&json, "url", url);
        cfp_json_object_end(&json);
        status = cfp_session_json_close(&json);
    } else if (status == CFP_OK) {
        printf("%s\n", url);
    }
    cfp_free(url);
    return status;
}
