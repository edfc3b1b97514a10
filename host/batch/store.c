/* store.c - see store.h: the state of each clip, and the claims on it. */
#include "store.h"
#include "lines.h"
#include "store_inside.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- names --- */

char *cfp_store_small_path(const cfp_batch_store *s, cfp_ctx *ctx, int item, const char *suffix)
{
    return cfp_format(ctx, "%s/%06d%s", s->work, item, suffix);
}

char *cfp_store_shard_path(const cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    return cfp_format(ctx, "%s/shard-%05d.h5", s->directory, shard);
}

static char *shard_lines(const cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    return cfp_format(ctx, "%s/shard-%05d.jsonl", s->work, shard);
}

static int shard_of(const cfp_batch_store *s, int item)
{
    return item / s->list->shard_clips;
}

static bool is_ours(const cfp_batch_store *s, int shard)
{
    return shard % s->list->n_parts == s->list->part;
}

static bool exists(const char *path)
{
    return path != NULL && access(path, F_OK) == 0;
}

/* --- lines --- */

static bool is_final(cfp_item_state state)
{
    return state == ITEM_DONE || state == ITEM_PACKED || state == ITEM_FAILED ||
           state == ITEM_SKIPPED;
}

/* The new line of a clip; takes `line`.  `packed`: it comes from a finished shard. */
static void set_line(cfp_batch_store *s, int item, char *line, bool packed)
{
    cfp_line_facts facts;
    cfp_store_item *it = &s->item[item];
    if (line == NULL || !cfp_line_read(&facts, line, strlen(line))) {
        cfp_free(line);
        return;
    }
    cfp_free(it->line);
    it->line = line;
    it->state = facts.status == CFP_BATCH_SKIPPED  ? ITEM_SKIPPED
                : facts.status == CFP_BATCH_FAILED ? ITEM_FAILED
                : packed                           ? ITEM_PACKED
                                                   : ITEM_DONE;
}

static int by_id(const void *a, const void *b)
{
    const cfp_id_place *x = a, *y = b;
    const int order = strcmp(x->id, y->id);
    return order != 0 ? order : x->item - y->item;
}

/* The clip with that id, from place `at` of the sorted ids on: the first that is not skipped, else
 * the first; -1: there is none. */
static int place_of(const cfp_batch_store *s, int at, const char *id)
{
    int item = -1;
    for (; at < s->list->n && strcmp(s->by_id[at].id, id) == 0; at++) {
        const int i = s->by_id[at].item;
        if (s->list->item[i].skip == NULL)
            return i;
        item = item < 0 ? i : item;
    }
    return item;
}

/* Takes the lines of a text that are about clips of the list.  Of two lines about one clip, the
 * later one counts. */
