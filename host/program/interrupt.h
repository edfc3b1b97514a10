/* interrupt.h - SIGINT, SIGTERM and SIGHUP: the run is asked to end, and is made to end.
 *
 * The first signal sets a flag that long loops look at; the run then ends and cleans up by itself.
 * A second signal, of whichever kind, ends the program at once.  So does the time: what has not
 * ended after a second and a half is stuck in a library or in a file system that does not answer.
 * In both cases the files that were not finished are removed, and the exit status is 130. */
#pragma once
#include <stdbool.h>

/* Signals that were ignored when the program started (nohup, a shell's background) stay so. */
void cfp_interrupt_catch(void);
const volatile int *cfp_interrupt_flag(void);

/* The line that says it was interrupted has been written: a forced end writes none. */
void cfp_interrupt_said(void);

/* A cfp_ctx.partial: `path`, a file or a folder with all that is in it, is unfinished from now on
 * (there) or is finished or removed (!there).  From any thread.  What does not fit in the table
 * of them is forgotten. */
void cfp_interrupt_partial(void *cookie, const char *path, bool there);
