/* run_list.h - reads the names of a run's files from its run.json, and checks that the files exist.
 * run.json may have been edited or come from another machine, so its names are not trusted. */
#pragma once
#include "../base/base.h"

typedef struct cfp_run_list {
    bool there;  /* run.json exists */
    bool broken; /* it exists but cannot be parsed; there are no names */
    char **name; /* [n], sorted */
    int n;
} cfp_run_list;

/* Reads `file` in the open folder.  A file that is missing or cannot be parsed is not an error.  On
 * failure *out is empty. */
CFP_CHECKED cfp_status cfp_run_list_read(cfp_run_list *out, cfp_ctx *ctx, int folder,
                                         const char *file);
void cfp_run_list_free(cfp_run_list *list); /* accepts {0} */
bool cfp_run_list_has(const cfp_run_list *list, const char *name);

/* True for names that the program gives to its files (without run.json): "explanation.h5",
 * "overlay/<layer>.png", "heads/<head>/explanation.h5".  Such a name never leads out of the folder.
 */
bool cfp_run_list_is_ours(const char *name);

/* A file that a command needs, and the format of explain that writes it. */
typedef struct cfp_run_need {
    const char *file, *format;
} cfp_run_need;

/* CFP_OK if the folder holds one complete run, and that run wrote the n files that are needed.
 * Otherwise the message says what is missing. */
CFP_CHECKED cfp_status cfp_run_check(cfp_ctx *ctx, const char *directory, const cfp_run_need *need,
                                     int n);
