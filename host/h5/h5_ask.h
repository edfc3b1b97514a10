/* h5_ask.h - sends requests to the child process; for the other files of this folder, which turn
 * the answers into values.  h5_file.c implements it. */
#pragma once
#include "h5_wire.h"

const char *cfp_h5_path(const cfp_h5 *file);
int64_t cfp_h5_bytes(const cfp_h5 *file); /* of the file */

/* Asks about an object and gets the answer in words.  The caller frees them, also after a failure.
 */
CFP_CHECKED cfp_status cfp_h5_ask_words(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx,
                                        const char *where, cfp_h5_what what, const char *path);
CFP_CHECKED cfp_status cfp_h5_ask_rows(void *out, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                                       const cfp_h5_dataset *dataset, cfp_h5_element element,
                                       int64_t first, int64_t rows);
/* The list of bytes in row `row`, as words. */
CFP_CHECKED cfp_status cfp_h5_ask_bytes(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx,
                                        const char *where, const char *path, int64_t row);
/* Counts bytes that the data of `name` will take.  CFP_NOMEM if the limit (--max-memory) is passed.
 */
CFP_CHECKED cfp_status cfp_h5_take_memory(cfp_h5 *file, cfp_ctx *ctx, const char *where,
                                          const char *name, int64_t bytes);
