/* h5_source.c - see h5_source.h.  A read behind the end of the file fails. */
#include "h5_source.h"
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct source_file {
    H5FD_t base; /* HDF5's; stays first */
    int fd;
    haddr_t eoa, eof; /* HDF5's terms: end of the allocated part, end of the file */
} source_file;

/* The descriptor for the next open.  HDF5 may try to open other files that the file names; it then
 * finds -1. */
static int next_fd = -1;

static H5FD_t *source_open(const char *name, unsigned flags, hid_t access, haddr_t max)
{
    (void)name;
    (void)access;
    (void)max;
    const off_t end = next_fd < 0 ? -1 : lseek(next_fd, 0, SEEK_END);
    if (end < 0 || (flags & H5F_ACC_RDWR) != 0)
        return NULL;
    source_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    file->fd = next_fd;
    file->eof = (haddr_t)end;
    next_fd = -1;
    return (H5FD_t *)file;
}

static herr_t source_close(H5FD_t *file)
{
    free(file);
    return 0;
}

static herr_t source_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    if (flags != NULL)
        *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
                 H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t source_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const source_file *)file)->eoa;
}

static herr_t source_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((source_file *)file)->eoa = end;
    return 0;
}

static haddr_t source_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const source_file *)file)->eof;
}

static herr_t source_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                          void *buffer)
{
    (void)type;
    (void)transfer;
    const source_file *file = (const source_file *)base;
    char *to = buffer;
    if (at > file->eof || size > file->eof - at)
        return -1;
    while (size > 0) {
        const ssize_t n = pread(file->fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        to += n;
        at += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static herr_t source_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                           const void *buffer)
{
    (void)base, (void)type, (void)transfer, (void)at, (void)size, (void)buffer;
    return -1;
}

static const H5FD_class_t source_class = {
#if H5_VERSION_GE(1, 13, 2)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)701, /* free for applications */
#endif
    .name = "cfp-gpu source",
    .maxaddr = ((haddr_t)1 << 62),
    .fc_degree = H5F_CLOSE_STRONG,
    .open = source_open,
    .close = source_close,
    .query = source_query,
    .get_eoa = source_get_eoa,
    .set_eoa = source_set_eoa,
    .get_eof = source_get_eof,
    .read = source_read,
    .write = source_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t cfp_h5_source_open(int fd)
{
    const hid_t driver = H5FDregister(&source_class);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (driver < 0 || access < 0 || H5Pset_driver(access, driver, NULL) < 0)
        return -1;
    next_fd = fd;
    const hid_t file = H5Fopen("the file", H5F_ACC_RDONLY, access);
    next_fd = -1;
    H5Pclose(access);
    return file;
}
