/* run_list.h - the files of a run, as its run.json lists them; and whether they are all there.
 *
 * run.json may have been edited, or come from elsewhere: its names are not trusted. */
#pragma once
#include "../base/base.h"

typedef struct cfp_run_list {
    bool there;  /* there is a run.json */
    bool broken; /* it is there, and cannot be read: no names */
    char **name; /* [n], ascending */
    int n;
} cfp_run_list;

/* Reads `file` in the open folder.  A missing or a broken file is no failure.  On failure *out is
 * empty. */
CFP_CHECKED cfp_status cfp_run_list_read(cfp_run_list *out, cfp_ctx *ctx, int folder,
                                         const char *file);
void cfp_run_list_free(cfp_run_list *list); /* accepts {0} */
bool cfp_run_list_has(const cfp_run_list *list, const char *name);

/* True for the names that commands give to their files, run.json aside: "explanation.h5",
 * "overlay/<layer>.png".  None of them leads out of the folder. */
bool cfp_run_list_is_ours(const char *name);

/* A file that a command needs, and the format of explain that makes it. */
typedef struct cfp_run_need {
    const char *file, *format;
} cfp_run_need;

/* CFP_OK where the folder holds one whole run, and that run made the n files that are needed.
 * Otherwise the message says what is missing. */
CFP_CHECKED cfp_status cfp_run_check(cfp_ctx *ctx, const char *directory, const cfp_run_need *need,
                                     int n);
