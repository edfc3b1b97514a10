/* summary.h - what `explain` and `contrast` print: a few lines for people, one JSON object for
 * programs. */
#pragma once
#include "../base/hash.h"
#include "commands.h"

typedef struct cfp_result { /* of one explain, or one contrast */
    char *directory;
    cfp_explanation explanation;
    cfp_explanation against; /* contrast: class B; `explanation` points to it */
    cfp_explanation *other;  /* [n_others] of several heads: those after the first */
    int n_others;
    char **files;         /* NULL-terminated, relative to directory */
    cfp_hashing *hashing; /* computes the checksum of the model's file in another thread */
} cfp_result;

void cfp_result_free(cfp_result *result);

/* Prints the lines to standard error. */
CFP_CHECKED cfp_status cfp_print_summary(cfp_session *session, const cfp_result *result);
/* Writes the object of --json, with the path of the clip. */
CFP_CHECKED cfp_status cfp_put_result(cfp_json *json, cfp_session *session,
                                      const cfp_result *result);
/* Prints the object of --json to standard output. */
CFP_CHECKED cfp_status cfp_print_result(cfp_session *session, const cfp_result *result);
