/* plot.h - the figure of a sweep: the share of selected kernels against theta.
 *
 * A panel for each series, in which each depth is a line; several layers of one depth are pooled:
 * their selected kernels over all their kernels.  Panels come one by one and are drawn at once.  A
 * page holds MOST panels; the second page of FILE.png is FILE-2.png. */
#pragma once
#include "../method/sweep.h"

typedef struct cfp_plot cfp_plot;

typedef struct cfp_plot_request { /* the strings and the thetas outlive the plot */
    const char *path;             /* .png or .svg */
    int64_t n_panels;             /* that will come, or fewer */
    const double *theta;
    int n_thetas;
    int max_depth; /* of the lines of any panel */
} cfp_plot_request;

/* CFP_USAGE where the path is no .png or .svg. */
CFP_CHECKED cfp_status cfp_plot_check(cfp_ctx *ctx, const char *path);

CFP_CHECKED cfp_status cfp_plot_open(cfp_plot **out, cfp_ctx *ctx, const cfp_plot_request *request);
/* One more panel; the titles are shortened where they are too long. */
CFP_CHECKED cfp_status cfp_plot_add(cfp_plot *plot, const char *title, const char *subtitle,
                                    const cfp_series *series);
/* Writes the last page.  *files: how many pages there are. */
CFP_CHECKED cfp_status cfp_plot_commit(cfp_plot *plot, int *pages);
void cfp_plot_close(cfp_plot **plot); /* accepts NULL inside; nulls */
