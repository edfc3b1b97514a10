/* infile.c - see infile.h. */
#include "infile.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

cfp_status cfp_infile_open(FILE **out, cfp_ctx *ctx, const char *path)
{
    struct stat facts;
    *out = NULL;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        close(fd);
        return cfp_fail(ctx, CFP_IO, "%s: is not a regular file", path);
    }
    *out = fdopen(fd, "rb");
    if (*out == NULL) {
        const int error = errno;
        close(fd);
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(error));
    }
    return CFP_OK;
}
