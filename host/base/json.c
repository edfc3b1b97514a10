/* json.c - see json.h.  What comes before a value depends only on whether a value precedes it, so
 * no stack of containers is kept. */
#include "json.h"
#include "text_shown.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 1 << 16 };

static void start(cfp_json *json, cfp_ctx *ctx, FILE *file, const char *name, int lines)
{
    *json = (cfp_json){.ctx = ctx, .file = file, .name = name, .lines = lines};
}

void cfp_json_to_file(cfp_json *json, cfp_ctx *ctx, FILE *file, const char *name, int lines)
{
    start(json, ctx, file, name, lines);
}

void cfp_json_to_memory(cfp_json *json, cfp_ctx *ctx, int lines)
{
    start(json, ctx, NULL, "", lines);
}

void cfp_json_free(cfp_json *json)
{
    cfp_free(json->text);
    *json = (cfp_json){0};
}

static void flush(cfp_json *json)
{
    if (json->status != CFP_OK || json->length == 0)
        return;
    if (fwrite(json->text, 1, json->length, json->file) != json->length)
        json->status = cfp_fail(json->ctx, CFP_IO, "%s: %s", json->name, strerror(errno));
    json->length = 0;
}

/* Room for `more` bytes and a terminating 0. */
static bool grow(cfp_json *json, size_t more)
{
    if (json->status != CFP_OK)
        return false;
    if (json->capacity - json->length > more)
        return true;
    if (json->file != NULL) {
        flush(json);
        if (json->status == CFP_OK && json->capacity > more)
            return true;
    }
    if (json->status != CFP_OK)
        return false;
    size_t capacity = json->capacity == 0 ? BUFFER : json->capacity;
    while (capacity - json->length <= more)
        capacity *= 2;
    char *text = cfp_alloc(json->ctx, capacity, 1);
    if (text == NULL) {
        json->status = CFP_NOMEM;
        return false;
    }
    if (json->length > 0)
        memcpy(text, json->text, json->length);
    cfp_free(json->text);
    json->text = text;
    json->capacity = capacity;
    return true;
}

static void put(cfp_json *json, const char *text, size_t length)
{
    if (!grow(json, length))
        return;
    memcpy(json->text + json->length, text, length);
    json->length += length;
    json->text[json->length] = '\0';
}

static void new_line(cfp_json *json)
{
    static const char blanks[] = "\n                ";
    const int indent = cfp_min_int(json->depth * 2, (int)sizeof blanks - 2);
    put(json, blanks, (size_t)indent + 1);
}

/* Writes the comma, line break and spaces that belong before a value or a key. */
static void before(cfp_json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->comma)
        put(json, ",", 1);
    if (json->depth > 0 && json->depth <= json->lines)
        new_line(json);
    else if (json->comma && json->lines > 0)
        put(json, " ", 1);
}

void cfp_json_raw(cfp_json *json, const char *text, size_t length)
{
    before(json);
    put(json, text, length);
    json->comma = true;
}

static void open_container(cfp_json *json, const char *bracket)
{
    cfp_json_raw(json, bracket, 1);
    json->comma = false;
    json->depth++;
}

static void close_container(cfp_json *json, const char *bracket)
{
    json->depth--;
    if (json->comma && json->depth < json->lines)
        new_line(json);
    put(json, bracket, 1);
    json->comma = true;
}

void cfp_json_object(cfp_json *json)
{
    open_container(json, "{");
}
void cfp_json_object_end(cfp_json *json)
{
    close_container(json, "}");
}
void cfp_json_array(cfp_json *json)
{
    open_container(json, "[");
}
void cfp_json_array_end(cfp_json *json)
{
    close_container(json, "]");
}

/* JSON's escape of a character; above U+FFFF it is a pair of surrogates. */
static int escape_utf16(char escape[16], uint32_t code)
{
    if (code < 0x10000)
        return snprintf(escape, 16, "\\u%04x", (unsigned)code);
    code -= 0x10000;
    return snprintf(escape, 16, "\\u%04x\\u%04x", 0xd800u + (unsigned)(code >> 10),
                    0xdc00u + (unsigned)(code & 0x3ff));
}

static void put_escaped(cfp_json *json, const char *text)
{
    put(json, "\"", 1);
    for (const char *c = text; *c != '\0' && json->status == CFP_OK;) {
        const int n = cfp_utf8_length(c);
        char escape[16];
        if (n == 0)
            put(json, "\xef\xbf\xbd", 3);
        else if (*c == '"' || *c == '\\')
            put(json, (char[]){'\\', *c}, 2);
        else if (*c == '\n')
            put(json, "\\n", 2);
        else if (*c == '\t')
            put(json, "\\t", 2);
        else if (cfp_shown_length(c) < 0 || (*c == '<' && json->in_html))
            put(json, escape, (size_t)escape_utf16(escape, cfp_utf8_code(c, n)));
        else
            put(json, c, (size_t)n);
        c += n == 0 ? 1 : n;
    }
    put(json, "\"", 1);
}

