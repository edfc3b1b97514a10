/* statistics.h - the few statistics that the metrics need.
 *
 * A number that does not exist is NaN, such as the mean of no numbers, or a correlation with a
 * constant. */
#pragma once
#include "../base/base.h"

double cfp_mean_of(const double *x, int64_t n);

/* The fraction of draws[n] that are smaller than the value; a draw that equals it counts half. */
double cfp_percentile(double value, const double *draws, int64_t n);

/* rank[n]: the lowest number has rank 1.  Equal numbers all get the mean of their ranks. */
CFP_CHECKED cfp_status cfp_mid_ranks(double *rank, cfp_ctx *ctx, const double *x, int n);
/* Spearman's rho: Pearson's correlation of the mid-ranks.  NaN where x or y is constant. */
CFP_CHECKED cfp_status cfp_spearman(double *rho, cfp_ctx *ctx, const double *x, const double *y,
                                    int n);

/* |A and B| / |A or B| of two sets, given as n flags; 1 if both are empty. */
double cfp_jaccard(const uint8_t *a, const uint8_t *b, int n);
/* The index of two random sets of n_a and n_b out of n things: m / (n_a + n_b - m), where
 * m = n_a * n_b / n is the mean size of their intersection; 1 if both are empty. */
double cfp_jaccard_by_chance(int n_a, int n_b, int n);

/* The area under the line through (x[i], y[i]), by the trapezoid rule. */
double cfp_trapezoid(const double *x, const double *y, int n);

/* order[n]: 0 .. n - 1 by falling x; equal numbers keep their order, the lower index first.  NaN
 * counts as lower than any number. */
CFP_CHECKED cfp_status cfp_falling_order(int *order, cfp_ctx *ctx, const double *x, int n);
