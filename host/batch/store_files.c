/* store_files.c - see store_files.h. */
#include "store_files.h"
#include "../base/whole.h"
#include "../base/text_shown.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

cfp_file_mark cfp_file_mark_of(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return (cfp_file_mark){0};
    return (cfp_file_mark){about.st_dev, about.st_ino, about.st_size, about.st_mtim.tv_sec,
                           about.st_mtim.tv_nsec};
}

bool cfp_file_mark_same(const cfp_file_mark *a, const cfp_file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static cfp_status fail(cfp_ctx *ctx, const char *path, int error)
{
    return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(error));
}

/* Reads until the end of the file, which may grow meanwhile. */
static char *read_all(cfp_ctx *ctx, int fd, size_t *length, int *error)
{
    struct stat about;
    size_t capacity = fstat(fd, &about) == 0 ? (size_t)about.st_size + 4096 : 1 << 16;
    char *text = cfp_alloc(ctx, capacity, 1);
    *length = 0;
    while (text != NULL) {
        const ssize_t n = read(fd, text + *length, capacity - 1 - *length);
        if (n < 0 && errno == EINTR)
            continue;
        *error = n < 0 ? errno : 0;
        if (n <= 0)
            break;
        *length += (size_t)n;
        if (*length < capacity - 1)
            continue;
        char *more = cfp_alloc(ctx, capacity * 2, 1);
        if (more != NULL)
            memcpy(more, text, *length);
        cfp_free(text);
        text = more;
        capacity *= 2;
    }
    return text;
}

cfp_status cfp_file_text(char **out, size_t *length, cfp_ctx *ctx, const char *path)
{
    return cfp_file_part(out, length, ctx, path, 0);
}

cfp_status cfp_file_part(char **out, size_t *length, cfp_ctx *ctx, const char *path, int64_t from)
{
    int error = 0;
    *out = NULL;
    *length = 0;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? CFP_OK : fail(ctx, path, errno);
    if (from > 0 && lseek(fd, (off_t)from, SEEK_SET) < 0)
        error = errno;
    else
        *out = read_all(ctx, fd, length, &error);
    close(fd);
    if (*out != NULL && error == 0)
        return CFP_OK;
    cfp_free(*out);
    *out = NULL;
    return error != 0 ? fail(ctx, path, error) : CFP_NOMEM;
}

cfp_status cfp_file_put(cfp_ctx *ctx, const char *path, const char *draft, const char *text,
                        size_t length)
{
    const int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(ctx, path, errno);
    const bool written = cfp_write_whole(fd, text, length);
    int error = written ? 0 : errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(draft, path) != 0)
        error = errno;
    if (error == 0)
        return CFP_OK;
    unlink(draft);
    return fail(ctx, path, error);
}

/* If an earlier line was cut off, a line feed comes before this one. */
static bool ends_in_line_feed(int fd)
{
    char last = '\n';
    struct stat about;
    if (fstat(fd, &about) == 0 && about.st_size > 0 && pread(fd, &last, 1, about.st_size - 1) != 1)
        return true;
    return last == '\n';
}

cfp_status cfp_file_append(cfp_ctx *ctx, const char *path, const char *line)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(ctx, path, errno);
    char *text = cfp_format(ctx, "%s%s\n", ends_in_line_feed(fd) ? "" : "\n", line);
    const bool written = text != NULL && cfp_write_whole(fd, text, strlen(text));
    int error = written || text == NULL ? 0 : errno;
    cfp_free(text);
    if (close(fd) != 0 && error == 0)
        error = errno;
    return text == NULL ? CFP_NOMEM : error == 0 ? CFP_OK : fail(ctx, path, error);
}

cfp_status cfp_file_rename(cfp_ctx *ctx, const char *draft, const char *path)
{
    return rename(draft, path) == 0 ? CFP_OK : fail(ctx, path, errno);
}

cfp_status cfp_folder_make(cfp_ctx *ctx, const char *path)
{
    char *part = cfp_strdup(ctx, path);
    cfp_status status = part == NULL ? CFP_NOMEM : CFP_OK;
    for (char *c = part; status == CFP_OK; c++) {
        struct stat about;
        const char end = *c;
        if ((end != '/' || c == part) && end != '\0')
            continue;
        *c = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            status = fail(ctx, part, errno);
        else if (stat(part, &about) != 0)
            status = fail(ctx, part, errno);
        else if (!S_ISDIR(about.st_mode))
            status = cfp_fail(ctx, CFP_IO, "%s: is a file where a folder is needed", part);
        *c = end;
        if (end == '\0')
            break;
    }
    cfp_free(part);
    return status;
}

char *cfp_batch_group(cfp_ctx *ctx, const char *id)
{
    static const char digits[] = "0123456789ABCDEF";
    char *name = cfp_alloc(ctx, 3 * strlen(id) + 4, 1), *to = name;
    const bool only_dots = id[strspn(id, ".")] == '\0';
    for (const char *c = id; name != NULL && *c != '\0';) {
        const int n = cfp_utf8_length(c);
        if (n <= 1 && (n == 0 || *c == '%' || *c == '/' || *c == '\x7f' ||
                       (unsigned char)*c < ' ' || (only_dots && *c == '.'))) {
            *to++ = '%';
            *to++ = digits[(unsigned char)*c >> 4];
            *to++ = digits[(unsigned char)*c & 15];
            c++;
            continue;
        }
        memcpy(to, c, (size_t)n);
        to += n;
        c += n;
    }
    return name;
}
