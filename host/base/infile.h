/* infile.h - opens a regular file for reading.
 *
 * A plain fopen can wait for ever when the path is a pipe or a device.  This one refuses both. */
#pragma once
#include "base.h"
#include <stdio.h>

/* CFP_IO if the file cannot be opened or is not a regular file.  The caller closes it with fclose.
 */
CFP_CHECKED cfp_status cfp_infile_open(FILE **out, cfp_ctx *ctx, const char *path);
