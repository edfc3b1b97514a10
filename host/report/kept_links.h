/* kept_links.h - the links of a pyramid that go into report.html, where not all of them fit.
 *
 * A page can raise theta by itself: it walks down from the class again and drops every link that is
 * below.  With all links there it finds what `explain` finds at that theta.  A deep network has
 * millions, so above `most` only two kinds stay:
 *
 *     deciding   without which some kernel would be lost, or get another R, at some theta above the
 *                run's.  Of two links into one kernel the one that is below the other in value and
 *                comes from a kernel that is lost no later decides nothing; a handful a kernel
 * stay. strongest  of the rest, as many as there is room for.
 *
 * So selection and relevance in the page are exact at every theta, and only pictures lack links. */
#pragma once
#include "../write/links.h"

typedef struct cfp_kept_links {
    int n_kernels; /* selected ones, numbered by layer of the pyramid, then by kernel */
    int64_t total; /* links of the pyramid */
    int64_t n;     /* those that are kept; under rule grad also pairs that select without an edge */
    int64_t deciding; /* of them the deciding ones; 0 where all are kept */
    float weakest;    /* every link that asks for more is kept; 0 where all are */
    uint32_t *first;  /* [n_kernels + 1] where a kernel's links start, in these: */
    uint32_t *target; /* [n] the demanded kernel's number */
    float *value;     /* [n] r(o, i); below 0: a pair that is no edge */
    float *asked;     /* [n] what is held against theta (links.h) */
} cfp_kept_links;

/* At most `most` links, unless more decide.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_kept_links_open(cfp_kept_links *out, cfp_ctx *ctx,
                                           const cfp_explanation *explanation, int64_t most);
void cfp_kept_links_close(cfp_kept_links *kept);
