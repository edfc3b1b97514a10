/* store_pack.c - see store.h: shards, index.h5, and the manifest in the order of the list. */
#include "../files/h5_put.h"
#include "lines.h"
#include "packer.h"
#include "store_inside.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct packing {
    cfp_pack_request request;
    char **source, **group; /* [clips of the shard] */
    char *draft, *path;
} packing;

static cfp_status add(packing *p, cfp_batch_store *s, cfp_ctx *ctx, int item, bool small)
{
    const int n = p->request.n++;
    p->source[n] = small ? cfp_store_small_path(s, ctx, item, ".h5") : cfp_strdup(ctx, p->path);
    p->group[n] = cfp_batch_group(ctx, s->list->item[item].id);
    return p->source[n] == NULL || p->group[n] == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status list_sources(packing *p, cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    const int end = cfp_batch_shard_end(s->list, shard);
    p->path = cfp_store_shard_path(s, ctx, shard);
    p->draft = cfp_format(ctx, "%s/%s.shard-%05d.h5", s->work, cfp_claims_prefix(s->claims), shard);
    if (p->path == NULL || p->draft == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(ctx, p->source, s->list->shard_clips);
    CFP_TRY_ALLOC(ctx, p->group, s->list->shard_clips);
    for (int i = shard * s->list->shard_clips; i < end; i++)
        if (s->item[i].state == ITEM_DONE || s->item[i].state == ITEM_PACKED)
            CFP_TRY(add(p, s, ctx, i, s->item[i].state == ITEM_DONE));
    p->request.path = p->draft;
    p->request.source = (const char *const *)p->source;
    p->request.group = (const char *const *)p->group;
    return CFP_OK;
}

/* A source that cannot be read is damaged: it goes, so that a rerun makes its clips anew. */
static cfp_status drop_source(packing *p, cfp_ctx *ctx, cfp_status status, int bad)
{
    if (bad < 0 || bad >= p->request.n)
        return status;
    char why[sizeof ctx->message];
    snprintf(why, sizeof why, "%s", ctx->message);
    if (unlink(p->source[bad]) != 0 && errno != ENOENT)
        return cfp_fail(ctx, status, "%.900s; it cannot be removed: %s", why, strerror(errno));
    return cfp_fail(ctx, status, "%.900s; it is removed: start again to make its clips anew", why);
}

static cfp_status run(packing *p, cfp_ctx *ctx)
{
    int bad = -1;
    if (p->request.n == 0)
        return CFP_OK;
    const cfp_status status = cfp_pack_clips(ctx, &p->request, &bad);
    if (status == CFP_OK)
        return cfp_file_rename(ctx, p->draft, p->path);
    unlink(p->draft);
    return drop_source(p, ctx, status, bad);
}

cfp_status cfp_store_pack_shard(cfp_batch_store *s, cfp_ctx *ctx, int shard)
{
    packing p = {0};
    cfp_status status = list_sources(&p, s, ctx, shard);
    if (status == CFP_OK)
        status = run(&p, ctx);
    for (int i = 0; i < p.request.n; i++) {
        cfp_free(p.source[i]);
        cfp_free(p.group[i]);
    }
    cfp_free(p.source);
    cfp_free(p.group);
    cfp_free(p.draft);
    cfp_free(p.path);
    return status;
}

/* --- index.h5 --- */

static cfp_status put_links(cfp_batch_store *s, cfp_h5_file *file, hid_t clips)
{
    for (int i = 0; i < s->list->n; i++) {
        char target[32];
        if (s->item[i].state != ITEM_PACKED)
            continue;
        char *group = cfp_batch_group(file->output->ctx, s->list->item[i].id);
        char *inside = cfp_format(file->output->ctx, "/clips/%s", group);
        snprintf(target, sizeof target, "shard-%05d.h5", i / s->list->shard_clips);
        const bool good =
            group != NULL && inside != NULL &&
            H5Lcreate_external(target, inside, clips, group, file->link, H5P_DEFAULT) >= 0;
        cfp_free(group);
        cfp_free(inside);
        CFP_TRY(cfp_h5_check(file, good));
    }
    return CFP_OK;
}

static cfp_status fill_index(cfp_batch_store *s, cfp_h5_file *file)
{
    hid_t clips;
    CFP_TRY(cfp_h5_put_text(file, file->id, "cfp_format", "index"));
    CFP_TRY(cfp_h5_put_int(file, file->id, "cfp_version", 1));
    CFP_TRY(cfp_h5_put_group(file, &clips, file->id, "clips"));
    const cfp_status status = put_links(s, file, clips);
    H5Gclose(clips);
    return status;
}

static cfp_status write_index(cfp_batch_store *s, cfp_ctx *ctx)
{
    cfp_output output = {.ctx = ctx};
    cfp_h5_file file;
    char *path = cfp_format(ctx, "%s/index.h5", s->directory);
    char *draft = cfp_format(ctx, "%s/%s.index.h5", s->work, cfp_claims_prefix(s->claims));
    cfp_status status = path == NULL || draft == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK)
        status = cfp_newfile_open_at(&output.file, ctx, path, draft);
    if (status == CFP_OK) {
        status = cfp_h5_file_open(&file, &output);
        if (status == CFP_OK)
            status = fill_index(s, &file);
        status = cfp_h5_file_close(&file, status);
    }
    if (status == CFP_OK)
        status = cfp_newfile_commit(&output.file);
    if (status == CFP_OK)
        status = cfp_file_rename(ctx, draft, path);
    cfp_newfile_abandon(&output.file);
    cfp_free(path);
    cfp_free(draft);
    return status;
}

/* --- the end --- */

static cfp_status write_manifest(cfp_batch_store *s, cfp_ctx *ctx)
{
    size_t bytes = 0, at = 0;
    for (int i = 0; i < s->list->n; i++)
        bytes += s->item[i].line != NULL ? strlen(s->item[i].line) + 1 : 0;
    char *draft = cfp_format(ctx, "%s/%s.manifest", s->work, cfp_claims_prefix(s->claims));
    char *text = cfp_alloc(ctx, bytes, 1);
    cfp_status status = draft == NULL || text == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = 0; i < s->list->n && status == CFP_OK; i++) {
        if (s->item[i].line == NULL)
            continue;
        const size_t length = strlen(s->item[i].line);
        memcpy(text + at, s->item[i].line, length);
        at += length;
        text[at++] = '\n';
    }
    if (status == CFP_OK)
        status = cfp_file_put(ctx, s->manifest, draft, text, bytes);
    cfp_free(draft);
    cfp_free(text);
    return status;
}

