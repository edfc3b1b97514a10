/* guard.h - a library that crashes on a damaged file still gives one line and exit status 1.
 *
 * The libraries that decode clips can crash on a damaged file.  If one crashes between begin and
 * end, the process ends with the line "cfp-gpu: <path>: ...".  Sanitizer builds do not catch
 * crashes. Several threads may each read a file at the same time; the line names the file of the
 * thread that crashed.
 *
 * HDF5 files need no guard: another process reads them (host/h5/). */
#pragma once

void cfp_guard_begin(const char *path);
void cfp_guard_end(void);
