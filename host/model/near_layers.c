/* near_layers.c - the layers that somebody may have meant whose pattern matches none. */
#include "../base/edit_distance.h"
#include "model.h"
#include <stdio.h>
#include <string.h>

enum { NEAR = 6 /* layers that are named */, LONGEST = CFP_EDIT_MAX };

/* Copies a pattern without what stands for other characters. */
static void plain_text(char to[LONGEST + 1], const char *glob)
{
    int n = 0;
    for (; *glob != '\0' && n < LONGEST; glob++)
        if (strchr("*?[]\\", *glob) == NULL)
            to[n++] = *glob;
    to[n] = '\0';
}

/* A name that contains the text is nearest, then one that differs in few letters. */
static int distance(const char *text, const char *name)
{
    return *text != '\0' && strcasestr(name, text) != NULL ? 0 : 1 + cfp_edit_distance(text, name);
}

void cfp_model_near_layers(char *out, size_t bytes, const cfp_model *model, const char *glob,
                           bool (*suits)(const void *cookie, int node), const void *cookie)
{
    char text[LONGEST + 1];
    int near[NEAR], how_far[NEAR], n = 0, total = 0;
    plain_text(text, glob);
    for (int i = 0; i < model->n_nodes; i++) {
        if (!suits(cookie, i))
            continue;
        total++;
        const int d = distance(text, model->node[i].name);
        int at = n;
        while (at > 0 && d < how_far[at - 1])
            at--;
        if (at >= NEAR)
            continue;
        n = cfp_min_int(n + 1, NEAR);
        for (int k = n - 1; k > at; k--) {
            near[k] = near[k - 1];
            how_far[k] = how_far[k - 1];
        }
        near[at] = i;
        how_far[at] = d;
    }
    snprintf(out, bytes, "%s", total == 0 ? "" : total <= NEAR ? "; there are " : "; near: ");
    for (int k = 0; k < n; k++) {
        const size_t used = strlen(out);
        snprintf(out + used, bytes - used, "%s%s", k == 0 ? "" : ", ", model->node[near[k]].name);
    }
}
