/* numbered.h - file names that carry numbers, put in order; private to host/clip/.
 *
 * The order is the natural one over the whole name without its suffix (natural.h): the first
 * number that differs decides, by its value and with its sign.  Names with different words before
 * their numbers ("happy_001", "sad_002") are ordered by their last number.  Where the names can be
 * read in two ways that give two orders, one warning says which one was taken.
 *
 * A name has a number of its own where one and the same place in all names tells them apart, and
 * whole numbers stand there: "frame_0007", "frame_07_delay-0.1s", "frame_0007_a9f3".  Names of
 * hours, minutes and seconds have none: there the place in the order counts. */
#pragma once
#include "natural.h"

typedef struct cfp_numbered {
    char *name; /* owned */
    cfp_stem stem;
    const cfp_reading *reading;
} cfp_numbered;

typedef struct cfp_numbered_list {
    cfp_numbered *item; /* [count] */
    int count, room;
    cfp_reading *reading; /* of the list; NULL before it is sorted */
    int64_t *number;      /* [count] ascending, set by cfp_numbered_sort; NULL: names have none */
} cfp_numbered_list;

/* Takes a copy of name; *added is false (and nothing happens) where it has no digit.  The part
 * behind the last '.' does not count when has_suffix. */
CFP_CHECKED cfp_status cfp_numbered_add(cfp_numbered_list *list, cfp_ctx *ctx, const char *name,
                                        bool has_suffix, bool *added);
/* Sorts once; CFP_FORMAT naming both where two names have one number.  `path`: for messages. */
CFP_CHECKED cfp_status cfp_numbered_sort(cfp_numbered_list *list, cfp_ctx *ctx, const char *path);
/* Warns of numbers that are missing between the first and the last, with their count. */
void cfp_numbered_warn_of_gaps(const cfp_numbered_list *list, cfp_ctx *ctx, const char *path);
bool cfp_numbered_fit_int32(const cfp_numbered_list *list);
void cfp_numbered_free(cfp_numbered_list *list);
