/* whole.h - reads and writes on file descriptors (files, pipes, sockets) that do not stop halfway.
 *
 * One call of read() or write() may transfer a part, or be interrupted by a signal. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Reads exactly `bytes`.  False: the data ended before that, or errno says what failed. */
bool cfp_read_whole(int fd, void *to, size_t bytes);
/* Writes exactly `bytes`.  False: errno says what failed. */
bool cfp_write_whole(int fd, const void *from, size_t bytes);
