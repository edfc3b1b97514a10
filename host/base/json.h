/* json.h - a streaming JSON emitter: values go out as they are said, so a file of millions of links
 * needs no more memory than one buffer.
 *
 * It keeps commas, quotes, escapes and line breaks; the order of calls is the caller's business.
 * The first failure is remembered, later calls do nothing, cfp_json_close reports it.
 * Not here: reading JSON. */
#pragma once
#include "base.h"
#include <stdio.h>

typedef struct cfp_json {
    cfp_ctx *ctx;
    FILE *file;       /* borrowed; NULL: everything stays in text */
    const char *name; /* of the file, for messages; borrowed */
    char *text;       /* what is not yet in the file; in memory: all of it, 0-terminated */
    size_t length, room;
    int lines;  /* elements of the containers down to this depth get a line each */
    int depth;  /* containers open */
    bool comma; /* a value stands before the next one */
    bool after_key;
    bool in_html; /* '<' goes out as \u003c: the text may stand in a <script> of a page */
    cfp_status status;
} cfp_json;

/* lines 0: all on one line.  Until cfp_json_free it may be used without checks. */
void cfp_json_to_file(cfp_json *json, cfp_ctx *ctx, FILE *file, const char *name, int lines);
void cfp_json_to_memory(cfp_json *json, cfp_ctx *ctx, int lines);
/* Ends the text with a newline and hands it to the file (which stays open). */
CFP_CHECKED cfp_status cfp_json_close(cfp_json *json);
void cfp_json_free(cfp_json *json);

void cfp_json_object(cfp_json *json);
void cfp_json_object_end(cfp_json *json);
void cfp_json_array(cfp_json *json);
void cfp_json_array_end(cfp_json *json);
void cfp_json_key(cfp_json *json, const char *name); /* the value is the next call */

/* NULL: null.  What a terminal may not be shown (text_shown.h) goes out as \uNNNN, which a reader
 * turns back; broken UTF-8 as U+FFFD, as JSON has no bytes. */
void cfp_json_string(cfp_json *json, const char *text);
void cfp_json_int(cfp_json *json, int64_t value);
void cfp_json_float(cfp_json *json, float value);   /* the fewest digits that read back as it; */
void cfp_json_double(cfp_json *json, double value); /* NaN and infinities: null */
void cfp_json_bool(cfp_json *json, bool value);
void cfp_json_raw(cfp_json *json, const char *text, size_t length); /* a value, ready to go out */

/* A string: the bytes in base64, as RFC 4648 has it, padded. */
void cfp_json_base64(cfp_json *json, const void *bytes, size_t n);

/* Key and value in one. */
void cfp_json_put_string(cfp_json *json, const char *key, const char *text);
void cfp_json_put_int(cfp_json *json, const char *key, int64_t value);
void cfp_json_put_float(cfp_json *json, const char *key, float value);
void cfp_json_put_double(cfp_json *json, const char *key, double value);
void cfp_json_put_bool(cfp_json *json, const char *key, bool value);
