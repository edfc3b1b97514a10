/* guard.h - a library that crashes on a damaged file must not break the promise of one line.
 *
 * The libraries that decode clips can crash on a damaged file.  Between begin and end such a crash
 * becomes "cfp-gpu: <path>: ...", exit status 1.  Nothing is repaired: the process ends.  Not in
 * sanitizer builds, where crashes are to be seen.  Several threads may each read a file at a time:
 * the line names the file of the thread that crashed.
 *
 * HDF5 files need no guard: a process of its own reads them (host/h5/). */
#pragma once

void cfp_guard_begin(const char *path);
void cfp_guard_end(void);
