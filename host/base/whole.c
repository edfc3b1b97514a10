/* whole.c - see whole.h. */
#include "whole.h"
#include <errno.h>
#include <unistd.h>

bool cfp_read_whole(int fd, void *to, size_t bytes)
{
    for (char *at = to; bytes > 0;) {
        const ssize_t n = read(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

bool cfp_write_whole(int fd, const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        const ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}
