/* natural.h - file names compared as a person would: numbers by their value, the rest as letters;
 * private to host/clip/.
 *
 * "frame_9" comes before "frame_10", "00_00_59" before "00_01_00", "t_-2" before "t_-1".  Numbers
 * may have any length: they are compared digit by digit, so nothing overflows.  Only ASCII digits
 * are digits; all other bytes are text.  Text is compared without regard to case.
 *
 * What a name means can depend on the other names beside it: is "1.10" one and a tenth, or the
 * tenth part of chapter one?  Such a choice is a cfp_reading, and all names of a folder share one.
 */
#pragma once
#include "../base/base.h"

typedef struct cfp_reading {
    bool signs; /* a '-' or '+' before a number is its sign, where a letter does not touch it */
    bool letter_signs; /* and where a letter does: "t-1" beside "t0" */
    char point;        /* '.' or ',' between digits is a decimal point; 0: no */
    const char
        *thousands; /* these bytes between groups of three digits belong to the number; "": none */
    /* What the choice rests on. */
    bool has_points; /* there are numbers that could be decimals */
    char spare_point;
} cfp_reading;

typedef struct cfp_stem { /* the part of a name that is compared: without the suffix */
    const char *begin, *end;
} cfp_stem;

typedef struct cfp_token {
    enum { CFP_TOKEN_END, CFP_TOKEN_TEXT, CFP_TOKEN_NUMBER } kind;
    bool negative;
    const char *begin, *end; /* of a number: its digits, separators of thousands included */
    const char *fraction;    /* of a number: where it begins; NULL: it is a whole number */
} cfp_token;

/* Chooses the reading that fits all names.  `stem` is sorted here, byte by byte. */
cfp_reading cfp_reading_choose(cfp_stem *stem, int count);
/* The token at *at, which is moved behind it. */
cfp_token cfp_token_next(const char **at, cfp_stem stem, const cfp_reading *reading);

typedef struct cfp_difference { /* the first place where two names differ */
    int order;                  /* below, above or 0: none */
    int token;                  /* which token it is */
    bool by_number;             /* both have a number there */
} cfp_difference;

cfp_difference cfp_natural_compare(cfp_stem a, cfp_stem b, const cfp_reading *reading);
int cfp_token_compare(const cfp_token *a, const cfp_token *b); /* of two numbers */
/* False where the number is no whole one or does not fit. */
bool cfp_token_value(int64_t *out, const cfp_token *token);
