/* kind.c - reads the description of a kind of list; see kind.h.  kind_line.c applies it. */
#include "kind.h"
#include "../base/infile.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1024, MOST_GROUPS = 8 };

typedef struct reading { /* of one description */
    cfp_kind *kind;
    cfp_ctx *ctx;
    const char *path;
    int line;
    char wrong[128];
} reading;

static cfp_status refuse(const reading *r, const char *what)
{
    return what == cfp_keep_failed
               ? CFP_NOMEM
               : cfp_fail(r->ctx, CFP_FORMAT, "%s:%d: %s", r->path, r->line, what);
}

static const char *keep(reading *r, const char *text)
{
    return cfp_keep_text(&r->kind->keep, r->ctx, text, strlen(text));
}

/* Cuts the next word off *text. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t");
    char *end = word + strcspn(word, " \t");
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return *word == '\0' ? NULL : word;
}

static cfp_status add_value(reading *r, const char *name, size_t length)
{
    cfp_kind *kind = r->kind;
    if (kind->n_values == CFP_KIND_VALUES)
        return refuse(r, "too many columns and parts");
    const char *copy = cfp_keep_text(&kind->keep, r->ctx, name, length);
    if (copy == NULL)
        return CFP_NOMEM;
    kind->value_name[kind->n_values++] = copy;
    return CFP_OK;
}

/* Reads the regular expression behind " : ", and cuts it off.  *form is NULL without one. */
static char *cut_form(char *text)
{
    char *colon = strstr(text, " : ");
    if (colon == NULL)
        return NULL;
    *colon = '\0';
    return colon + 3 + strspn(colon + 3, " \t");
}

enum { MOST_REPEATS = 10000 };

/* How often what stands before "{m,n}" is repeated. */
static int64_t repeats_of(const char *brace)
{
    char *end;
    const long least = strtol(brace + 1, &end, 10);
    const long most = *end == ',' ? strtol(end + 1, NULL, 10) : 0;
    const long n = least > most ? least : most;
    return n < 1 ? 1 : n > MOST_REPEATS ? MOST_REPEATS + 1 : n;
}

/* What a regular expression asks for too much of; NULL: nothing.  Repeats inside repeats take
 * memory for each of their product, and a reference to a group can take time without end. */
static const char *too_much(const char *form)
{
    int64_t repeats = 1;
    for (const char *c = form; *c != '\0' && repeats <= MOST_REPEATS; c++) {
        if (*c == '{')
            repeats *= repeats_of(c);
        if (*c != '\\' || c[1] == '\0')
            continue;
        c++;
        if (*c >= '1' && *c <= '9')
            return "the regular expression refers to a group, which is not supported";
    }
    return repeats > MOST_REPEATS ? "the regular expression repeats something too often" : NULL;
}

static cfp_status compile(reading *r, regex_t *out, const char *form)
{
    char why[64], message[128];
    const char *problem = too_much(form);
    if (problem != NULL)
        return refuse(r, problem);
    const int error = regcomp(out, form, REG_EXTENDED);
    if (error == 0)
        return CFP_OK;
    regerror(error, out, why, sizeof why);
    snprintf(message, sizeof message, "the regular expression: %s", why);
    return refuse(r, message);
}

/* column = NAME|ALIAS [optional] [rest] [: FORM] */
static cfp_status read_column(reading *r, char *text)
{
    cfp_kind *kind = r->kind;
    char *form = cut_form(text), *names = next_word(&text), *word;
    if (names == NULL || kind->n_columns == CFP_KIND_COLUMNS)
        return refuse(r, names == NULL ? "a column needs a name" : "too many columns");
    if (kind->n_parts > 0 || kind->n_values > kind->n_columns)
        return refuse(r, "columns come before parts and all that use them");
    cfp_kind_column *column = &kind->column[kind->n_columns];
    while ((word = next_word(&text)) != NULL)
        if (strcmp(word, "optional") == 0)
            column->optional = true;
        else if (strcmp(word, "rest") == 0)
            column->rest = true;
        else
            return refuse(r, "behind a column's name stand optional, rest and ' : FORM' only");
    CFP_TRY(add_value(r, names, strcspn(names, "|")));
    if ((column->names = keep(r, names)) == NULL)
        return CFP_NOMEM;
    if (form != NULL) {
        CFP_TRY(compile(r, &column->form, form));
        column->checked = true;
    }
    kind->n_columns++;
    return CFP_OK;
}

