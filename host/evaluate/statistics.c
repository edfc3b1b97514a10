/* statistics.c - see statistics.h. */
#include "statistics.h"
#include <math.h>
#include <stdlib.h>

double cfp_mean_of(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double)n : NAN;
}

double cfp_percentile(double value, const double *draws, int64_t n)
{
    int64_t below = 0, equal = 0;
    for (int64_t i = 0; i < n; i++) {
        below += draws[i] < value;
        equal += draws[i] == value;
    }
    return n > 0 ? ((double)below + 0.5 * (double)equal) / (double)n : NAN;
}

/* --- orders and ranks --- */

typedef struct placed {
    double x;
    int at;
} placed;

static double or_lowest(double x)
{
    return isnan(x) ? -INFINITY : x;
}

static int by_falling_x(const void *a, const void *b)
{
    const placed *p = a, *q = b;
    const double x = or_lowest(p->x), y = or_lowest(q->x);
    return x != y ? (x < y) - (x > y) : (p->at > q->at) - (p->at < q->at);
}

cfp_status cfp_falling_order(int *order, cfp_ctx *ctx, const double *x, int n)
{
    placed *list;
    CFP_TRY_ALLOC(ctx, list, n);
    for (int i = 0; i < n; i++)
        list[i] = (placed){x[i], i};
    qsort(list, (size_t)n, sizeof *list, by_falling_x);
    for (int i = 0; i < n; i++)
        order[i] = list[i].at;
    cfp_free(list);
    return CFP_OK;
}

cfp_status cfp_mid_ranks(double *rank, cfp_ctx *ctx, const double *x, int n)
{
    int *order;
    CFP_TRY_ALLOC(ctx, order, n);
    const cfp_status status = cfp_falling_order(order, ctx, x, n);
    for (int first = 0, end; status == CFP_OK && first < n; first = end) {
        for (end = first + 1; end < n && x[order[end]] == x[order[first]];)
            end++;
        for (int i = first; i < end; i++) /* places first .. end - 1 from the top */
            rank[order[i]] = n - 0.5 * (first + end - 1);
    }
    cfp_free(order);
    return status;
}

/* Mid-ranks always have the mean (n + 1) / 2. */
static double correlation_of_ranks(const double *a, const double *b, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        const double u = a[i] - 0.5 * (n + 1), v = b[i] - 0.5 * (n + 1);
        ab += u * v;
        aa += u * u;
        bb += v * v;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

cfp_status cfp_spearman(double *rho, cfp_ctx *ctx, const double *x, const double *y, int n)
{
    double *rank;
    CFP_TRY_ALLOC(ctx, rank, 2 * (int64_t)n);
    cfp_status status = cfp_mid_ranks(rank, ctx, x, n);
    if (status == CFP_OK)
        status = cfp_mid_ranks(rank + n, ctx, y, n);
    if (status == CFP_OK)
        *rho = correlation_of_ranks(rank, rank + n, n);
    cfp_free(rank);
    return status;
}

/* --- sets --- */

double cfp_jaccard(const uint8_t *a, const uint8_t *b, int n)
{
    int both = 0, either = 0;
    for (int i = 0; i < n; i++) {
        both += a[i] != 0 && b[i] != 0;
        either += a[i] != 0 || b[i] != 0;
    }
    return either > 0 ? (double)both / either : 1;
}

double cfp_jaccard_by_chance(int n_a, int n_b, int n)
{
    if (n_a + n_b == 0)
        return 1;
    const double shared = (double)n_a * n_b / n;
    return shared / (n_a + n_b - shared);
}

/* --- curves --- */

double cfp_trapezoid(const double *x, const double *y, int n)
{
    double area = 0;
    for (int i = 0; i + 1 < n; i++)
        area += (x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2;
    return area;
}
