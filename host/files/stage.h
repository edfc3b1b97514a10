/* stage.h - all files of a run appear together: they are written into a hidden folder of the output
 * folder and moved to their places at the end.
 *
 *     DIR/.cfp-run/lock      held (flock) by the run that writes; free: that run is dead
 *     DIR/.cfp-run/new/      the files, while the run writes them
 *     DIR/.cfp-run/ready/    the same folder, renamed when all of it is on the disk
 *     DIR/.cfp-run/old.json  run.json of the run before, from when files begin to move
 *
 * The last step is called the move: DIR/run.json goes to old.json; what the run before listed and
 * this one has not is removed; the files of ready/ go to their places, run.json last; the hidden
 * folder is removed.  So at any instant DIR holds the old run, or the new one, or has a ready/ and
 * no run.json.  In that last case the next run into DIR finishes the move before it begins. */
#pragma once
#include "../base/base.h"

#define CFP_STAGE_READY ".cfp-run/ready"

typedef struct cfp_stage {
    cfp_ctx *ctx;
    char *directory;
    int folder, hidden, lock; /* open files; -1: not open */
    size_t made_from;         /* what we made of `directory`: all from this byte on */
    char *announced;          /* the hidden folder, to cfp_partial; NULL: not any more */
    bool moved;               /* the files are in their places */
    const char *spare[2]; /* files that must not be written over: the model, the clip; or NULL */
} cfp_stage;

/* Makes the directory and its parents, waits for another run that writes into it, and clears up
 * behind one that died.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_stage_open(cfp_stage *out, cfp_ctx *ctx, const char *directory);
/* Removes what has not been moved, and the folders that were made for it.  Accepts one that was not
 * opened, or is closed. */
void cfp_stage_close(cfp_stage *stage);

/* Where the file `name` ("overlay/a.png") is to be written; its folders are made there.  Refuses a
 * name whose place in the directory cannot be taken.  The caller's to free. */
CFP_CHECKED cfp_status cfp_stage_add(char **path, cfp_stage *stage, const char *name);
/* Moves the n files and run.json, which lists them, to their places. */
CFP_CHECKED cfp_status cfp_stage_move(cfp_stage *stage, char *const *name, int n);
