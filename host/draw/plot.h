/* plot.h - the figure of a sweep: the fraction of selected kernels as a function of theta.
 *
 * Each series has a panel, in which each depth is a line.  Layers of one depth are pooled: their
 * selected kernels over all their kernels.  A panel is drawn when it is added.  A page holds PANELS
 * panels; the second page of FILE.png is FILE-2.png. */
#pragma once
#include "../method/sweep.h"

typedef struct cfp_plot cfp_plot;

typedef struct cfp_plot_request { /* the strings and the thetas must outlive the plot */
    const char *path;             /* ends in .png or .svg */
    int64_t n_panels;             /* at most so many panels are added */
    const double *theta;
    int n_thetas;
    int max_depth; /* the largest depth in any panel */
} cfp_plot_request;

/* CFP_USAGE if the path does not end in .png or .svg. */
CFP_CHECKED cfp_status cfp_plot_check(cfp_ctx *ctx, const char *path);

CFP_CHECKED cfp_status cfp_plot_open(cfp_plot **out, cfp_ctx *ctx, const cfp_plot_request *request);
/* Draws a panel.  Titles that are too long are shortened. */
CFP_CHECKED cfp_status cfp_plot_add(cfp_plot *plot, const char *title, const char *subtitle,
                                    const cfp_series *series);
/* Writes the last page.  *pages is the number of pages. */
CFP_CHECKED cfp_status cfp_plot_commit(cfp_plot *plot, int *pages);
void cfp_plot_close(cfp_plot **plot); /* *plot may be NULL, and is NULL after */
