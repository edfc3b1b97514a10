/* store.c - see store.h: the state of each clip, and the claims on it. */
#include "store.h"
#include "lines.h"
#include "store_inside.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cfp_status open_store(cfp_batch_store *s, const char *directory)
{
    s->directory = cfp_strdup(s->ctx, directory);
    s->work = cfp_format(s->ctx, "%s/work", directory);
    s->manifest = cfp_format(s->ctx, "%s/manifest.jsonl", directory);
    if (s->directory == NULL || s->work == NULL || s->manifest == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(s->ctx, s->item, s->list->n);
    CFP_TRY_ALLOC(s->ctx, s->shard, s->n_shards);
    CFP_TRY(cfp_folder_make(s->ctx, s->work));
    CFP_TRY(cfp_claims_open(&s->claims, s->ctx, s->work));
    return cfp_store_scan(s);
}

cfp_status cfp_batch_store_open(cfp_batch_store **out, cfp_ctx *ctx, const char *directory,
                                const cfp_batch_list *list)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->list = list;
    (*out)->n_shards = cfp_batch_shards(list);
    pthread_mutex_init(&(*out)->lock, NULL);
    const cfp_status status = open_store(*out, directory);
    if (status != CFP_OK)
        cfp_batch_store_close(out);
    return status;
}

void cfp_batch_store_close(cfp_batch_store **store)
{
    cfp_batch_store *s = *store;
    if (s == NULL)
        return;
    cfp_claims_close(&s->claims);
    if (s->work != NULL)
        rmdir(s->work); /* if it is empty */
    for (int i = 0; i < s->list->n; i++) {
        if (s->item != NULL)
            cfp_free(s->item[i].line);
        if (s->by_id != NULL)
            cfp_free(s->by_id[i].id);
    }
    pthread_mutex_destroy(&s->lock);
    cfp_free(s->by_id);
    cfp_free(s->item);
    cfp_free(s->shard);
    cfp_free(s->directory);
    cfp_free(s->work);
    cfp_free(s->manifest);
    cfp_free(s);
    *store = NULL;
}

/* --- claims --- */

/* What the folder says of a clip now. */
static cfp_status refresh(cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    CFP_TRY(cfp_store_refresh_small(s, ctx, item, false));
    return cfp_item_is_final(s->item[item].state)
               ? CFP_OK
               : cfp_store_refresh_shard(s, ctx, cfp_store_shard_of(s, item));
}

static cfp_status cannot_claim(const cfp_batch_store *s, cfp_ctx *ctx, const char *name)
{
    const bool none = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS;
    return cfp_fail(ctx, CFP_IO, "%s/%s.claim: %s%s", s->work, name, strerror(errno),
                    none ? " (this file system has no hard links, which batch needs)" : "");
}

/* Tries to claim an open clip. */
static cfp_batch_next claim(cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    char name[32];
    snprintf(name, sizeof name, "%06d", item);
    const cfp_claim got = cfp_claims_take(s->claims, name);
    if (got == CFP_CLAIM_FAILED) {
        const cfp_status failed = cannot_claim(s, ctx, name);
        return failed == CFP_OK ? CFP_NEXT_END : CFP_NEXT_BROKEN;
    }
    if (got == CFP_CLAIM_HELD) {
        s->item[item].state = ITEM_ELSEWHERE;
        return CFP_NEXT_WAIT;
    }
    const cfp_status status = refresh(s, ctx, item); /* another may have finished it meanwhile */
    if (status == CFP_OK && !cfp_item_is_final(s->item[item].state)) {
        s->item[item].state = ITEM_MINE;
        return CFP_NEXT_TAKEN;
    }
    cfp_claims_release(s->claims, name);
    return status == CFP_OK ? CFP_NEXT_WAIT : CFP_NEXT_BROKEN;
}

