/* sweep_rows.h - the rows of `sweep`, as CSV, as JSON, or both; see SPEC section 6 for the columns.
 */
#pragma once
#include "../base/json.h"
#include "../method/sweep.h"
#include "../files/csv.h"
#include "sweep_plan.h"

typedef struct cfp_sweep_rows {
    cfp_csv *csv;   /* NULL: none; borrowed */
    cfp_json *json; /* NULL: none; inside the array of rows; borrowed */
    int64_t n;
} cfp_sweep_rows;

/* What the rows of one series share. */
typedef struct cfp_sweep_subject {
    const cfp_model *model;
    const char *clip;
    int class_index;
    double probability;
    const cfp_query *query;
    const double *theta;
    int n_thetas;
} cfp_sweep_subject;

CFP_CHECKED cfp_status cfp_sweep_rows_header(cfp_sweep_rows *rows);
/* By theta, then layer. */
CFP_CHECKED cfp_status cfp_sweep_rows_put(cfp_sweep_rows *rows, cfp_ctx *ctx,
                                          const cfp_sweep_subject *subject,
                                          const cfp_series *series);
