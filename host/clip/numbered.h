/* numbered.h - sorts file names that contain numbers; private to host/clip/.
 *
 * The order is natural order over the name without its suffix (natural.h): the first number that
 * differs decides, by its value and sign.  If the words before the numbers differ ("happy_001",
 * "sad_002"), the last number decides.  If the names can be read in two ways that give different
 * orders, one warning says which order was used.
 *
 * The frames get numbers of their own if the names differ at one place, the same in all names, and
 * whole numbers stand there: "frame_0007", "frame_07_delay-0.1s", "frame_0007_a9f3".  Names of
 * hours, minutes and seconds differ at several places.  Then a frame's number is its place. */
#pragma once
#include "clip_source.h"
#include "natural.h"

typedef struct cfp_numbered {
    char *name; /* owned */
    cfp_stem stem;
    const cfp_reading *reading;
} cfp_numbered;

typedef struct cfp_numbered_list {
    cfp_numbered *item; /* [count] */
    int count, capacity;
    cfp_reading *reading; /* NULL before the list is sorted */
    int64_t *number; /* [count] ascending, set by cfp_numbered_sort; NULL: names have no numbers */
} cfp_numbered_list;

/* Adds a copy of the name.  A name without a digit is not added, and *added is false.  has_suffix:
 * the part behind the last '.' is not compared. */
CFP_CHECKED cfp_status cfp_numbered_add(cfp_numbered_list *list, cfp_ctx *ctx, const char *name,
                                        bool has_suffix, bool *added);
/* The frames of a source are the files of this list: sorts it, logs a warning if numbers are
 * missing between the first and the last, and gives the source their count and their numbers.  To
 * be called once.  The source borrows the list.  CFP_FORMAT if two names have the same number; the
 * message names both.  `path` is for messages. */
CFP_CHECKED cfp_status cfp_numbered_frames(cfp_source *source, cfp_ctx *ctx,
                                           cfp_numbered_list *list, const char *path);
/* Sorts the list, as above. */
CFP_CHECKED cfp_status cfp_numbered_sort(cfp_numbered_list *list, cfp_ctx *ctx, const char *path);
void cfp_numbered_free(cfp_numbered_list *list);
