/* h5_sink.c - see h5_sink.h.  A virtual file driver with only the functions that HDF5 requires. */
#include "h5_sink.h"
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct sink_file {
    H5FD_t base; /* HDF5's part; must be first */
    cfp_h5_sink *sink;
    haddr_t eoa, eof; /* HDF5's terms: end of the allocated and of the written part */
} sink_file;

static H5FD_t *sink_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    (void)name;
    (void)flags;
    (void)max_address;
    cfp_h5_sink *const *info = H5Pget_driver_info(access);
    cfp_ctx quiet = {0}; /* the error is returned to HDF5, and the writer of the file reports it */
    sink_file *file = info == NULL ? NULL : cfp_alloc(&quiet, 1, sizeof *file);
    if (file != NULL)
        file->sink = *info;
    return (H5FD_t *)file;
}

static herr_t sink_close(H5FD_t *file)
{
    cfp_free(file);
    return 0;
}

static herr_t sink_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    if (flags != NULL)
        *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t sink_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const sink_file *)file)->eoa;
}

static herr_t sink_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((sink_file *)file)->eoa = end;
    return 0;
}

static haddr_t sink_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const sink_file *)file)->eof;
}

/* Bytes that were never written, or were dropped, read as zeros. */
static herr_t sink_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                        void *buffer)
{
    (void)type;
    (void)transfer;
    const sink_file *file = (const sink_file *)base;
    char *to = buffer;
    while (size > 0) {
        const ssize_t n = pread(file->sink->fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        to += n;
        at += (haddr_t)n;
        size -= (size_t)n;
    }
    memset(to, 0, size);
    return 0;
}

static herr_t sink_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t size,
                         const void *buffer)
{
    (void)type;
    (void)transfer;
    sink_file *file = (sink_file *)base;
    const char *from = buffer;
    if (at + size > file->eof)
        file->eof = at + size;
    while (size > 0 && file->sink->error == 0) {
        const ssize_t n = pwrite(file->sink->fd, from, size, (off_t)at);
        if (n < 0 && errno != EINTR)
            file->sink->error = errno;
        if (n <= 0)
            continue;
        from += n;
        at += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static herr_t sink_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    (void)transfer;
    (void)closing;
    sink_file *file = (sink_file *)base;
    if (file->sink->error == 0 && file->eof != file->eoa &&
        ftruncate(file->sink->fd, (off_t)file->eoa) != 0)
        file->sink->error = errno;
    file->eof = file->eoa;
    return 0;
}

static const H5FD_class_t sink_class = {
#if H5_VERSION_GE(1, 13, 2)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)700, /* from the range for applications */
#endif
    .name = "cfp-gpu sink",
    .maxaddr = ((haddr_t)1 << 62),
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(cfp_h5_sink *),
    .open = sink_open,
    .close = sink_close,
    .query = sink_query,
    .get_eoa = sink_get_eoa,
    .set_eoa = sink_set_eoa,
    .get_eof = sink_get_eof,
    .read = sink_read,
    .write = sink_write,
    .truncate = sink_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

bool cfp_h5_sink_open(cfp_h5_sink *sink, hid_t access, int fd)
{
    *sink = (cfp_h5_sink){.fd = fd, .driver = H5FDregister(&sink_class)};
    /* HDF5 must keep its metadata cache in memory: after an error, evicted entries could not be
     * read back. */
    H5AC_cache_config_t cache = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    if (sink->driver < 0 || H5Pget_mdc_config(access, &cache) < 0)
        return false;
    cache.evictions_enabled = 0;
    cache.incr_mode = H5C_incr__off;
    cache.flash_incr_mode = H5C_flash_incr__off;
    cache.decr_mode = H5C_decr__off;
    return H5Pset_mdc_config(access, &cache) >= 0 &&
           H5Pset_driver(access, sink->driver, &sink) >= 0;
}

void cfp_h5_sink_close(cfp_h5_sink *sink)
{
    if (sink->driver > 0)
        H5FDunregister(sink->driver);
    sink->driver = H5I_INVALID_HID;
}
