/* class_list.c - see class_list.h. */
#include "class_list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MOST_CLASSES = 1 << 20 };

/* What a line is: of several forms, that which every line has. */
enum { NUMBER_NAME = 1, NAME_NUMBER = 2, NAME = 4 };

typedef struct reading {
    cfp_class_list *out;
    cfp_keep *keep;
    cfp_ctx *ctx;
    cfp_list_file file;
    int id, name; /* columns of a table */
    int form;
    int64_t lowest; /* number */
    int64_t lines;
} reading;

static bool is_number(const char *text, size_t length)
{
    return length > 0 && length < 8 && strspn(text, "0123456789") >= length;
}

/* The forms that a line of words could have. */
static int forms_of(const char *line)
{
    const char *last =
        strrchr(line, ' ') > strrchr(line, '\t') ? strrchr(line, ' ') : strrchr(line, '\t');
    const size_t first = strcspn(line, " \t");
    int forms = NAME;
    if (line[first] != '\0' && is_number(line, first))
        forms |= NUMBER_NAME;
    if (last != NULL && is_number(last + 1, strlen(last + 1)))
        forms |= NAME_NUMBER;
    return forms;
}

static bool is_id(const char *heading)
{
    const size_t length = strlen(heading);
    return strcasecmp(heading, "id") == 0 ||
           (length > 3 && strcasecmp(heading + length - 3, "_id") == 0);
}

/* True if the first line is the heading of a table. */
static bool find_columns(reading *r, const cfp_list_line *line)
{
    for (int f = 0; f + 1 < line->n; f++)
        if (is_id(line->field[f])) {
            r->id = f;
            r->name = f + 1;
            return true;
        }
    return false;
}

static cfp_status refuse(const reading *r, int64_t line, const char *what)
{
    return cfp_fail(r->ctx, CFP_FORMAT, "%s:%lld: %s", r->file.path, (long long)line, what);
}

/* Counts the lines, and finds the lowest number and the form of all. */
static cfp_status look(reading *r, bool table)
{
    cfp_list_line line;
    r->form = NUMBER_NAME | NAME_NUMBER | NAME;
    for (;;) {
        CFP_TRY(cfp_list_file_next(&line, &r->file, r->ctx));
        if (line.n == 0)
            break;
        r->lines++;
        if (table &&
            (line.n <= r->name || !is_number(line.field[r->id], strlen(line.field[r->id]))))
            return refuse(r, line.number, "no number of a class and its name");
        if (!table)
            r->form &= forms_of(line.field[0]);
    }
    if (r->lines == 0 || r->lines > MOST_CLASSES)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: a list of %lld classes", r->file.path,
                        (long long)r->lines);
    if (r->form & NUMBER_NAME)
        r->form = NUMBER_NAME;
    else if (r->form & NAME_NUMBER)
        r->form = NAME_NUMBER;
    return CFP_OK;
}

/* The number and the name of a line.  number -1: the place of the line is its number. */
static void take_apart(const reading *r, bool table, const cfp_list_line *line, int64_t *number,
                       const char **name, size_t *length)
{
    const char *text = line->field[0];
    *number = -1;
    *name = text;
    *length = strlen(text);
    if (table) {
        *number = strtol(line->field[r->id], NULL, 10);
        *name = line->field[r->name];
        *length = strlen(*name);
    } else if (r->form == NUMBER_NAME) {
        *number = strtol(text, NULL, 10);
        const size_t first = strcspn(text, " \t");
        *name = text + first + strspn(text + first, " \t");
        *length = strlen(*name);
    } else if (r->form == NAME_NUMBER) {
        size_t end = *length;
        while (end > 0 && text[end - 1] != ' ' && text[end - 1] != '\t')
            end--;
        *number = strtol(text + end, NULL, 10);
        while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        *length = end;
    }
}

static cfp_status start_over(reading *r, bool table)
{
    cfp_list_line line;
    cfp_list_file_rewind(&r->file);
    return table ? cfp_list_file_next(&line, &r->file, r->ctx) : CFP_OK;
}

/* Finds the lowest number: it is 0 or 1. */
static cfp_status find_lowest(reading *r, bool table)
{
    cfp_list_line line;
    int64_t number;
    const char *name;
    size_t length;
    r->lowest = INT64_MAX;
    for (int64_t i = 0; i < r->lines; i++) {
        CFP_TRY(cfp_list_file_next(&line, &r->file, r->ctx));
        take_apart(r, table, &line, &number, &name, &length);
        r->lowest = number < r->lowest ? number : r->lowest;
    }
    if (r->lowest > 1)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: classes are numbered from %lld, not from 0 or 1",
                        r->file.path, (long long)r->lowest);
    return CFP_OK;
}

