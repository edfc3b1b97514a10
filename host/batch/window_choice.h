/* window_choice.h - several windows of a clip: its class by all of them, and the one window that is
 * explained. */
#pragma once
#include "../method/explain.h"

typedef struct cfp_window_request { /* borrowed */
    cfp_analyser *analyser;         /* for batches of `batch` clips */
    const cfp_model *model;
    int batch;
    int windows;     /* of each clip */
    int class_index; /* to explain; -1: the most probable one */
} cfp_window_request;

typedef struct cfp_window_choice {
    int class_index; /* to explain; -1: the most probable one of the only window */
    int window;      /* the one in which that class is most probable */
    float *mean; /* [n_classes] the probabilities over all windows, which the caller frees; NULL:
                    there is one window */
} cfp_window_choice;

/* Runs the network on all windows of n clips: clip[n][windows]. */
CFP_CHECKED cfp_status cfp_window_choose(cfp_window_choice *const *out, cfp_ctx *ctx,
                                         const cfp_window_request *request,
                                         const cfp_clip *const *clip, int n);
