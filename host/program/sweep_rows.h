/* sweep_rows.h - writes the rows of `sweep` as CSV, as JSON, or both.  SPEC section 6 lists the
 * columns. */
#pragma once
#include "../base/json.h"
#include "../method/sweep.h"
#include "../files/csv.h"
#include "sweep_plan.h"

typedef struct cfp_sweep_rows {
    cfp_csv *csv;   /* NULL: none; owned by the caller */
    cfp_json *json; /* NULL: none; open inside the array of rows; owned by the caller */
    int64_t n;
    bool has_windows; /* a last column, `start`, tells the windows of a clip apart */
} cfp_sweep_rows;

/* What the rows of one series share. */
typedef struct cfp_sweep_subject {
    const cfp_model *model;
    const char *clip;
    int64_t start; /* the first frame of the window */
    int class_index;
    double probability; /* over all windows of the clip */
    const cfp_query *query;
    const double *theta;
    int n_thetas;
} cfp_sweep_subject;

CFP_CHECKED cfp_status cfp_sweep_rows_header(cfp_sweep_rows *rows);
/* Writes the rows of one series, ordered by theta, then by layer. */
CFP_CHECKED cfp_status cfp_sweep_rows_put(cfp_sweep_rows *rows, cfp_ctx *ctx,
                                          const cfp_sweep_subject *subject,
                                          const cfp_series *series);
