/* url.h - turns paths into URLs that people can open in a browser. */
#pragma once
#include "../base/base.h"

/* A path with %XX for the characters that a URL's path must not have; '/' is kept.  The caller
 * frees it with cfp_free; NULL if memory is out. */
char *cfp_url_encode(cfp_ctx *ctx, const char *path);

/* The relative URL from the folder `from` to the file `to`: "../b/c%20d.html".  Both paths must be
 * absolute and without "..".  The caller frees it with cfp_free; NULL if memory is out. */
char *cfp_url_between(cfp_ctx *ctx, const char *from, const char *to);
