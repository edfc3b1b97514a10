/* h5_source.h - lets HDF5 read a file descriptor that is already open (a virtual file driver).
 *
 * HDF5 cannot open any file by name through this driver. */
#pragma once
#include <hdf5.h>
#include <stdbool.h>

/* Opens the file read-only; negative if it is not an HDF5 file or is damaged. */
hid_t cfp_h5_source_open(int fd);
