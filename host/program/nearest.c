/* nearest.c - "did you mean ...?": the edit distance between short words. */
#include <string.h>
#include "options.h"

enum { LONGEST = 63 };

/* Letters to insert, delete, exchange or swap with their neighbour to make `a` of `b`. */
static int distance(const char *a, const char *b)
{
    int row[3][LONGEST + 2]; /* rows i-2, i-1, i of the usual table, in turn */
    const int n = (int)strlen(b);
    for (int j = 0; j <= n; j++)
        row[0][j] = j;
    int last = 0;
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int *const now = row[i % 3];
        const int *const before = row[(i + 2) % 3], *const older = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            const int change = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = cfp_min_int(change, cfp_min_int(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = cfp_min_int(now[j], older[j - 2] + 1);
        }
        last = i % 3;
    }
    return row[last][n];
}

const char *cfp_nearest(const char *word, const void *names, int n, size_t stride)
{
    const char *best = NULL;
    const size_t length = strlen(word);
    int least = cfp_min_int(3, (int)(length + 2) / 3) + 1; /* farther is no help */
    for (int i = 0; i < n && length <= LONGEST; i++) {
        const char *name = *(const char *const *)((const char *)names + (size_t)i * stride);
        if (strlen(name) > LONGEST)
            continue;
        const int d = distance(word, name);
        if (d < least) {
            least = d;
            best = name;
        }
    }
    return best;
}
