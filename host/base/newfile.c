/* newfile.c - see newfile.h. */
#include "newfile.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static cfp_status fail(cfp_ctx *ctx, const char *path, int error)
{
    return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(error));
}

/* ".cfp-<process>-<number>.tmp" */
static bool is_temporary(const char *name)
{
    int end = 0;
    return sscanf(name, ".cfp-%*[0-9]-%*[0-9].tmp%n", &end) == 0 && end > 0 && name[end] == '\0';
}

/* Removes the file if no process holds its lock. */
static void remove_dead(int folder, const char *name)
{
    struct stat about;
    const int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    close(fd);
}

void cfp_newfile_sweep(int folder, const char *below)
{
    const int fd = openat(folder, *below == '\0' ? "." : below,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL && fd >= 0)
        close(fd);
    for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        if (is_temporary(entry->d_name))
            remove_dead(fd, entry->d_name);
    if (entries != NULL)
        closedir(entries);
}

/* True if the open file is locked and still exists.  Another process could have removed it as left
 * behind before the lock was taken.  On file systems without locks nothing is ever removed. */
static bool is_held(int fd)
{
    struct stat about;
    const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    return locked && fstat(fd, &about) == 0 && about.st_nlink > 0;
}

static cfp_status take_stream(cfp_newfile *file, int fd)
{
    file->stream = fdopen(fd, "wb");
    if (file->stream != NULL)
        return CFP_OK;
    const int error = errno;
    close(fd);
    return fail(file->ctx, file->path, error);
}

/* A name that no other process and no other file of this process uses. */
static cfp_status create(cfp_newfile *file)
{
    const char *slash = strrchr(file->path, '/');
    const int folder = slash == NULL ? 0 : (int)(slash - file->path) + 1;
    for (int number = 0;; number++) {
        cfp_free(file->temp);
        file->temp = cfp_format(file->ctx, "%.*s.cfp-%ld-%d.tmp", folder, file->path,
                                (long)getpid(), number);
        if (file->temp == NULL)
            return CFP_NOMEM;
        cfp_partial(file->ctx, file->temp, true);
        const int fd = open(file->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0)
            cfp_partial(file->ctx, file->temp, false);
        if (fd < 0 && errno == EEXIST && number < 10000)
            continue;
        if (fd < 0) {
            const int error = errno;
            cfp_free(file->temp);
            file->temp = NULL;
            return fail(file->ctx, file->path, error);
        }
        if (is_held(fd) || number >= 10000)
            return take_stream(file, fd);
        close(fd);
    }
}

/* Removes old temporary files from the folder that the new file will be in. */
static void sweep_beside(const cfp_newfile *file)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(file->path, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - file->path) + 1;
    if (length >= sizeof folder)
        return;
    if (length > 0)
        snprintf(folder, sizeof folder, "%.*s", (int)length, file->path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    cfp_newfile_sweep(fd, "");
    close(fd);
}

static cfp_status open_beside(cfp_newfile *file)
{
    struct stat about;
    if (stat(file->path, &about) == 0 && S_ISDIR(about.st_mode))
        return fail(file->ctx, file->path, EISDIR);
    if (stat(file->path, &about) == 0 && !S_ISREG(about.st_mode))
        return cfp_fail(file->ctx, CFP_IO, "%s: is not a regular file", file->path);
    sweep_beside(file);
    return create(file);
}

cfp_status cfp_newfile_open(cfp_newfile *out, cfp_ctx *ctx, const char *path)
{
    *out = (cfp_newfile){.ctx = ctx, .path = cfp_strdup(ctx, path)};
    const cfp_status status = out->path == NULL ? CFP_NOMEM : open_beside(out);
    if (status != CFP_OK)
        cfp_newfile_abandon(out);
    return status;
}

cfp_status cfp_newfile_open_at(cfp_newfile *out, cfp_ctx *ctx, const char *path, const char *temp)
{
    *out = (cfp_newfile){.ctx = ctx, .path = cfp_strdup(ctx, path), .stays = true};
    cfp_status status = out->path == NULL ? CFP_NOMEM : CFP_OK;
    const int fd = status == CFP_OK ? open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (status == CFP_OK && fd < 0)
        status = fail(ctx, path, errno);
    if (fd >= 0) {
        status = take_stream(out, fd);
        out->temp = cfp_strdup(ctx, temp);
        if (out->temp == NULL) {
            unlink(temp);
            status = CFP_NOMEM;
        }
    }
    if (status != CFP_OK)
        cfp_newfile_abandon(out);
    return status;
}

const char *cfp_newfile_where(const cfp_newfile *file)
{
    return file->temp;
}

cfp_status cfp_newfile_commit(cfp_newfile *file)
{
    cfp_status status = CFP_OK;
    errno = 0;
    const bool broken = fflush(file->stream) != 0 || ferror(file->stream);
    const int error = errno;
    if (broken)
        status = fail(file->ctx, file->path, error != 0 ? error : EIO);
    else if (!file->stays && fsync(fileno(file->stream)) != 0 && errno != EINVAL)
        status = fail(file->ctx, file->path, errno);
    if (fclose(file->stream) != 0 && status == CFP_OK)
        status = fail(file->ctx, file->path, errno);
    file->stream = NULL;
    if (status == CFP_OK && !file->stays && rename(file->temp, file->path) != 0)
        status = fail(file->ctx, file->path, errno);
    if (status == CFP_OK) { /* nothing is left to remove */
        if (file->temp != NULL)
            cfp_partial(file->ctx, file->temp, false);
        cfp_free(file->temp);
        file->temp = NULL;
    }
    cfp_newfile_abandon(file);
    return status;
}

void cfp_newfile_abandon(cfp_newfile *file)
{
    if (file->stream != NULL)
        fclose(file->stream);
    if (file->temp != NULL) {
        unlink(file->temp);
        cfp_partial(file->ctx, file->temp, false);
    }
    cfp_free(file->temp);
    cfp_free(file->path);
    *file = (cfp_newfile){0};
}