static int value_number(const cfp_kind *kind, const char *name)
{
    for (int i = 0; i < kind->n_values; i++)
        if (strcmp(kind->value_name[i], name) == 0)
            return i;
    return -1;
}

/* Behind the last column comes the value "list". */
static cfp_status end_columns(reading *r)
{
    if (value_number(r->kind, "list") >= 0)
        return CFP_OK;
    return r->kind->n_columns == 0 ? refuse(r, "this stands before the first column")
                                   : add_value(r, "list", 4);
}

/* part = VALUE NAME... : FORM */
static cfp_status read_part(reading *r, char *text)
{
    cfp_kind *kind = r->kind;
    CFP_TRY(end_columns(r));
    char *form = cut_form(text), *word = next_word(&text);
    if (word == NULL || form == NULL || kind->n_parts == CFP_KIND_PARTS)
        return refuse(r, kind->n_parts == CFP_KIND_PARTS ? "too many parts"
                                                         : "a part is VALUE NAME... : FORM");
    cfp_kind_part *part = &kind->part[kind->n_parts];
    part->from = value_number(kind, word);
    part->first = kind->n_values;
    if (part->from < 0)
        return refuse(r, "a part is taken from a column, an earlier part or 'list'");
    while ((word = next_word(&text)) != NULL) {
        CFP_TRY(add_value(r, word, strlen(word)));
        part->n++;
    }
    CFP_TRY(compile(r, &part->form, form));
    kind->n_parts++;
    if (part->n < 1 || part->n > MOST_GROUPS || part->form.re_nsub < (size_t)part->n)
        return refuse(r, "a part has a name for each group in brackets, 1 to 8");
    return CFP_OK;
}

static cfp_status read_template(reading *r, cfp_template *out, const char *text)
{
    CFP_TRY(end_columns(r));
    const cfp_values names = {r->kind->n_values, r->kind->value_name, NULL};
    const char *problem = cfp_template_read(out, &r->kind->keep, r->ctx, text, &names, r->wrong);
    return problem == NULL ? CFP_OK : refuse(r, problem);
}

static cfp_status read_pair(reading *r, cfp_template out[2], char *text)
{
    const char *first = next_word(&text), *second = next_word(&text);
    if (first == NULL || second == NULL || next_word(&text) != NULL)
        return refuse(r, "a window is two texts: its start and its stop");
    CFP_TRY(read_template(r, &out[0], first));
    return read_template(r, &out[1], second);
}

static cfp_status add_place(reading *r, const char *text, bool cut)
{
    cfp_kind *kind = r->kind;
    if (kind->n_places == CFP_KIND_PLACES)
        return refuse(r, "too many places");
    CFP_TRY(read_template(r, &kind->place[kind->n_places].at, text));
    kind->place[kind->n_places++].cut = cut;
    return CFP_OK;
}

static cfp_status read_label(reading *r, const char *text)
{
    cfp_kind *kind = r->kind;
    if (kind->n_labels == CFP_DATASET_LABELS)
        return refuse(r, "too many labels");
    if ((kind->label[kind->n_labels].name = keep(r, text)) == NULL)
        return CFP_NOMEM;
    kind->n_labels++;
    return CFP_OK;
}

static cfp_status read_subset_name(reading *r, char *text)
{
    cfp_kind *kind = r->kind;
    const char *value = next_word(&text), *name = next_word(&text);
    if (value == NULL || name == NULL || kind->n_subset_names == 8)
        return refuse(r, "subset-name is VALUE NAME, 8 times at most");
    const int i = kind->n_subset_names++;
    kind->subset_name[i].value = keep(r, value);
    kind->subset_name[i].name = keep(r, name);
    return kind->subset_name[i].value == NULL || kind->subset_name[i].name == NULL ? CFP_NOMEM
                                                                                   : CFP_OK;
}