/* Clips that other processes had: finished by now, or given up? */
static cfp_status look_elsewhere(cfp_batch_store *s, cfp_ctx *ctx)
{
    for (int i = 0; i < s->list->n; i++) {
        if (s->item[i].state != ITEM_ELSEWHERE || !cfp_store_is_ours(s, cfp_store_shard_of(s, i)))
            continue;
        CFP_TRY(refresh(s, ctx, i));
        if (s->item[i].state == ITEM_ELSEWHERE)
            s->item[i].state = ITEM_OPEN; /* claim() finds out whether it is still held */
    }
    return CFP_OK;
}

static cfp_batch_next next_open(cfp_batch_store *s, cfp_ctx *ctx, int *item, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (s->item[i].state != ITEM_OPEN || !cfp_store_is_ours(s, cfp_store_shard_of(s, i)))
            continue;
        const cfp_batch_next got = claim(s, ctx, i);
        *item = i;
        if (got != CFP_NEXT_WAIT)
            return got;
    }
    return CFP_NEXT_WAIT;
}

static bool any_elsewhere(const cfp_batch_store *s)
{
    for (int i = 0; i < s->list->n; i++)
        if (cfp_store_is_ours(s, cfp_store_shard_of(s, i)) &&
            (s->item[i].state == ITEM_ELSEWHERE || s->item[i].state == ITEM_OPEN))
            return true;
    return false;
}

cfp_batch_next cfp_batch_store_next(cfp_batch_store *s, cfp_ctx *ctx, int *item)
{
    pthread_mutex_lock(&s->lock);
    cfp_batch_next got = next_open(s, ctx, item, s->from, s->list->n);
    if (got == CFP_NEXT_TAKEN)
        s->from = *item + 1;
    if (got == CFP_NEXT_WAIT) {
        got = look_elsewhere(s, ctx) != CFP_OK ? CFP_NEXT_BROKEN
                                               : next_open(s, ctx, item, 0, s->list->n);
        s->from = s->list->n;
    }
    if (got == CFP_NEXT_WAIT && !any_elsewhere(s))
        got = CFP_NEXT_END;
    pthread_mutex_unlock(&s->lock);
    return got;
}

static void release(cfp_batch_store *s, int item)
{
    char name[32];
    snprintf(name, sizeof name, "%06d", item);
    cfp_claims_release(s->claims, name);
}

void cfp_batch_store_give_back(cfp_batch_store *s, int item)
{
    pthread_mutex_lock(&s->lock);
    s->item[item].state = ITEM_OPEN;
    release(s, item);
    pthread_mutex_unlock(&s->lock);
}

/* --- results --- */

char *cfp_batch_store_draft(const cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    return cfp_format(ctx, "%s/%s.%06d.h5", s->work, cfp_claims_prefix(s->claims), item);
}

static cfp_status put_line_file(cfp_batch_store *s, cfp_ctx *ctx, int item, const char *line)
{
    char *path = cfp_store_small_path(s, ctx, item, ".json");
    char *draft = cfp_format(ctx, "%s/%s.%06d.json", s->work, cfp_claims_prefix(s->claims), item);
    char *text = cfp_format(ctx, "%s\n", line);
    const cfp_status status = path == NULL || draft == NULL || text == NULL
                                  ? CFP_NOMEM
                                  : cfp_file_put(ctx, path, draft, text, strlen(text));
    cfp_free(path);
    cfp_free(draft);
    cfp_free(text);
    return status;
}

static cfp_status name_draft(cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    char *draft = cfp_batch_store_draft(s, ctx, item),
         *path = cfp_store_small_path(s, ctx, item, ".h5");
    const cfp_status status =
        draft == NULL || path == NULL ? CFP_NOMEM : cfp_file_rename(ctx, draft, path);
    cfp_free(draft);
    cfp_free(path);
    return status;
}

