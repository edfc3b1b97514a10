/* stall.c - a library for LD_PRELOAD in which one system call never returns, as on a network file
 * system whose server has gone away.
 *
 *     CFP_STALL=open:NAME      opening a file whose path ends in NAME
 *     CFP_STALL=rename:        giving a file its final name
 *
 * It writes "stalled" to standard error when the call begins. */
#undef _FILE_OFFSET_BITS /* if defined, open would be another name for open64 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open64(const char *path, int flags, ...);
int open(const char *path, int flags, ...);

static void stall_for_ever(void)
{
    static const char line[] = "stalled\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0)
        return;
    for (;;)
        pause();
}

static int stalls(const char *call, const char *path)
{
    const char *wish = getenv("CFP_STALL");
    const size_t n = strlen(call), m = strlen(path);
    if (wish == NULL || strncmp(wish, call, n) != 0)
        return 0;
    wish += n;
    return m >= strlen(wish) && strcmp(path + m - strlen(wish), wish) == 0;
}

static int really_open(const char *path, int flags, mode_t mode)
{
    if (stalls("open:", path))
        stall_for_ever();
    return openat(AT_FDCWD, path, flags, mode);
}

#define OPENS(name)                                                                                \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;                     \
        va_end(rest);                                                                              \
        return really_open(path, flags, mode);                                                     \
    }
OPENS(open)
OPENS(open64)

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (stalls("rename:", ""))
        stall_for_ever();
    int (*next)(int, const char *, int, const char *, unsigned) = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "renameat2");
    return next(from_folder, from, to_folder, to, flags);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return renameat2(from_folder, from, to_folder, to, 0);
}
