/* json.h - writes JSON as a stream: a file of millions of links needs one buffer of memory.
 *
 * The functions place commas, quotes, escapes and line breaks.  The caller calls them in an order
 * that makes valid JSON.  After the first failure they do nothing, and cfp_json_close reports it.
 * This file does not read JSON. */
#pragma once
#include "base.h"
#include <stdio.h>

typedef struct cfp_json {
    cfp_ctx *ctx;
    FILE *file;       /* borrowed; NULL: everything stays in text */
    const char *name; /* of the file, for messages; borrowed */
    char *text;       /* with a file: what is not yet written; else all of it, ends with '\0' */
    size_t length, capacity;
    int lines;  /* elements of containers down to this depth are written on lines of their own */
    int depth;  /* open containers */
    bool comma; /* the next value needs a comma before it */
    bool after_key;
    bool in_html; /* write '<' as \u003c, so that the text may stand in a page's <script> */
    cfp_status status;
} cfp_json;

/* Both begin a text.  lines 0: all of it on one line.  No call before cfp_json_close needs a check.
 */
void cfp_json_to_file(cfp_json *json, cfp_ctx *ctx, FILE *file, const char *name, int lines);
void cfp_json_to_memory(cfp_json *json, cfp_ctx *ctx, int lines);
/* Ends the text with a newline and writes it to the file.  The file stays open. */
CFP_CHECKED cfp_status cfp_json_close(cfp_json *json);
void cfp_json_free(cfp_json *json);

void cfp_json_object(cfp_json *json);
void cfp_json_object_end(cfp_json *json);
void cfp_json_array(cfp_json *json);
void cfp_json_array_end(cfp_json *json);
void cfp_json_key(cfp_json *json, const char *name); /* the value is the next call */

/* NULL is written as null.  Characters that could mislead a terminal (text_shown.h) are written as
 * \uNNNN; a JSON reader gets the character back.  Broken UTF-8 becomes U+FFFD. */
void cfp_json_string(cfp_json *json, const char *text);
void cfp_json_int(cfp_json *json, int64_t value);
/* Numbers get the fewest digits that read back as the same number.  NaN and infinities: null. */
void cfp_json_float(cfp_json *json, float value);
void cfp_json_double(cfp_json *json, double value);
void cfp_json_bool(cfp_json *json, bool value);
void cfp_json_raw(cfp_json *json, const char *text, size_t length); /* a value that is JSON */

/* The bytes as a string in base64 with padding (RFC 4648). */
void cfp_json_base64(cfp_json *json, const void *bytes, size_t n);

/* A key and its value in one call. */
void cfp_json_put_string(cfp_json *json, const char *key, const char *text);
void cfp_json_put_int(cfp_json *json, const char *key, int64_t value);
void cfp_json_put_float(cfp_json *json, const char *key, float value);
void cfp_json_put_double(cfp_json *json, const char *key, double value);
void cfp_json_put_bool(cfp_json *json, const char *key, bool value);
