/* infile.h - a file that is read: a regular one, opened without waiting for anybody.
 *
 * A pipe or a device in the place of a file would let a plain fopen wait for ever. */
#pragma once
#include "base.h"
#include <stdio.h>

/* CFP_IO where it cannot be opened or is no regular file; the caller closes it with fclose. */
CFP_CHECKED cfp_status cfp_infile_open(FILE **out, cfp_ctx *ctx, const char *path);
