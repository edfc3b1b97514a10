/* edit_distance.c - see edit_distance.h.  The optimal string alignment distance: Levenshtein's,
 * with a swap of two neighbours as one step. */
#include "edit_distance.h"
#include <string.h>

int cfp_edit_distance(const char *a, const char *b)
{
    int row[3][CFP_EDIT_MAX + 1]; /* rows i-2, i-1 and i of the usual table, in turn */
    const int n_a = (int)strnlen(a, CFP_EDIT_MAX), n_b = (int)strnlen(b, CFP_EDIT_MAX);
    for (int j = 0; j <= n_b; j++)
        row[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *const now = row[i % 3];
        const int *const before = row[(i + 2) % 3], *const older = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n_b; j++) {
            const int replace = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = cfp_min_int(replace, cfp_min_int(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = cfp_min_int(now[j], older[j - 2] + 1);
        }
    }
    return row[n_a % 3][n_b];
}
