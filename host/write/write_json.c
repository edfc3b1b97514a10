/* write_json.c - pyramid.json (SPEC 4): nodes and links as D3's force and sankey layouts read them.
 * Links are written one by one: a deep residual network has millions (link_ids.h).  --links limits
 * them to those of the highest value.  Where it does, links_total says how many there are, and
 * links_kept how many are in the file. */
#include "link_ids.h"
#include "../files/output.h"
#include "write_run.h"
#include "writer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_head(cfp_json *json, const cfp_explanation *e)
{
    const cfp_model *model = e->model;
    cfp_json_put_string(json, "model", model->name[0] != '\0' ? model->name : model->path);
    cfp_json_put_string(json, "clip", e->clip->path);
    cfp_put_classes(json, e);
    cfp_json_put_string(json, "rule", cfp_rule_names[e->query.rule]);
    cfp_json_put_double(json, "theta", e->query.theta);
}

static void put_nodes(cfp_json *json, const cfp_links *links, const cfp_link_ids *id)
{
    cfp_json_key(json, "nodes");
    cfp_json_array(json);
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        for (int s = 0; s < layer->n_selected; s++) {
            const int o = layer->selected[s];
            cfp_json_object(json);
            cfp_link_ids_put(json, "id", id, links->base[layer->node] + o);
            cfp_json_put_string(json, "layer", links->model->node[layer->node].name);
            cfp_json_put_int(json, "kernel", o);
            cfp_json_put_int(json, "depth", layer->depth);
            cfp_json_put_float(json, "relevance", layer->relevance[o]);
            cfp_json_object_end(json);
        }
    }
    cfp_json_array_end(json);
}

/* What is done with each link, from kernel o of a layer. */
typedef cfp_status link_visitor(void *to, cfp_links *links, const cfp_layer *layer, int o,
                                const cfp_link *link);

/* Visits all links in the order of the file, without those to the clip or deeper than --depth. */
static cfp_status visit_links(cfp_links *links, link_visitor *visit, void *to)
{
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        CFP_TRY(cfp_links_layer(links, l));
        for (int s = 0; s < layer->n_selected; s++) {
            CFP_TRY(cfp_check_interrupt(links->ctx));
            CFP_TRY(cfp_links_kernel(links, layer->selected[s]));
            for (int k = 0; k < links->n; k++)
                if (links->link[k].layer >= 0)
                    CFP_TRY(visit(to, links, layer, layer->selected[s], &links->link[k]));
        }
    }
    return CFP_OK;
}

/* Which links are written: those above `least`, and the first `equal` ones that equal it. */
typedef struct link_choice {
    int64_t total, kept;
    float least;
    int64_t equal;
} link_choice;

typedef struct link_values {
    float *value; /* of each link */
    int64_t n, capacity;
} link_values;

static cfp_status count_link(void *to, cfp_links *links, const cfp_layer *layer, int o,
                             const cfp_link *link)
{
    int64_t *const n = to;
    (void)links, (void)layer, (void)o, (void)link;
    ++*n;
    return CFP_OK;
}

static cfp_status list_value(void *to, cfp_links *links, const cfp_layer *layer, int o,
                             const cfp_link *link)
{
    link_values *v = to;
    (void)layer, (void)o;
    CFP_TRY_ROOM(links->ctx, v->value, v->n, v->capacity);
    v->value[v->n++] = link->value;
    return CFP_OK;
}

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Chooses the max links of the highest value. */
static void choose_highest(link_choice *out, float *value, int64_t max)
{
    qsort(value, (size_t)out->total, sizeof *value, descending);
    out->kept = max;
    out->least = value[max - 1];
    while (out->equal < max && value[max - 1 - out->equal] == out->least)
        out->equal++;
}

/* max 0: all links. */
static cfp_status choose_links(link_choice *out, cfp_links *links, int64_t max)
{
    link_values values = {0};
    *out = (link_choice){.least = -INFINITY};
    CFP_TRY(visit_links(links, count_link, &out->total));
    out->kept = out->total;
    if (max == 0 || max >= out->total)
        return CFP_OK;
    const cfp_status status = visit_links(links, list_value, &values);
    if (status == CFP_OK)
        choose_highest(out, values.value, max);
    cfp_free(values.value);
    return status;
}

typedef struct link_list {
    cfp_json *json;
    const cfp_link_ids *id;
    link_choice *choice;
} link_list;

static cfp_status put_link(void *to, cfp_links *links, const cfp_layer *layer, int o,
                           const cfp_link *link)
{
    const link_list *list = to;
    link_choice *c = list->choice;
    if (link->value < c->least || (link->value == c->least && c->equal-- <= 0))
        return CFP_OK;
    cfp_json_object(list->json);
    cfp_link_ids_put(list->json, "source", list->id, links->base[layer->node] + o);
    cfp_link_ids_put(list->json, "target", list->id, links->base[link->node] + link->kernel);
    cfp_json_put_float(list->json, "value", link->value);
    cfp_json_object_end(list->json);
    return list->json->status; /* stop as soon as the disk is full */
}

static void announce(const cfp_links *links, const link_choice *choice)
{
    enum { LINK = 90, MANY = 100000000 }; /* bytes of a link, about; and of a file to be named */
    if (choice->kept * LINK > MANY)
        cfp_log(links->ctx, CFP_LOG_INFO,
                "pyramid.json: %lld links, about %lld MB; --links N keeps the strongest",
                (long long)choice->kept, (long long)(choice->kept * LINK / 1000000));
}

static cfp_status put_links(cfp_json *json, cfp_links *links, const cfp_link_ids *id, int64_t max)
{
    link_choice choice;
    CFP_TRY(choose_links(&choice, links, max));
    announce(links, &choice);
    if (choice.kept < choice.total) {
        cfp_json_put_int(json, "links_total", choice.total);
        cfp_json_put_int(json, "links_kept", choice.kept);
    }
    cfp_json_key(json, "links");
    cfp_json_array(json);
    link_list list = {json, id, &choice};
    CFP_TRY(visit_links(links, put_link, &list));
    cfp_json_array_end(json);
    return CFP_OK;
}

static cfp_status put_pyramid(cfp_json *json, cfp_links *links, cfp_link_ids *id,
                              const cfp_explanation *e, int64_t max_links)
{
    CFP_TRY(cfp_links_open(links, json->ctx, e));
    CFP_TRY(cfp_link_ids_open(id, links));
    cfp_json_object(json);
    put_head(json, e);
    put_nodes(json, links, id);
    CFP_TRY(put_links(json, links, id, max_links));
    cfp_json_object_end(json);
    return cfp_json_close(json);
}

static cfp_status write_json(cfp_output *output, const cfp_explanation *explanation,
                             const cfp_run *run)
{
    CFP_TRY(cfp_output_begin(output, "pyramid.json"));
    cfp_links links = {0};
    cfp_link_ids id = {0};
    cfp_json json;
    cfp_json_to_file(&json, output->ctx, output->file.stream, output->file.path, 2);
    const cfp_status status = put_pyramid(&json, &links, &id, explanation, run->links);
    cfp_links_close(&links);
    cfp_link_ids_close(&id);
    cfp_json_free(&json);
    CFP_TRY(status);
    CFP_TRY(cfp_output_commit(output));
    return cfp_output_step(output);
}

const cfp_writer cfp_writer_json = {
    .format = "json",
    .summary = "pyramid.json: the pyramid as nodes and links, for D3",
    .write = write_json,
};