void cfp_json_string(cfp_json *json, const char *text)
{
    if (text == NULL) {
        cfp_json_raw(json, "null", 4);
        return;
    }
    before(json);
    put_escaped(json, text);
    json->comma = true;
}

void cfp_json_key(cfp_json *json, const char *name)
{
    cfp_json_string(json, name);
    put(json, ": ", json->lines > 0 ? 2 : 1);
    json->comma = false;
    json->after_key = true;
}

void cfp_json_base64(cfp_json *json, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { PIECE = 3 * 1024 };
    char text[PIECE / 3 * 4];
    const uint8_t *from = bytes;
    before(json);
    put(json, "\"", 1);
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t end = n - at < PIECE ? n : at + PIECE;
        size_t length = 0;
        for (size_t i = at; i < end; i += 3) {
            const int left = end - i < 3 ? (int)(end - i) : 3;
            const uint32_t three = (uint32_t)from[i] << 16 |
                                   (uint32_t)(left > 1 ? from[i + 1] : 0) << 8 |
                                   (uint32_t)(left > 2 ? from[i + 2] : 0);
            for (int k = 0; k < 4; k++)
                text[length++] = k <= left ? digits[three >> (18 - 6 * k) & 63] : '=';
        }
        put(json, text, length);
    }
    put(json, "\"", 1);
    json->comma = true;
}

void cfp_json_int(cfp_json *json, int64_t value)
{
    char text[24];
    cfp_json_raw(json, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

/* A fast path for relevances, of which there are millions, all in [0, 1].  Numbers of at most 9
 * decimals m / 10^n need no library call: the division rounds as a reader of the text would. */
static int short_decimal(char *text, float value)
{
    if (!(value >= 0.0f && value <= 1.0f))
        return 0;
    double scale = 1.0;
    for (int digits = 0; digits <= 9; digits++, scale *= 10.0) {
        const int64_t m = (int64_t)((double)value * scale + 0.5);
        if ((float)((double)m / scale) != value)
            continue;
        int64_t rest = m;
        for (int i = digits; i > 0; i--, rest /= 10)
            text[1 + i] = (char)('0' + rest % 10);
        text[0] = (char)('0' + rest);
        text[1] = '.';
        return digits == 0 ? 1 : digits + 2;
    }
    return 0;
}

void cfp_json_float(cfp_json *json, float value)
{
    char text[32];
    int n = short_decimal(text, value);
    if (value - value != 0.0f) { /* NaN, infinities */
        cfp_json_raw(json, "null", 4);
        return;
    }
    for (int digits = 6; n == 0 && digits <= 9; digits++) {
        const int length = snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (digits == 9 || strtof(text, NULL) == value)
            n = length;
    }
    cfp_json_raw(json, text, (size_t)n);
}

void cfp_json_double(cfp_json *json, double value)
{
    char text[40];
    int n = 0;
    if (value - value != 0.0) {
        cfp_json_raw(json, "null", 4);
        return;
    }
    for (int digits = 15; n == 0 && digits <= 17; digits++) {
        const int length = snprintf(text, sizeof text, "%.*g", digits, value);
        if (digits == 17 || strtod(text, NULL) == value)
            n = length;
    }
    cfp_json_raw(json, text, (size_t)n);
}

void cfp_json_bool(cfp_json *json, bool value)
{
    cfp_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void cfp_json_put_string(cfp_json *json, const char *key, const char *text)
{
    cfp_json_key(json, key);
    cfp_json_string(json, text);
}
void cfp_json_put_int(cfp_json *json, const char *key, int64_t value)
{
    cfp_json_key(json, key);
    cfp_json_int(json, value);
}
void cfp_json_put_float(cfp_json *json, const char *key, float value)
{
    cfp_json_key(json, key);
    cfp_json_float(json, value);
}
void cfp_json_put_double(cfp_json *json, const char *key, double value)
{
    cfp_json_key(json, key);
    cfp_json_double(json, value);
}
void cfp_json_put_bool(cfp_json *json, const char *key, bool value)
{
    cfp_json_key(json, key);
    cfp_json_bool(json, value);
}

cfp_status cfp_json_close(cfp_json *json)
{
    put(json, "\n", 1);
    if (json->file != NULL)
        flush(json);
    return json->status;
}
