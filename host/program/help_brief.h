/* help_brief.h - what the short --help says about the options that most runs need. */
#pragma once
#include "options.h"

typedef struct cfp_brief {
    const char *option;
    unsigned commands;
    const char *text; /* one line; the default follows it, unless it ends with ']' */
} cfp_brief;

extern const cfp_brief cfp_briefs[]; /* in the order of the help */
extern const int cfp_n_briefs;
