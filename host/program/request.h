/* request.h - what commands that fill a folder have in common: where it is, and what run.json says.
 */
#pragma once
#include "summary.h"

/* --output; without it CLIP's name + "-" + done, in the current folder.  The caller's. */
CFP_CHECKED cfp_status cfp_output_directory(char **out, cfp_session *session, const char *done);
/* options: room for CFP_MAX_OPTIONS. */
cfp_run cfp_describe_run(const cfp_session *session, cfp_run_option *options);
/* --format is a list of these writers' formats, and the query has a meaning and gives them work. */
CFP_CHECKED cfp_status cfp_check_request(cfp_session *session, const cfp_writer *const *writers,
                                         const cfp_query *query);
/* All files of an explanation, or of a contrast, into result->directory. */
CFP_CHECKED cfp_status cfp_write_files(cfp_session *session, cfp_result *result);