static cfp_status settle(cfp_batch_store *s, cfp_ctx *ctx, int item, char *line, bool done)
{
    cfp_status status = put_line_file(s, ctx, item, line);
    if (status == CFP_OK && done)
        status = name_draft(s, ctx, item);
    if (status == CFP_OK)
        status = cfp_file_append(ctx, s->manifest, line);
    pthread_mutex_lock(&s->lock);
    if (status == CFP_OK) {
        cfp_store_set_line(s, item, line, false);
        s->shard[cfp_store_shard_of(s, item)].dirty = true;
    } else {
        s->item[item].state = ITEM_OPEN;
        cfp_free(line);
    }
    release(s, item);
    pthread_mutex_unlock(&s->lock);
    return status;
}

cfp_status cfp_batch_store_done(cfp_batch_store *s, cfp_ctx *ctx, int item, char *line)
{
    return settle(s, ctx, item, line, true);
}

cfp_status cfp_batch_store_failed(cfp_batch_store *s, cfp_ctx *ctx, int item, char *line)
{
    return settle(s, ctx, item, line, false);
}

/* --- packing --- */

static bool is_ready(const cfp_batch_store *s, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    if (!s->shard[shard].dirty)
        return false;
    for (int i = shard * s->list->shard_clips; i < end; i++)
        if (!cfp_item_is_final(s->item[i].state))
            return false;
    return true;
}

static cfp_status write_lines(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    const int begin = shard * s->list->shard_clips, end = cfp_batch_shard_end(s->list, shard);
    char *path = cfp_store_lines_path(s, ctx, shard);
    char *draft = cfp_format(ctx, "%s/%s.lines", s->work, cfp_claims_prefix(s->claims));
    size_t bytes = 0, at = 0;
    for (int i = begin; i < end; i++)
        bytes += strlen(s->item[i].line) + 1;
    char *text = cfp_alloc(ctx, bytes, 1);
    cfp_status status = path == NULL || draft == NULL || text == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = begin; i < end && status == CFP_OK; i++) {
        const size_t length = strlen(s->item[i].line);
        memcpy(text + at, s->item[i].line, length);
        at += length;
        text[at++] = '\n';
    }
    if (status == CFP_OK)
        status = cfp_file_put(ctx, path, draft, text, bytes);
    if (status == CFP_OK)
        s->shard[shard].lines = cfp_file_mark_of(path);
    cfp_free(path);
    cfp_free(draft);
    cfp_free(text);
    return status;
}

/* packed: its clip is in the shard now.  If it is not, another process may have just finished it.
 */
static void remove_small(cfp_batch_store *s, cfp_ctx *ctx, int item, bool packed)
{
    char *data = cfp_store_small_path(s, ctx, item, ".h5"),
         *line = cfp_store_small_path(s, ctx, item, ".json");
    if (data != NULL && packed)
        unlink(data);
    if (line != NULL)
        unlink(line);
    cfp_free(data);
    cfp_free(line);
}

/* The small files may have gone since this process looked: then another one has packed the shard.
 * What is left is what the folder says now. */
static cfp_status look_again(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    CFP_TRY(cfp_store_refresh_shard(s, ctx, shard));
    s->shard[shard].dirty = false;
    for (int i = shard * s->list->shard_clips; i < end; i++) {
        char *data = cfp_store_small_path(s, ctx, i, ".h5"),
             *line = cfp_store_small_path(s, ctx, i, ".json");
        if (data == NULL || line == NULL)
            return CFP_NOMEM;
        if (cfp_file_exists(data) || cfp_file_exists(line))
            s->shard[shard].dirty = true;
        if (s->item[i].state == ITEM_DONE && !cfp_file_exists(data))
            s->item[i].state = ITEM_PACKED;
        if (s->item[i].state == ITEM_PACKED && cfp_file_exists(data))
            s->item[i].state = ITEM_DONE;
        cfp_free(data);
        cfp_free(line);
    }
    char *path = cfp_store_lines_path(s, ctx, shard);
    if (!cfp_file_exists(path))
        s->shard[shard].dirty = true;
    cfp_free(path);
    return CFP_OK;
}

