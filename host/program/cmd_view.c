/* cmd_view.c - cfp-gpu view: prints the URL of an explanation's report.
 *
 * It does not open the browser: that is left to the user. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

cfp_status cfp_cmd_view(cfp_session *session)
{
    char *path;
    CFP_TRY(cfp_report_path(&path, &session->ctx, session->config.operand[0], false));
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
