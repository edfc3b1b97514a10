/* newfile.c - see newfile.h. */
#include "newfile.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cfp_status fail(cfp_ctx *ctx, const char *path, int error)
{
    return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(error));
}

static bool is_special(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode);
}

/* A name that no other process and no other file of this one uses. */
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
        file->stream = fdopen(fd, "wb");
        if (file->stream == NULL) {
            const int error = errno;
            close(fd);
            return fail(file->ctx, file->path, error);
        }
        return CFP_OK;
    }
}

cfp_status cfp_newfile_open(cfp_newfile *out, cfp_ctx *ctx, const char *path)
{
    *out = (cfp_newfile){.ctx = ctx, .path = cfp_strdup(ctx, path)};
    cfp_status status = out->path == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK && is_special(path)) {
        out->stream = fopen(path, "wb"); /* a directory: EISDIR */
        if (out->stream == NULL)
            status = fail(ctx, path, errno);
    } else if (status == CFP_OK) {
        status = create(out);
    }
    if (status != CFP_OK)
        cfp_newfile_abandon(out);
    return status;
}

const char *cfp_newfile_where(const cfp_newfile *file)
{
    return file->temp != NULL ? file->temp : file->path;
}

cfp_status cfp_newfile_commit(cfp_newfile *file)
{
    cfp_status status = CFP_OK;
    errno = 0;
    const bool broken = fflush(file->stream) != 0 || ferror(file->stream);
    const int error = errno;
    if (broken)
        status = fail(file->ctx, file->path, error != 0 ? error : EIO);
    if (fclose(file->stream) != 0 && status == CFP_OK)
        status = fail(file->ctx, file->path, errno);
    file->stream = NULL;
    if (status == CFP_OK && file->temp != NULL && rename(file->temp, file->path) != 0)
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
