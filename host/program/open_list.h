/* open_list.h - opens the list of clips that a command names, as its options say. */
#pragma once
#include "../dataset/dataset.h"
#include "commands.h"

/* Reads the list `path` by --kind, --root and --subset.  Statuses as cfp_dataset_open.  The caller
 * frees *out. */
CFP_CHECKED cfp_status cfp_session_open_list(cfp_dataset *out, cfp_session *session,
                                             const char *path);
