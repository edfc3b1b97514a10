/* batch_record.h - run.json of a batch: what its folder was begun with.  A later command that would
 * give other results is refused, by name of the option. */
#pragma once
#include "batch_list.h"

/* Makes the folder --output and its run.json; or compares this command with the run.json that is
 * there.  session->model.sha256 must be known, the device and the clip of --baseline open, and
 * config.batch final. */
CFP_CHECKED cfp_status cfp_batch_record(cfp_session *session, const cfp_batch_plan *plan);
