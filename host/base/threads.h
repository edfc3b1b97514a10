/* threads.h - how many threads can be made here.
 *
 * OpenMP's runtime ends the process where it cannot make a thread (a limit of processes, or of
 * memory).  So this is asked before OpenMP is. */
#pragma once

/* Processors that the process may use: a container or taskset may leave it fewer than there are. */
int cfp_usable_threads(void);
/* How many threads there can be at a time, this one included, up to `wanted`.  *error says why
 * there are no more: an errno, or 0. */
int cfp_threads_that_start(int wanted, int *error);
