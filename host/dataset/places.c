/* places.c - see places.h. */
#include "places.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[] = {".mp4", ".avi", ".mkv", ".webm", ".mov", ".tar", ".tar.gz",
                                       ".tgz", ".mpg", ".m4v", ".MP4",  ".AVI", ".h5",  ".npy"};

static bool ends_with(const char *path, const char *suffix)
{
    const size_t a = strlen(path), b = strlen(suffix);
    return a > b && strcasecmp(path + a - b, suffix) == 0;
}

static bool is_tar(const char *path)
{
    return ends_with(path, ".tar") || ends_with(path, ".tar.gz") || ends_with(path, ".tgz");
}

static bool stands_for_file(const char *path)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (ends_with(path, suffixes[i]))
            return true;
    return false;
}

static bool join(char out[CFP_TEMPLATE_ROOM], const char *folder, const char *path,
                 const char *suffix)
{
    const bool alone = path[0] == '/' || folder == NULL || *folder == '\0';
    const size_t length = alone ? 0 : strlen(folder);
    const bool slash = length > 0 && folder[length - 1] != '/';
    const int n = snprintf(out, CFP_TEMPLATE_ROOM, "%s%s%s%s", alone ? "" : folder,
                           slash ? "/" : "", path, suffix);
    return n > 0 && n < CFP_TEMPLATE_ROOM;
}

/* False if nothing is there: the next place is tried. */
static bool look(cfp_found *out)
{
    struct stat facts;
    if (stat(out->path, &facts) != 0) {
        if (errno == EACCES)
            out->reason = CFP_CLIP_UNREADABLE;
        return errno == EACCES;
    }
    out->is_folder = S_ISDIR(facts.st_mode);
    out->is_tar = !out->is_folder && is_tar(out->path);
    if (!out->is_folder && !S_ISREG(facts.st_mode))
        out->reason = CFP_CLIP_UNREADABLE;
    else if (access(out->path, out->is_folder ? R_OK | X_OK : R_OK) != 0)
        out->reason = CFP_CLIP_UNREADABLE;
    else if (!out->is_folder && facts.st_size == 0)
        out->reason = CFP_CLIP_EMPTY;
    else
        out->reason = CFP_CLIP_FOUND;
    return true;
}

/* False if the folder that a path lies in does not exist: no suffix needs to be tried then. */
static bool has_folder(char path[CFP_TEMPLATE_ROOM])
{
    struct stat facts;
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return true;
    *slash = '\0';
    const bool there = stat(path, &facts) == 0;
    *slash = '/';
    return there;
}

static bool find_below(cfp_found *out, const char *root, const char *path)
{
    if (join(out->path, root, path, "") && look(out))
        return true;
    if (stands_for_file(path) || !has_folder(out->path))
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (join(out->path, root, path, suffixes[i]) && look(out))
            return true;
    return false;
}

void cfp_places_find(cfp_found *out, const cfp_kind *kind, const cfp_values *values,
                     const char *const *root, int n_roots)
{
    char path[CFP_TEMPLATE_ROOM];
    *out = (cfp_found){.reason = CFP_CLIP_MISSING};
    for (int p = 0; p < kind->n_places; p++) {
        if (!cfp_template_fill(path, &kind->place[p].at, values))
            continue;
        out->cut = kind->place[p].cut;
        for (int r = 0; r < n_roots; r++)
            if (find_below(out, root[r], path))
                return;
    }
    out->path[0] = '\0';
}
