/* run.h - what is written about a run of the program: its command, its options, its device, and how
 * its pictures are drawn. */
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
    bool about_run; /* it says where files go or what is shown meanwhile; results are the same */
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
