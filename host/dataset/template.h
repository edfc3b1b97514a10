/* template.h - text with the values of a line in it: "{label}/{youtube_id}_{time_start:06}";
 * private to host/dataset/.
 *
 *     {name}         the value
 *     {name:06}      a whole number, with zeros in front of it up to 6 digits
 *     {name:first}   its first word
 *     {name:folder}  '/' replaced by '_', for the name of a folder
 *     {name:under}   blanks replaced by '_' */
#pragma once
#include "keep.h"

enum { CFP_KIND_VALUES = 96, CFP_TEMPLATE_PIECES = 16, CFP_TEMPLATE_ROOM = 4096 };

/* Names of values, and (for a line of a list) the values.  NULL or "": the line does not have it.
 */
typedef struct cfp_values {
    int n;
    const char *const *name;
    const char *const *value;
} cfp_values;

typedef struct cfp_template {
    int n; /* 0: there is none */
    struct {
        const char *text; /* NULL: a value */
        int value;
        int digits; /* of :06; 0: none */
        enum { CFP_AS_IS, CFP_FIRST_WORD, CFP_FOLDER_NAME, CFP_UNDERSCORES } change;
    } piece[CFP_TEMPLATE_PIECES];
} cfp_template;

/* Reads a template.  Returns NULL, or what is wrong with it; the text is in `wrong`. */
const char *cfp_template_read(cfp_template *out, cfp_keep *keep, cfp_ctx *ctx, const char *text,
                              const cfp_values *names, char wrong[128]);
/* Puts the values in.  False if the line lacks one of them, if it is no number where digits are
 * asked for, or if the text does not fit into CFP_TEMPLATE_ROOM bytes. */
bool cfp_template_fill(char out[CFP_TEMPLATE_ROOM], const cfp_template *template,
                       const cfp_values *values);
