/* run_list.c - see run_list.h.  SQLite parses the JSON. */
#include "run_list.h"
#include "stage.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 26, MAX_NAMES = 1 << 22 };

/* Reads the text of a regular file, which the caller frees.  *text is NULL if the file does not
 * exist or is not a regular file. */
static cfp_status read_text(char **text, cfp_ctx *ctx, int folder, const char *file, bool *there)
{
    struct stat about;
    *text = NULL;
    const int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *there = fd >= 0 || errno != ENOENT;
    if (fd < 0)
        return CFP_OK;
    size_t got = 0;
    ssize_t n = 0;
    const bool fits = fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
                      about.st_size <= MAX_BYTES;
    const size_t size = fits ? (size_t)about.st_size : 0;
    if (fits)
        *text = cfp_alloc(ctx, size + 1, 1);
    while (*text != NULL && got < size && (n = read(fd, *text + got, size - got)) > 0)
        got += (size_t)n;
    close(fd);
    return fits && *text == NULL ? CFP_NOMEM : CFP_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds a name to the list. */
static cfp_status add(cfp_run_list *list, cfp_ctx *ctx, int *capacity, const char *name)
{
    CFP_TRY_ROOM(ctx, list->name, list->n, *capacity);
    list->name[list->n] = cfp_strdup(ctx, name);
    return list->name[list->n] == NULL ? CFP_NOMEM : (list->n++, CFP_OK);
}

/* Adds the strings of "files" in the JSON text. */
static cfp_status take_names(cfp_run_list *list, cfp_ctx *ctx, sqlite3 *db, const char *text)
{
    static const char query[] = "SELECT value FROM json_each(?1, '$.files') WHERE type = 'text'";
    sqlite3_stmt *rows = NULL;
    cfp_status status = CFP_OK;
    int capacity = 0, step = sqlite3_prepare_v2(db, query, -1, &rows, NULL);
    if (step == SQLITE_OK)
        step = sqlite3_bind_text(rows, 1, text, -1, SQLITE_STATIC);
    if (step == SQLITE_OK)
        step = sqlite3_step(rows);
    while (step == SQLITE_ROW && status == CFP_OK && list->n < MAX_NAMES) {
        const char *name = (const char *)sqlite3_column_text(rows, 0);
        status = name == NULL ? cfp_fail(ctx, CFP_NOMEM, "run.json: out of memory")
                              : add(list, ctx, &capacity, name);
        step = sqlite3_step(rows);
    }
    sqlite3_finalize(rows);
    if (status == CFP_OK && step == SQLITE_NOMEM)
        status = cfp_fail(ctx, CFP_NOMEM, "run.json: out of memory");
    list->broken = step != SQLITE_DONE;
    return status;
}

cfp_status cfp_run_list_read(cfp_run_list *out, cfp_ctx *ctx, int folder, const char *file)
{
    char *text;
    sqlite3 *db = NULL;
    *out = (cfp_run_list){0};
    CFP_TRY(read_text(&text, ctx, folder, file, &out->there));
    out->broken = out->there && text == NULL;
    cfp_status status = CFP_OK;
    if (text != NULL && sqlite3_open(":memory:", &db) != SQLITE_OK)
        status = cfp_fail(ctx, CFP_NOMEM, "run.json: out of memory");
    else if (text != NULL)
        status = take_names(out, ctx, db, text);
    sqlite3_close(db);
    cfp_free(text);
    if (status != CFP_OK || out->broken) {
        const bool there = out->there, broken = out->broken;
        cfp_run_list_free(out);
        out->there = status == CFP_OK && there;
        out->broken = status == CFP_OK && broken;
    }
    if (out->n > 0)
        qsort(out->name, (size_t)out->n, sizeof *out->name, compare);
    return status;
}

void cfp_run_list_free(cfp_run_list *list)
{
    for (int i = 0; i < list->n; i++)
        cfp_free(list->name[i]);
    cfp_free(list->name);
    *list = (cfp_run_list){0};
}

bool cfp_run_list_has(const cfp_run_list *list, const char *name)
{
    return list->n > 0 &&
           bsearch(&name, list->name, (size_t)list->n, sizeof *list->name, compare) != NULL;
}

/* True for "class/<index>.html", which aggregate writes. */
static bool is_class_page(const char *name)
{
    if (strncmp(name, "class/", 6) != 0)
        return false;
    const size_t digits = strspn(name + 6, "0123456789");
    return digits > 0 && strcmp(name + 6 + digits, ".html") == 0;
}

/* True for "figure.pdf", "figure-2.svg" and so on. */
static bool is_figure(const char *name)
{
    static const char *const ending[] = {".pdf", ".svg", ".png"};
    if (strncmp(name, "figure", 6) != 0)
        return false;
    name += 6;
    const size_t digits = *name == '-' ? strspn(name + 1, "0123456789") : 0;
    if (digits > 0)
        name += 1 + digits;
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (strcmp(name, ending[i]) == 0)
            return true;
    return false;
}

/* "explanation.h5" of "heads/verb/explanation.h5", and so on; NULL: the name does not begin like
 * this. */
static const char *name_in_head(const char *name)
{
    if (strncmp(name, "heads/", 6) != 0 || name[6] == '.' || name[6] == '/')
        return NULL;
    const char *slash = strchr(name + 6, '/');
    return slash != NULL && strncmp(slash + 1, "heads/", 6) != 0 ? slash + 1 : NULL;
}

bool cfp_run_list_is_ours(const char *name)
{
    static const char *const at_top[] = {"explanation.h5", "pyramid.json",  "tree.json",
                                         "report.html",    "contrast.json", "contact-sheet.png",
                                         "contrast.h5",    "class.json",    "class.h5"};
    static const char *const suffix[] = {".png", ".mp4", ".gif"};
    for (size_t i = 0; i < sizeof at_top / sizeof *at_top; i++)
        if (strcmp(name, at_top[i]) == 0)
            return true;
    const char *const in_head = name_in_head(name);
    if (in_head != NULL)
        return strcmp(in_head, "run.json") == 0 || cfp_run_list_is_ours(in_head);
    if (is_class_page(name) || is_figure(name))
        return true;
    if (strncmp(name, "overlay/", 8) != 0)
        return false;
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (*part == '/' || *part == '.' ||
            *part == '\0') /* the program never uses "", "." or ".." */
            return false;
    }
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++)
        if (strcmp(name + length - 4, suffix[i]) == 0)
            return true;
    return false;
}

