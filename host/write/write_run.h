/* write_run.h - run.json, the last file of every run: what it takes to make every byte again. */
#pragma once
#include "../files/run.h"
#include "../base/json.h"
#include "../files/output.h"

/* Lists the files that output has committed so far.  explanation NULL: none was made in this run.
 */
CFP_CHECKED cfp_status cfp_write_run(cfp_output *output, const cfp_explanation *explanation,
                                     const cfp_run *run);

/* An object {"index", "name", "probability"}; and "class": that, or of a contrast "classes": [A,
 * B]. */
void cfp_put_class(cfp_json *json, const cfp_explanation *explanation);
void cfp_put_classes(cfp_json *json, const cfp_explanation *explanation);

/* Of an open object the part that does not change from run to run: inputs, frames, device. */
void cfp_run_put_facts(cfp_json *json, const cfp_explanation *explanation, const cfp_run *run);
