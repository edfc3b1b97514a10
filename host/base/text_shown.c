/* text_shown.c - see text_shown.h. */
#include "text_shown.h"
#include <string.h>

int cfp_utf8_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    const int n = c[0] < 0x80                    ? 1
                  : c[0] >= 0xc2 && c[0] <= 0xdf ? 2
                  : (c[0] & 0xf0) == 0xe0        ? 3
                  : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4
                                                 : 0;
    for (int i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) /* the terminating 0 too */
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90))
        return 0; /* longer than need be */
    if ((c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0; /* surrogates; beyond U+10FFFF */
    return n;
}

/* Ranges of characters, besides controls, that are not shown. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0xad, 0xad},       /* soft hyphen */
    {0x34f, 0x34f},     /* joins, of no width */
    {0x61c, 0x61c},     /* direction of Arabic */
    {0x115f, 0x1160},   /* fillers */
    {0x17b4, 0x17b5},   /* vowels of no width */
    {0x180b, 0x180f},   /* Mongolian selectors, of no width */
    {0x200b, 0x200f},   /* zero width, directions */
    {0x2028, 0x202e},   /* line and paragraph ends, directions */
    {0x2060, 0x206f},   /* joins, operators, isolates */
    {0x3164, 0x3164},   /* filler */
    {0xfe00, 0xfe0f},   /* selectors of variants */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xffa0, 0xffa0},   /* filler */
    {0xfff0, 0xfffb},   /* annotations */
    {0x1bca0, 0x1bca3}, /* format of shorthand */
    {0x1d173, 0x1d17a}, /* format of music */
    {0xe0000, 0xe0fff}, /* tags, selectors of variants */
};

uint32_t cfp_utf8_code(const char *text, int n)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)text[0] & first[n];
    for (int i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    return code;
}

int cfp_shown_length(const char *text)
{
    const int n = cfp_utf8_length(text);
    if (n == 0)
        return -1;
    const uint32_t code = cfp_utf8_code(text, n);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return -n;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && hidden[i].first <= code; i++)
        if (code <= hidden[i].last)
            return -n;
    return n;
}

/* Digits by hand: messages are made where nothing may be formatted. */
static int put_hex(char *to, uint32_t code, int digits)
{
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < digits; i++)
        to[i] = digit[code >> (4 * (digits - 1 - i)) & 15];
    to[digits] = '\0';
    return digits;
}

int cfp_shown_escape(char escape[CFP_ESCAPE_ROOM], const char *text, int n)
{
    const uint32_t code = n == 1 ? (unsigned char)text[0] : cfp_utf8_code(text, n);
    escape[0] = '\\';
    escape[1] = n == 1 ? 'x' : code > 0xffff ? 'U' : 'u';
    return 2 + put_hex(escape + 2, code, n == 1 ? 2 : code > 0xffff ? 8 : 4);
}

void cfp_shown_text(char *to, size_t capacity, const char *text)
{
    size_t used = 0;
    while (*text != '\0') {
        char escape[CFP_ESCAPE_ROOM];
        const int length = cfp_shown_length(text);
        const int n = length < 0 ? -length : length;
        const char *const from = length < 0 ? escape : text;
        const size_t bytes = (size_t)(length < 0 ? cfp_shown_escape(escape, text, n) : n);
        if (used + bytes >= capacity)
            break;
        memcpy(to + used, from, bytes);
        used += bytes;
        text += n;
    }
    to[used] = '\0';
}
