/* helper_process.h - the other side of batch/helper.h: this program, started again by batch. */
#pragma once
#include <stdbool.h>

/* True if `word` names the work of a helper; it is done then.  parent: the number of the process
 * that it works for. */
bool cfp_helper_process(const char *word, const char *parent);
