/* scratch.h - makes a folder for the files of a test, counts them, and removes it. */
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRATCH_PATH = 512 };

/* Makes a folder and writes its path to `path`. */
static inline void scratch_open(char path[SCRATCH_PATH])
{
    snprintf(path, SCRATCH_PATH, "scratch-XXXXXX"); /* in the working folder: the build folder */
    if (mkdtemp(path) == NULL)
        abort();
}

/* Counts the files below path whose names contain `piece` ("": all files).  With `removing` it also
 * removes everything, the folder `path` included. */
static inline int scratch_walk(const char *path, const char *piece, bool removing)
{
    int n = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[SCRATCH_PATH];
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= (int)sizeof name ||
            lstat(name, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode)) {
            n += scratch_walk(name, piece, removing);
            continue;
        }
        n += strstr(entry->d_name, piece) != NULL;
        if (removing)
            unlink(name);
    }
    if (folder != NULL)
        closedir(folder);
    if (removing)
        rmdir(path);
    return n;
}

static inline void scratch_remove(const char *path)
{
    scratch_walk(path, "", true);
}

static inline bool scratch_has(const char *folder, const char *name)
{
    char path[3 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* The text of a file of at most 64 KiB, or "" if it cannot be read.  The caller frees it. */
static inline char *scratch_text(const char *folder, const char *name)
{
    char path[3 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = calloc(1, 65537);
    FILE *file = fopen(path, "rb");
    if (text == NULL)
        abort();
    if (file != NULL) {
        text[fread(text, 1, 65536, file)] = '\0';
        fclose(file);
    }
    return text;
}
