/* hash.h - SHA-256 of files and of pieces of them, as 64 hexadecimal digits.
 *
 * The sums themselves are libavutil's; nothing else of libav* is seen through this header. */
#pragma once
#include "base.h"

typedef struct cfp_sha256 cfp_sha256; /* a sum in the making */

CFP_CHECKED cfp_status cfp_sha256_open(cfp_sha256 **out, cfp_ctx *ctx);
void cfp_sha256_update(cfp_sha256 *sum, const void *data, size_t bytes);
void cfp_sha256_finish(char hex[65], cfp_sha256 *sum); /* after it only close may follow */
void cfp_sha256_close(cfp_sha256 **sum);               /* accepts NULL in it, leaves NULL */

/* Streams the file's bytes into a sum that is already open. */
CFP_CHECKED cfp_status cfp_sha256_add_file(cfp_sha256 *sum, cfp_ctx *ctx, const char *path);
/* CFP_IO where the file cannot be read; the message starts with the path. */
CFP_CHECKED cfp_status cfp_sha256_file(char hex[65], cfp_ctx *ctx, const char *path);

/* The sum of a regular file on a thread of its own: 200 MB take as long as all else that happens
 * before a network runs. */
typedef struct cfp_hashing cfp_hashing;
CFP_CHECKED cfp_status cfp_hashing_begin(cfp_hashing **out, cfp_ctx *ctx, const char *path);
/* Waits for it; what failed there fails here. */
CFP_CHECKED cfp_status cfp_hashing_finish(char hex[65], cfp_hashing *hashing, cfp_ctx *ctx);
void cfp_hashing_close(cfp_hashing **hashing); /* gives up what still runs; accepts NULL in it */