static cfp_status pack_claimed(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    CFP_TRY(look_again(s, ctx, shard));
    if (!s->shard[shard].dirty)
        return CFP_OK;
    CFP_TRY(write_lines(s, ctx, shard));
    CFP_TRY(cfp_store_pack_shard(s, ctx, shard));
    for (int i = shard * s->list->shard_clips; i < end; i++) {
        const bool packed = s->item[i].state == ITEM_DONE || s->item[i].state == ITEM_PACKED;
        remove_small(s, ctx, i, packed);
        if (packed)
            s->item[i].state = ITEM_PACKED;
    }
    s->shard[shard].dirty = false;
    return CFP_OK;
}

static cfp_status pack(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    char name[32];
    snprintf(name, sizeof name, "shard-%05d", shard);
    const cfp_claim got = cfp_claims_take(s->claims, name);
    if (got == CFP_CLAIM_FAILED)
        return cannot_claim(s, ctx, name);
    if (got == CFP_CLAIM_HELD)
        return CFP_OK; /* another process packs it */
    const cfp_status status = pack_claimed(s, ctx, shard);
    cfp_claims_release(s->claims, name);
    return status;
}

cfp_status cfp_batch_store_pack(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    pthread_mutex_lock(&s->lock);
    const bool ready = cfp_store_is_ours(s, shard) && is_ready(s, shard);
    pthread_mutex_unlock(&s->lock);
    return ready ? pack(s, ctx, shard) : CFP_OK;
}

cfp_status cfp_batch_store_pack_all(cfp_batch_store *s, cfp_ctx *ctx)
{
    for (int k = 0; k < s->n_shards; k++)
        CFP_TRY(cfp_batch_store_pack(s, ctx, k));
    return CFP_OK;
}

/* Shards that others have packed still look open here; shards that others left open are packed. */
cfp_status cfp_store_look_at_others(cfp_batch_store *s, cfp_ctx *ctx)
{
    for (int i = 0; i < s->list->n; i++)
        if (!cfp_item_is_final(s->item[i].state))
            CFP_TRY(refresh(s, ctx, i));
    CFP_TRY(cfp_store_scan_work(s, ctx, false));
    for (int k = 0; k < s->n_shards; k++)
        if (is_ready(s, k))
            CFP_TRY(pack(s, ctx, k));
    return CFP_OK;
}

void cfp_batch_store_outlast(cfp_batch_store *s, const cfp_ctx *ctx)
{
    enum { LOOK_EVERY_US = 100000, LOOKS_AFTER_INTERRUPT = 5 };
    int looks = 0;                       /* after the interrupt */
    for (int i = 0; i < s->list->n; i++) /* what could not be written is left to others */
        if (s->item[i].state == ITEM_MINE)
            cfp_batch_store_give_back(s, i);
    cfp_claims_leave(s->claims);
    while (cfp_claims_others(s->claims) && looks < LOOKS_AFTER_INTERRUPT) {
        looks += ctx->interrupted != NULL && *ctx->interrupted;
        usleep(LOOK_EVERY_US);
    }
}

/* --- counts --- */

cfp_batch_counts cfp_batch_store_counts(cfp_batch_store *s)
{
    cfp_batch_counts counts = {0};
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->list->n; i++) {
        const cfp_item_state state = s->item[i].state;
        if (!cfp_store_is_ours(s, cfp_store_shard_of(s, i)))
            continue;
        counts.total++;
        counts.done += state == ITEM_DONE || state == ITEM_PACKED;
        counts.failed += state == ITEM_FAILED;
        counts.done += !cfp_item_is_final(state) && s->item[i].told == ITEM_DONE;
        counts.failed += !cfp_item_is_final(state) && s->item[i].told == ITEM_FAILED;
        counts.skipped += state == ITEM_SKIPPED;
    }
    pthread_mutex_unlock(&s->lock);
    return counts;
}

const char *cfp_batch_store_line(const cfp_batch_store *s, int item)
{
    return cfp_store_is_ours(s, cfp_store_shard_of(s, item)) &&
                   cfp_item_is_final(s->item[item].state)
               ? s->item[item].line
               : NULL;
}
