/* stage.h - makes all files of a run appear together.  They are written to a hidden folder inside
 * the output folder, and moved to their places at the end.
 *
 *     DIR/.cfp-run/lock      locked (flock) by the run that writes; unlocked: that run is dead
 *     DIR/.cfp-run/new/      the files, while the run writes them
 *     DIR/.cfp-run/ready/    the same folder, renamed when all files are on the disk
 *     DIR/.cfp-run/old.json  run.json of the previous run, while files are being moved
 *
 * The last step is called the move.  It renames DIR/run.json to old.json, removes the files that
 * only the previous run lists, moves the files of ready/ to their places (run.json last), and
 * removes the hidden folder.  So at any time DIR holds the old run, or the new run, or a ready/ and
 * no run.json. In the last case the next run into DIR completes the move before it starts. */
#pragma once
#include "../base/base.h"

#define CFP_STAGE_READY ".cfp-run/ready"

typedef struct cfp_stage {
    cfp_ctx *ctx;
    char *directory;
    int folder, hidden, lock; /* file descriptors; -1: not open */
    size_t
        made_from;   /* the parts of the path `directory` that start at this byte were made by us */
    char *announced; /* the hidden folder, while cfp_partial knows it; else NULL */
    bool moved;      /* the files are in their places */
    const char *spare[2]; /* files that must not be overwritten, the model and the clip; or NULL */
} cfp_stage;

/* Makes the directory and its parents, waits for another run that is writing there, and cleans up
 * after a run that was killed.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_stage_open(cfp_stage *out, cfp_ctx *ctx, const char *directory);
/* Removes the files that were not moved, and the folders that were made for them.  Accepts a stage
 * that is not open. */
void cfp_stage_close(cfp_stage *stage);

/* Returns the path at which to write the file `name` ("overlay/a.png").  Its folders are made.
 * Refuses a name whose place in the directory is taken by something that must not be replaced.  The
 * caller frees *path. */
CFP_CHECKED cfp_status cfp_stage_add(char **path, cfp_stage *stage, const char *name);
/* Moves the n files to their places, and run.json, which lists them. */
CFP_CHECKED cfp_status cfp_stage_move(cfp_stage *stage, char *const *name, int n);
