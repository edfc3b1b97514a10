/* numbered.h - names that carry a frame number, put in the order of it; private to host/clip/.
 *
 * The number of "P01_frame_0010.jpg" is its last run of digits (the suffix aside), of any length:
 * digits are compared as text, so nothing overflows. */
#pragma once
#include "../base/base.h"

typedef struct cfp_numbered {
    char *name;         /* owned */
    const char *digits; /* into name: the number without its leading zeros */
    int n_digits;
} cfp_numbered;

typedef struct cfp_numbered_list {
    cfp_numbered *item; /* [count] */
    int count, room;
} cfp_numbered_list;

/* Takes a copy of name; *added is false (and nothing happens) where it has no number.  Digits are
 * looked for in the part before the last '.' when has_suffix. */
CFP_CHECKED cfp_status cfp_numbered_add(cfp_numbered_list *list, cfp_ctx *ctx, const char *name,
                                        bool has_suffix, bool *added);
/* Sorts; CFP_FORMAT naming both where two names have one number. */
CFP_CHECKED cfp_status cfp_numbered_sort(cfp_numbered_list *list, cfp_ctx *ctx, const char *path);
void cfp_numbered_free(cfp_numbered_list *list);
