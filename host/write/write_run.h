/* write_run.h - writes run.json, the last file of every run.  It holds what is needed to repeat the
 * run byte by byte. */
#pragma once
#include "../files/run.h"
#include "../base/json.h"
#include "../files/output.h"

/* An option and its value: a number, true or false, or a string. */
void cfp_put_run_option(cfp_json *json, const cfp_run_option *option);
/* Writes run.json.  It lists the files that output has committed so far.  explanation is NULL if
 * the run made none. */
CFP_CHECKED cfp_status cfp_write_run(cfp_output *output, const cfp_explanation *explanation,
                                     const cfp_run *run);

/* cfp_put_class writes an object {"index", "name", "probability"}, and "head" if the class is of a
 * head that has a name.  cfp_put_classes writes "class": that object; for a contrast "classes": [A,
 * B]; for several heads "classes": one of each head.  cfp_put_action writes for these "action":
 * {"name", "probability"}. */
void cfp_put_class(cfp_json *json, const cfp_explanation *explanation);
void cfp_put_classes(cfp_json *json, const cfp_explanation *explanation);
CFP_CHECKED cfp_status cfp_put_action(cfp_json *json, cfp_ctx *ctx, const cfp_explanation *first);

/* Adds "device", "precision", "threads", "seed" and "versions" to an open object. */
void cfp_run_put_device(cfp_json *json, const cfp_run *run);
/* Adds to an open object the members that are the same in every repetition: inputs, frames,
 * device. */
void cfp_run_put_facts(cfp_json *json, const cfp_explanation *explanation, const cfp_run *run);