/* True if no clip of any part is open, and every shard is packed. */
static bool is_complete(const cfp_batch_store *s)
{
    for (int i = 0; i < s->list->n; i++)
        if (s->item[i].state != ITEM_PACKED && s->item[i].state != ITEM_FAILED &&
            s->item[i].state != ITEM_SKIPPED)
            return false;
    for (int k = 0; k < s->n_shards; k++)
        if (s->shard[k].dirty)
            return false;
    return true;
}

static cfp_status tidy(cfp_batch_store *s, cfp_ctx *ctx)
{
    for (int k = 0; k < s->n_shards; k++) {
        char *path = cfp_format(ctx, "%s/shard-%05d.jsonl", s->work, k);
        if (path == NULL)
            return CFP_NOMEM;
        unlink(path);
        cfp_free(path);
    }
    return CFP_OK;
}

static cfp_status finish_alone(cfp_batch_store *s, cfp_ctx *ctx)
{
    CFP_TRY(cfp_store_look_at_others(s, ctx));
    CFP_TRY(write_index(s, ctx));
    CFP_TRY(write_manifest(s, ctx));
    return is_complete(s) ? tidy(s, ctx) : CFP_OK;
}

/* The last process does it.  Two that end at the same time would each see the other: so each one
 * looks, and leaves, while it holds the claim. */
cfp_status cfp_batch_store_finish(cfp_batch_store *s, cfp_ctx *ctx)
{
    enum { LOOK_EVERY_US = 100000 };
    cfp_claim got;
    while ((got = cfp_claims_take(s->claims, "finish")) == CFP_CLAIM_HELD) {
        CFP_TRY(cfp_check_interrupt(ctx));
        usleep(LOOK_EVERY_US);
    }
    if (got == CFP_CLAIM_FAILED)
        return cfp_fail(ctx, CFP_IO, "%s: finish.claim: %s", s->work, strerror(errno));
    cfp_status status = CFP_OK;
    if (!cfp_claims_others(s->claims))
        status = finish_alone(s, ctx);
    cfp_claims_leave(s->claims);
    cfp_claims_release(s->claims, "finish");
    return status;
}
