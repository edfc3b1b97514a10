/* newfile.h - writes a file so that it appears under its name when it is complete, or not at all.
 *
 * The data goes to a temporary file in the same directory (".cfp-<process>-<number>.tmp"), which is
 * renamed at the end.  Every write is checked, the last one included, so a full disk is an error
 * and never a short file.  A path that exists and is not a regular file (a pipe, a socket, a
 * device) is refused, because a write to it could wait for ever.
 *
 * The temporary file is locked (flock) while it is written.  A temporary file without a lock was
 * left behind by a process that died.  The next file that is opened in its directory removes it. */
#pragma once
#include "base.h"
#include <stdio.h>

typedef struct cfp_newfile {
    cfp_ctx *ctx;
    char *path;   /* the final name; messages start with it */
    char *temp;   /* the name while it is written */
    bool stays;   /* commit does not rename it; the caller moves it later */
    FILE *stream; /* to write to; libraries that want a name take `temp` */
} cfp_newfile;

/* On failure *out is empty.  Directories are not made. */
CFP_CHECKED cfp_status cfp_newfile_open(cfp_newfile *out, cfp_ctx *ctx, const char *path);
/* The same, but the file is made at `temp`, which must not exist, and stays there. */
CFP_CHECKED cfp_status cfp_newfile_open_at(cfp_newfile *out, cfp_ctx *ctx, const char *path,
                                           const char *temp);
/* Removes temporary files that dead processes left in the sub-folder `below` of an open folder, or
 * in the folder itself if `below` is "". */
void cfp_newfile_sweep(int folder, const char *below);
/* The name to write to. */
const char *cfp_newfile_where(const cfp_newfile *file);
/* Closes the file, waits until it is on the disk, and renames it.  On failure it removes the file.
 * *file is empty afterwards in both cases. */
CFP_CHECKED cfp_status cfp_newfile_commit(cfp_newfile *file);
/* Closes and removes the file; accepts an empty *file. */
void cfp_newfile_abandon(cfp_newfile *file);
