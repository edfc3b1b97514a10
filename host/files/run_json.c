/* run_json.c - see run_json.h.  SQLite parses the JSON. */
#include "run_json.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 26 };

struct cfp_run_json {
    cfp_ctx *ctx;
    char *path, *text;
    sqlite3 *db;
};

static cfp_status read_text(cfp_run_json *run, int fd)
{
    struct stat about;
    size_t got = 0;
    ssize_t n = 0;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > MAX_BYTES)
        return cfp_fail(run->ctx, CFP_FORMAT, "%s: is not the record of a run", run->path);
    CFP_TRY_ALLOC(run->ctx, run->text, about.st_size + 1);
    while (got < (size_t)about.st_size &&
           (n = read(fd, run->text + got, (size_t)about.st_size - got)) > 0)
        got += (size_t)n;
    return n < 0 ? cfp_fail(run->ctx, CFP_IO, "%s: %s", run->path, strerror(errno)) : CFP_OK;
}

static cfp_status out_of_memory(const cfp_run_json *run)
{
    return cfp_fail(run->ctx, CFP_NOMEM, "%s: out of memory", run->path);
}

static cfp_status open_file(cfp_run_json *run)
{
    const int fd = open(run->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? CFP_OK
                               : cfp_fail(run->ctx, CFP_IO, "%s: %s", run->path, strerror(errno));
    const cfp_status status = read_text(run, fd);
    close(fd);
    CFP_TRY(status);
    if (sqlite3_open(":memory:", &run->db) != SQLITE_OK)
        return out_of_memory(run);
    char *valid = NULL;
    CFP_TRY(cfp_run_json_text(&valid, run, "$"));
    const bool good = valid != NULL;
    cfp_free(valid);
    return good ? CFP_OK
                : cfp_fail(run->ctx, CFP_FORMAT, "%s: is not the record of a run", run->path);
}

cfp_status cfp_run_json_open(cfp_run_json **out, cfp_ctx *ctx, const char *path)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->path = cfp_strdup(ctx, path);
    const cfp_status status = (*out)->path == NULL ? CFP_NOMEM : open_file(*out);
    if (status != CFP_OK || (*out)->text == NULL)
        cfp_run_json_close(out);
    return status;
}

cfp_status cfp_run_json_text(char **out, cfp_run_json *run, const char *path)
{
    static const char query[] = "SELECT CASE WHEN json_valid(?1) THEN json_extract(?1, ?2) END";
    sqlite3_stmt *rows = NULL;
    *out = NULL;
    int step = sqlite3_prepare_v2(run->db, query, -1, &rows, NULL);
    if (step == SQLITE_OK)
        step = sqlite3_bind_text(rows, 1, run->text, -1, SQLITE_STATIC);
    if (step == SQLITE_OK)
        step = sqlite3_bind_text(rows, 2, path, -1, SQLITE_STATIC);
    if (step == SQLITE_OK)
        step = sqlite3_step(rows);
    const bool is_row = step == SQLITE_ROW,
               there = is_row && sqlite3_column_type(rows, 0) != SQLITE_NULL;
    if (there)
        *out = cfp_strdup(run->ctx, (const char *)sqlite3_column_text(rows, 0));
    sqlite3_finalize(rows);
    if (!is_row)
        return out_of_memory(run);
    return there && *out == NULL ? CFP_NOMEM : CFP_OK;
}

void cfp_run_json_close(cfp_run_json **run)
{
    if (*run == NULL)
        return;
    sqlite3_close((*run)->db);
    cfp_free((*run)->path);
    cfp_free((*run)->text);
    cfp_free(*run);
    *run = NULL;
}
