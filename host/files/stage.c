/* stage.c - see stage.h. */
#include "stage.h"
#include "../base/newfile.h"
#include "run_list.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HIDDEN ".cfp-run"
#define LOCK "lock"
#define NEW "new"
#define READY "ready"
#define OLD "old.json"
#define RUN "run.json"

enum { FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static cfp_status fail(const cfp_stage *stage, const char *name)
{
    return cfp_fail(stage->ctx, CFP_IO, "%s%s%s: %s", stage->directory, *name == '\0' ? "" : "/",
                    name, strerror(errno));
}

/* Makes stage->directory and its parents. */
static cfp_status make_directory(cfp_stage *stage)
{
    char *part = cfp_strdup(stage->ctx, stage->directory);
    if (part == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    for (char *c = part + 1; status == CFP_OK; c++) {
        const char end = *c;
        if (end != '/' && end != '\0')
            continue;
        *c = '\0';
        struct stat about;
        const bool made = mkdir(part, 0777) == 0;
        if (made && stage->made_from > (size_t)(c - part))
            stage->made_from = (size_t)(c - part);
        if (!made && errno != EEXIST)
            status = cfp_fail(stage->ctx, CFP_IO, "%s: %s", part, strerror(errno));
        else if (stat(part, &about) != 0)
            status = cfp_fail(stage->ctx, CFP_IO, "%s: %s", part, strerror(errno));
        else if (!S_ISDIR(about.st_mode))
            status = cfp_fail(stage->ctx, CFP_IO, "%s: is a file where a folder is needed", part);
        *c = end;
        if (end == '\0')
            break;
    }
    cfp_free(part);
    return status;
}

/* Removes the folders that make_directory made, as long as they are empty. */
static void unmake_directory(cfp_stage *stage)
{
    size_t length = stage->directory == NULL ? 0 : strlen(stage->directory);
    for (; length >= stage->made_from && length > 0; length--) {
        const char end = stage->directory[length];
        if (end != '/' && end != '\0')
            continue;
        stage->directory[length] = '\0';
        const bool removed = rmdir(stage->directory) == 0;
        stage->directory[length] = end;
        if (!removed && errno != ENOENT)
            break;
    }
}

/* Removes a file, or a folder with its contents.  Links are not followed. */
static void remove_tree(int at, const char *name)
{
    if (unlinkat(at, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    const int folder = openat(at, name, FOLDER);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    if (entries == NULL && folder >= 0)
        close(folder);
    for (int times = 0; entries != NULL && times < 3;
         times++) { /* readdir may miss entries while others are removed */
        rewinddir(entries);
        for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                remove_tree(folder, entry->d_name);
        if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno != ENOTEMPTY)
            break;
    }
    if (entries != NULL)
        closedir(entries);
}

/* Opens the folder of `name`, relative to `root`.  *last is the last part of the name.  With make,
 * missing folders are created.  Returns -1 and sets errno if there is no such folder; links are not
 * followed.  *wrong is then the length of the part of the name that cannot be opened. */
static int open_parent(int root, const char *name, bool make, const char **last, int *wrong)
{
    char part[NAME_MAX + 1];
    int folder = openat(root, ".", FOLDER);
    *last = name;
    for (const char *slash; folder >= 0 && (slash = strchr(*last, '/')) != NULL;) {
        const size_t length = (size_t)(slash - *last);
        *wrong = (int)(slash - name);
        int below = -1;
        errno = ENAMETOOLONG;
        if (length <= NAME_MAX) {
            memcpy(part, *last, length);
            part[length] = '\0';
            if (!make || mkdirat(folder, part, 0777) == 0 || errno == EEXIST)
                below = openat(folder, part, FOLDER);
        }
        const int error = errno;
        close(folder);
        errno = error;
        folder = below;
        *last = slash + 1;
    }
    return folder;
}

static bool is_spare(const cfp_stage *stage, const struct stat *mine, const char **what)
{
    struct stat theirs;
    for (int i = 0; i < 2; i++)
        if (stage->spare[i] != NULL && stat(stage->spare[i], &theirs) == 0 &&
            mine->st_dev == theirs.st_dev && mine->st_ino == theirs.st_ino) {
            *what = i == 0 ? "the model" : "the clip";
            return true;
        }
    return false;
}

/* Refuses to write over the model or the clip: `at`/`name` is one of them. */
static cfp_status spare(const cfp_stage *stage, int at, const char *name, const char *shown)
{
    struct stat about;
    const char *what;
    if (fstatat(at, name, &about, 0) != 0 || !is_spare(stage, &about, &what))
        return CFP_OK;
    return cfp_fail(stage->ctx, CFP_IO,
                    "%s/%s: is %s that is being explained; choose another "
                    "--output",
                    stage->directory, shown, what);
}

/* Checks a folder inside the directory into which files will be moved. */
static cfp_status check_folder(const cfp_stage *stage, int folder, const char *name)
{
    struct stat mine, its;
    if (fstat(folder, &mine) == 0 && fstat(stage->folder, &its) == 0 && mine.st_dev != its.st_dev)
        return cfp_fail(stage->ctx, CFP_IO, "%s/%s: its folder is on another file system than %s",
                        stage->directory, name, stage->directory);
    return spare(stage, folder, ".", name);
}

/* Refuses a name if something there must not be replaced. */
static cfp_status check_place(const cfp_stage *stage, const char *name)
{
    struct stat about;
    const char *last;
    int wrong = 0;
    const int folder = open_parent(stage->folder, name, false, &last, &wrong);
    if (folder < 0 && errno == ENOENT)
        return CFP_OK;
    if (folder < 0 && (errno == ENOTDIR || errno == ELOOP))
        return cfp_fail(stage->ctx, CFP_IO,
                        "%s/%.*s: is a link or a file where a folder is needed; links are not "
                        "followed",
                        stage->directory, wrong, name);
    if (folder < 0)
        return fail(stage, name);
    cfp_status status = last == name ? CFP_OK : check_folder(stage, folder, name);
    if (status == CFP_OK)
        status = spare(stage, folder, last, name);
    if (status == CFP_OK && fstatat(folder, last, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(about.st_mode) && !S_ISLNK(about.st_mode)) { /* a link is replaced, not followed */
        errno = EISDIR;
        status = S_ISDIR(about.st_mode)
                     ? fail(stage, name)
                     : cfp_fail(stage->ctx, CFP_IO, "%s/%s: is not a regular file",
                                stage->directory, name);
    }
    close(folder);
    return status;
}

/* Removes the files that the previous run listed and the new run does not. */
static cfp_status remove_former(const cfp_stage *stage, const cfp_run_list *old,
                                const cfp_run_list *fresh)
{
    for (int i = old->n - 1; i >= 0; i--) { /* backwards: the files in a folder before the folder */
        const char *const name = old->name[i], *last, *what;
        struct stat about;
        int wrong;
        if (!cfp_run_list_is_ours(name) || cfp_run_list_has(fresh, name))
            continue;
        const int folder = open_parent(stage->folder, name, false, &last, &wrong);
        if (folder < 0)
            continue; /* it is gone, or something else has taken its place */
        const bool mine = fstatat(folder, last, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISREG(about.st_mode) && !is_spare(stage, &about, &what);
        const bool failed = mine && unlinkat(folder, last, 0) != 0;
        const cfp_status status = failed ? fail(stage, name) : CFP_OK;
        close(folder);
        CFP_TRY(status);
        /* Remove its folders if they are empty. */
        char *above = cfp_strdup(stage->ctx, name);
        if (above == NULL)
            return CFP_NOMEM;
        for (char *slash; (slash = strrchr(above, '/')) != NULL;) {
            *slash = '\0';
            if (unlinkat(stage->folder, above, AT_REMOVEDIR) != 0)
                break;
        }
        cfp_free(above);
    }
    return CFP_OK;
}

/* Moves `name` from `ready` to its place.  A folder that does not exist there is moved as a whole,
 * so a file may have been moved already. */
static cfp_status move_file(const cfp_stage *stage, int ready, const char *name)
{
    struct stat about;
    char *part = cfp_strdup(stage->ctx, name);
    if (part == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    for (char *slash = part; status == CFP_OK && slash != NULL;) {
        slash = strchr(slash, '/');
        if (slash != NULL)
            *slash = '\0';
        const bool folder_is_there =
            slash != NULL && fstatat(stage->folder, part, &about, AT_SYMLINK_NOFOLLOW) == 0;
        if (folder_is_there && !S_ISDIR(about.st_mode))
            status =
                cfp_fail(stage->ctx, CFP_IO, "%s/%s: is a link or a file where a folder is needed",
                         stage->directory, part);
        else if (!folder_is_there && renameat(ready, part, stage->folder, part) != 0 &&
                 errno != ENOENT)
            status = fail(stage, part);
        if (slash != NULL)
            *slash++ = '/';
        if (!folder_is_there)
            break;
    }
    cfp_free(part);
    return status;
}

static cfp_status move_files(const cfp_stage *stage, int ready)
{
    cfp_run_list old = {0}, fresh = {0};
    if (renameat(stage->folder, RUN, stage->hidden, OLD) != 0 && errno != ENOENT)
        return fail(stage, RUN);
    cfp_status status = cfp_run_list_read(&old, stage->ctx, stage->hidden, OLD);
    if (status == CFP_OK)
        status = cfp_run_list_read(&fresh, stage->ctx, ready, RUN);
    if (status == CFP_OK)
        status = remove_former(stage, &old, &fresh);
    for (int i = 0; i < fresh.n && status == CFP_OK; i++)
        if (cfp_run_list_is_ours(fresh.name[i]))
            status = move_file(stage, ready, fresh.name[i]);
    cfp_run_list_free(&old);
    cfp_run_list_free(&fresh);
    CFP_TRY(status);
    fsync(stage->folder); /* first the files, then run.json, which says that the run is complete */
    if (renameat(ready, RUN, stage->folder, RUN) != 0)
        return fail(stage, RUN);
    fsync(stage->folder);
    return CFP_OK;
}

/* Does the move, from the state with ready/ on.  It also completes the move of an earlier run. */
static cfp_status finish(cfp_stage *stage)
{
    struct stat about;
    const int ready = openat(stage->hidden, READY, FOLDER);
    if (ready < 0)
        return errno == ENOENT ? CFP_OK : fail(stage, CFP_STAGE_READY);
    cfp_status status = CFP_OK;
    if (fstatat(ready, RUN, &about, AT_SYMLINK_NOFOLLOW) ==
        0) /* if run.json is gone, everything was moved: it is the last */
        status = move_files(stage, ready);
    close(ready);
    return status;
}

/* Tries once to get the lock.  1: we have it; 0: another run has it; -1: error, see errno. */
static int try_lock(cfp_stage *stage)
{
    struct stat mine, named;
    const bool made = mkdirat(stage->folder, HIDDEN, 0777) == 0;
    if (!made && errno != EEXIST)
        return -1;
    stage->hidden = openat(stage->folder, HIDDEN, FOLDER);
    if (stage->hidden < 0)
        return errno == ENOENT ? 0 : -1; /* the other run has just removed it */
    stage->lock =
        openat(stage->hidden, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (stage->lock < 0)
        return errno == ENOENT ? 0 : -1;
    if (flock(stage->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EINTR)
            return 0;
        return made ? 1
                    : -1; /* no locks on this file system: the run that made the folder has it */
    }
    return fstat(stage->lock, &mine) == 0 && fstatat(stage->hidden, LOCK, &named, 0) == 0 &&
           mine.st_ino == named.st_ino;
}

static void close_hidden(cfp_stage *stage)
{
    const int error = errno;
    if (stage->lock >= 0)
        close(stage->lock);
    if (stage->hidden >= 0)
        close(stage->hidden);
    stage->lock = stage->hidden = -1;
    errno = error;
}

/* Waits for another run that writes to this directory.  Most are done within moments. */
static cfp_status take_lock(cfp_stage *stage)
{
    enum { PATIENCE_MS = 5000, EVERY_MS = 20 };
    const struct timespec a_while = {0, EVERY_MS * 1000000};
    for (int waited = 0; waited < PATIENCE_MS; waited += EVERY_MS) {
        const int got = try_lock(stage);
        if (got == 1)
            return CFP_OK;
        close_hidden(stage);
        if (got < 0 && (errno == ENOTDIR || errno == ELOOP || errno == EISDIR))
            return cfp_fail(stage->ctx, CFP_IO, "%s/%s: is not what a run leaves there; remove it",
                            stage->directory, HIDDEN);
        if (got < 0 && (errno == ENOLCK || errno == ENOSYS || errno == ENOTSUP || errno == EINVAL))
            return cfp_fail(stage->ctx, CFP_IO,
                            "%s/%s: cannot be locked (%s); remove it if no run is writing there",
                            stage->directory, HIDDEN, strerror(errno));
        if (got < 0)
            return fail(stage, "");
        CFP_TRY(cfp_check_interrupt(stage->ctx));
        nanosleep(&a_while, NULL);
    }
    return cfp_fail(stage->ctx, CFP_IO, "%s: another run is writing into it", stage->directory);
}

/* Removes the temporary files that killed runs left next to their results. */
static void sweep(const cfp_stage *stage)
{
    cfp_newfile_sweep(stage->folder, "");
    const int overlay = openat(stage->folder, "overlay", FOLDER);
    if (overlay < 0)
        return;
    cfp_newfile_sweep(overlay, "");
    DIR *entries = fdopendir(overlay);
    if (entries == NULL) {
        close(overlay);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_name[0] != '.')
            cfp_newfile_sweep(overlay, entry->d_name);
    closedir(entries);
}

static cfp_status open_all(cfp_stage *stage)
{
    CFP_TRY(make_directory(stage));
    stage->folder = open(stage->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stage->folder < 0)
        return fail(stage, "");
    CFP_TRY(take_lock(stage));
    CFP_TRY(finish(stage));
    remove_tree(stage->hidden, READY);
    remove_tree(stage->hidden, NEW);
    remove_tree(stage->hidden, OLD);
    sweep(stage);
    return mkdirat(stage->hidden, NEW, 0777) == 0 ? CFP_OK : fail(stage, "");
}

/* Tells the program which hidden folder to remove if it has to end at once.  This holds until the
 * first file is moved. */
static cfp_status announce(cfp_stage *stage)
{
    stage->announced = cfp_format(stage->ctx, "%s/" HIDDEN, stage->directory);
    if (stage->announced == NULL)
        return CFP_NOMEM;
    cfp_partial(stage->ctx, stage->announced, true);
    return CFP_OK;
}

static void withdraw(cfp_stage *stage)
{
    if (stage->announced != NULL)
        cfp_partial(stage->ctx, stage->announced, false);
    cfp_free(stage->announced);
    stage->announced = NULL;
}

cfp_status cfp_stage_open(cfp_stage *out, cfp_ctx *ctx, const char *directory)
{
    *out = (cfp_stage){.ctx = ctx, .folder = -1, .hidden = -1, .lock = -1, .made_from = SIZE_MAX};
    out->directory = cfp_strdup(ctx, directory);
    cfp_status status = out->directory == NULL ? CFP_NOMEM : open_all(out);
    if (status == CFP_OK)
        status = announce(out);
    if (status != CFP_OK)
        cfp_stage_close(out);
    return status;
}

void cfp_stage_close(cfp_stage *stage)
{
    if (stage->directory == NULL)
        return;
    if (stage->hidden >= 0) {
        struct stat about;
        remove_tree(stage->hidden, NEW);
        /* If the move failed halfway, the next run completes it.  Otherwise nothing is left
         * behind. */
        if (stage->moved || fstatat(stage->hidden, READY, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            remove_tree(stage->hidden, READY);
            remove_tree(stage->hidden, OLD);
            unlinkat(stage->hidden, LOCK, 0);
            unlinkat(stage->folder, HIDDEN, AT_REMOVEDIR);
        }
    }
    withdraw(stage);
    close_hidden(stage);
    if (stage->folder >= 0)
        close(stage->folder);
    if (!stage->moved)
        unmake_directory(stage);
    cfp_free(stage->directory);
    *stage = (cfp_stage){.folder = -1, .hidden = -1, .lock = -1};
}

cfp_status cfp_stage_add(char **path, cfp_stage *stage, const char *name)
{
    const char *last;
    int wrong = 0;
    *path = NULL;
    if (strcmp(name, RUN) != 0 && !cfp_run_list_is_ours(name)) /* finish() would not move it */
        return cfp_fail(stage->ctx, CFP_UNSUPPORTED, "%s: is no name that explain gives", name);
    CFP_TRY(check_place(stage, name));
    const int fresh = openat(stage->hidden, NEW, FOLDER);
    if (fresh < 0)
        return fail(stage, name);
    const int folder = open_parent(fresh, name, true, &last, &wrong);
    const cfp_status status =
        folder >= 0 ? CFP_OK
        : errno == ENOTDIR
            ? cfp_fail(stage->ctx, CFP_IO, "%s/%.*s: is a file where a folder is needed",
                       stage->directory, wrong, name)
            : fail(stage, name);
    close(fresh);
    if (folder >= 0)
        close(folder);
    CFP_TRY(status);
    *path = cfp_format(stage->ctx, "%s/" HIDDEN "/" NEW "/%s", stage->directory, name);
    return *path == NULL ? CFP_NOMEM : CFP_OK;
}

/* Writes a file's data to the disk.  begin = true only starts this, so that all files are written
 * at the same time and the run waits once. */
static cfp_status settle(const cfp_stage *stage, const char *name, bool begin)
{
    char *path = cfp_format(stage->ctx, NEW "/%s", name);
    if (path == NULL)
        return CFP_NOMEM;
    const int fd = openat(stage->hidden, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    cfp_free(path);
    if (fd < 0)
        return fail(stage, name);
    cfp_status status = CFP_OK;
    if (begin)
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    else if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = fail(stage, name);
    close(fd);
    return status;
}

cfp_status cfp_stage_move(cfp_stage *stage, char *const *name, int n)
{
    for (int i = 0; i < n; i++) {
        CFP_TRY(check_place(stage, name[i]));
        CFP_TRY(settle(stage, name[i], true));
    }
    for (int i = 0; i < n; i++) {
        CFP_TRY(cfp_check_interrupt(stage->ctx));
        CFP_TRY(settle(stage, name[i], false));
    }
    if (renameat(stage->hidden, NEW, stage->hidden, READY) != 0)
        return fail(stage, "");
    withdraw(stage); /* from here on the move will be completed, if necessary by the next run */
    fsync(stage->hidden);
    const cfp_status status = finish(stage);
    stage->moved = status == CFP_OK;
    return status;
}
