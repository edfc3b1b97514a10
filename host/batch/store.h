/* store.h - the folder of a batch: what is finished, who does what, and where results go.
 *
 *     DIR/manifest.jsonl         a line a clip (lines.h): appended while processes work, in the
 *                                order of the list when all is done
 *     DIR/shard-00000.h5 ...     the explanations of finished shards
 *     DIR/index.h5               external links to all clips of all shards
 *     DIR/work/000012.h5         a finished clip whose shard is not finished: a shard of one clip
 *     DIR/work/000012.json       its line; written first.  Alone: the clip failed
 *     DIR/work/shard-00000.jsonl the lines of a shard, while DIR/work/ exists
 *     DIR/work/owner-*, *.claim  the processes and their claims (claims.h)
 *
 * Every file is written under another name and renamed, so whatever has its name is whole.  A shard
 * is packed when none of its clips is open: its lines are written, then the shard, then the small
 * files go.  A process that dies in between leaves small files, and the shard is packed again. What
 * is packed depends on the list alone, so two processes that do the same by mistake write the same.
 *
 * A clip that failed in an earlier run is tried again by every process that starts later. */
#pragma once
#include "batch.h"
#include "claims.h"

typedef struct cfp_batch_store cfp_batch_store;

/* Makes the folders and finds out what is done.  *list must outlive the store.  Call it after the
 * options of the folder were compared. */
CFP_CHECKED cfp_status cfp_batch_store_open(cfp_batch_store **out, cfp_ctx *ctx,
                                            const char *directory, const cfp_batch_list *list);
void cfp_batch_store_close(cfp_batch_store **store); /* accepts NULL inside */

typedef enum cfp_batch_next {
    CFP_NEXT_TAKEN, /* *item is claimed: finish it or give it back */
    CFP_NEXT_WAIT,  /* other processes have the rest; ask again after a while */
    CFP_NEXT_END,   /* nothing is left for this process */
    CFP_NEXT_BROKEN /* the folder cannot be used; ctx has the message */
} cfp_batch_next;
/* Any thread may call the functions below.  ctx is the calling thread's. */
cfp_batch_next cfp_batch_store_next(cfp_batch_store *store, cfp_ctx *ctx, int *item);
void cfp_batch_store_give_back(cfp_batch_store *store, int item);

/* Where to write the explanation of a claimed clip; the caller frees it. */
char *cfp_batch_store_draft(const cfp_batch_store *store, cfp_ctx *ctx, int item);
/* The clip is finished: the draft gets its name.  Takes `line`. */
CFP_CHECKED cfp_status cfp_batch_store_done(cfp_batch_store *store, cfp_ctx *ctx, int item,
                                            char *line);
/* The clip failed.  Takes `line`. */
CFP_CHECKED cfp_status cfp_batch_store_failed(cfp_batch_store *store, cfp_ctx *ctx, int item,
                                              char *line);
/* Packs a shard if it is ready and not yet packed.  pack_all: every one; the last step of a run. */
CFP_CHECKED cfp_status cfp_batch_store_pack(cfp_batch_store *store, cfp_ctx *ctx, int shard);
CFP_CHECKED cfp_status cfp_batch_store_pack_all(cfp_batch_store *store, cfp_ctx *ctx);
/* If no other process works in the folder: writes index.h5 and the manifest in the order of the
 * list, and removes DIR/work/ if nothing is open. */
CFP_CHECKED cfp_status cfp_batch_store_finish(cfp_batch_store *store, cfp_ctx *ctx);

/* For progress: reads what other processes have added to the manifest, so that
 * cfp_batch_store_counts has their clips, too. */
CFP_CHECKED cfp_status cfp_batch_store_follow(cfp_batch_store *store, cfp_ctx *ctx);
/* This process works no more in the folder.  Then waits until no other one does, either; after an
 * interrupt only for half a second, since a launcher soon kills what does not end. */
void cfp_batch_store_outlast(cfp_batch_store *store, const cfp_ctx *ctx);

/* How many clips of this process's part there are, and how many are in each state. */
typedef struct cfp_batch_counts {
    int total, done, failed, skipped;
} cfp_batch_counts;
cfp_batch_counts cfp_batch_store_counts(cfp_batch_store *store);
/* The line of a clip of this process's part; NULL: not known. */
const char *cfp_batch_store_line(const cfp_batch_store *store, int item);
