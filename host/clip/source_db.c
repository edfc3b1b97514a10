/* source_db.c - reads frames from an SQLite file frames.db, the format of the published code: table
 * Images(ObjId, frames, size), ObjId "<video>/frame_%05d", `frames` an image file as a blob.
 *
 * A path can be the file, its folder, or FOLDER/VIDEO if the file holds several videos.  VIDEO is
 * the part of the ObjIds before the last '/'.  If the folder has the name of one of the videos, the
 * folder means that video.  Frames are sorted by name (numbered.h).  A frame's number is the one in
 * its name, as in a folder of images.
 *
 * The file is not trusted.  Images must be a table and its two columns must be stored, because a
 * view or a computed column runs code that may never end.  Results are limited to the size of the
 * file.  SQLite checks for interrupts while it works. */
#include "image_decode.h"
#include "numbered.h"
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LARGEST_BLOB = 1 << 28,
    LARGEST_SQL = 1 << 16,
    MIN_ROW = 4,          /* smallest size of a row in the file, in bytes */
    STEPS_A_LOOK = 10000, /* steps of SQLite's virtual machine between checks for an interrupt */
    URI_ROOM = 3 * (PATH_MAX + 16) + 32,
};

typedef struct place { /* where the frames of a path are */
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
    int64_t file_bytes;
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

/* False if the path does not lead to a frames.db. */
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
    CFP_TRY(cfp_check_interrupt(ctx));
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s (SQLite: %s)", state->place.file,
                    "its table Images(ObjId, frames, ...) cannot be read",
                    state->db != NULL ? sqlite3_errmsg(state->db) : "out of memory");
}

static cfp_status refuse_table(cfp_source *source, cfp_ctx *ctx, const char *why)
{
    const db_state *state = source->state;
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s: Images has to be a table that holds its frames",
                    state->place.file, why);
}

static int look_for_interrupt(void *cookie)
{
    return cfp_check_interrupt(cookie) != CFP_OK;
}

/* 1: a regular file; 0: there is none; -1: something else. */
static int file_beside(const char *file, const char *suffix)
{
    char path[PATH_MAX + 32];
    struct stat status;
    snprintf(path, sizeof path, "%s%s", file, suffix);
    if (lstat(path, &status) != 0)
        return 0;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? 1 : -1;
}

/* The file's name as a URI for SQLite.  "immutable" says that nobody writes to the file, so SQLite
 * needs no locks and opens no other files. */
static void make_uri(char uri[URI_ROOM], const char *file, bool immutable)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = uri + snprintf(uri, URI_ROOM, "file:%s", file[0] == '/' ? "//" : "");
    for (const char *c = file; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (strchr("%?#", *c) == NULL && byte > 0x20 && byte < 0x7f) {
            *out++ = *c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    snprintf(out, (size_t)(uri + URI_ROOM - out), "?mode=ro%s", immutable ? "&immutable=1" : "");
}

/* Forbids everything in the file that would run code: triggers, views, functions of the schema. */
static void defend(sqlite3 *db, cfp_ctx *ctx)
{
    static const int on[] = {SQLITE_DBCONFIG_DEFENSIVE};
    static const int off[] = {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_TRIGGER,
                              SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        sqlite3_db_config(db, on[i], 1, NULL);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        sqlite3_db_config(db, off[i], 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LARGEST_BLOB);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, LARGEST_SQL);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_progress_handler(db, STEPS_A_LOOK, look_for_interrupt, ctx);
}

/* Runs `sql`, whose parameter is the name of the table or of a column, up to its first row.  The
 * caller finalizes *row. */
static cfp_status ask(sqlite3_stmt **row, bool *found, cfp_source *source, cfp_ctx *ctx,
                      const char *sql)
{
    const db_state *state = source->state;
    *row = NULL;
    if (sqlite3_prepare_v2(state->db, sql, -1, row, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    const int result = sqlite3_step(*row);
    *found = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE ? CFP_OK : fail_db(source, ctx);
}

static cfp_status check_table(cfp_source *source, cfp_ctx *ctx)
{
    sqlite3_stmt *row;
    bool found = false;
    cfp_status status = ask(&row, &found, source, ctx,
                            "SELECT type FROM pragma_table_list('Images') WHERE schema = 'main'");
    if (status == CFP_OK && !found)
        status = refuse_table(source, ctx, "no table Images");
    if (status == CFP_OK && strcmp((const char *)sqlite3_column_text(row, 0), "view") == 0)
        status = refuse_table(source, ctx, "Images is a view");
    else if (status == CFP_OK && strcmp((const char *)sqlite3_column_text(row, 0), "table") != 0)
        status = refuse_table(source, ctx, "Images is a virtual table");
    sqlite3_finalize(row);
    CFP_TRY(status);
    status = ask(&row, &found, source, ctx,
                 "SELECT name FROM pragma_table_xinfo('Images') WHERE hidden <> 0 AND "
                 "lower(name) IN ('objid', 'frames')");
    if (status == CFP_OK && found)
        status = refuse_table(source, ctx, "a column of Images is computed");
    sqlite3_finalize(row);
    return status;
}

static cfp_status connect(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state = source->state;
    char uri[URI_ROOM];
    struct stat facts;
    const int journal = file_beside(state->place.file, "-journal");
    const int log = file_beside(state->place.file, "-wal");
    if (journal < 0 || log < 0)
        return cfp_fail(ctx, CFP_IO, "%s: the %s beside it is not a regular file",
                        state->place.file, journal < 0 ? "-journal" : "-wal");
    if (stat(state->place.file, &facts) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: cannot be read", state->place.file);
    state->file_bytes = (int64_t)facts.st_size;
    make_uri(uri, state->place.file, journal == 0 && log == 0);
    if (sqlite3_open_v2(uri, &state->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    defend(state->db, ctx);
    CFP_TRY(check_table(source, ctx));
    if (sqlite3_prepare_v2(state->db, "SELECT frames FROM main.Images WHERE ObjId = ?", -1,
                           &state->select, NULL) != SQLITE_OK)
        return fail_db(source, ctx);
    return CFP_OK;
}

static cfp_status list_rows(cfp_source *source, cfp_ctx *ctx, sqlite3_stmt *rows)
{
    db_state *state = source->state;
    int result;
    int64_t bytes = 0;
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const char *id = (const char *)sqlite3_column_text(rows, 0);
        bool added = false;
        bytes += MIN_ROW + sqlite3_column_bytes(rows, 0);
        if (bytes > state->file_bytes)
            return cfp_fail(ctx, CFP_FORMAT,
                            "%s: damaged: Images claims more rows than the file can hold",
                            state->place.file);
        if (id != NULL)
            CFP_TRY(cfp_numbered_add(&state->frames, ctx, id, cfp_is_image_name(id), &added));
    }
    return result == SQLITE_DONE ? CFP_OK : fail_db(source, ctx);
}

static cfp_status list_frames(cfp_source *source, cfp_ctx *ctx)
{
    db_state *state = source->state;
    sqlite3_stmt *rows = NULL;
    if (sqlite3_prepare_v2(state->db, "SELECT ObjId FROM main.Images", -1, &rows, NULL) !=
        SQLITE_OK)
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

/* Removes the frames of other videos from the list. */
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
    CFP_TRY(cfp_numbered_frames(source, ctx, &state->frames, state->place.file));
    return cfp_image_decoder_open(&state->decoder, ctx);
}

/* *blob is valid until the next call. */
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
