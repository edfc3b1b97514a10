/* h5_sink.h - a file driver for HDF5 whose writes never fail.
 *
 * HDF5 1.10 does not survive a failed write: the file can no longer be closed, and the library
 * crashes when the process ends.  So HDF5 writes through this driver.  After the first error the
 * driver drops all further data and still reports success to HDF5.  The writer of the file checks
 * sink.error during the work and at the end. */
#pragma once
#include "../base/base.h"
#include <hdf5.h>

typedef struct cfp_h5_sink {
    int fd;       /* borrowed; an empty file, open for reading and writing */
    int error;    /* errno of the first error, or 0 */
    hid_t driver; /* the registered driver, or H5I_INVALID_HID */
} cfp_h5_sink;

/* Makes files that are opened with `access` write through the sink, which must outlive them.
 * False: HDF5 refused. */
bool cfp_h5_sink_open(cfp_h5_sink *sink, hid_t access, int fd);
void cfp_h5_sink_close(cfp_h5_sink *sink); /* call after closing the file and the property list */
