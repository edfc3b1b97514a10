/* sweep_rows.c - see sweep_rows.h. */
#include "sweep_rows.h"
#include <stdio.h>
#include <string.h>

static const char *const columns[] = {
    "clip",      "class_index", "class_name",      "probability",     "rule",  "mask",
    "propagate", "normalise",   "class_relevance", "theta",           "layer", "depth",
    "kernels",   "selected",    "edges",           "jaccard_previous"};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

typedef struct row {
    const cfp_sweep_subject *subject;
    cfp_sweep_words words;
    const cfp_swept_layer *layer;
    int theta;
} row;

static void csv_row(cfp_csv *csv, const row *r)
{
    const cfp_sweep_subject *s = r->subject;
    cfp_csv_text(csv, s->clip);
    cfp_csv_int(csv, s->class_index);
    cfp_csv_text(csv, s->model->class_name[s->class_index]);
    cfp_csv_number(csv, s->probability);
    cfp_csv_text(csv, r->words.rule);
    cfp_csv_text(csv, r->words.mask);
    cfp_csv_text(csv, r->words.propagate);
    cfp_csv_text(csv, r->words.normalise);
    cfp_csv_text(csv, r->words.class_relevance);
    cfp_csv_number(csv, s->theta[r->theta]);
    cfp_csv_text(csv, s->model->node[r->layer->node].name);
    cfp_csv_int(csv, r->layer->depth);
    cfp_csv_int(csv, r->layer->kernels);
    cfp_csv_int(csv, r->layer->selected[r->theta]);
    cfp_csv_int(csv, r->layer->edges[r->theta]);
    if (r->theta > 0)
        cfp_csv_number(csv, r->layer->jaccard[r->theta]);
    else
        cfp_csv_text(csv, NULL);
}

/* The same digits as in the CSV. */
static void put_number(cfp_json *json, const char *key, double value)
{
    char text[32];
    const int length = snprintf(text, sizeof text, "%.9g", value);
    cfp_json_key(json, key);
    cfp_json_raw(json, text, (size_t)length);
}

static void json_row(cfp_json *json, const row *r)
{
    const cfp_sweep_subject *s = r->subject;
    cfp_json_object(json);
    cfp_json_put_string(json, "clip", s->clip);
    cfp_json_put_int(json, "class_index", s->class_index);
    cfp_json_put_string(json, "class_name", s->model->class_name[s->class_index]);
    put_number(json, "probability", s->probability);
    cfp_json_put_string(json, "rule", r->words.rule);
    cfp_json_put_string(json, "mask", r->words.mask);
    cfp_json_put_string(json, "propagate", r->words.propagate);
    cfp_json_put_string(json, "normalise", r->words.normalise);
    cfp_json_put_string(json, "class_relevance", r->words.class_relevance);
    put_number(json, "theta", s->theta[r->theta]);
    cfp_json_put_string(json, "layer", s->model->node[r->layer->node].name);
    cfp_json_put_int(json, "depth", r->layer->depth);
    cfp_json_put_int(json, "kernels", r->layer->kernels);
    cfp_json_put_int(json, "selected", r->layer->selected[r->theta]);
    cfp_json_put_int(json, "edges", r->layer->edges[r->theta]);
    if (r->theta > 0)
        put_number(json, "jaccard_previous", r->layer->jaccard[r->theta]);
    else
        cfp_json_put_string(json, "jaccard_previous", NULL);
    cfp_json_object_end(json);
}

cfp_status cfp_sweep_rows_header(cfp_sweep_rows *rows)
{
    if (rows->csv == NULL)
        return CFP_OK;
    for (int i = 0; i < N_COLUMNS; i++)
        cfp_csv_text(rows->csv, columns[i]);
    return cfp_csv_end_row(rows->csv);
}

static cfp_status put_row(cfp_sweep_rows *rows, const row *r)
{
    rows->n++;
    if (rows->json != NULL) {
        json_row(rows->json, r);
        CFP_TRY(rows->json->status);
    }
    if (rows->csv == NULL)
        return CFP_OK;
    csv_row(rows->csv, r);
    return cfp_csv_end_row(rows->csv);
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
