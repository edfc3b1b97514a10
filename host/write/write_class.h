/* write_class.h - what aggregate writes of many explanations: class.h5, class.json, report.html and
 * a page for each class.
 *
 *     class.h5     /classes/<index>/pyramid/<layer>; see write_class_h5.c
 *     class.json   the same for programs that read JSON; see write_class_json.c
 *     report.html  a table of the classes;  class/<index>.html  a class; see class_page.c
 *
 * Classes come one after the other, so only one of them is in memory; the first two files grow side
 * by side. */
#pragma once
#include "../base/json.h"
#include "../aggregate/explained.h"
#include "../files/output.h"
#include "../aggregate/tally.h"

typedef struct cfp_class_clip { /* that was added up */
    const char *id;
    double probability;
    const char *href; /* of its report, from the page of the class; NULL: it has none */
} cfp_class_clip;

typedef struct cfp_class_facts { /* one class */
    int index;
    const char *name;
    const cfp_tally *tally; /* finished */
    int n_clips;
    const cfp_class_clip *clip; /* [n_clips] */
} cfp_class_facts;

typedef struct cfp_class_row { /* of the table */
    int index;
    char *name;
    int clips, kernels;
    double consistency, random; /* means over the layers below the class; NaN: none */
} cfp_class_row;

typedef struct cfp_class_files {
    cfp_output *output;
    const cfp_explained_head *head; /* of the first explanation: model and options of all */
    int clips;                      /* of all classes */
    cfp_growing h5_growing, json_growing;
    struct cfp_class_h5 *h5; /* NULL: not open */
    cfp_json json;
    cfp_class_row *row; /* [n_rows] */
    int n_rows, room;
} cfp_class_files;

/* Begins the files.  cfp_class_files_close follows whatever these return. */
CFP_CHECKED cfp_status cfp_class_files_open(cfp_class_files *out, cfp_output *output,
                                            const cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_class_files_add(cfp_class_files *files, const cfp_class_facts *facts);
/* Commits all, the table of classes behind them. */
CFP_CHECKED cfp_status cfp_class_files_finish(cfp_class_files *files);
void cfp_class_files_close(cfp_class_files *files);

/* Parts of it, each in a file of its own. */
CFP_CHECKED cfp_status cfp_class_h5_begin(cfp_class_files *files);
CFP_CHECKED cfp_status cfp_class_h5_add(cfp_class_files *files, const cfp_class_facts *facts);
/* status: what came of filling it.  Closes the file, which is not committed. */
CFP_CHECKED cfp_status cfp_class_h5_end(cfp_class_files *files, cfp_status status);
void cfp_class_json_begin(cfp_class_files *files);
CFP_CHECKED cfp_status cfp_class_json_add(cfp_class_files *files, const cfp_class_facts *facts);
void cfp_class_json_options(cfp_json *json, const cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_class_page(cfp_class_files *files, const cfp_class_facts *facts);
CFP_CHECKED cfp_status cfp_classes_page(cfp_class_files *files);
