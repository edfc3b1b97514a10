/* url.c - see url.h. */
#include "url.h"
#include <ctype.h>
#include <string.h>

char *cfp_url_encode(cfp_ctx *ctx, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    char *url = cfp_alloc(ctx, 3 * strlen(path) + 1, 1);
    if (url == NULL)
        return NULL;
    char *to = url;
    for (const char *c = path; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < 0x80 && (isalnum(byte) || strchr("/-._~", byte) != NULL)) { /* RFC 3986 */
            *to++ = *c;
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
    }
    return url;
}

char *cfp_url_between(cfp_ctx *ctx, const char *from, const char *to)
{
    size_t same = 0; /* length of what both have in common, up to and with a '/' */
    for (size_t i = 0; to[i] != '\0'; i++) {
        const char here = from[i] == '\0' ? '/' : from[i]; /* a folder: a '/' ends it */
        if (here != to[i])
            break;
        if (to[i] == '/')
            same = i + 1;
        if (from[i] == '\0')
            break;
    }
    int up = 0;
    for (const char *c = from + (same <= strlen(from) ? same : strlen(from)); *c != '\0'; c++)
        up += *c == '/' || c[1] == '\0';
    char *rest = cfp_url_encode(ctx, to + same);
    char *url = rest == NULL ? NULL : cfp_alloc(ctx, 3 * (size_t)up + strlen(rest) + 1, 1);
    for (int i = 0; i < up && url != NULL; i++)
        strcat(url, "../");
    if (url != NULL)
        strcat(url, rest);
    cfp_free(rest);
    return url;
}
