/* nearest.c - "did you mean ...?": finds the name that is most like a mistyped word. */
#include <string.h>
#include "../base/edit_distance.h"
#include "options.h"

const char *cfp_nearest(const char *word, const void *names, int n, size_t stride)
{
    enum { MAX_LENGTH = 63 };
    const char *best = NULL;
    const size_t length = strlen(word);
    /* A name that differs in more than a third of its letters, or in more than 3, is no help. */
    int best_distance = cfp_min_int(3, (int)(length + 2) / 3) + 1;
    for (int i = 0; i < n && length <= MAX_LENGTH; i++) {
        const char *name = *(const char *const *)((const char *)names + (size_t)i * stride);
        const int distance = cfp_edit_distance(word, name);
        if (strlen(name) <= MAX_LENGTH && distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best;
}
