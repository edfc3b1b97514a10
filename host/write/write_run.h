/* write_run.h - writes run.json, the last file of every run.  It holds what is needed to repeat the
 * run byte by byte. */
#pragma once
#include "../files/run.h"
#include "../base/json.h"
#include "../files/output.h"

/* Writes run.json.  It lists the files that output has committed so far.  explanation is NULL if
 * the run made none. */
CFP_CHECKED cfp_status cfp_write_run(cfp_output *output, const cfp_explanation *explanation,
                                     const cfp_run *run);

/* cfp_put_class writes an object {"index", "name", "probability"}.  cfp_put_classes writes "class":
 * that object, or for a contrast "classes": [A, B]. */
void cfp_put_class(cfp_json *json, const cfp_explanation *explanation);
void cfp_put_classes(cfp_json *json, const cfp_explanation *explanation);

/* Adds "device", "precision", "threads", "seed" and "versions" to an open object. */
void cfp_run_put_device(cfp_json *json, const cfp_run *run);
/* Adds to an open object the members that are the same in every repetition: inputs, frames,
 * device. */
void cfp_run_put_facts(cfp_json *json, const cfp_explanation *explanation, const cfp_run *run);
