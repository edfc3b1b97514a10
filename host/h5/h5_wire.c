/* h5_wire.c - see h5_wire.h. */
#include "h5_wire.h"
#include <stdlib.h>
#include <string.h>

uint64_t *cfp_h5_add_numbers(cfp_h5_words *words, size_t n)
{
    if (words->full || n > words->max - words->n) {
        words->full = true;
        return NULL;
    }
    if (words->n + n > words->capacity) {
        size_t capacity = 2 * words->capacity + n + 64;
        capacity = capacity < words->max ? capacity : words->max;
        uint64_t *grown = realloc(words->word, capacity * sizeof *grown);
        if (grown == NULL) {
            words->full = true;
            return NULL;
        }
        words->word = grown;
        words->capacity = capacity;
    }
    uint64_t *const at = words->word + words->n;
    words->n += n;
    return at;
}

void cfp_h5_add(cfp_h5_words *words, int64_t number)
{
    uint64_t *const at = cfp_h5_add_numbers(words, 1);
    if (at != NULL)
        *at = (uint64_t)number;
}

void cfp_h5_add_text(cfp_h5_words *words, const char *text, size_t bytes)
{
    const size_t n = bytes / sizeof(uint64_t) + 1; /* with space for the zero byte */
    cfp_h5_add(words, (int64_t)bytes);
    uint64_t *const at = cfp_h5_add_numbers(words, n);
    if (at == NULL)
        return;
    at[n - 1] = 0;
    memcpy(at, text, bytes);
}

const uint64_t *cfp_h5_take_numbers(cfp_h5_cursor *cursor, int64_t n)
{
    const uint64_t *const at = cursor->word + cursor->at;
    if (cursor->bad || n < 0 || (uint64_t)n > cursor->n - cursor->at) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += (size_t)n;
    return at;
}

int64_t cfp_h5_take(cfp_h5_cursor *cursor)
{
    const uint64_t *const at = cfp_h5_take_numbers(cursor, 1);
    return at == NULL ? 0 : (int64_t)*at;
}

int64_t cfp_h5_take_count(cfp_h5_cursor *cursor)
{
    const int64_t n = cfp_h5_take(cursor);
    if (n < 0 || (uint64_t)n > cursor->n - cursor->at || n > INT32_MAX)
        cursor->bad = true;
    return cursor->bad ? 0 : n;
}

const char *cfp_h5_take_text(cfp_h5_cursor *cursor)
{
    const int64_t bytes = cfp_h5_take(cursor);
    if (bytes < 0 || (uint64_t)bytes > cursor->n * sizeof(uint64_t))
        cursor->bad = true;
    const uint64_t *const at =
        cursor->bad ? NULL : cfp_h5_take_numbers(cursor, bytes / (int64_t)sizeof(uint64_t) + 1);
    const char *const text = (const char *)at;
    if (text == NULL || memchr(text, '\0', (size_t)bytes + 1) != text + bytes) {
        cursor->bad = true;
        return "";
    }
    return text;
}
