/* pictures_inside.c - see pictures_inside.h.  Only headers are read.  A broken file counts as one
 * picture. */
#include "pictures_inside.h"
#include <limits.h>
#include <string.h>

static uint32_t big(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static uint32_t little(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static int at_least_one(uint32_t count)
{
    return count >= 1 && count <= INT_MAX ? (int)count : 1;
}

/* The index of a multi-picture JPEG is a small TIFF.  Its tag 0xB001 is the number of pictures. */
static int count_mpf(const uint8_t *tiff, size_t n_bytes)
{
    enum { NUMBER_OF_IMAGES = 0xb001, ENTRY = 12 };
    if (n_bytes < 8 || (tiff[0] != 'I' && tiff[0] != 'M'))
        return 1;
    uint32_t (*const number)(const uint8_t *, int) = tiff[0] == 'M' ? big : little;
    const size_t directory = number(tiff + 4, 4);
    if (directory > n_bytes - 2)
        return 1;
    const size_t entries = number(tiff + directory, 2);
    for (size_t i = 0; i < entries && directory + 2 + (i + 1) * ENTRY <= n_bytes; i++) {
        const uint8_t *entry = tiff + directory + 2 + i * ENTRY;
        if (number(entry, 2) == NUMBER_OF_IMAGES)
            return at_least_one(number(entry + 8, 4));
    }
    return 1;
}

bool cfp_jpeg_has_end(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 2;
    while (at + 4 <= n_bytes && bytes[at] == 0xff && bytes[at + 1] != 0xda) /* to the first scan */
        at += 2 + big(bytes + at + 2, 2);
    return at < n_bytes && memmem(bytes + at, n_bytes - at, "\xff\xd9", 2) != NULL;
}

static int count_jpeg(const uint8_t *bytes, size_t n_bytes)
{
    enum { APP2 = 0xe2, START_OF_SCAN = 0xda, MPF = 4 };
    for (size_t at = 2; at + 4 <= n_bytes && bytes[at] == 0xff && bytes[at + 1] != START_OF_SCAN;) {
        const size_t length = big(bytes + at + 2, 2);
        if (length < 2 || at + 2 + length > n_bytes)
            return 1;
        const uint8_t *segment = bytes + at + 4;
        if (bytes[at + 1] == APP2 && length >= 2 + MPF && memcmp(segment, "MPF", MPF) == 0)
            return count_mpf(segment + MPF, length - 2 - MPF);
        at += 2 + length;
    }
    return 1;
}

static int count_png(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t at = 8; at + 12 <= n_bytes;) {
        const size_t length = big(bytes + at, 4);
        if (memcmp(bytes + at + 4, "acTL", 4) == 0)
            return at_least_one(big(bytes + at + 8, 4));
        if (memcmp(bytes + at + 4, "IDAT", 4) == 0 || length > n_bytes - at - 12)
            return 1;
        at += 12 + length;
    }
    return 1;
}

static int count_webp(const uint8_t *bytes, size_t n_bytes)
{
    int frames = 0;
    for (size_t at = 12; at + 8 <= n_bytes;) {
        const size_t length = little(bytes + at + 4, 4);
        frames += memcmp(bytes + at, "ANMF", 4) == 0;
        if (length > n_bytes - at - 8)
            break;
        at += 8 + length + length % 2;
    }
    return frames > 1 ? frames : 1;
}

int cfp_pictures_inside(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return count_jpeg(bytes, n_bytes);
    if (n_bytes >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return count_png(bytes, n_bytes);
    if (n_bytes >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return count_webp(bytes, n_bytes);
    return 1;
}
