/* write_class.h - the files that aggregate writes: class.h5, class.json, and the pages.
 *
 *     class.h5     /classes/<index>/pyramid/<layer>; see write_class_h5.c
 *     class.json   the same for programs that read JSON; see write_class_json.c
 *     report.html  a table of the classes;  class/<index>.html  a class; see class_page.c
 *
 * Classes are added one after the other, so only one of them is in memory.  class.h5 and class.json
 * are open at the same time. */
#pragma once
#include "../base/json.h"
#include "../aggregate/explained.h"
#include "../files/output.h"
#include "../aggregate/tally.h"

typedef struct cfp_class_clip { /* a clip that was counted */
    const char *id;
    double probability;
    const char
        *href; /* link from the page of the class to the clip's report; NULL: there is no report */
} cfp_class_clip;

typedef struct cfp_class_facts { /* what is known about one class */
    int index;
    const char *name;
    const cfp_tally *tally; /* after cfp_tally_finish */
    int n_clips;
    const cfp_class_clip *clip; /* [n_clips] */
} cfp_class_facts;

typedef struct cfp_class_row { /* a row of the table of classes */
    int index;
    char *name;
    int clips, kernels;
    double consistency, random; /* means over the layers below the class; NaN: there are none */
} cfp_class_row;

typedef struct cfp_class_files {
    cfp_output *output;
    const cfp_explained_head
        *head; /* head of the first explanation; model and options are the same in all */
    int clips; /* number of clips of all classes */
    cfp_growing h5_growing, json_growing;
    struct cfp_class_h5 *h5; /* NULL: not open */
    cfp_json json;
    cfp_class_row *row; /* [n_rows] */
    int n_rows, capacity;
} cfp_class_files;

/* Begins the files.  Call cfp_class_files_close afterwards, also after an error. */
CFP_CHECKED cfp_status cfp_class_files_open(cfp_class_files *out, cfp_output *output,
                                            const cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_class_files_add(cfp_class_files *files, const cfp_class_facts *facts);
/* Writes the table of classes and commits all files. */
CFP_CHECKED cfp_status cfp_class_files_finish(cfp_class_files *files);
void cfp_class_files_close(cfp_class_files *files);

/* The parts of write_class.c that are in files of their own: */
CFP_CHECKED cfp_status cfp_class_h5_begin(cfp_class_files *files);
CFP_CHECKED cfp_status cfp_class_h5_add(cfp_class_files *files, const cfp_class_facts *facts);
/* Closes class.h5 without committing it.  `status` is the result of writing the contents; it is
 * returned, or the error of closing the file. */
CFP_CHECKED cfp_status cfp_class_h5_end(cfp_class_files *files, cfp_status status);
void cfp_class_json_begin(cfp_class_files *files);
CFP_CHECKED cfp_status cfp_class_json_add(cfp_class_files *files, const cfp_class_facts *facts);
void cfp_class_json_options(cfp_json *json, const cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_class_page(cfp_class_files *files, const cfp_class_facts *facts);
CFP_CHECKED cfp_status cfp_classes_page(cfp_class_files *files);
