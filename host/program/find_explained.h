/* find_explained.h - finds the files with explanations among the operands of aggregate. */
#pragma once
#include "../base/base.h"

typedef struct cfp_explained_paths {
    cfp_ctx *ctx;
    int n, capacity;
    char **path; /* [n] explanation.h5 files and shards */
    int n_met;   /* files found, those that were found twice counted twice */
    int n_seen, capacity_seen;
    struct cfp_seen_file *seen; /* [n_seen] to find out which files are the same */
} cfp_explained_paths;

/* Adds the files of one operand.  A file is added itself.  Of a folder, its explanation.h5 and its
 * shards (shard-*.h5) are added; if it has neither, those of its sub-folders, in the order of their
 * names.  CFP_IO if there is none. */
CFP_CHECKED cfp_status cfp_find_explained(cfp_explained_paths *out, const char *operand);
void cfp_explained_paths_free(cfp_explained_paths *paths);
