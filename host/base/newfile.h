/* newfile.h - a file that appears under its name when it is whole, or not at all.
 *
 * It grows under a temporary name in the same directory (".cfp-<process>-<number>.tmp") and is
 * renamed at the end; every write is checked, the closing one included, so a full disk is an error
 * and not a short file.  What exists and is no regular file (a pipe, a socket, a device) is
 * refused: nothing waits for its reader.
 *
 * The temporary file is locked (flock) while it grows.  One that is not locked was left by a
 * process that died; the next file that is opened in that directory removes it. */
#pragma once
#include "base.h"
#include <stdio.h>

typedef struct cfp_newfile {
    cfp_ctx *ctx;
    char *path;   /* the final name, which messages start with */
    char *temp;   /* where it grows */
    bool stays;   /* it is not renamed: somebody else moves it */
    FILE *stream; /* libraries that want a name take temp instead */
} cfp_newfile;

/* On failure *out is empty.  Directories are not made. */
CFP_CHECKED cfp_status cfp_newfile_open(cfp_newfile *out, cfp_ctx *ctx, const char *path);
/* The same for a file that grows at `temp`, which there is not yet, and stays there. */
CFP_CHECKED cfp_status cfp_newfile_open_at(cfp_newfile *out, cfp_ctx *ctx, const char *path,
                                           const char *temp);
/* Removes temporary files of dead processes in a folder: of an open one, its sub-folder `below`, or
 * itself where that is "". */
void cfp_newfile_sweep(int folder, const char *below);
/* Where to write. */
const char *cfp_newfile_where(const cfp_newfile *file);
/* Closes, has it on the disk and renames; on failure nothing is left.  Empties *file either way. */
CFP_CHECKED cfp_status cfp_newfile_commit(cfp_newfile *file);
/* Closes and removes; accepts an empty one. */
void cfp_newfile_abandon(cfp_newfile *file);
