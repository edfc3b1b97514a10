/* store_inside.h - what store.c, store_scan.c and store_pack.c share; for these alone. */
#pragma once
#include "store.h"
#include "store_files.h"
#include <pthread.h>

typedef enum cfp_item_state {
    ITEM_OPEN,
    ITEM_MINE,      /* claimed by this process */
    ITEM_ELSEWHERE, /* another process had it when this one last looked */
    ITEM_DONE,      /* its file is in DIR/work/ */
    ITEM_PACKED,    /* it is in its shard */
    ITEM_FAILED,
    ITEM_SKIPPED
} cfp_item_state;

typedef struct cfp_store_item {
    cfp_item_state state;
    cfp_item_state told; /* by the manifest, of a clip that another process has finished */
    char *line;          /* NULL: none is known */
    cfp_file_mark old;   /* of its .json when this process began */
} cfp_store_item;

typedef struct cfp_store_shard {
    bool dirty;          /* it has to be packed when its clips are final */
    cfp_file_mark lines; /* of its .jsonl as it was read */
} cfp_store_shard;

typedef struct cfp_id_place {
    char *id; /* as a line has it */
    int item;
} cfp_id_place;

struct cfp_batch_store {
    cfp_ctx *ctx;
    const cfp_batch_list *list;
    char *directory, *work, *manifest;
    cfp_claims *claims;
    int n_shards;
    pthread_mutex_t lock;   /* of what follows; a clip that is ITEM_MINE is its thread's */
    cfp_store_item *item;   /* [list->n] */
    cfp_store_shard *shard; /* [n_shards] */
    cfp_id_place *by_id;    /* [list->n] sorted */
    bool scanned;           /* what was there at the beginning is known */
    int from;               /* where the search for an open clip goes on */
    cfp_file_mark followed; /* the manifest as cfp_batch_store_follow left it */
};

static inline bool cfp_item_is_final(cfp_item_state state)
{
    return state == ITEM_DONE || state == ITEM_PACKED || state == ITEM_FAILED ||
           state == ITEM_SKIPPED;
}
int cfp_store_shard_of(const cfp_batch_store *store, int item);
/* True if the shard is in this process's part. */
bool cfp_store_is_ours(const cfp_batch_store *store, int shard);
bool cfp_file_exists(const char *path); /* false for NULL */

/* Finds out what is done when a process begins. */
CFP_CHECKED cfp_status cfp_store_scan(cfp_batch_store *store);
/* Reads what DIR/work/ has of all clips.  first: at the beginning. */
CFP_CHECKED cfp_status cfp_store_scan_work(cfp_batch_store *store, cfp_ctx *ctx, bool first);
/* Reads what DIR/work/ has of a clip.  first: at the beginning.  A file that was there then, and
 * says that the clip failed, is old: the clip is tried again. */
CFP_CHECKED cfp_status cfp_store_refresh_small(cfp_batch_store *store, cfp_ctx *ctx, int item,
                                               bool first);
/* Reads the lines of a shard again if its file has changed. */
CFP_CHECKED cfp_status cfp_store_refresh_shard(cfp_batch_store *store, cfp_ctx *ctx, int shard);
/* The new line of a clip; takes `line`.  packed: the clip is in its shard. */
void cfp_store_set_line(cfp_batch_store *store, int item, char *line, bool packed);

/* The path of a small file, of a shard and of its lines; the caller frees it. */
char *cfp_store_lines_path(const cfp_batch_store *store, cfp_ctx *ctx, int shard);
char *cfp_store_small_path(const cfp_batch_store *store, cfp_ctx *ctx, int item,
                           const char *suffix);
char *cfp_store_shard_path(const cfp_batch_store *store, cfp_ctx *ctx, int shard);
/* Writes the shard anew from the small files and the shard as it is. */
CFP_CHECKED cfp_status cfp_store_pack_shard(cfp_batch_store *store, cfp_ctx *ctx, int shard);
/* For the last process: reads what others have finished, and packs what they left unpacked. */
CFP_CHECKED cfp_status cfp_store_look_at_others(cfp_batch_store *store, cfp_ctx *ctx);
