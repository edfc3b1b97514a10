/* h5_sink.h - a way out for HDF5 that never fails in its sight.
 *
 * HDF5 1.10 does not survive a failed write: the file cannot be closed any more and the library
 * crashes as the process ends.  So it writes through this driver, which remembers the first error,
 * drops what comes after it and says that all is well; whoever writes the file asks sink.error as
 * often as it likes, and at the end. */
#pragma once
#include "../base/base.h"
#include <hdf5.h>

typedef struct cfp_h5_sink {
    int fd;       /* borrowed; open for reading and writing, empty */
    int error;    /* errno of the first failure, or 0 */
    hid_t driver; /* registered, or H5I_INVALID_HID */
} cfp_h5_sink;

/* Makes `access` write through the sink, which must outlive the file; false: HDF5 refused. */
bool cfp_h5_sink_open(cfp_h5_sink *sink, hid_t access, int fd);
void cfp_h5_sink_close(cfp_h5_sink *sink); /* after the file and the property list */
