/* h5_source.h - an open descriptor as the file that HDF5 reads (a virtual file driver).
 *
 * HDF5 opens nothing by name through it: one descriptor, one file. */
#pragma once
#include <hdf5.h>
#include <stdbool.h>

/* A file that can only be read; negative: it is no HDF5 file, or a damaged one. */
hid_t cfp_h5_source_open(int fd);
