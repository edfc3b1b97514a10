/* crash.h - a library that crashes or ends the process still gives one line and exit status 1.
 *
 * Not every library reports that memory ran out.  fontconfig, libgomp and oneDNN, among others,
 * follow a null pointer, throw an exception that nothing catches, or print a line and call exit().
 * After cfp_crash_begin:
 *   - SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT in a library end the process with the line
 *     "cfp-gpu: LIBRARY: crashed (...)" and status 1.  In our own code they crash the process as
 *     usual, so that a fault of ours is seen.  In the thread that called cfp_crash_begin the
 *     handler has its own stack.
 *   - exit() by a library ends the process in the same way; the line quotes what it printed.
 *   - lines about memory that libraries print to standard error are held back.
 * Processes that are forked later crash as usual.  Sanitizer builds do not catch the signals. */
#pragma once

void cfp_crash_begin(void);
/* Call it when all work is done and all messages are printed.  If a library crashes or prints after
 * this, while it closes, the process ends with `status` and prints nothing. */
void cfp_crash_end(int status);
