/* store_files.h - the files of store.h: names, whole reads, writes that rename. */
#pragma once
#include "batch.h"

/* Which file it is: changes when the file is replaced. */
typedef struct cfp_file_mark {
    uint64_t device, inode;
    int64_t size, seconds, nanoseconds;
} cfp_file_mark;

/* {0} if there is no such file. */
cfp_file_mark cfp_file_mark_of(const char *path);
bool cfp_file_mark_same(const cfp_file_mark *a, const cfp_file_mark *b);

/* The text of a file, which the caller frees; *out is NULL if there is no such file. */
CFP_CHECKED cfp_status cfp_file_text(char **out, size_t *length, cfp_ctx *ctx, const char *path);
/* The same, from byte `from` on. */
CFP_CHECKED cfp_status cfp_file_part(char **out, size_t *length, cfp_ctx *ctx, const char *path,
                                     int64_t from);
/* Writes `draft` and renames it to `path`. */
CFP_CHECKED cfp_status cfp_file_put(cfp_ctx *ctx, const char *path, const char *draft,
                                    const char *text, size_t length);
/* Appends a line by one write. */
CFP_CHECKED cfp_status cfp_file_append(cfp_ctx *ctx, const char *path, const char *line);
/* Renames a finished file whose bytes are on the disk. */
CFP_CHECKED cfp_status cfp_file_rename(cfp_ctx *ctx, const char *draft, const char *path);
/* Makes a folder and its parents. */
CFP_CHECKED cfp_status cfp_folder_make(cfp_ctx *ctx, const char *path);

/* The name of a clip's group: the id with %XX for what a name in HDF5 cannot hold.  The caller
 * frees it. */
char *cfp_batch_group(cfp_ctx *ctx, const char *id);