static cfp_status take_lines(cfp_batch_store *s, cfp_ctx *ctx, const char *text, size_t length,
                             int shard)
{
    const char *const end = text + length;
    for (const char *at = text, *next; at < end; at = next) {
        const char *const feed = memchr(at, '\n', (size_t)(end - at));
        cfp_line_facts facts;
        if (feed == NULL)
            break;
        next = feed + 1;
        if (!cfp_line_read(&facts, at, (size_t)(feed - at)))
            continue;
        cfp_id_place wanted = {cfp_format(ctx, "%.*s", (int)facts.id_length, facts.id), -1};
        if (wanted.id == NULL)
            return CFP_NOMEM;
        int low = 0, high = s->list->n; /* the first place that is not before `wanted` */
        while (low < high) {
            const int middle = (low + high) / 2;
            if (by_id(&s->by_id[middle], &wanted) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        const int item = place_of(s, low, wanted.id);
        cfp_free(wanted.id);
        if (item < 0 || (shard >= 0 && shard_of(s, item) != shard) ||
            (facts.status == CFP_BATCH_SKIPPED && s->list->item[item].skip == NULL) ||
            (s->scanned && (is_final(s->item[item].state) || s->item[item].state == ITEM_MINE)))
            continue;
        char *line = cfp_format(ctx, "%.*s", (int)(feed - at), at);
        if (line == NULL)
            return CFP_NOMEM;
        set_line(s, item, line, true);
    }
    return CFP_OK;
}

static cfp_status sort_ids(cfp_batch_store *s)
{
    CFP_TRY_ALLOC(s->ctx, s->by_id, s->list->n);
    for (int i = 0; i < s->list->n; i++) {
        s->by_id[i].item = i;
        if ((s->by_id[i].id = cfp_line_id(s->ctx, s->list->item[i].id)) == NULL)
            return CFP_NOMEM;
    }
    if (s->list->n > 0)
        qsort(s->by_id, (size_t)s->list->n, sizeof *s->by_id, by_id);
    return CFP_OK;
}

/* Reads the lines of a shard again if its file has changed. */
static cfp_status refresh_shard(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    char *text = NULL, *path = shard_lines(s, ctx, shard);
    size_t length;
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    const cfp_file_mark mark = cfp_file_mark_of(path);
    if (mark.inode != 0 && !cfp_file_mark_same(&mark, &s->shard[shard].lines)) {
        status = cfp_file_text(&text, &length, ctx, path);
        if (status == CFP_OK && text != NULL)
            status = take_lines(s, ctx, text, length, shard);
        s->shard[shard].lines = mark;
    }
    cfp_free(text);
    cfp_free(path);
    return status;
}

/* --- what is finished --- */

/* Reads what DIR/work/ has of a clip.  A file that was there when this process began, and says that
 * the clip failed, is old: the clip is tried again. */
static cfp_status refresh_small(cfp_batch_store *s, cfp_ctx *ctx, int item, bool first)
{
    cfp_store_item *it = &s->item[item];
    char *text = NULL, *path = cfp_store_small_path(s, ctx, item, ".json");
    char *data = cfp_store_small_path(s, ctx, item, ".h5");
    size_t length;
    cfp_status status = path == NULL || data == NULL ? CFP_NOMEM : CFP_OK;
    const cfp_file_mark mark =
        status == CFP_OK ? cfp_file_mark_of(path) : (cfp_file_mark){0};
    if (first)
        it->old = mark;
    if (status == CFP_OK && mark.inode != 0)
        status = cfp_file_text(&text, &length, ctx, path);
    cfp_line_facts facts;
    if (status == CFP_OK && text != NULL && cfp_line_read(&facts, text, strcspn(text, "\n"))) {
        text[strcspn(text, "\n")] = '\0';
        const bool old = cfp_file_mark_same(&mark, &it->old);
        if (facts.status == CFP_BATCH_DONE ? exists(data) : !old) {
            set_line(s, item, text, false);
            text = NULL;
        }
        s->shard[shard_of(s, item)].dirty = true;
    }
    cfp_free(text);
    cfp_free(data);
    cfp_free(path);
    return status;
}

/* Forgets what lines say about clips that are not there, and that clips failed in earlier runs. */
static cfp_status check_packed(cfp_batch_store *s, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    char *path = cfp_store_shard_path(s, s->ctx, shard);
    if (path == NULL)
        return CFP_NOMEM;
    const bool there = exists(path);
    cfp_free(path);
    for (int i = shard * s->list->shard_clips; i < end; i++) {
        cfp_store_item *it = &s->item[i];
        if (it->state == ITEM_FAILED || it->state == ITEM_SKIPPED ||
            (it->state == ITEM_PACKED && !there))
            it->state = ITEM_OPEN;
        if (it->line == NULL && s->list->item[i].skip == NULL)
            s->shard[shard].dirty = true;
    }
    return CFP_OK;
}

static cfp_status scan_work(cfp_batch_store *s)
{
    DIR *entries = opendir(s->work);
    cfp_status status = CFP_OK;
    if (entries == NULL)
        return cfp_fail(s->ctx, CFP_IO, "%s: %s", s->work, strerror(errno));
    for (const struct dirent *e; status == CFP_OK && (e = readdir(entries)) != NULL;) {
        char *suffix;
        const long item = strtol(e->d_name, &suffix, 10);
        if (suffix == e->d_name || item < 0 || item >= s->list->n)
            continue;
        if (strcmp(suffix, ".json") == 0)
            status = refresh_small(s, s->ctx, (int)item, true);
        else if (strcmp(suffix, ".h5") == 0)
            s->shard[shard_of(s, (int)item)].dirty = true;
    }
    closedir(entries);
    return status;
}

/* Clips that the list itself rules out.  One that was there in an earlier run, and is finished, stays
 * so. */
static cfp_status take_skipped(cfp_batch_store *s)
{
    for (int i = 0; i < s->list->n; i++) {
        const cfp_batch_item *item = &s->list->item[i];
        const cfp_item_state state = s->item[i].state;
        char *line;
        if (item->skip == NULL || state == ITEM_PACKED || state == ITEM_DONE)
            continue;
        CFP_TRY(cfp_line_failed(&line, s->ctx, item, item->skip_as, item->skip));
        set_line(s, i, line, true);
    }
    return CFP_OK;
}

static cfp_status scan(cfp_batch_store *s)
{
    char *text;
    size_t length;
    CFP_TRY(sort_ids(s));
    CFP_TRY(cfp_file_text(&text, &length, s->ctx, s->manifest));
    cfp_status status = text == NULL ? CFP_OK : take_lines(s, s->ctx, text, length, -1);
    cfp_free(text);
    CFP_TRY(status);
    for (int k = 0; k < s->n_shards; k++)
        CFP_TRY(refresh_shard(s, s->ctx, k));
    for (int k = 0; k < s->n_shards; k++)
        CFP_TRY(check_packed(s, k));
    CFP_TRY(scan_work(s));
    CFP_TRY(take_skipped(s));
    s->scanned = true;
    return CFP_OK;
}

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
    return scan(s);
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
    CFP_TRY(refresh_small(s, ctx, item, false));
    return is_final(s->item[item].state) ? CFP_OK : refresh_shard(s, ctx, shard_of(s, item));
}

/* Tries to claim an open clip. */
static cfp_batch_next claim(cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    char name[32];
    snprintf(name, sizeof name, "%06d", item);
    const cfp_claim got = cfp_claims_take(s->claims, name);
    if (got == CFP_CLAIM_FAILED) {
        const cfp_status failed = cfp_fail(ctx, CFP_IO, "%s: %s.claim: %s", s->work, name, strerror(errno));
        return failed == CFP_OK ? CFP_NEXT_END : CFP_NEXT_BROKEN;
    }
    if (got == CFP_CLAIM_HELD) {
        s->item[item].state = ITEM_ELSEWHERE;
        return CFP_NEXT_WAIT;
    }
    const cfp_status status = refresh(s, ctx, item); /* another may have finished it meanwhile */
    if (status == CFP_OK && !is_final(s->item[item].state)) {
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
        if (s->item[i].state != ITEM_ELSEWHERE || !is_ours(s, shard_of(s, i)))
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
        if (s->item[i].state != ITEM_OPEN || !is_ours(s, shard_of(s, i)))
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
        if (is_ours(s, shard_of(s, i)) &&
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
    char *draft = cfp_batch_store_draft(s, ctx, item), *path = cfp_store_small_path(s, ctx, item, ".h5");
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
        set_line(s, item, line, false);
        s->shard[shard_of(s, item)].dirty = true;
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
        if (!is_final(s->item[i].state))
            return false;
    return true;
}

static cfp_status write_lines(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    const int begin = shard * s->list->shard_clips, end = cfp_batch_shard_end(s->list, shard);
    char *path = shard_lines(s, ctx, shard);
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

static void remove_small(cfp_batch_store *s, cfp_ctx *ctx, int item)
{
    char *data = cfp_store_small_path(s, ctx, item, ".h5"), *line = cfp_store_small_path(s, ctx, item, ".json");
    if (data != NULL)
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
    CFP_TRY(refresh_shard(s, ctx, shard));
    s->shard[shard].dirty = false;
    for (int i = shard * s->list->shard_clips; i < end; i++) {
        char *data = cfp_store_small_path(s, ctx, i, ".h5"), *line = cfp_store_small_path(s, ctx, i, ".json");
        if (data == NULL || line == NULL)
            return CFP_NOMEM;
        if (exists(data) || exists(line))
            s->shard[shard].dirty = true;
        if (s->item[i].state == ITEM_DONE && !exists(data))
            s->item[i].state = ITEM_PACKED;
        if (s->item[i].state == ITEM_PACKED && exists(data))
            s->item[i].state = ITEM_DONE;
        cfp_free(data);
        cfp_free(line);
    }
    char *path = shard_lines(s, ctx, shard);
    if (!exists(path))
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
        remove_small(s, ctx, i);
        if (s->item[i].state == ITEM_DONE)
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
        return cfp_fail(ctx, CFP_IO, "%s: %s.claim: %s", s->work, name, strerror(errno));
    if (got == CFP_CLAIM_HELD)
        return CFP_OK; /* another process packs it */
    const cfp_status status = pack_claimed(s, ctx, shard);
    cfp_claims_release(s->claims, name);
    return status;
}

cfp_status cfp_batch_store_pack(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    pthread_mutex_lock(&s->lock);
    const bool ready = is_ours(s, shard) && is_ready(s, shard);
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
        if (!is_final(s->item[i].state))
            CFP_TRY(refresh(s, ctx, i));
    for (int k = 0; k < s->n_shards; k++)
        if (is_ready(s, k))
            CFP_TRY(pack(s, ctx, k));
    return CFP_OK;
}

/* --- counts --- */

cfp_batch_counts cfp_batch_store_counts(cfp_batch_store *s)
{
    cfp_batch_counts counts = {0};
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->list->n; i++) {
        const cfp_item_state state = s->item[i].state;
        if (!is_ours(s, shard_of(s, i)))
            continue;
        counts.total++;
        counts.done += state == ITEM_DONE || state == ITEM_PACKED;
        counts.failed += state == ITEM_FAILED;
        counts.skipped += state == ITEM_SKIPPED;
    }
    pthread_mutex_unlock(&s->lock);
    return counts;
}

const char *cfp_batch_store_line(const cfp_batch_store *s, int item)
{
    return is_ours(s, shard_of(s, item)) && is_final(s->item[item].state) ? s->item[item].line
                                                                          : NULL;
}
