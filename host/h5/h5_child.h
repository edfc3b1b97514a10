/* h5_child.h - the child process, which reads an HDF5 file for the program. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

typedef struct cfp_h5_errand {
    int socket;         /* requests come from here, replies go here */
    int file;           /* the HDF5 file, open for reading */
    int window;         /* shared memory for rows */
    int64_t file_bytes; /* size of the file */
    int64_t memory;     /* bytes that the child may allocate */
    pid_t parent;       /* the child ends when this process does */
} cfp_h5_errand;

/* The exit status of a child that could not set up its descriptors. */
enum { CFP_H5_CANNOT_BEGIN = 3 };

/* The child's whole life; does not return.  To be called in the new process right after fork. */
_Noreturn void cfp_h5_run_child(const cfp_h5_errand *errand);
