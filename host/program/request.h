/* request.h - what commands that write a folder share: its name, the checks, run.json. */
#pragma once
#include "summary.h"

/* The name of a clip without its folder and suffix.  The caller frees it with cfp_free; NULL: out
 * of memory. */
char *cfp_clip_stem(cfp_ctx *ctx, const char *clip);
/* The folder of --output, or by default CLIP's name, "-" and `done`, in the current folder.  The
 * caller frees it with cfp_free. */
CFP_CHECKED cfp_status cfp_output_directory(char **out, cfp_session *session, const char *done);
/* What run.json says about the run.  The result points to options[CFP_MAX_OPTIONS], which is
 * filled.
 */
cfp_run cfp_describe_run(const cfp_session *session, cfp_run_option *options);
/* CFP_USAGE if --format has a format that these writers do not know, if the query has no meaning,
 * or if nothing would be written. */
CFP_CHECKED cfp_status cfp_check_request(cfp_session *session, const cfp_writer *const *writers,
                                         const cfp_query *query);
/* The end of explain and contrast: writes all files into result->directory, then prints the summary
 * (unless --quiet) and the object of --json, to standard output or, if it is not NULL, into `json`.
 * Waits for the checksum of the model's file first, if it is not known. */
CFP_CHECKED cfp_status cfp_deliver(cfp_session *session, cfp_result *result, cfp_json *json);
