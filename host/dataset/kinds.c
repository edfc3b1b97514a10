/* kinds.c - see kinds.h. */
#include "kinds.h"
#include "../base/edit_distance.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_KINDS = 128, SAMPLE = 40 };

typedef struct shelf { /* every description of the folder, by file name */
    int n;
    char *file[MOST_KINDS];
    cfp_kind *kind[MOST_KINDS];
} shelf;

const char *cfp_kinds_folder(const cfp_dataset_options *options)
{
    struct stat facts;
    for (int i = 0; i < options->n_kind_folders; i++)
        if (stat(options->kind_folder[i], &facts) == 0 && S_ISDIR(facts.st_mode))
            return options->kind_folder[i];
    return NULL;
}

static bool is_description(const char *name)
{
    const size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".kind") == 0 && name[0] != '.';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cfp_status list_folder(shelf *s, cfp_ctx *ctx, const char *folder)
{
    DIR *directory = folder == NULL ? NULL : opendir(folder);
    if (directory == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", folder == NULL ? "datasets/kinds" : folder,
                        folder == NULL ? "the folder of the kinds of data sets is not installed"
                                       : strerror(errno));
    cfp_status status = CFP_OK;
    for (const struct dirent *entry; status == CFP_OK && (entry = readdir(directory)) != NULL;) {
        if (!is_description(entry->d_name))
            continue;
        if (s->n == MOST_KINDS)
            status = cfp_fail(ctx, CFP_FORMAT, "%s: more than %d kinds", folder, MOST_KINDS);
        else if ((s->file[s->n] = cfp_format(ctx, "%s/%s", folder, entry->d_name)) == NULL)
            status = CFP_NOMEM;
        else
            s->n++;
    }
    closedir(directory);
    qsort(s->file, (size_t)s->n, sizeof *s->file, by_name);
    return status;
}

static cfp_status read_shelf(shelf *s, cfp_ctx *ctx, const char *folder)
{
    CFP_TRY(list_folder(s, ctx, folder));
    for (int i = 0; i < s->n; i++) {
        CFP_TRY_ALLOC(ctx, s->kind[i], 1);
        CFP_TRY(cfp_kind_read(s->kind[i], ctx, s->file[i]));
    }
    return CFP_OK;
}

static void free_shelf(shelf *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->kind[i] != NULL)
            cfp_kind_free(s->kind[i]);
        cfp_free(s->kind[i]);
        cfp_free(s->file[i]);
    }
}

typedef struct fit { /* how well the beginning of a list fits a kind */
    bool good;
    int lines; /* that fit */
} fit;

static fit fit_of(const cfp_kind *kind, cfp_list_file *list, cfp_ctx *ctx)
{
    char why[256], room[CFP_TEMPLATE_ROOM];
    cfp_kind_fit columns;
    cfp_kind_line values;
    cfp_list_line line;
    int lines = 0, good = 0;
    if (cfp_kind_begin(&columns, kind, list, ctx, why) != NULL)
        return (fit){false, -1};
    if (kind->header == CFP_HEADER_YES)
        return (fit){true, SAMPLE};
    cfp_kind_start(&values, kind, list->path, room);
    while (lines < SAMPLE && cfp_list_file_next(&line, list, ctx) == CFP_OK && line.n > 0) {
        good += cfp_kind_take(&values, kind, &columns, &line, why) == NULL;
        lines++;
    }
    return (fit){good > 0 && 4 * good >= 3 * lines, good};
}

/* True if kind a is the better guess.  Of those that fit, that which asks for more; else that which
 * more lines fit, or which asks for less: its reader then says what is wrong. */
static bool is_better(fit a, const cfp_kind *of_a, fit b, const cfp_kind *of_b)
{
    if (a.good != b.good)
        return a.good;
    if (a.good)
        return of_a->weight > of_b->weight;
    return a.lines != b.lines ? a.lines > b.lines : of_a->weight < of_b->weight;
}

/* The best of the kinds that are called `name` (NULL: of all); -1: there is none. */
static int best_of(const shelf *s, cfp_list_file *list, cfp_ctx *ctx, const char *name)
{
    int best = -1;
    fit how_well = {false, 0};
    const cfp_ctx before = *ctx; /* trying leaves messages behind */
    for (int i = 0; i < s->n; i++) {
        if (name != NULL && strcmp(s->kind[i]->name, name) != 0)
            continue;
        const fit mine = fit_of(s->kind[i], list, ctx);
        if (best < 0 || is_better(mine, s->kind[i], how_well, s->kind[best])) {
            best = i;
            how_well = mine;
        }
    }
    memcpy(ctx->message, before.message, sizeof ctx->message);
    return best;
}

static cfp_status unknown_kind(const shelf *s, cfp_ctx *ctx, const char *name)
{
    enum { ROOM = 512 };
    char names[ROOM] = "";
    const char *near = NULL;
    int nearest = 4;
    for (int i = 0; i < s->n; i++) {
        const char *known = s->kind[i]->name;
        if (i > 0 && strcmp(known, s->kind[i - 1]->name) == 0)
            continue;
        const size_t used = strlen(names);
        snprintf(names + used, ROOM - used, "%s%s", used == 0 ? "" : ", ", known);
        const int distance = cfp_edit_distance(name, known);
        if (distance < nearest) {
            nearest = distance;
            near = known;
        }
    }
    if (near != NULL)
        return cfp_fail(ctx, CFP_USAGE, "--kind: '%s' is no kind of list; did you mean %s?", name,
                        near);
    return cfp_fail(ctx, CFP_USAGE,
                    "--kind: '%s' is no kind of list: one of %s, or the path of a description",
                    name, names);
}

static bool is_path(const char *kind)
{
    return strchr(kind, '/') != NULL || is_description(kind);
}

static bool has_kind(const shelf *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->kind[i]->name, name) == 0)
            return true;
    return false;
}

static cfp_status choose(cfp_kind *out, shelf *s, cfp_ctx *ctx, cfp_list_file *list,
                         const cfp_dataset_options *options)
{
    CFP_TRY(read_shelf(s, ctx, cfp_kinds_folder(options)));
    if (options->kind != NULL && !has_kind(s, options->kind))
        return unknown_kind(s, ctx, options->kind);
    const int best = best_of(s, list, ctx, options->kind);
    if (best < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: it has no description of a kind",
                        cfp_kinds_folder(options));
    *out = *s->kind[best];
    *s->kind[best] = (cfp_kind){0};
    return CFP_OK;
}

cfp_status cfp_kinds_choose(cfp_kind *out, cfp_ctx *ctx, cfp_list_file *list,
                            const cfp_dataset_options *options)
{
    *out = (cfp_kind){0};
    if (options->kind != NULL && is_path(options->kind))
        return cfp_kind_read(out, ctx, options->kind);
    shelf s = {0};
    const cfp_status status = choose(out, &s, ctx, list, options);
    free_shelf(&s);
    return status;
}
