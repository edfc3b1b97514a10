/* writer.h - writes one explanation to files in a directory; each format (--format) has a writer.
 *
 * All files of a run appear together, run.json last (stage.h).  If a run fails or is interrupted,
 * the directory stays as it was. */
#pragma once
#include "../files/run.h"

typedef struct cfp_output cfp_output; /* output.h */

typedef struct cfp_writer {
    const char *format;  /* the word in --format */
    const char *summary; /* for --help: which files it makes */
    cfp_status (*write)(cfp_output *output, const cfp_explanation *explanation, const cfp_run *run);
    /* Refuses an explanation that it cannot write, before any file is written; NULL: never
     * refuses. */
    cfp_status (*check)(cfp_ctx *ctx, const cfp_explanation *explanation);
    bool draws_tubes; /* one step of progress for each tube; false: one step in all */
    bool only_tubes;  /* its files show tubes and nothing else: without tubes there are none */
} cfp_writer;

extern const cfp_writer *const cfp_writers[]; /* NULL-terminated; without run.json */

extern const cfp_writer
    *const cfp_contrast_writers[]; /* NULL-terminated; for a contrast (contrast.h) */

/* Which of n things is number k of `few` that are evenly spread over them, the first and the last
 * among them.  2 <= few <= n. */
static inline int cfp_spread(int k, int few, int n)
{
    return (int)((k * (int64_t)(n - 1) + (few - 1) / 2) / (few - 1));
}

/* Writes the formats of the comma-separated list, then run.json, which lists the other files.  If
 * the explanation has a next one, they are those of a network's heads.  The files of each head then
 * go into heads/<name of the head>/.
 * CFP_USAGE ("--format: ...") for an unknown format.  The directory is made if it does not exist.
 * *files_out gets a NULL-terminated array of the names written, relative to the directory; the
 * caller frees each name and the array with cfp_free.  files_out may be NULL. */
CFP_CHECKED cfp_status cfp_write(cfp_ctx *ctx, const char *directory, const char *formats,
                                 cfp_explanation *explanation, const cfp_run *run,
                                 char ***files_out);
/* CFP_OK if files could be written to `directory`: it is a folder that may be written to, or the
 * nearest parent that exists is.  For use before the network runs; nothing is made. */
CFP_CHECKED cfp_status cfp_directory_check(cfp_ctx *ctx, const char *directory);
/* True if no format of the list writes a file when there are no tubes. */
bool cfp_formats_only_tubes(const cfp_writer *const *writers, const char *formats);
/* True if `word` is one of the list. */
bool cfp_formats_name(const char *formats, const char *word);
/* CFP_OK if every word of the list is a format of these writers.  For use before any work is
 * done. */
CFP_CHECKED cfp_status cfp_formats_check(cfp_ctx *ctx, const cfp_writer *const *writers,
                                         const char *formats);
