/* batch_list.h - the clips of a data set as batch wants them. */
#pragma once
#include "../batch/batch.h"
#include "../dataset/dataset.h"
#include "commands.h"

typedef struct cfp_batch_plan {
    cfp_dataset dataset;
    cfp_class_match match; /* of its first label with the model's classes */
    cfp_batch_item *item;  /* [list.n] */
    char **text;           /* [list.n] what the items own; or NULL */
    cfp_batch_list list;
} cfp_batch_plan;

/* Reads the list, compares its labels with the classes of session->model and warns, and divides it
 * by --shard-clips and --shard.  The caller frees *out, after a failure too. */
CFP_CHECKED cfp_status cfp_batch_plan_open(cfp_batch_plan *out, cfp_session *session,
                                           const char *path);
void cfp_batch_plan_free(cfp_batch_plan *plan);
/* --shard "I/N" as a part from 0 and a number of parts. */
CFP_CHECKED cfp_status cfp_batch_part(int *part, int *n_parts, cfp_ctx *ctx, const char *shard);
