/* crash.h - a library that crashes or ends the process still gives one line and exit status 1.
 *
 * When memory runs out, not every library says so.  fontconfig, libgomp and oneDNN, among others,
 * follow a null pointer, throw an exception that nobody catches, or print a line of their own and
 * call exit().  From begin on:
 *   - SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT in a library end the process with the line
 *     "cfp-gpu: LIBRARY: crashed (...)" and status 1.  In our own code they stay what they are: a
 *     fault of ours must be seen.  The handler has a stack of its own in the thread of `begin`.
 *   - exit() by a library does the same, with what that library printed.
 *   - lines that libraries print to standard error for want of memory are held back.
 * Processes forked meanwhile crash as usual.  Sanitizer builds leave the signals alone. */
#pragma once

void cfp_crash_begin(void);
/* All has been done and said.  Libraries that crash or print while they close after this change
 * nothing: the process ends with `status`, in silence. */
void cfp_crash_end(int status);
