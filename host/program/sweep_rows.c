/* sweep_rows.c - see sweep_rows.h. */
#include "sweep_rows.h"
#include "table.h"
#include <math.h>

static const char *const columns[] = {
    "clip",      "class_index",      "class_name", "probability", "rule",  "mask",    "propagate",
    "normalise", "class_relevance",  "theta",      "layer",       "depth", "kernels", "selected",
    "edges",     "jaccard_previous", "start"};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

typedef struct row {
    const cfp_sweep_subject *subject;
    cfp_sweep_words words;
    const cfp_swept_layer *layer;
    int theta;
} row;

static void put_fields(cfp_csv *csv, cfp_json *json, const row *r, bool has_windows)
{
    const cfp_sweep_subject *s = r->subject;
    const double jaccard = r->theta > 0 ? r->layer->jaccard[r->theta] : NAN;
    cfp_put_text(csv, json, "clip", s->clip);
    cfp_put_int(csv, json, "class_index", s->class_index);
    cfp_put_text(csv, json, "class_name", s->model->class_name[s->class_index]);
    cfp_put_number(csv, json, "probability", s->probability);
    cfp_put_text(csv, json, "rule", r->words.rule);
    cfp_put_text(csv, json, "mask", r->words.mask);
    cfp_put_text(csv, json, "propagate", r->words.propagate);
    cfp_put_text(csv, json, "normalise", r->words.normalise);
    cfp_put_text(csv, json, "class_relevance", r->words.class_relevance);
    cfp_put_number(csv, json, "theta", s->theta[r->theta]);
    cfp_put_text(csv, json, "layer", s->model->node[r->layer->node].name);
    cfp_put_int(csv, json, "depth", r->layer->depth);
    cfp_put_int(csv, json, "kernels", r->layer->kernels);
    cfp_put_int(csv, json, "selected", r->layer->selected[r->theta]);
    cfp_put_int(csv, json, "edges", r->layer->edges[r->theta]);
    cfp_put_number(csv, json, "jaccard_previous", jaccard);
    if (has_windows)
        cfp_put_int(csv, json, "start", s->start);
}

cfp_status cfp_sweep_rows_header(cfp_sweep_rows *rows)
{
    if (rows->csv == NULL)
        return CFP_OK;
    for (int i = 0; i < N_COLUMNS - !rows->has_windows; i++)
        cfp_csv_text(rows->csv, columns[i]);
    return cfp_csv_end_row(rows->csv);
}

static cfp_status put_row(cfp_sweep_rows *rows, const row *r)
{
    rows->n++;
    if (rows->json != NULL)
        cfp_json_object(rows->json);
    put_fields(rows->csv, rows->json, r, rows->has_windows);
    if (rows->json != NULL) {
        cfp_json_object_end(rows->json);
        CFP_TRY(rows->json->status);
    }
    return rows->csv != NULL ? cfp_csv_end_row(rows->csv) : CFP_OK;
}

cfp_status cfp_sweep_rows_put(cfp_sweep_rows *rows, cfp_ctx *ctx, const cfp_sweep_subject *subject,
                              const cfp_series *series)
{
    row r = {.subject = subject, .words = cfp_sweep_words_of(subject->query)};
    for (r.theta = 0; r.theta < subject->n_thetas; r.theta++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        for (int i = 0; i < series->n_layers; i++) {
            r.layer = &series->layer[i];
            CFP_TRY(put_row(rows, &r));
        }
    }
    return rows->csv != NULL ? cfp_csv_flush(rows->csv) : CFP_OK;
}