/* One of `n` words; -1: none of them. */
static int word_number(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    return -1;
}

/* Keys of a label: they belong to the last one. */
static cfp_status read_label_key(reading *r, const char *key, char *text, bool *known)
{
    cfp_kind *kind = r->kind;
    static const char *const keys[] = {"name", "number", "name-or-number", "first-number",
                                       "class-list"};
    const int which = word_number(key, keys, 5);
    *known = which >= 0;
    if (!*known)
        return CFP_OK;
    if (kind->n_labels == 0)
        return refuse(r, "this key stands before the first label");
    cfp_kind_label *label = &kind->label[kind->n_labels - 1];
    if (which <= 2)
        return read_template(r,
                             which == 0   ? &label->text
                             : which == 1 ? &label->number
                                          : &label->either,
                             text);
    if (which == 3) {
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
            return refuse(r, "classes are numbered from 0 or 1");
        label->first_number = *text - '0';
        return CFP_OK;
    }
    for (const char *word; (word = next_word(&text)) != NULL;) {
        if (label->n_lists == CFP_KIND_LISTS)
            return refuse(r, "too many class lists");
        if ((label->list[label->n_lists++] = keep(r, word)) == NULL)
            return CFP_NOMEM;
    }
    return CFP_OK;
}

static cfp_status read_word(reading *r, int *out, const char *text, const char *const *words, int n,
                            const char *message)
{
    *out = word_number(text, words, n);
    return *out >= 0 ? CFP_OK : refuse(r, message);
}

/* Keys whose value is one word. */
static cfp_status read_choice(reading *r, const char *key, const char *text, bool *known)
{
    cfp_kind *kind = r->kind;
    static const char *const separators[] = {"comma", "blank", "comma-or-blank"};
    static const char *const headers[] = {"no", "yes", "maybe"};
    static const char *const ends[] = {"exclusive", "inclusive"};
    static const char *const firsts[] = {"0", "1"};
    int value = 0;
    *known = true;
    if (strcmp(key, "separator") == 0) {
        CFP_TRY(read_word(r, &value, text, separators, 3,
                          "a separator is comma, blank or comma-or-blank"));
        kind->separator = value;
    } else if (strcmp(key, "header") == 0) {
        CFP_TRY(read_word(r, &value, text, headers, 3, "header is no, yes or maybe"));
        kind->header = value;
    } else if (strcmp(key, "last-frame") == 0) {
        CFP_TRY(read_word(r, &value, text, ends, 2, "last-frame is inclusive or exclusive"));
        kind->inclusive = value == 1;
    } else if (strcmp(key, "first-frame") == 0) {
        CFP_TRY(read_word(r, &value, text, firsts, 2, "frames are numbered from 0 or 1"));
        kind->first_frame = value;
    } else if (strcmp(key, "comments") == 0) {
        CFP_TRY(read_word(r, &value, text, headers, 2, "comments is no or yes"));
        kind->comments = value == 1;
    } else if (strcmp(key, "words") == 0) {
        kind->words = atoi(text);
        return kind->words > 0 ? CFP_OK : refuse(r, "words is a number of fields");
    } else {
        *known = false;
    }
    return CFP_OK;
}

