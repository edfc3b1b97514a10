/* summary.h - what `explain` and `contrast` tell: a few lines for people, one JSON object for
 * programs. */
#pragma once
#include "../base/hash.h"
#include "commands.h"

typedef struct cfp_result { /* of one explain, or one contrast */
    char *directory;
    cfp_explanation explanation;
    cfp_explanation against; /* of contrast: class B, which `explanation` points to */
    char **files;            /* NULL-terminated, relative to directory */
    cfp_hashing *hashing;    /* of the model's file, beside everything until it is written down */
} cfp_result;

void cfp_result_free(cfp_result *result);

/* To standard error. */
CFP_CHECKED cfp_status cfp_print_summary(cfp_session *session, const cfp_result *result);
/* --json: SPEC's object, to standard output. */
CFP_CHECKED cfp_status cfp_print_result(cfp_session *session, const cfp_result *result);
