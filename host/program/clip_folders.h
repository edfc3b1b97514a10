/* clip_folders.h - the output folder of each clip that `explain` explains.
 *
 * One clip: --output itself, or the clip's name and "-explained".  Several, or a folder of clips: a
 * folder inside --output for each clip, by its name without suffix.  Names are safe (output.h); one
 * that was taken before gets "-2", "-3" and so on, in the order of the clips.  Upper and lower case
 * do not make two names different, because some file systems take them for the same. */
#pragma once
#include "commands.h"

typedef struct cfp_clip_folders {
    int n;
    char **path;  /* [n] */
    bool several; /* each clip has a folder of its own in --output */
} cfp_clip_folders;

/* For the clips of session->config, which cfp_session_list_clips has listed. */
CFP_CHECKED cfp_status cfp_clip_folders_make(cfp_clip_folders *out, cfp_session *session,
                                             const char *done);
void cfp_clip_folders_free(cfp_clip_folders *folders);
