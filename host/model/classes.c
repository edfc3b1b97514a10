/* classes.c - finds the class that a user typed, by exact name, name without case, or index.  If
 * there is none, it suggests similar names. */
#include "model.h"
#include "../base/edit_distance.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Copies a name in lower case, without what data sets write differently: spaces, '_' and '-'. */
static void simplify(char to[CFP_EDIT_MAX + 1], const char *name)
{
    int n = 0;
    for (; *name != '\0' && n < CFP_EDIT_MAX; name++)
        if (*name != ' ' && *name != '_' && *name != '-')
            to[n++] = (char)tolower((unsigned char)*name);
    to[n] = '\0';
}

/* The edit distance of simplified names, so that "basball pitch" finds BaseballPitch. */
static int distance(const char *a, const char *b)
{
    char x[CFP_EDIT_MAX + 1], y[CFP_EDIT_MAX + 1];
    simplify(x, a);
    simplify(y, b);
    return cfp_edit_distance(x, y);
}

static cfp_status unknown_class(cfp_ctx *ctx, const cfp_model *model, const char *option,
                                const char *name)
{
    enum { NEAR = 3 };
    int near[NEAR], how_far[NEAR], n = 0;
    for (int c = 0; c < model->n_classes; c++) {
        /* a name that contains the typed text is near, however long it is */
        const int d = strcasestr(model->class_name[c], name) != NULL && *name != '\0'
                          ? 0
                          : distance(name, model->class_name[c]);
        int at = n;
        while (at > 0 && d < how_far[at - 1])
            at--;
        if (at >= NEAR)
            continue;
        if (n < NEAR)
            n++;
        for (int i = n - 1; i > at; i--) {
            near[i] = near[i - 1];
            how_far[i] = how_far[i - 1];
        }
        near[at] = c;
        how_far[at] = d;
    }
    char list[512] = "";
    for (int i = 0; i < n; i++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s'%s'", i == 0 ? "" : ", ",
                 model->class_name[near[i]]);
    }
    return cfp_fail(ctx, CFP_USAGE, "%s: no class '%s' among the %d of %s; near: %s", option, name,
                    model->n_classes, model->name, list);
}

cfp_status cfp_model_class(int *out, cfp_ctx *ctx, const cfp_model *model,
                           const char *name_or_index)
{
    return cfp_model_class_of(out, ctx, model, "--class", name_or_index);
}

cfp_status cfp_model_class_of(int *out, cfp_ctx *ctx, const cfp_model *model, const char *option,
                              const char *name_or_index)
{
    const size_t prefix = model->head_name != NULL ? strlen(model->head_name) : 0;
    const char *name = name_or_index;
    if (prefix > 0 && strncmp(name, model->head_name, prefix) == 0 && name[prefix] == '=')
        name += prefix + 1; /* HEAD=CLASS, where there is only this head */
    int found = -1, hits = 0;
    for (int c = 0; c < model->n_classes; c++)
        if (strcmp(model->class_name[c], name) == 0) {
            found = c;
            hits++;
        }
    for (int c = 0; hits <= 0 && c < model->n_classes; c++)
        if (strcasecmp(model->class_name[c], name) == 0) {
            found = found < 0 ? c : found;
            hits -= 1; /* negative until all names have been looked at */
        }
    hits = hits < 0 ? -hits : hits;
    if (hits > 1)
        return cfp_fail(ctx, CFP_USAGE,
                        "%s: '%s' names %d classes of %s (%d '%s' the first); "
                        "use the index",
                        option, name, hits, model->name, found, model->class_name[found]);
    if (hits == 1) {
        *out = found;
        return CFP_OK;
    }
    char *end;
    errno = 0;
    const long index = strtol(name, &end, 10);
    if (*name == '\0' || *end != '\0' || errno != 0)
        return unknown_class(ctx, model, option, name);
    if (index < 0 || index >= model->n_classes)
        return cfp_fail(ctx, CFP_USAGE, "%s: index %ld is not within 0 to %d", option, index,
                        model->n_classes - 1);
    *out = (int)index;
    return CFP_OK;
}
