/* h5_ask.h - what h5_file.c asks of the child process, for the files of this folder that make
 * values of the answers. */
#pragma once
#include "h5_wire.h"

const char *cfp_h5_path(const cfp_h5 *file);
int64_t cfp_h5_bytes(const cfp_h5 *file); /* of the file */

/* The answer, whose words are the caller's (also after a failure). */
CFP_CHECKED cfp_status cfp_h5_ask_words(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx,
                                        const char *where, cfp_h5_what what, const char *path);
CFP_CHECKED cfp_status cfp_h5_ask_rows(void *out, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                                       const cfp_h5_dataset *dataset, cfp_h5_element element,
                                       int64_t first, int64_t rows);
/* So many bytes for '`name`', out of what --max-memory leaves. */
CFP_CHECKED cfp_status cfp_h5_take_memory(cfp_h5 *file, cfp_ctx *ctx, const char *where,
                                          const char *name, int64_t bytes);
