/* guard.h - a library that crashes on a damaged file must not break the promise of one line.
 *
 * HDF5 1.10 does crash on some damaged files (it follows lengths that it reads there).  Between
 * begin and end such a crash becomes "cfp-gpu: <path>: ...", exit status 1.  Nothing is repaired:
 * the process ends.  Not in sanitizer builds, where crashes are to be seen. */
#pragma once

void cfp_guard_begin(const char *path);
void cfp_guard_end(void);
