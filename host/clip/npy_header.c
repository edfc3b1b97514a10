/* npy_header.c - see npy_header.h. */
#include "npy_header.h"
#include <stddef.h>
#include <string.h>

enum { DESCR = 1, ORDER = 2, SHAPE = 4 };

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static void copy_cut(char *to, size_t capacity, const char *from, const char *end)
{
    const size_t length = (size_t)(end - from);
    const size_t n = length < capacity ? length : capacity - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

/* Reads 'text' or "text".  Returns the place behind it, or NULL. */
static const char *read_string(char *to, size_t capacity, const char *at)
{
    if (*at != '\'' && *at != '"')
        return NULL;
    const char *end = strchr(at + 1, *at);
    if (end == NULL)
        return NULL;
    copy_cut(to, capacity, at + 1, end);
    return end + 1;
}

/* Reads digits, and the L that Python 2 writes after them.  Returns the place behind, or NULL. */
static const char *read_number(int64_t *value, const char *at)
{
    if (*at < '0' || *at > '9')
        return NULL;
    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        const int digit = *at - '0';
        *value = *value > (INT64_MAX - digit) / 10 ? INT64_MAX : *value * 10 + digit;
    }
    return *at == 'L' ? at + 1 : at;
}

/* Reads (1, 2, 3), (1,) or ().  Returns the place behind it, or NULL. */
static const char *read_shape(cfp_npy_header *out, const char *at)
{
    const char *begin = at;
    if (*at != '(')
        return NULL;
    at = skip_space(at + 1);
    for (out->rank = 0; *at != ')';) {
        int64_t value;
        at = read_number(&value, at);
        if (at == NULL)
            return NULL;
        if (out->rank < CFP_NPY_MAX_DIMENSIONS)
            out->shape[out->rank] = value;
        if (out->rank <= CFP_NPY_MAX_DIMENSIONS)
            out->rank++;
        at = skip_space(at);
        if (*at == ',')
            at = skip_space(at + 1);
        else if (*at != ')')
            return NULL;
    }
    copy_cut(out->shape_text, sizeof out->shape_text, begin, at + 1);
    return at + 1;
}

static const char *read_descr(cfp_npy_header *out, const char *at)
{
    if (*at != '[') /* record arrays have a list here; it is not parsed */
        return read_string(out->descr, sizeof out->descr, at);
    static const char record[] = "(a record)";
    copy_cut(out->descr, sizeof out->descr, record, record + sizeof record - 1);
    const char *end = strrchr(at, ']');
    return end == NULL ? NULL : end + 1;
}

static const char *read_order(cfp_npy_header *out, const char *at)
{
    out->fortran_order = strncmp(at, "True", 4) == 0;
    if (out->fortran_order)
        return at + 4;
    return strncmp(at, "False", 5) == 0 ? at + 5 : NULL;
}

/* Reads one 'key': value.  Returns the place behind it, or NULL. */
static const char *read_entry(cfp_npy_header *out, int *seen, const char *at)
{
    char key[16];
    at = read_string(key, sizeof key, at);
    if (at == NULL || *(at = skip_space(at)) != ':') {
        out->wrong = "a key is missing";
        return NULL;
    }
    at = skip_space(at + 1);
    if (strcmp(key, "descr") == 0) {
        out->wrong = "'descr' is not a string";
        *seen |= DESCR;
        return read_descr(out, at);
    }
    if (strcmp(key, "fortran_order") == 0) {
        out->wrong = "'fortran_order' is neither True nor False";
        *seen |= ORDER;
        return read_order(out, at);
    }
    if (strcmp(key, "shape") == 0) {
        out->wrong = "'shape' is not a tuple of sizes";
        *seen |= SHAPE;
        return read_shape(out, at);
    }
    out->wrong = "a key that is not descr, fortran_order or shape";
    return NULL;
}

bool cfp_npy_parse(cfp_npy_header *out, const char *text)
{
    *out = (cfp_npy_header){.wrong = "not a dictionary"};
    int seen = 0;
    const char *at = skip_space(text);
    if (*at != '{')
        return false;
    at = skip_space(at + 1);
    while (*at != '}') {
        at = read_entry(out, &seen, at);
        if (at == NULL)
            return false;
        at = skip_space(at);
        if (*at == ',') {
            at = skip_space(at + 1);
        } else if (*at != '}') {
            out->wrong = "the dictionary does not end";
            return false;
        }
    }
    out->wrong = "descr, fortran_order or shape is missing";
    if (seen != (DESCR | ORDER | SHAPE))
        return false;
    out->wrong = "something follows the dictionary";
    return *skip_space(at + 1) == '\0';
}
