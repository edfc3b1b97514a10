/* writer.h - one explanation -> files in a directory; one writer a format (SPEC --format).
 *
 * All files of a run appear together, run.json last (stage.h): a run that fails or is interrupted
 * leaves the directory as it was. */
#pragma once
#include "../files/run.h"

typedef struct cfp_output cfp_output; /* output.h: the directory being filled */

typedef struct cfp_writer {
    const char *format;  /* the word in --format */
    const char *summary; /* for --help: what files it makes */
    cfp_status (*write)(cfp_output *output, const cfp_explanation *explanation, const cfp_run *run);
    /* Refuses what it cannot write before any file is written; NULL: never does. */
    cfp_status (*check)(cfp_ctx *ctx, const cfp_explanation *explanation);
    bool draws_tubes; /* takes a step of progress for every tube, else one in all */
    bool only_tubes;  /* its files show tubes and nothing else: without tubes there are none */
} cfp_writer;

extern const cfp_writer *const cfp_writers[]; /* NULL-terminated; run.json is not among them */

extern const cfp_writer *const cfp_contrast_writers[]; /* the same, of a contrast (contrast.h) */

/* Writes the formats of the comma-separated list (CFP_USAGE, "--format: ...", for an unknown one),
 * then run.json, which lists the others.  directory is made where it is missing.  files_out gets
 * the names written, relative to the directory: NULL-terminated, the caller's, one cfp_free a name
 * and one for the array; NULL if not wanted. */
CFP_CHECKED cfp_status cfp_write(cfp_ctx *ctx, const char *directory, const char *formats,
                                 cfp_explanation *explanation, const cfp_run *run,
                                 char ***files_out);
/* CFP_OK if `directory` could be filled: it is a folder that may be written to, or its nearest
 * parent is.  Asked before the network runs; nothing is made. */
CFP_CHECKED cfp_status cfp_directory_check(cfp_ctx *ctx, const char *directory);
/* True if no format of the list writes a file when there are no tubes. */
bool cfp_formats_only_tubes(const cfp_writer *const *writers, const char *formats);
/* CFP_OK if every word of the list is a format of these writers: asked before any work is done. */
CFP_CHECKED cfp_status cfp_formats_check(cfp_ctx *ctx, const cfp_writer *const *writers,
                                         const char *formats);
