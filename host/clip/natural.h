/* natural.h - compares file names as a person would: numbers by value, the rest letter by letter;
 * private to host/clip/.
 *
 * "frame_9" comes before "frame_10", "00_00_59" before "00_01_00", "t_-2" before "t_-1".  Numbers
 * may have any length: they are compared digit by digit, so nothing overflows.  Only ASCII digits
 * are digits; all other bytes are text.  Text is compared without regard to case.
 *
 * The meaning of a name can depend on the other names: is "1.10" one and a tenth, or the tenth part
 * of chapter one?  A cfp_reading holds such choices.  All names of a folder share one. */
#pragma once
#include "../base/base.h"

typedef struct cfp_reading {
    bool signs;        /* a '-' or '+' before a number is its sign, unless a letter precedes it */
    bool letter_signs; /* ... also if a letter precedes it: "t-1" beside "t0" */
    char point;        /* the decimal point: '.' or ','; 0: none */
    const char *thousands; /* the bytes that separate groups of three digits; "": none */
    /* What else was found: */
    bool has_points; /* some numbers could be decimals */
    char spare_point;
} cfp_reading;

typedef struct cfp_stem { /* the part of a name that is compared: the name without suffix */
    const char *begin, *end;
} cfp_stem;

typedef struct cfp_token {
    enum { CFP_TOKEN_END, CFP_TOKEN_TEXT, CFP_TOKEN_NUMBER } kind;
    bool negative;
    const char *begin, *end; /* of a number: its digits, with the separators of thousands */
    const char *fraction;    /* of a number: where its fraction begins; NULL: it has none */
} cfp_token;

/* Chooses the reading that fits all names.  Sorts `stem` by bytes. */
cfp_reading cfp_reading_choose(cfp_stem *stem, int count);
/* Returns the token at *at, and moves *at behind it. */
cfp_token cfp_token_next(const char **at, cfp_stem stem, const cfp_reading *reading);

typedef struct cfp_difference { /* the first place where two names differ */
    int order;                  /* below 0: a comes first; above 0: b; 0: they do not differ */
    int token;                  /* the index of the token */
    bool by_number;             /* both names have a number there */
} cfp_difference;

cfp_difference cfp_natural_compare(cfp_stem a, cfp_stem b, const cfp_reading *reading);
int cfp_token_compare(const cfp_token *a, const cfp_token *b); /* both are numbers */
/* False if the number has a fraction or does not fit. */
bool cfp_token_value(int64_t *out, const cfp_token *token);
