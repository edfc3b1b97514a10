/* interrupt.h - SIGINT, SIGTERM and SIGHUP end the program.
 *
 * The first signal sets a flag, which long loops look at; the command then ends and cleans up by
 * itself.  A second signal of any kind ends the program at once.  So does a timer, if the command
 * has not ended after 1.5 seconds: then it waits in a library or for a file system that does not
 * answer. In both cases unfinished files are removed.  The exit status is 130. */
#pragma once
#include <stdbool.h>

/* Signals that were ignored when the program started (nohup, a shell's background) stay ignored. */
void cfp_interrupt_catch(void);
const volatile int *cfp_interrupt_flag(void);

/* How long the program may take to end by itself; 0: as long as it wants.  1.5 seconds at first. */
void cfp_interrupt_patience(int ms);

/* Tells that the line "interrupted" was printed, so that a forced end does not print it again. */
void cfp_interrupt_said(void);

/* A callback for cfp_ctx.partial.  there: the file or folder `path` is unfinished from now on, and
 * a forced end removes it.  Not there: it is finished or was removed.  Any thread may call it.  If
 * the table of unfinished files is full, a further one is not removed. */
void cfp_interrupt_partial(void *cookie, const char *path, bool there);
