/* hdf5_lock.c - see hdf5_lock.h. */
#include "hdf5_lock.h"
#include <pthread.h>

/* A thread that is writing a file may fork a reader between two calls of HDF5 (aggregate). */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void cfp_hdf5_lock(void)
{
    pthread_mutex_lock(&lock);
}

void cfp_hdf5_unlock(void)
{
    pthread_mutex_unlock(&lock);
}
