/* nearest.c - see nearest.h. */
#include "nearest.h"
#include "edit_distance.h"
#include <string.h>

enum { MAX_LENGTH = 63 };

static const char *name_at(const void *names, int i, size_t stride)
{
    return *(const char *const *)((const char *)names + (size_t)i * stride);
}

/* The shortest name that begins with the word, else the longest with which the word begins; NULL:
 * there is none, or the common part is too short to mean anything. */
static const char *with_same_start(const char *word, const void *names, int n, size_t stride)
{
    enum { SHORTEST = 3 };
    const char *longer = NULL, *shorter = NULL;
    const size_t length = strlen(word);
    for (int i = 0; i < n; i++) {
        const char *name = name_at(names, i, stride);
        const size_t own = strlen(name);
        if (length >= SHORTEST && strncmp(word, name, length) == 0 &&
            (longer == NULL || own < strlen(longer)))
            longer = name;
        else if (own >= SHORTEST && strncmp(word, name, own) == 0 &&
                 (shorter == NULL || own > strlen(shorter)))
            shorter = name;
    }
    return longer != NULL ? longer : shorter;
}

const char *cfp_nearest(const char *word, const void *names, int n, size_t stride)
{
    const char *best = NULL;
    const size_t length = strlen(word);
    /* A name that differs in more than a third of its letters, or in more than 3, is no help. */
    int best_distance = cfp_min_int(3, (int)(length + 2) / 3) + 1;
    for (int i = 0; i < n && length <= MAX_LENGTH; i++) {
        const char *name = name_at(names, i, stride);
        const int distance = cfp_edit_distance(word, name);
        if (strlen(name) <= MAX_LENGTH && distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best != NULL || length > MAX_LENGTH ? best : with_same_start(word, names, n, stride);
}
