/* kept_links.h - chooses the links of a pyramid that are embedded in report.html.
 *
 * The page can raise theta: it starts again at the class and drops every link below theta.  If it
 * has all links, it finds exactly what `explain` finds at that theta.  A deep network has millions
 * of links.  If there are more than `max_links`, only two kinds are kept:
 *
 *     deciding   links without which a kernel would be lost, or get another R, at some theta above
 *                that of the run.  Of two links to one kernel, one decides nothing if its value is
 *                smaller and its source is lost no later.  Only a few links per kernel decide.
 *     strongest  of the others, as many as fit.
 *
 * So the page shows the exact selection and relevance at every theta.  Only its drawing lacks
 * links. */
#pragma once
#include "../write/links.h"

typedef struct cfp_kept_links {
    int n_kernels; /* number of selected kernels; numbered by layer of the pyramid, then by kernel
                    */
    int64_t total; /* number of links of the pyramid */
    int64_t n; /* number of kept links; under rule grad with pairs that select without an edge */
    int64_t deciding; /* how many of them decide; 0 if all links are kept */
    float weakest;    /* every link with a larger value is kept; 0 if all are */
    uint32_t *first; /* [n_kernels + 1] where the links of a kernel start in the following arrays */
    uint32_t *target; /* [n] number of the demanded kernel */
    float *value;     /* [n] r(o, i); negative for a pair without an edge */
    float *asked;     /* [n] what is compared with theta (links.h) */
} cfp_kept_links;

/* Keeps at most `max_links` links, unless more decide.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_kept_links_open(cfp_kept_links *out, cfp_ctx *ctx,
                                           const cfp_explanation *explanation, int64_t max_links);
void cfp_kept_links_close(cfp_kept_links *kept);
