/* run.h - facts about a run of the program that its files record: command, options, device, and how
 * pictures are drawn. */
#pragma once
#include "../method/explain.h"

typedef enum cfp_colormap {
    CFP_COLORMAP_JET,
    CFP_COLORMAP_TURBO,
    CFP_COLORMAP_VIRIDIS,
    CFP_COLORMAP_INFERNO,
    CFP_COLORMAP_GRAY,
    CFP_COLORMAP_COUNT,
    /* For differences from -1 to 1; the colour in the middle is neutral: */
    CFP_COLORMAP_COOLWARM = CFP_COLORMAP_COUNT,
    CFP_COLORMAP_BLACKWHITE,
    CFP_COLORMAP_END
} cfp_colormap;
extern const char
    *const cfp_colormap_names[]; /* all names; the first CFP_COLORMAP_COUNT are for tubes */

/* The facts for run.json and for the attributes of explanation.h5.  All pointers are borrowed. */
typedef enum cfp_run_value { CFP_RUN_TEXT, CFP_RUN_NUMBER, CFP_RUN_FLAG } cfp_run_value;

typedef struct cfp_run_option {
    const char *name, *value; /* an option and the value that the run used: "theta", "0.6" */
    cfp_run_value kind;       /* NUMBER: a number, or a word that stands for one */
    bool about_run; /* it says where files go or what is shown meanwhile; results are the same */
} cfp_run_option;

typedef struct cfp_run {
    int argc;
    char *const *argv; /* the command line */
    int n_options;
    const cfp_run_option *option;
    const char *device;        /* the device that ran: "cpu", "ref", "cuda:0" */
    const char *device_detail; /* "oneDNN 2.6.3, AVX-512, 2 threads" */
    const char *precision;     /* "fp32" */
    uint64_t seed;
    int threads;
    cfp_colormap colormap;
    double alpha;                 /* opacity of the overlay, in [0, 1], or CFP_ALPHA_SALIENCY */
    int movies;                   /* how many layers get an mp4 at most; 0: all */
    int64_t links;                /* how many links pyramid.json gets at most; 0: all */
    double fps;                   /* of movies; 0: that of the clip (movie.h) */
    bool canvas_source;           /* draw on the uncropped frames of the source */
    const cfp_device *renders_on; /* renders tubes if it can; NULL: the host does */
    const cfp_device *tuned;      /* the device if the run used autotune; else NULL */
} cfp_run;

/* Which parts of an explanation an HDF5 file gets; scores and numbers of frames always are there.
 */
typedef struct cfp_h5_parts {
    bool pyramid; /* /pyramid */
    bool raw;     /* /tubes/<layer>/raw: the map before it is resized */
    bool frames;  /* /clip/frames */
    bool tubes;   /* /tubes/<layer>/tube: resized to the clip */
} cfp_h5_parts;
