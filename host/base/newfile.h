/* newfile.h - a file that appears under its name when it is whole, or not at all.
 *
 * It grows under a temporary name in the same directory (".cfp-<process>-<number>.tmp") and is
 * renamed at the end; every write is checked, the closing one included, so a full disk is an error
 * and not a short file.  What exists and is no regular file (/dev/full, a pipe) is written
 * directly. No fsync: a crash of the machine is not this file's business. */
#pragma once
#include "base.h"
#include <stdio.h>

typedef struct cfp_newfile {
    cfp_ctx *ctx;
    char *path;   /* the final name, which messages start with */
    char *temp;   /* where it grows; NULL: path itself */
    FILE *stream; /* libraries that want a name take temp instead */
} cfp_newfile;

/* On failure *out is empty.  Directories are not made. */
CFP_CHECKED cfp_status cfp_newfile_open(cfp_newfile *out, cfp_ctx *ctx, const char *path);
/* Where to write: temp or path. */
const char *cfp_newfile_where(const cfp_newfile *file);
/* Closes and renames; on failure nothing is left.  Empties *file either way. */
CFP_CHECKED cfp_status cfp_newfile_commit(cfp_newfile *file);
/* Closes and removes; accepts an empty one. */
void cfp_newfile_abandon(cfp_newfile *file);
