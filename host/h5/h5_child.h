/* h5_child.h - the process that reads an HDF5 file for the program. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

typedef struct cfp_h5_errand {
    int socket;         /* where requests come from and replies go to */
    int file;           /* open for reading */
    int window;         /* shared memory for rows */
    int64_t file_bytes; /* of the file */
    int64_t memory;     /* bytes that reading may take */
    pid_t parent;       /* without which it ends */
} cfp_h5_errand;

/* Its exit status where it gets no descriptors. */
enum { CFP_H5_CANNOT_BEGIN = 3 };

/* Never returns: to be called in a process of its own, right behind fork. */
_Noreturn void cfp_h5_run_child(const cfp_h5_errand *errand);
