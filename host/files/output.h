/* output.h - the output directory of a run: safe file names, and files that all appear together.
 *
 * A writer begins a file, writes it and commits it.  Until the run ends, the files are in a hidden
 * folder (stage.h).  Only one file is open at a time, unless cfp_output_swap is used.  If a writer
 * returns an error, its caller (cfp_write) discards the whole run.
 *
 *     explanation.h5  pyramid.json  tree.json  run.json  contact-sheet.png
 *     figure.pdf  .svg  .png  figure-2.pdf ...
 *     overlay/<layer>.png  .mp4  .gif  overlay/<layer>/000000.png ...  overlay/<layer>/stack.png
 *     heads/<head>/...  the same files for each head of a network that has several
 *     overlay/<layer>/kernel-<o>.png ...  the same of a kernel;  overlay/<layer>/contact-sheet.png
 */
#pragma once
#include "../base/newfile.h"
#include "../method/explain.h"
#include "stage.h"

typedef struct cfp_output {
    cfp_ctx *ctx;
    cfp_newfile file; /* the open file */
    char *name;       /* its name, relative to the directory */
    char **files;     /* [n_files] names of the committed files, in that order */
    int n_files, capacity;
    int64_t done, total; /* steps of the progress that is reported as "write" */
    cfp_stage stage;     /* holds the files until the run ends */
    const char
        *inside;  /* a folder of the directory, into which files go; NULL: into the directory */
    char *folder; /* if files appear one by one: their folder, and there is no stage; else NULL */
} cfp_output;

/* Makes the directory and its parents, and starts a run.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_output_open(cfp_output *out, cfp_ctx *ctx, const char *directory);
/* For files that do not belong to a run, such as figures.  Each file appears when it is committed.
 * `folder` must exist. */
CFP_CHECKED cfp_status cfp_output_open_folder(cfp_output *out, cfp_ctx *ctx, const char *folder);
/* Discards the run if it is not finished; accepts {0}. */
void cfp_output_close(cfp_output *output);

/* Begins the file `name`, a path relative to the directory; its folders are made.  Write to
 * output->file.stream, or to the path cfp_newfile_where(&output->file) if a library needs a
 * path. */
CFP_CHECKED cfp_status cfp_output_begin(cfp_output *output, const char *name);
CFP_CHECKED cfp_status cfp_output_commit(cfp_output *output);
/* For files that are written at the same time: exchanges the open file with the one in *other.  {0}
 * stands for none.  On an error the caller discards *other with cfp_growing_abandon. */
typedef struct cfp_growing {
    cfp_newfile file;
    char *name;
} cfp_growing;
void cfp_output_swap(cfp_output *output, cfp_growing *other);
void cfp_growing_abandon(cfp_growing *other);

/* The name of committed file i relative to the folder `inside`; NULL: it is not in that folder. */
const char *cfp_output_inside(const cfp_output *output, int i);

/* Moves all files to their final places.  Call it after the last file, run.json. */
CFP_CHECKED cfp_status cfp_output_finish(cfp_output *output);

/* Counts one step of progress.  CFP_INTERRUPTED if the user asked to stop. */
CFP_CHECKED cfp_status cfp_output_step(cfp_output *output);

/* Returns "overlay/<layer><suffix>" for the tube of a layer, or
 * "overlay/<layer>/kernel-<o><suffix>" for the tube of a kernel.  The name of the layer is made
 * safe (below).  The caller frees the string; NULL: out of memory. */
char *cfp_output_overlay(const cfp_output *output, const cfp_model *model, const cfp_tube *tube,
                         const char *suffix);

/* Makes the name of a layer usable as one part of a path.  '/', '%', a leading '.', bytes that are
 * not UTF-8 and characters that a terminal would not show (text_shown.h) become %XX.  A name longer
 * than 200 bytes is cut and gets a hash of the full name.  Different names stay different.  The
 * caller frees the string; NULL: out of memory. */
char *cfp_output_safe_name(cfp_ctx *ctx, const char *name);
