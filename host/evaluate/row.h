/* row.h - one measured number: a row of `evaluate` (SPEC section 7).
 *
 * Rows are handed on one at a time, as soon as each is known. */
#pragma once
#include "../base/base.h"

/* The columns in their order.  A column that does not apply is empty: a text is NULL, a whole
 * number -1, any other number NaN.  The texts are valid until the call returns. */
typedef struct cfp_eval_row {
    const char *clip;
    int class_index;
    const char *class_name;
    const char *method;
    double theta;
    const char *metric;
    const char *layer; /* NULL: the metric is about the whole clip */
    int depth;
    int kernels; /* of the layer; of all layers together where the metric is about the pyramid */
    int ablated; /* of them, in the forward pass that was measured */
    double share;
    double value, chance, percentile;
    int draws;
    const char *definition; /* what the value is, in a few words that a reader can look up */
} cfp_eval_row;

/* A row whose columns are all empty. */
cfp_eval_row cfp_eval_row_empty(void);

typedef struct cfp_eval_emit {
    cfp_status (*row)(void *cookie, const cfp_eval_row *row);
    void *cookie;
} cfp_eval_emit;
