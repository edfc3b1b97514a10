/* source_db.c - frames in an SQLite file frames.db, the layout that the published code reads:
 * table Images(ObjId, frames, size), ObjId "<video>/frame_%05d", frames an image file as a blob.
 *
 * Three paths lead to it: the folder it lies in, the file itself, and - where it holds several
 * videos - FOLDER/VIDEO, where VIDEO is what stands before the last '/' of the ObjIds.  A folder
 * that bears the name of one of several videos means that one.  Frames are ordered by their
 * number, not as text, and count from 0. */
#include "image_decode.h"
#include "numbered.h"
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGEST_BLOB = 1 << 28 };

typedef struct place { /* where the frames of a path lie */
    char file[PATH_MAX + 16];
    const char *name; /* the last component of the path, name_length bytes */
    int name_length;
    bool asked; /* the path is FOLDER/VIDEO: name is the video */
} place;

typedef struct db_state {
    place place;
    sqlite3 *db;
    sqlite3_stmt *select;     /* the blob of an ObjId */
    cfp_numbered_list frames; /* names are ObjIds */
    cfp_image_decoder *decoder;
} db_state;

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* False where the path has nothing to do with a frames.db. */
static bool locate(place *out, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    if (end > PATH_MAX)
        return false;
    *out = (place){.name = path + begin, .name_length = (int)(end - begin)};
    if (is_file(path)) {
        snprintf(out->file, sizeof out->file, "%s", path);
        return true;
    }
    out->asked = !is_folder(path);
    const size_t folder = out->asked ? begin : end;
    snprintf(out->file, sizeof out->file, "%.*s%sframes.db", (int)folder, path,
             folder == 0 || path[folder - 1] == '/' ? "" : "/");
    return is_file(out->file);
}

static bool db_matches(const cfp_path_facts *facts)
{
    place found;
    if (facts->error == 0 && !facts->is_folder)
        return cfp_has_suffix(facts->path, ".db") ||
               (facts->head_bytes == 16 && memcmp(facts->head, "SQLite format 3", 16) == 0);
    return locate(&found, facts->path);
}

static cfp_status fail_db(cfp_source *source, cfp_ctx *ctx)
{
    const db_state *state = source->state;
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s (SQLite: %s)", state->place.file,
                    "its table Images(ObjId, frames, ...) cannot be read",
                    state->db != NULL ? sqlite3_errmsg(state->db) : "out of memory");
}

