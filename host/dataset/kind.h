/* kind.h - the description of a kind of list: its columns, the id of a clip, where clips lie, what
 * their windows and labels are; private to host/dataset/.  README.md says how a description is
 * written. */
#pragma once
#include "dataset.h"
#include "../base/list_file.h"
#include "template.h"
#include <regex.h>

enum { CFP_KIND_COLUMNS = 64, CFP_KIND_PARTS = 4, CFP_KIND_PLACES = 12, CFP_KIND_LISTS = 8 };

typedef struct cfp_kind_column {
    const char *names; /* "clip|path|file": a header may use any; a template uses the first */
    bool optional, rest, checked;
    regex_t form; /* of its values, if checked */
} cfp_kind_column;

typedef struct cfp_kind_part { /* a value is taken apart */
    int from;                  /* the value */
    regex_t form;
    int first, n; /* the values that its groups give */
} cfp_kind_part;

typedef struct cfp_kind_label {
    const char *name;     /* "class", "verb" */
    cfp_template text;    /* the class as a name */
    cfp_template number;  /* the class as a number */
    cfp_template either;  /* a number if that is what all lines have, else a name */
    int64_t first_number; /* of a class: 0 or 1 */
    int n_lists;
    const char *list[CFP_KIND_LISTS]; /* names of class lists, beside the list or above it */
} cfp_kind_label;

typedef struct cfp_kind_place {
    cfp_template at;
    bool cut; /* the file is the clip; else it is a longer video, and the window applies */
} cfp_kind_place;

typedef struct cfp_kind {
    const char *name, *file, *about;
    enum { CFP_BY_COMMA, CFP_BY_BLANK, CFP_BY_CONTENT } separator;
    enum { CFP_HEADER_NO, CFP_HEADER_YES, CFP_HEADER_MAYBE } header;
    bool comments;
    int words; /* in a list of words: fields of a line at most; 0: no limit */
    int n_columns;
    cfp_kind_column column[CFP_KIND_COLUMNS];
    int n_parts;
    cfp_kind_part part[CFP_KIND_PARTS];
    /* The values of a line: columns, then "list" (the name of the list without folder and suffix),
     * then parts. */
    int n_values;
    const char *value_name[CFP_KIND_VALUES];
    int n_ids;
    cfp_template id[4]; /* the first whose values a line has */
    int n_places;
    cfp_kind_place place[CFP_KIND_PLACES];
    cfp_template frames[2], seconds[2], subset;
    int64_t first_frame;
    bool inclusive; /* the last frame belongs to the window */
    int n_subset_names;
    struct {
        const char *value, *name;
    } subset_name[8];
    int n_labels;
    cfp_kind_label label[CFP_DATASET_LABELS];
    int weight; /* how much a list has to agree with to be of this kind */
    cfp_keep keep;
} cfp_kind;

/* Reads a description.  CFP_IO, CFP_FORMAT (the message begins with FILE:LINE), CFP_NOMEM.  The
 * caller frees *out, after a failure too. */
CFP_CHECKED cfp_status cfp_kind_read(cfp_kind *out, cfp_ctx *ctx, const char *path);
void cfp_kind_free(cfp_kind *kind);

/* The values of the current line. */
typedef struct cfp_kind_line {
    const char *value[CFP_KIND_VALUES];
    char room[CFP_TEMPLATE_ROOM]; /* of the parts */
} cfp_kind_line;

typedef struct cfp_kind_fit {
    int column[CFP_LIST_FIELDS]; /* of each field; -1: not used */
    int n_fields;
} cfp_kind_fit;

/* Gives the file the separator of the kind, and finds which field is which column.  Reads the
 * header, if there is one: the next line is then the first of the data.  Returns NULL, or why the
 * file is not of this kind (in `why`). */
const char *cfp_kind_begin(cfp_kind_fit *fit, const cfp_kind *kind, cfp_list_file *file,
                           cfp_ctx *ctx, char why[256]);
/* Prepares *line for the lines of the list `path`, whose name goes to `room`. */
void cfp_kind_start(cfp_kind_line *line, const cfp_kind *kind, const char *path,
                    char room[CFP_TEMPLATE_ROOM]);
/* Takes a line apart.  Returns NULL, or what is wrong with it (in `why`). */
const char *cfp_kind_take(cfp_kind_line *out, const cfp_kind *kind, const cfp_kind_fit *fit,
                          const cfp_list_line *line, char why[256]);
