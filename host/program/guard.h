/* guard.h - a library that crashes on a damaged file must not break the promise of one line.
 *
 * HDF5 1.10 does crash on some damaged files (it follows lengths that it reads there).  Between
 * begin and end such a crash becomes "cfp-gpu: <path>: ...", exit status 1.  Nothing is repaired:
 * the process ends.  Not in sanitizer builds, where crashes are to be seen.  Several threads may
 * each read a file at a time: the line names the file of the one that crashed.
 *
 * It also reads some damaged files for ever (a string heap whose object has no size).  With
 * `seconds` of processor time above 0 the process gives up after them in the same way; one thread
 * at a time may ask for that. */
#pragma once

void cfp_guard_begin(const char *path, int seconds);
/* What reading a model may take: far more than any machine needs for a file of its size. */
int cfp_guard_seconds(const char *path);
void cfp_guard_end(void);
