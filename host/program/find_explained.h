/* find_explained.h - the files that hold explanations, from what aggregate was given. */
#pragma once
#include "../base/base.h"

typedef struct cfp_explained_paths {
    cfp_ctx *ctx;
    int n, capacity;
    char **path; /* [n] explanation.h5 files and shards */
    int n_met;   /* files, those that were met twice counted again */
    int n_seen, room_seen;
    struct cfp_seen_file *seen; /* [n_seen] each of them counts once */
} cfp_explained_paths;

/* Adds the files of one operand: the file; or of a folder its explanation.h5, its shards
 * (shard-*.h5), or, where it has neither, those of its sub-folders.  In the order of names.  A
 * folder without any: CFP_IO. */
CFP_CHECKED cfp_status cfp_find_explained(cfp_explained_paths *out, const char *operand);
void cfp_explained_paths_free(cfp_explained_paths *paths);
