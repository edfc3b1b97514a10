/* edit_distance.h - how much two short texts differ, to suggest what a mistyped word means. */
#pragma once
#include "base.h"

enum { CFP_EDIT_MAX = 95 }; /* letters of each text that are compared; the rest is ignored */

/* How many letters must be inserted, deleted, replaced or swapped with their neighbour to make one
 * text from the other (bytes; upper and lower case differ). */
int cfp_edit_distance(const char *a, const char *b);
