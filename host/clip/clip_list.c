/* clip_list.c - see clip_list.h. */
#include "clip_list.h"
#include "image_decode.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 16 /* folders in folders */, MOST_CLIPS = 1000000 };

static const char *const video_suffixes[] = {".mp4", ".m4v",  ".mov", ".avi", ".mkv", ".webm",
                                             ".mpg", ".mpeg", ".ts",  ".mts", ".wmv", ".flv",
                                             ".3gp", ".ogv",  ".vob", ".mxf", ".gif"};
static const char *const array_suffixes[] = {".npy", ".h5", ".hdf5", ".tar"};

static bool ends_in(const char *name, const char *const *suffix, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cfp_has_suffix(name, suffix[i]))
            return true;
    return false;
}

bool cfp_is_video_name(const char *name)
{
    return ends_in(name, video_suffixes, sizeof video_suffixes / sizeof *video_suffixes);
}

bool cfp_is_clip_name(const char *name)
{
    return cfp_is_video_name(name) || cfp_is_image_name(name) || cfp_has_suffix(name, ".npy") ||
           cfp_has_suffix(name, ".tar");
}

bool cfp_is_url(const char *text)
{
    const size_t scheme =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-");
    return scheme >= 2 && strncmp(text + scheme, "://", 3) == 0;
}

static bool is_array_name(const char *name)
{
    return ends_in(name, array_suffixes, sizeof array_suffixes / sizeof *array_suffixes);
}

static cfp_status add_one(cfp_clip_list *list, cfp_ctx *ctx, const char *path)
{
    if (list->n == MOST_CLIPS)
        return cfp_fail(ctx, CFP_USAGE, "%s: more than %d clips; use batch", path, MOST_CLIPS);
    CFP_TRY_ROOM(ctx, list->path, list->n, list->capacity);
    list->path[list->n] = cfp_strdup(ctx, path);
    return list->path[list->n] == NULL ? CFP_NOMEM : (list->n++, CFP_OK);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

typedef struct listing { /* the names in a folder */
    struct dirent **entry;
    int n;
    int videos, images; /* images: with a number in the name */
    bool database;      /* frames.db is there */
} listing;

static void read_listing(listing *out, const char *folder)
{
    *out = (listing){0};
    out->n = scandir(folder, &out->entry, not_hidden, alphasort);
    for (int i = 0; i < out->n; i++) {
        const char *name = out->entry[i]->d_name;
        const bool numbered = strpbrk(name, "0123456789") != NULL;
        out->database |= strcmp(name, "frames.db") == 0;
        if (cfp_is_video_name(name))
            out->videos++;
        else if (cfp_is_image_name(name) && numbered)
            out->images++;
    }
}

static void free_listing(listing *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->entry[i]); /* they came from scandir */
    if (l->n >= 0)
        free(l->entry);
}

static cfp_status add_folder(cfp_clip_list *list, cfp_ctx *ctx, const char *folder, int depth);

static cfp_status add_entry(cfp_clip_list *list, cfp_ctx *ctx, const char *folder, const char *name,
                            bool arrays, int depth)
{
    struct stat about;
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    char *path = cfp_format(ctx, "%s%s%s", folder, slash, name);
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode))
        status = add_folder(list, ctx, path, depth + 1);
    else if ((cfp_is_video_name(name) || (arrays && is_array_name(name))) &&
             stat(path, &about) == 0 && S_ISREG(about.st_mode))
        status = add_one(list, ctx, path);
    cfp_free(path);
    return status;
}

/* Adds the folder, if it is a clip, or the clips in it. */
static cfp_status add_folder(cfp_clip_list *list, cfp_ctx *ctx, const char *folder, int depth)
{
    listing l;
    CFP_TRY(cfp_check_interrupt(ctx));
    read_listing(&l, folder);
    cfp_status status = CFP_OK;
    if (l.database || l.images > l.videos)
        status = add_one(list, ctx, folder);
    else
        for (int i = 0; i < l.n && status == CFP_OK && depth < DEEPEST; i++)
            status = add_entry(list, ctx, folder, l.entry[i]->d_name, l.videos == 0, depth);
    free_listing(&l);
    return status;
}

cfp_status cfp_clip_list_add(cfp_clip_list *list, cfp_ctx *ctx, const char *path)
{
    struct stat about;
    const int before = list->n;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode))
        return add_one(list, ctx, path);
    CFP_TRY(add_folder(list, ctx, path, 0));
    if (list->n == before) /* whoever opens it says what is wrong */
        return add_one(list, ctx, path);
    list->expanded |= list->n > before + 1 || strcmp(list->path[before], path) != 0;
    return CFP_OK;
}

void cfp_clip_list_free(cfp_clip_list *list)
{
    for (int i = 0; i < list->n; i++)
        cfp_free(list->path[i]);
    cfp_free(list->path);
    *list = (cfp_clip_list){0};
}
