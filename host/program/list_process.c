/* list_process.c - see list_process.h. */
#define _GNU_SOURCE
#include "list_process.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* How often a thread of OpenMP looks whether there is work, before it sleeps.  By default it looks
 * for some milliseconds and holds a core meanwhile.  A batch has other use for that core: decoders
 * and the writer.  Sleeping at once would cost as much, because there are hundreds of short pieces
 * of work in a forward pass. */
#define LOOKS "10000"

/* Starts the program again with that setting, unless the caller has made one. */
static void spin_less(char **argv)
{
    char program[PATH_MAX];
    if (getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL)
        return;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0 || setenv("GOMP_SPINCOUNT", LOOKS, 1) != 0)
        return;
    program[length] = '\0';
    execv(program, argv); /* if this fails, all works as before, but slower */
}

void cfp_list_process_begin(char **argv)
{
    spin_less(argv);
}