static cfp_status take_names(reading *r, bool table)
{
    cfp_class_list *out = r->out;
    cfp_list_line line;
    CFP_TRY_ALLOC(r->ctx, out->name, r->lines);
    out->n = (int)r->lines;
    for (int64_t i = 0; i < r->lines; i++) {
        int64_t number;
        const char *name;
        size_t length;
        CFP_TRY(cfp_list_file_next(&line, &r->file, r->ctx));
        take_apart(r, table, &line, &number, &name, &length);
        const int64_t at = number < 0 ? i : number - r->lowest;
        if (at >= r->lines || out->name[at] != NULL)
            return refuse(r, line.number,
                          at >= r->lines ? "numbers of classes are missing"
                                         : "a second class of this number");
        if ((out->name[at] = cfp_keep_text(r->keep, r->ctx, name, length)) == NULL)
            return CFP_NOMEM;
    }
    return CFP_OK;
}

typedef struct entry {
    const char *name;
    int number;
} entry;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static cfp_status sort_names(reading *r)
{
    cfp_class_list *out = r->out;
    entry *sorted;
    CFP_TRY_ALLOC(r->ctx, out->by_name, out->n);
    CFP_TRY_ALLOC(r->ctx, sorted, out->n);
    for (int i = 0; i < out->n; i++)
        sorted[i] = (entry){out->name[i], i};
    qsort(sorted, (size_t)out->n, sizeof *sorted, by_name);
    for (int i = 0; i < out->n; i++)
        out->by_name[i] = sorted[i].number;
    cfp_free(sorted);
    return CFP_OK;
}

static cfp_status read_list(reading *r)
{
    cfp_list_line line;
    CFP_TRY(cfp_list_file_next(&line, &r->file, r->ctx));
    bool table = find_columns(r, &line);
    if (!table) {
        r->file.separator = ' ';
        r->file.most = 1;
    }
    CFP_TRY(start_over(r, table));
    CFP_TRY(look(r, table));
    CFP_TRY(start_over(r, table));
    CFP_TRY(find_lowest(r, table));
    CFP_TRY(start_over(r, table));
    CFP_TRY(take_names(r, table));
    return sort_names(r);
}

/* Reads `name` in this folder.  *out stays empty if there is no such file. */
static cfp_status read_in(cfp_class_list *out, cfp_keep *keep, cfp_ctx *ctx, const char *folder,
                          const char *name)
{
    struct stat facts;
    reading r = {.out = out, .keep = keep, .ctx = ctx};
    const size_t length = strlen(folder);
    char *path =
        cfp_format(ctx, "%s%s%s", folder, length > 0 && folder[length - 1] != '/' ? "/" : "", name);
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = CFP_OK;
    if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode)) {
        status = cfp_list_file_open(&r.file, ctx, path);
        if (status == CFP_OK)
            status = read_list(&r);
        cfp_list_file_close(&r.file);
        if (status == CFP_OK && (out->file = cfp_keep_text(keep, ctx, path, strlen(path))) == NULL)
            status = CFP_NOMEM;
    }
    cfp_free(path);
    return status;
}

cfp_status cfp_class_list_find(cfp_class_list *out, cfp_keep *keep, cfp_ctx *ctx,
                               const cfp_kind_label *label, const char *const *folder,
                               int n_folders)
{
    *out = (cfp_class_list){0};
    for (int i = 0; i < label->n_lists; i++)
        for (int f = 0; f < n_folders; f++) {
            const cfp_status status = read_in(out, keep, ctx, folder[f], label->list[i]);
            if (status != CFP_OK)
                cfp_class_list_free(out);
            if (status != CFP_OK || out->file != NULL)
                return status;
        }
    return CFP_OK;
}

int cfp_class_list_number(const cfp_class_list *list, const char *name)
{
    int low = 0, high = list->n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const int order = strcmp(list->name[list->by_name[middle]], name);
        if (order == 0)
            return list->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void cfp_class_list_free(cfp_class_list *list)
{
    cfp_free(list->name);
    cfp_free(list->by_name);
    *list = (cfp_class_list){0};
}
