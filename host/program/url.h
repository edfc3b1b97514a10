/* url.h - paths of this machine as URLs: for people to open, never for the program to. */
#pragma once
#include "../base/base.h"

/* What may not stand in a URL's path as %XX; '/' stays.  The caller's to free; NULL: no memory. */
char *cfp_url_encode(cfp_ctx *ctx, const char *path);

/* From the folder `from` to the file `to`, both absolute and without "..": "../b/c%20d.html".  The
 * caller's to free; NULL: no memory. */
char *cfp_url_between(cfp_ctx *ctx, const char *from, const char *to);
