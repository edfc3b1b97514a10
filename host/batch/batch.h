/* batch.h - the clips of a list, explained into one folder (SPEC 9): what the parts of this folder
 * have in common.
 *
 * README.md tells how the parts work together. */
#pragma once
#include "../clip/clip.h"

enum { CFP_BATCH_TOP = 5 }; /* classes that a line of the manifest names */

typedef enum cfp_batch_status {
    CFP_BATCH_DONE,
    CFP_BATCH_SKIPPED,
    CFP_BATCH_FAILED
} cfp_batch_status;
extern const char *const cfp_batch_status_names[]; /* ok skipped failed */

typedef enum cfp_batch_part_of {
    CFP_PART_ALL,
    CFP_PART_FRAMES,
    CFP_PART_SECONDS
} cfp_batch_part_of;

typedef struct cfp_batch_item { /* a clip of the list */
    const char *id;
    const char *clip;       /* its path */
    const char *label;      /* as the list has it; NULL: none */
    int class_index;        /* of the label in the model; -1: none */
    cfp_batch_part_of part; /* what of the clip the list names */
    int64_t part_frames;    /* CFP_PART_FRAMES, several windows: how many; sampling has the first */
    cfp_sampling sampling;
    double
        stop; /* of a part in seconds: its end; < 0: none, the window begins where sampling says */
    const char *skip;         /* why it is not explained; NULL: it is */
    cfp_batch_status skip_as; /* what the manifest calls that: skipped or failed */
} cfp_batch_item;

typedef struct cfp_batch_list { /* borrowed */
    int n;
    const cfp_batch_item *item;
    int shard_clips;   /* how many clips of the list a shard has; the last may have fewer */
    int part, n_parts; /* --shard: this process takes shard k where k % n_parts == part */
} cfp_batch_list;

/* Number of shards, and of clips in shard k. */
static inline int cfp_batch_shards(const cfp_batch_list *list)
{
    return (list->n + list->shard_clips - 1) / list->shard_clips;
}
static inline int cfp_batch_shard_end(const cfp_batch_list *list, int shard)
{
    return cfp_min_int(list->n, (shard + 1) * list->shard_clips);
}