static bool exists(int folder, const char *name)
{
    struct stat about;
    return fstatat(folder, name, &about, 0) == 0;
}

/* True for a regular file.  (Reading a pipe or a device could block.) */
static bool is_file(int folder, const char *name)
{
    struct stat about;
    return fstatat(folder, name, &about, 0) == 0 && S_ISREG(about.st_mode);
}

static cfp_status fail_need(cfp_ctx *ctx, const char *directory, const cfp_run_need *need,
                            int error)
{
    if (error != ENOENT)
        return cfp_fail(ctx, CFP_IO, "%s/%s: %s", directory, need->file, strerror(error));
    return cfp_fail(ctx, CFP_IO, "%s/%s: %s; explain --format %s makes it", directory, need->file,
                    strerror(error), need->format);
}

static cfp_status check(cfp_ctx *ctx, const char *directory, int folder, const cfp_run_list *run,
                        const cfp_run_need *need, int n)
{
    if (!run->there && exists(folder, CFP_STAGE_READY))
        return cfp_fail(ctx, CFP_IO,
                        "%s: incomplete: a run was stopped while its files were put in place; "
                        "explain again into it",
                        directory);
    for (int i = 0; i < n; i++)
        if (!exists(folder, need[i].file))
            return fail_need(ctx, directory, &need[i], errno);
        else if (!is_file(folder, need[i].file))
            return cfp_fail(ctx, CFP_IO, "%s/%s: is not a regular file", directory, need[i].file);
    if (!run->there)
        return cfp_fail(ctx, CFP_IO,
                        "%s: incomplete: run.json, which explain writes last, is missing; explain "
                        "again into it",
                        directory);
    if (run->broken)
        return cfp_fail(ctx, CFP_FORMAT, "%s/run.json: is damaged: it lists no files", directory);
    for (int i = 0; i < n; i++)
        if (!cfp_run_list_has(run, need[i].file))
            return cfp_fail(ctx, CFP_IO,
                            "%s: incomplete: %s is not of the run that run.json tells of; explain "
                            "--format %s makes it",
                            directory, need[i].file, need[i].format);
    for (int i = 0; i < run->n; i++)
        if (cfp_run_list_is_ours(run->name[i]) && !exists(folder, run->name[i]))
            return cfp_fail(ctx, CFP_IO, "%s: incomplete: %s, which run.json lists, is missing",
                            directory, run->name[i]);
    return CFP_OK;
}

cfp_status cfp_run_check(cfp_ctx *ctx, const char *directory, const cfp_run_need *need, int n)
{
    cfp_run_list run = {0};
    const int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail_need(ctx, directory, need, errno);
    cfp_status status = cfp_run_list_read(&run, ctx, folder, "run.json");
    if (status == CFP_OK)
        status = check(ctx, directory, folder, &run, need, n);
    cfp_run_list_free(&run);
    close(folder);
    return status;
}
