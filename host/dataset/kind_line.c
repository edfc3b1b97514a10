/* kind_line.c - applies the description of a kind to a list: which field is which column, and the
 * values of a line; see kind.h. */
#include "kind.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* True if a header calls the column so. */
static bool is_called(const cfp_kind_column *column, const char *field)
{
    const size_t length = strlen(field);
    for (const char *name = column->names; *name != '\0';) {
        const size_t n = strcspn(name, "|");
        if (n == length && strncasecmp(name, field, n) == 0)
            return true;
        name += n + (name[n] == '|');
    }
    return false;
}

/* Finds the column of each field of a header.  Returns the number of the column that is missing, or
 * -1. */
static int fit_header(cfp_kind_fit *fit, const cfp_kind *kind, const cfp_list_line *line)
{
    bool found[CFP_KIND_COLUMNS] = {false};
    fit->n_fields = line->n;
    for (int f = 0; f < line->n; f++) {
        fit->column[f] = -1;
        for (int c = 0; c < kind->n_columns && fit->column[f] < 0; c++)
            if (!found[c] && is_called(&kind->column[c], line->field[f])) {
                fit->column[f] = c;
                found[c] = true;
            }
    }
    for (int c = 0; c < kind->n_columns; c++)
        if (!found[c] && !kind->column[c].optional)
            return c;
    return -1;
}

/* Without a header the columns stand in their order. */
static void fit_order(cfp_kind_fit *fit, const cfp_kind *kind)
{
    fit->n_fields = kind->n_columns;
    for (int c = 0; c < kind->n_columns; c++)
        fit->column[c] = c;
}

const char *cfp_kind_begin(cfp_kind_fit *fit, const cfp_kind *kind, cfp_list_file *file,
                           cfp_ctx *ctx, char why[256])
{
    cfp_list_line line;
    file->comments = kind->comments;
    file->most = 0;
    cfp_list_file_rewind(file);
    file->separator = kind->separator == CFP_BY_COMMA   ? ','
                      : kind->separator == CFP_BY_BLANK ? ' '
                                                        : cfp_list_file_separator(file);
    if (file->separator == ' ')
        file->most = kind->column[kind->n_columns - 1].rest ? kind->n_columns : kind->words;
    fit_order(fit, kind);
    if (kind->header == CFP_HEADER_NO)
        return NULL;
    const bool read = cfp_list_file_next(&line, file, ctx) == CFP_OK;
    const int missing = !read || line.n == 0 ? 0 : fit_header(fit, kind, &line);
    if (missing < 0)
        return NULL;
    if (kind->header == CFP_HEADER_MAYBE) {
        fit_order(fit, kind);
        cfp_list_file_rewind(file);
        return NULL;
    }
    if (!read) {
        snprintf(why, 256, "%.255s", ctx->message);
        return why;
    }
    snprintf(why, 256, "its first line has no column '%.*s'",
             (int)strcspn(kind->column[missing].names, "|"), kind->column[missing].names);
    return why;
}

void cfp_kind_start(cfp_kind_line *line, const cfp_kind *kind, const char *path,
                    char room[CFP_TEMPLATE_ROOM])
{
    const char *base = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    const char *point = strrchr(base, '.');
    const int length = point == NULL || point == base ? (int)strlen(base) : (int)(point - base);
    *line = (cfp_kind_line){0};
    snprintf(room, CFP_TEMPLATE_ROOM, "%.*s", length, base);
    line->value[kind->n_columns] = room;
}

/* Puts the groups of a regular expression into the values of a part. */
static bool take_part(cfp_kind_line *out, size_t *used, const cfp_kind_part *part)
{
    regmatch_t match[9];
    const char *from = out->value[part->from];
    if (from == NULL || regexec(&part->form, from, (size_t)part->n + 1, match, 0) != 0)
        return false;
    for (int i = 0; i < part->n; i++) {
        const regmatch_t *m = &match[i + 1];
        const size_t length = m->rm_so < 0 ? 0 : (size_t)(m->rm_eo - m->rm_so);
        if (length >= sizeof out->room - *used)
            return false;
        memcpy(out->room + *used, from + (m->rm_so < 0 ? 0 : m->rm_so), length);
        out->room[*used + length] = '\0';
        out->value[part->first + i] = out->room + *used;
        *used += length + 1;
    }
    return true;
}

static const char *check_columns(const cfp_kind_line *out, const cfp_kind *kind, char why[256])
{
    for (int c = 0; c < kind->n_columns; c++) {
        const cfp_kind_column *column = &kind->column[c];
        const char *value = out->value[c];
        const int length = (int)strcspn(column->names, "|");
        if ((value == NULL || *value == '\0') && !column->optional) {
            snprintf(why, 256, "the column '%.*s' is %s", length, column->names,
                     value == NULL ? "missing" : "empty");
            return why;
        }
        if (value != NULL && *value != '\0' && column->checked &&
            (strlen(value) > CFP_TEMPLATE_ROOM || regexec(&column->form, value, 0, NULL, 0) != 0)) {
            snprintf(why, 256, "'%.80s' cannot be a value of the column '%.*s'", value, length,
                     column->names);
            return why;
        }
    }
    return NULL;
}

const char *cfp_kind_take(cfp_kind_line *out, const cfp_kind *kind, const cfp_kind_fit *fit,
                          const cfp_list_line *line, char why[256])
{
    const char *list = out->value[kind->n_columns];
    memset(out->value, 0, sizeof out->value);
    out->value[kind->n_columns] = list;
    const bool rest = kind->column[kind->n_columns - 1].rest;
    int n = line->n;
    while (n > fit->n_fields && line->field[n - 1][0] == '\0')
        n--; /* commas at the end of a line, as spreadsheets leave them */
    if (n > fit->n_fields && !rest) {
        snprintf(why, 256, "%d fields; there are %d columns", n, fit->n_fields);
        return why;
    }
    for (int f = 0; f < n && f < fit->n_fields; f++)
        if (fit->column[f] >= 0)
            out->value[fit->column[f]] = line->field[f];
    const char *problem = check_columns(out, kind, why);
    if (problem != NULL)
        return problem;
    size_t used = 0;
    for (int p = 0; p < kind->n_parts; p++)
        if (!take_part(out, &used, &kind->part[p])) {
            snprintf(why, 256, "'%.80s' has not the form of '%s'",
                     out->value[kind->part[p].from] == NULL ? "" : out->value[kind->part[p].from],
                     kind->value_name[kind->part[p].from]);
            return why;
        }
    return NULL;
}