static cfp_status connect(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state = source->state;
    if (sqlite3_open_v2(state->place.file, &state->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    sqlite3_limit(state->db, SQLITE_LIMIT_LENGTH, LARGEST_BLOB);
    sqlite3_db_config(state->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (sqlite3_prepare_v2(state->db, "SELECT frames FROM Images WHERE ObjId = ?", -1,
                           &state->select, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    return CFP_OK;
}

static cfp_status list_rows(cfp_source *source, cfp_ctx *ctx, sqlite3_stmt *rows)
{
    db_state *state = source->state;
    int result;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const char *id = (const char *)sqlite3_column_text(rows, 0);
        bool added = false;
        if (id != NULL)
            CFP_TRY(cfp_numbered_add(&state->frames, ctx, id, cfp_is_image_name(id), &added));
    }
    return result == SQLITE_DONE ? CFP_OK : fail_db(source, ctx);
}

static cfp_status list_frames(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state = source->state;
    sqlite3_stmt *rows = NULL;
    if (sqlite3_prepare_v2(state->db, "SELECT ObjId FROM Images", -1, &rows, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    const cfp_status status = list_rows(source, ctx, rows);
    sqlite3_finalize(rows);
    CFP_TRY(status);
    return state->frames.count > 0
               ? CFP_OK
               : cfp_fail(ctx, CFP_FORMAT, "%s: no numbered frames in it", state->place.file);
}

/* The length of <video> in "<video>/frame_00001". */
static int video_length(const char *id)
{
    const char *slash = strrchr(id, '/');
    return slash == NULL ? 0 : (int)(slash - id);
}

static bool is_of_video(const cfp_numbered *frame, const char *video, int length)
{
    return video_length(frame->name) == length && memcmp(frame->name, video, (size_t)length) == 0;
}

static int count_of_video(const db_state *state, const char *video, int length)
{
    int count = 0;
    for (int i = 0; i < state->frames.count; i++)
        count += is_of_video(&state->frames.item[i], video, length);
    return count;
}

/* Leaves only the frames of one video in the list. */
static cfp_status choose_video(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state = source->state;
    cfp_numbered_list *frames = &state->frames;
    const place *p = &state->place;
    const char *first = frames->item[0].name, *video = first;
    int length = video_length(first);
    if (p->asked || count_of_video(state, video, length) < frames->count) {
        video = p->name;
        length = p->name_length;
    }
    if (count_of_video(state, video, length) == 0) {
        if (p->asked)
            return cfp_fail(ctx, CFP_IO, "%s: neither a file nor a video in %s", source->path,
                            p->file);
        const char *other = first;
        for (int i = 1; i < frames->count && other == first; i++)
            if (!is_of_video(&frames->item[i], first, video_length(first)))
                other = frames->item[i].name;
        return cfp_fail(
            ctx, CFP_FORMAT,
            "%s: it holds several videos ('%.*s', '%.*s', ...): name one as FOLDER/VIDEO", p->file,
            video_length(first), first, video_length(other), other);
    }
    int kept = 0;
    for (int i = 0; i < frames->count; i++) {
        const cfp_numbered frame = frames->item[i];
        if (is_of_video(&frame, video, length))
            frames->item[kept++] = frame;
        else
            cfp_free(frame.name);
    }
    frames->count = kept;
    return CFP_OK;
}

static cfp_status db_open(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    if (!locate(&state->place, source->path))
        return cfp_fail(ctx, CFP_IO, "%s: cannot be read", source->path);
    CFP_TRY(connect(source, ctx));
    CFP_TRY(list_frames(source, ctx));
    CFP_TRY(choose_video(source, ctx));
    CFP_TRY(cfp_numbered_sort(&state->frames, ctx, state->place.file));
    CFP_TRY(cfp_image_decoder_open(&state->decoder, ctx));
    source->frames = state->frames.count;
    source->exact = true;
    return CFP_OK;
}

/* *blob lives until the next call. */
static cfp_status get_blob(const void **blob, size_t *bytes, cfp_source *source, cfp_ctx *ctx,
                           int32_t frame)
{
    db_state *state = source->state;
    const char *id = state->frames.item[frame].name;
    sqlite3_reset(state->select);
    if (sqlite3_bind_text(state->select, 1, id, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(state->select) != SQLITE_ROW)
        return fail_db(source, ctx);
    *blob = sqlite3_column_blob(state->select, 0);
    *bytes = (size_t)sqlite3_column_bytes(state->select, 0);
    if (*blob == NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: frame '%s' is empty", state->place.file, id);
    return CFP_OK;
}

static cfp_status push_frame(cfp_source *source, cfp_ctx *ctx, int32_t frame, const char *name,
                             const cfp_sink *sink)
{
    const db_state *state = source->state;
    const void *blob;
    size_t bytes = 0;
    const cfp_image *image;
    CFP_TRY(get_blob(&blob, &bytes, source, ctx, frame));
    CFP_TRY(cfp_image_decode(&image, state->decoder, ctx, name, blob, bytes));
    return sink->take(sink->cookie, ctx, frame, image);
}

static cfp_status db_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                          const cfp_sink *sink)
{
    const db_state *state = source->state;
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        char *name = cfp_format(ctx, "%s: frame '%s'", state->place.file,
                                state->frames.item[wanted[i]].name);
        if (name == NULL)
            return CFP_NOMEM;
        const cfp_status status = push_frame(source, ctx, wanted[i], name, sink);
        cfp_free(name);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status db_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    const void *blob;
    size_t bytes = 0;
    CFP_TRY(get_blob(&blob, &bytes, source, ctx, frame));
    cfp_sha256_update(sum, blob, bytes);
    return CFP_OK;
}

static void db_close(cfp_source *source)
{
    db_state *state = source->state;
    if (state == NULL)
        return;
    sqlite3_finalize(state->select);
    sqlite3_close(state->db);
    cfp_numbered_free(&state->frames);
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_db = {
    .name = "frames.db",
    .matches = db_matches,
    .open = db_open,
    .read = db_read,
    .digest = db_digest,
    .close = db_close,
};
