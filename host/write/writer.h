/* writer.h - one explanation -> files in a directory; one writer a format (SPEC --format).
 *
 * All files of a run appear together, run.json last (stage.h): a run that fails or is interrupted
 * leaves the directory as it was. */
#pragma once
#include "../method/explain.h"

typedef enum cfp_colormap {
    CFP_COLORMAP_JET,
    CFP_COLORMAP_TURBO,
    CFP_COLORMAP_VIRIDIS,
    CFP_COLORMAP_INFERNO,
    CFP_COLORMAP_GRAY,
    CFP_COLORMAP_COUNT,
    /* Of differences, -1 to 1, with a neutral colour in the middle: */
    CFP_COLORMAP_COOLWARM = CFP_COLORMAP_COUNT,
    CFP_COLORMAP_BLACKWHITE,
    CFP_COLORMAP_END
} cfp_colormap;
extern const char *const cfp_colormap_names[]; /* of all; the first COUNT are for tubes */

/* Facts about the run, for run.json and the attributes of explanation.h5. */
typedef struct cfp_run_option {
    const char *name, *value; /* every option as it was in force: "theta", "0.6" */
} cfp_run_option;

typedef struct cfp_run {
    int argc;
    char *const *argv; /* the command as typed */
    int n_options;
    const cfp_run_option *option;
    const char *device;        /* "cpu", "ref", "cuda:0": what ran, not what was asked */
    const char *device_detail; /* "oneDNN 2.6.3, AVX-512, 2 threads" */
    const char *precision;     /* "fp32" */
    uint64_t seed;
    int threads;
    cfp_colormap colormap;
    double alpha;                 /* of the overlay, in [0, 1] */
    bool canvas_source;           /* draw on the uncropped source frames */
    const cfp_device *renders_on; /* resizes and colours tubes if it can; NULL: the host does */
    const cfp_device *tuned;      /* the device, where autotune was asked for; else NULL */
} cfp_run;

typedef struct cfp_output cfp_output; /* output.h: the directory being filled */

typedef struct cfp_writer {
    const char *format;  /* the word in --format */
    const char *summary; /* for --help: what files it makes */
    cfp_status (*write)(cfp_output *output, const cfp_explanation *explanation, const cfp_run *run);
    /* Refuses what it cannot write before any file is written; NULL: never does. */
    cfp_status (*check)(cfp_ctx *ctx, const cfp_explanation *explanation);
    bool draws_tubes; /* takes a step of progress for every tube, else one in all */
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
/* CFP_OK if every word of the list is a format of these writers: asked before any work is done. */
CFP_CHECKED cfp_status cfp_formats_check(cfp_ctx *ctx, const cfp_writer *const *writers,
                                         const char *formats);
