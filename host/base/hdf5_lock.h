/* hdf5_lock.h - one thread is inside HDF5, loads a library, or forks a reader of HDF5 files, at a
 * time.
 *
 * host/write calls HDF5 in this process, and host/h5 forks.  A child that is forked while another
 * thread is inside HDF5 inherits HDF5's own lock, locked, and would wait for it for ever.  HDF5 may
 * also be built without a lock of its own.  A thread may take the lock several times.  This is the
 * only state that contexts share. */
#pragma once

void cfp_hdf5_lock(void);
void cfp_hdf5_unlock(void);