static cfp_status read_key(reading *r, const char *key, char *text)
{
    cfp_kind *kind = r->kind;
    bool known;
    CFP_TRY(read_choice(r, key, text, &known));
    if (!known)
        CFP_TRY(read_label_key(r, key, text, &known));
    if (known)
        return CFP_OK;
    if (strcmp(key, "kind") == 0)
        return (kind->name = keep(r, text)) == NULL ? CFP_NOMEM : CFP_OK;
    if (strcmp(key, "about") == 0)
        return (kind->about = keep(r, text)) == NULL ? CFP_NOMEM : CFP_OK;
    if (strcmp(key, "column") == 0)
        return read_column(r, text);
    if (strcmp(key, "part") == 0)
        return read_part(r, text);
    if (strcmp(key, "id") == 0)
        return kind->n_ids == 4 ? refuse(r, "too many ids")
                                : read_template(r, &kind->id[kind->n_ids++], text);
    if (strcmp(key, "clip") == 0 || strcmp(key, "video") == 0)
        return add_place(r, text, key[0] == 'c');
    if (strcmp(key, "frames") == 0)
        return read_pair(r, kind->frames, text);
    if (strcmp(key, "seconds") == 0)
        return read_pair(r, kind->seconds, text);
    if (strcmp(key, "subset") == 0)
        return read_template(r, &kind->subset, text);
    if (strcmp(key, "subset-name") == 0)
        return read_subset_name(r, text);
    if (strcmp(key, "label") == 0)
        return read_label(r, text);
    snprintf(r->wrong, sizeof r->wrong, "'%.60s' is no key of a description", key);
    return refuse(r, r->wrong);
}

static cfp_status read_line(reading *r, char *line)
{
    size_t length = strlen(line);
    if (length == LONGEST - 1 && line[length - 1] != '\n')
        return refuse(r, "the line is too long");
    while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL)
        line[--length] = '\0';
    char *key = line + strspn(line, " \t");
    if (*key == '\0' || *key == '#')
        return CFP_OK;
    char *equal = strchr(key, '=');
    if (equal == NULL)
        return refuse(r, "a line is KEY = VALUE");
    *equal = '\0';
    char *end = key + strcspn(key, " \t");
    if (end[strspn(end, " \t")] != '\0')
        return refuse(r, "a line is KEY = VALUE");
    *end = '\0';
    char *value = equal + 1 + strspn(equal + 1, " \t");
    return *value == '\0' ? refuse(r, "a key without a value") : read_key(r, key, value);
}

/* A kind is called as its file, if it does not say otherwise. */
static cfp_status name_kind(reading *r)
{
    cfp_kind *kind = r->kind;
    const char *base = strrchr(r->path, '/') == NULL ? r->path : strrchr(r->path, '/') + 1;
    if (kind->name == NULL)
        kind->name = cfp_keep_text(&kind->keep, r->ctx, base, strcspn(base, "."));
    kind->file = keep(r, r->path);
    return kind->name == NULL || kind->file == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status check_whole(reading *r)
{
    cfp_kind *kind = r->kind;
    if (kind->n_ids == 0 || kind->n_places == 0)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: the description has no %s", r->path,
                        kind->n_ids == 0 ? "id" : "clip and no video");
    for (int i = 0; i < kind->n_columns; i++)
        kind->weight +=
            kind->column[i].checked + (kind->header == CFP_HEADER_YES && !kind->column[i].optional);
    kind->weight += 2 * kind->n_parts;
    return name_kind(r);
}

static cfp_status read_lines(reading *r, FILE *file)
{
    char line[LONGEST];
    for (r->line = 1; fgets(line, sizeof line, file) != NULL; r->line++)
        CFP_TRY(read_line(r, line));
    if (ferror(file))
        return cfp_fail(r->ctx, CFP_IO, "%s: %s", r->path, strerror(errno));
    return check_whole(r);
}

cfp_status cfp_kind_read(cfp_kind *out, cfp_ctx *ctx, const char *path)
{
    FILE *file;
    *out = (cfp_kind){0};
    reading r = {.kind = out, .ctx = ctx, .path = path};
    CFP_TRY(cfp_infile_open(&file, ctx, path));
    const cfp_status status = read_lines(&r, file);
    fclose(file);
    return status;
}

void cfp_kind_free(cfp_kind *kind)
{
    for (int i = 0; i < kind->n_columns; i++)
        if (kind->column[i].checked)
            regfree(&kind->column[i].form);
    for (int i = 0; i < kind->n_parts; i++)
        regfree(&kind->part[i].form);
    cfp_keep_free(&kind->keep);
    *kind = (cfp_kind){0};
}
