/* store_scan.c - see store.h: reads from the folder what is finished. */
#include "lines.h"
#include "packer.h"
#include "store_inside.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

char *cfp_store_lines_path(const cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    return cfp_format(ctx, "%s/shard-%05d.jsonl", s->work, shard);
}

int cfp_store_shard_of(const cfp_batch_store *s, int item)
{
    return item / s->list->shard_clips;
}

bool cfp_store_is_ours(const cfp_batch_store *s, int shard)
{
    return shard % s->list->n_parts == s->list->part;
}

bool cfp_file_exists(const char *path)
{
    return path != NULL && access(path, F_OK) == 0;
}

/* --- lines --- */

void cfp_store_set_line(cfp_batch_store *s, int item, char *line, bool packed)
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

/* The clip of a line that has this id; -1: none; the list has changed, or memory is short. */
static int item_of(const cfp_batch_store *s, cfp_ctx *ctx, const cfp_line_facts *facts)
{
    cfp_id_place wanted = {cfp_format(ctx, "%.*s", (int)facts->id_length, facts->id), -1};
    int low = 0, high = s->list->n; /* the first place that is not before `wanted` */
    while (wanted.id != NULL && low < high) {
        const int middle = (low + high) / 2;
        if (by_id(&s->by_id[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const int item = wanted.id == NULL ? -1 : place_of(s, low, wanted.id);
    cfp_free(wanted.id);
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
        const int item = item_of(s, ctx, &facts);
        if (item < 0 || (shard >= 0 && cfp_store_shard_of(s, item) != shard) ||
            (facts.status == CFP_BATCH_SKIPPED && s->list->item[item].skip == NULL) ||
            (s->scanned &&
             (cfp_item_is_final(s->item[item].state) || s->item[item].state == ITEM_MINE)))
            continue;
        char *line = cfp_format(ctx, "%.*s", (int)(feed - at), at);
        if (line == NULL)
            return CFP_NOMEM;
        cfp_store_set_line(s, item, line, true);
    }
    return CFP_OK;
}

/* What the lines say of clips that this process does not know to be finished.  Returns how many
 * bytes were whole lines. */
static size_t follow_lines(cfp_batch_store *s, cfp_ctx *ctx, const char *text, size_t length,
                           bool failures)
{
    const char *const end = text + length, *at = text, *feed;
    for (; at < end && (feed = memchr(at, '\n', (size_t)(end - at))) != NULL; at = feed + 1) {
        cfp_line_facts facts;
        if (!cfp_line_read(&facts, at, (size_t)(feed - at)))
            continue;
        const int item = item_of(s, ctx, &facts);
        if (item >= 0 && facts.status == CFP_BATCH_DONE)
            s->item[item].told = ITEM_DONE;
        if (item >= 0 && facts.status == CFP_BATCH_FAILED && failures)
            s->item[item].told = ITEM_FAILED;
    }
    return (size_t)(at - text);
}

/* The last process puts a new manifest in place of the old one.  It is read from its beginning;
 * what failed in it may have failed in an earlier run. */
cfp_status cfp_batch_store_follow(cfp_batch_store *s, cfp_ctx *ctx)
{
    char *text;
    size_t length;
    const cfp_file_mark now = cfp_file_mark_of(s->manifest);
    const bool began = s->followed.inode == 0 && s->followed.size == 0;
    const bool replaced = !began && now.inode != s->followed.inode;
    const int64_t from = replaced ? 0 : s->followed.size;
    if (now.inode == 0 || now.size <= from)
        return CFP_OK;
    CFP_TRY(cfp_file_part(&text, &length, ctx, s->manifest, from));
    pthread_mutex_lock(&s->lock);
    const size_t read = text == NULL ? 0 : follow_lines(s, ctx, text, length, !replaced);
    pthread_mutex_unlock(&s->lock);
    s->followed = now;
    s->followed.size = from + (int64_t)read;
    cfp_free(text);
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

cfp_status cfp_store_refresh_shard(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    char *text = NULL, *path = cfp_store_lines_path(s, ctx, shard);
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

/* False for the line of another clip, which somebody copied there. */
static bool is_about(const cfp_batch_store *s, cfp_ctx *ctx, int item, const cfp_line_facts *facts)
{
    char *id = cfp_line_id(ctx, s->list->item[item].id);
    const bool same = id != NULL && strlen(id) == facts->id_length &&
                      memcmp(id, facts->id, facts->id_length) == 0;
    cfp_free(id);
    return same;
}

cfp_status cfp_store_refresh_small(cfp_batch_store *s, cfp_ctx *ctx, int item, bool first)
{
    cfp_store_item *it = &s->item[item];
    char *text = NULL, *path = cfp_store_small_path(s, ctx, item, ".json");
    char *data = cfp_store_small_path(s, ctx, item, ".h5");
    size_t length;
    cfp_status status = path == NULL || data == NULL ? CFP_NOMEM : CFP_OK;
    const cfp_file_mark mark = status == CFP_OK ? cfp_file_mark_of(path) : (cfp_file_mark){0};
    if (first)
        it->old = mark;
    if (status == CFP_OK && mark.inode != 0)
        status = cfp_file_text(&text, &length, ctx, path);
    cfp_line_facts facts;
    if (status == CFP_OK && text != NULL && cfp_line_read(&facts, text, strcspn(text, "\n")) &&
        is_about(s, ctx, item, &facts)) {
        text[strcspn(text, "\n")] = '\0';
        const bool old = cfp_file_mark_same(&mark, &it->old);
        if (facts.status == CFP_BATCH_DONE ? cfp_file_exists(data) : !old) {
            cfp_store_set_line(s, item, text, false);
            text = NULL;
        }
        s->shard[cfp_store_shard_of(s, item)].dirty = true;
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
    const bool there = cfp_file_exists(path);
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

cfp_status cfp_store_scan_work(cfp_batch_store *s, cfp_ctx *ctx, bool first)
{
    DIR *entries = opendir(s->work);
    cfp_status status = CFP_OK;
    if (entries == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", s->work, strerror(errno));
    for (const struct dirent *e; status == CFP_OK && (e = readdir(entries)) != NULL;) {
        char *suffix;
        const long item = strtol(e->d_name, &suffix, 10);
        if (suffix == e->d_name || item < 0 || item >= s->list->n)
            continue;
        if (strcmp(suffix, ".json") == 0)
            status = cfp_store_refresh_small(s, ctx, (int)item, first);
        else if (strcmp(suffix, ".h5") == 0)
            s->shard[cfp_store_shard_of(s, (int)item)].dirty = true;
    }
    closedir(entries);
    return status;
}

/* --- are the shards whole? --- */

static bool is_packed(const cfp_batch_store *s, int item)
{
    return s->item[item].state == ITEM_PACKED && cfp_store_is_ours(s, cfp_store_shard_of(s, item));
}

/* A shard that lost a clip, or that cannot be opened: its clips are made anew. */
static void forget_shard(cfp_batch_store *s, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    for (int i = shard * s->list->shard_clips; i < end; i++)
        if (s->item[i].state == ITEM_PACKED)
            s->item[i].state = ITEM_OPEN;
    s->shard[shard].dirty = true;
    cfp_log(s->ctx, CFP_LOG_WARNING, "%s; the clips of this shard are made anew", s->ctx->message);
}

/* Asks for the clips that are packed, from *from on, up to the first that is not there: *from is
 * then the first clip behind its shard. */
static cfp_status look_from(cfp_batch_store *s, int *from, char **source, char **group, int *item)
{
    int n = 0, bad;
    cfp_status status = CFP_OK;
    for (int i = *from; i < s->list->n && status == CFP_OK; i++) {
        if (!is_packed(s, i))
            continue;
        source[n] = cfp_store_shard_path(s, s->ctx, cfp_store_shard_of(s, i));
        group[n] = cfp_batch_group(s->ctx, s->list->item[i].id);
        status = source[n] == NULL || group[n] == NULL ? CFP_NOMEM : CFP_OK;
        item[n++] = i;
    }
    *from = s->list->n;
    if (n > 0 && status == CFP_OK) {
        const cfp_pack_request request = {"", n, (const char *const *)source,
                                          (const char *const *)group};
        status = cfp_pack_clips(s->ctx, &request, &bad);
        if (status == CFP_FORMAT && bad >= 0) {
            const int shard = cfp_store_shard_of(s, item[bad]);
            forget_shard(s, shard);
            *from = cfp_batch_shard_end(s->list, shard);
            status = CFP_OK;
        }
    }
    for (int i = 0; i < n; i++) {
        cfp_free(source[i]);
        cfp_free(group[i]);
    }
    return status;
}

static cfp_status look_at_shards(cfp_batch_store *s)
{
    char **source = cfp_alloc(s->ctx, (size_t)s->list->n, sizeof *source);
    char **group = cfp_alloc(s->ctx, (size_t)s->list->n, sizeof *group);
    int *item = cfp_alloc(s->ctx, (size_t)s->list->n, sizeof *item);
    cfp_status status = source == NULL || group == NULL || item == NULL ? CFP_NOMEM : CFP_OK;
    for (int from = 0; status == CFP_OK && from < s->list->n;)
        status = look_from(s, &from, source, group, item);
    cfp_free(source);
    cfp_free(group);
    cfp_free(item);
    return status;
}

/* Clips that the list itself rules out.  One that was there in an earlier run, and is finished,
 * stays so. */
static cfp_status take_skipped(cfp_batch_store *s)
{
    for (int i = 0; i < s->list->n; i++) {
        const cfp_batch_item *item = &s->list->item[i];
        const cfp_item_state state = s->item[i].state;
        char *line;
        if (item->skip == NULL || state == ITEM_PACKED || state == ITEM_DONE)
            continue;
        CFP_TRY(cfp_line_failed(&line, s->ctx, item, item->skip_as, item->skip));
        cfp_store_set_line(s, i, line, true);
    }
    return CFP_OK;
}

cfp_status cfp_store_scan(cfp_batch_store *s)
{
    char *text;
    size_t length;
    CFP_TRY(sort_ids(s));
    s->followed = cfp_file_mark_of(s->manifest); /* earlier failures are tried again */
    CFP_TRY(cfp_file_text(&text, &length, s->ctx, s->manifest));
    cfp_status status = text == NULL ? CFP_OK : take_lines(s, s->ctx, text, length, -1);
    cfp_free(text);
    CFP_TRY(status);
    for (int k = 0; k < s->n_shards; k++)
        CFP_TRY(cfp_store_refresh_shard(s, s->ctx, k));
    for (int k = 0; k < s->n_shards; k++)
        CFP_TRY(check_packed(s, k));
    CFP_TRY(cfp_store_scan_work(s, s->ctx, true));
    CFP_TRY(look_at_shards(s));
    CFP_TRY(take_skipped(s));
    s->scanned = true;
    return CFP_OK;
}
