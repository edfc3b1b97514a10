/* output.h - the directory being filled: names that are safe, files that appear all together.
 *
 * One file grows at a time (but see cfp_output_swap), in the run's hidden folder (stage.h).  A
 * writer begins it, fills it and commits it; where it returns early the caller of all writers
 * (cfp_write) abandons the run.
 *
 *     explanation.h5  pyramid.json  tree.json  run.json  contact-sheet.png
 *     overlay/<layer>.png  .mp4  .gif  overlay/<layer>/000000.png ...  overlay/<layer>/stack.png
 *     overlay/<layer>/kernel-<o>.png ...  the same of a kernel;  overlay/<layer>/contact-sheet.png
 */
#pragma once
#include "../base/newfile.h"
#include "../method/explain.h"
#include "stage.h"

typedef struct cfp_output {
    cfp_ctx *ctx;
    cfp_newfile file; /* the one that is growing */
    char *name;       /* its name, relative to directory */
    char **files;     /* [n_files] names committed, in that order */
    int n_files, room;
    int64_t done, total; /* of progress "write" */
    cfp_stage stage;     /* where the files are until all are whole */
    char *folder;        /* of files that appear one by one: then there is no stage; else NULL */
} cfp_output;

/* Makes the directory and its parents.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_output_open(cfp_output *out, cfp_ctx *ctx, const char *directory);
/* The same for files that are no run's, such as figures: each appears when it is committed, in a
 * folder that is there already. */
CFP_CHECKED cfp_status cfp_output_open_folder(cfp_output *out, cfp_ctx *ctx, const char *folder);
/* Abandons the run where it is not finished; accepts {0}. */
void cfp_output_close(cfp_output *output);

/* name is relative, its folders are made.  Write to output->file.stream, or, for libraries that
 * want a path, to cfp_newfile_where(&output->file). */
CFP_CHECKED cfp_status cfp_output_begin(cfp_output *output, const char *name);
CFP_CHECKED cfp_status cfp_output_commit(cfp_output *output);
/* For files that grow side by side: the one that is growing is put into *other, and what was there
 * is taken up again; {0} is none.  Who ends early abandons what is in *other. */
typedef struct cfp_growing {
    cfp_newfile file;
    char *name;
} cfp_growing;
void cfp_output_swap(cfp_output *output, cfp_growing *other);
void cfp_growing_abandon(cfp_growing *other);

/* After the last file, run.json: all of them take their places. */
CFP_CHECKED cfp_status cfp_output_finish(cfp_output *output);

/* One more step of the total done; CFP_INTERRUPTED where that is asked for. */
CFP_CHECKED cfp_status cfp_output_step(cfp_output *output);

/* "overlay/<layer><suffix>" of a layer tube, "overlay/<layer>/kernel-<o><suffix>" of a kernel tube,
 * with the layer's name as cfp_output_safe_name makes it.  The caller's to free; NULL: no memory.
 */
char *cfp_output_overlay(const cfp_output *output, const cfp_model *model, const cfp_tube *tube,
                         const char *suffix);

/* A layer's name as one path component: '/', '%', a leading '.', what is not UTF-8 and what a
 * terminal would not show (text_shown.h) as %XX, and what is longer than 200 bytes cut and told
 * apart by a hash of the whole.  Different names stay different.  The caller's to free; NULL: no
 * memory. */
char *cfp_output_safe_name(cfp_ctx *ctx, const char *name);
