/* batch_summary.h - what batch says when it ends: counts, accuracy, rates, reasons of failures. */
#pragma once
#include "../batch/pipeline.h"
#include "batch_list.h"

typedef struct cfp_batch_result {
    cfp_batch_counts before, counts; /* when the run began, and when it ended */
    cfp_pipeline_work work;
} cfp_batch_result;

/* Prints the summary, or with --json one object, on standard output. */
CFP_CHECKED cfp_status cfp_batch_summary(cfp_session *session, const cfp_batch_plan *plan,
                                         const cfp_batch_store *store,
                                         const cfp_batch_result *result, cfp_status ended);
