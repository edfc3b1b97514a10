/* run_json.h - reads single values of a run.json. */
#pragma once
#include "../base/base.h"

typedef struct cfp_run_json cfp_run_json;

/* *out is NULL if there is no such file.  CFP_IO; CFP_FORMAT: it is not JSON. */
CFP_CHECKED cfp_status cfp_run_json_open(cfp_run_json **out, cfp_ctx *ctx, const char *path);
/* The value at a path such as "$.options.theta" as text, which the caller frees; *out is NULL if
 * there is none. */
CFP_CHECKED cfp_status cfp_run_json_text(char **out, cfp_run_json *run, const char *path);
void cfp_run_json_close(cfp_run_json **run); /* accepts NULL inside */
