/* places.h - finds the file or folder of a clip; private to host/dataset/. */
#pragma once
#include "kind.h"

typedef struct cfp_found {
    cfp_dataset_reason reason; /* CFP_CLIP_FOUND, CFP_CLIP_MISSING, _EMPTY or _UNREADABLE */
    bool cut;                  /* it is the clip itself; else a video in which the window lies */
    bool is_folder, is_tar;
    char path[CFP_TEMPLATE_ROOM]; /* of what was found */
} cfp_found;

/* Tries each place of the kind below each root: as it is written, then with each suffix of videos,
 * tars and arrays. */
void cfp_places_find(cfp_found *out, const cfp_kind *kind, const cfp_values *values,
                     const char *const *root, int n_roots);
