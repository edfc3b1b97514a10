/* clip_file.h - writes the small file of one clip: a shard that holds this clip alone. */
#pragma once
#include "../write/write_h5.h"
#include "batch.h"

/* Writes `draft` anew and waits until it is on the disk.  `device` of run must not name one GPU of
 * several: ranks would write different bytes. */
CFP_CHECKED cfp_status cfp_clip_file_write(cfp_ctx *ctx, const char *draft, const char *id,
                                           const cfp_explanation *explanation, const cfp_run *run,
                                           const cfp_h5_parts *parts);
/* Closes the open file of `output`, which keeps its name, when its bytes are on the disk. */
CFP_CHECKED cfp_status cfp_h5_keep(cfp_output *output);
