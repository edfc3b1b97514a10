/* window.h - the part of a clip that a line of a list names; private to host/dataset/. */
#pragma once
#include "kind.h"
#include "places.h"

typedef struct cfp_window { /* as the annotation has it */
    bool frames, seconds;   /* what it has */
    double first, last;     /* frames, as numbered there; last < 0: to the end */
    double from, to;        /* seconds */
} cfp_window;

/* Returns NULL, or what is wrong (in `why`). */
const char *cfp_window_read(cfp_window *out, const cfp_kind *kind, const cfp_values *values,
                            char why[256]);
/* Sets the window of a clip that was found, or the reason why it has none.  numbered: its frames
 * have numbers of their own, in their names. */
void cfp_window_apply(cfp_dataset_clip *clip, const cfp_window *window, const cfp_kind *kind,
                      const cfp_found *found, bool numbered);
/* "12.5", "12.5s", "00:01:02.5", "01:02.5" in seconds; false: none of these. */
bool cfp_seconds_read(double *out, const char *text);
