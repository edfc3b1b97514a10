/* find_explained.c - see find_explained.h. */
#include "find_explained.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 16 }; /* folders in folders */

typedef struct cfp_seen_file {
    dev_t device;
    ino_t number;
} seen_file;

void cfp_explained_paths_free(cfp_explained_paths *paths)
{
    for (int i = 0; i < paths->n; i++)
        cfp_free(paths->path[i]);
    cfp_free(paths->path);
    cfp_free(paths->seen);
    *paths = (cfp_explained_paths){0};
}

/* True if the same file was found before, perhaps by another name. */
static bool seen_before(const cfp_explained_paths *paths, const struct stat *about)
{
    for (int i = 0; i < paths->n_seen; i++)
        if (paths->seen[i].number == about->st_ino && paths->seen[i].device == about->st_dev)
            return true;
    return false;
}

static cfp_status add_file(cfp_explained_paths *out, const char *path, const struct stat *about)
{
    out->n_met++;
    if (seen_before(out, about)) {
        cfp_log(out->ctx, CFP_LOG_INFO, "%s: was given twice and counts once", path);
        return CFP_OK;
    }
    CFP_TRY_ROOM(out->ctx, out->seen, out->n_seen, out->capacity_seen);
    out->seen[out->n_seen++] = (seen_file){about->st_dev, about->st_ino};
    CFP_TRY_ROOM(out->ctx, out->path, out->n, out->capacity);
    out->path[out->n] = cfp_strdup(out->ctx, path);
    return out->path[out->n++] == NULL ? CFP_NOMEM : CFP_OK;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static cfp_status search(cfp_explained_paths *out, const char *folder, int depth);

/* Handles one entry of a folder.  In the first turn explanations and shards are added, in the
 * second (sub_folders) the sub-folders are searched. */
static cfp_status take_entry(cfp_explained_paths *out, const char *folder, const char *name,
                             bool sub_folders, int depth)
{
    struct stat about;
    const bool ours = strcmp(name, "explanation.h5") == 0 || fnmatch("shard-*.h5", name, 0) == 0;
    if (!sub_folders && !ours)
        return CFP_OK;
    char *path =
        cfp_format(out->ctx, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    /* Links to folders are not followed: they may lead back. */
    if (sub_folders && lstat(path, &about) == 0 && S_ISDIR(about.st_mode))
        status = search(out, path, depth + 1);
    else if (!sub_folders && stat(path, &about) == 0 && S_ISREG(about.st_mode))
        status = add_file(out, path, &about);
    cfp_free(path);
    return status;
}

static cfp_status search(cfp_explained_paths *out, const char *folder, int depth)
{
    struct dirent **entry;
    const int before = out->n_met;
    if (depth > DEEPEST)
        return CFP_OK;
    CFP_TRY(cfp_check_interrupt(out->ctx));
    const int n = scandir(folder, &entry, not_hidden, alphasort);
    if (n < 0)
        return cfp_fail(out->ctx, CFP_IO, "%s: %s", folder, strerror(errno));
    cfp_status status = CFP_OK;
    for (int i = 0; i < n && status == CFP_OK; i++)
        status = take_entry(out, folder, entry[i]->d_name, false, depth);
    const bool none = out->n_met == before;
    for (int i = 0; i < n; i++) {
        if (status == CFP_OK && none)
            status = take_entry(out, folder, entry[i]->d_name, true, depth);
        free(entry[i]);
    }
    free(entry);
    return status;
}

cfp_status cfp_find_explained(cfp_explained_paths *out, const char *operand)
{
    struct stat about;
    const int before = out->n_met;
    if (stat(operand, &about) != 0)
        return cfp_fail(out->ctx, CFP_IO, "%s: %s", operand, strerror(errno));
    if (!S_ISDIR(about.st_mode))
        return add_file(out, operand, &about);
    CFP_TRY(search(out, operand, 0));
    return out->n_met > before
               ? CFP_OK
               : cfp_fail(out->ctx, CFP_IO,
                          "%s: holds no explanation.h5 and no shard-*.h5, nor do its folders",
                          operand);
}
