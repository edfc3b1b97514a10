/* hash.h - the SHA-256 of files and of pieces of files, as 64 hexadecimal digits.
 *
 * libavutil computes the sums.  No type of libav* appears in this header. */
#pragma once
#include "base.h"

typedef struct cfp_sha256 cfp_sha256; /* an unfinished sum */

CFP_CHECKED cfp_status cfp_sha256_open(cfp_sha256 **out, cfp_ctx *ctx);
void cfp_sha256_update(cfp_sha256 *sum, const void *data, size_t bytes);
void cfp_sha256_finish(char hex[65], cfp_sha256 *sum); /* afterwards only close is allowed */
void cfp_sha256_close(cfp_sha256 **sum);               /* *sum may be NULL, and is NULL after */

/* Adds the bytes of a file to an open sum. */
CFP_CHECKED cfp_status cfp_sha256_add_file(cfp_sha256 *sum, cfp_ctx *ctx, const char *path);
/* CFP_IO where the file cannot be read; the message starts with the path. */
CFP_CHECKED cfp_status cfp_sha256_file(char hex[65], cfp_ctx *ctx, const char *path);

/* Computes the sum of a regular file on another thread.  A model of 200 MB takes as long to hash as
 * to load, so both happen at once. */
typedef struct cfp_hashing cfp_hashing;
CFP_CHECKED cfp_status cfp_hashing_begin(cfp_hashing **out, cfp_ctx *ctx, const char *path);
/* Waits for the sum.  Returns the error of the other thread, if there was one. */
CFP_CHECKED cfp_status cfp_hashing_finish(char hex[65], cfp_hashing *hashing, cfp_ctx *ctx);
void cfp_hashing_close(cfp_hashing **hashing); /* stops a thread that still runs; *hashing may be
                                                  NULL */
