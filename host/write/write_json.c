/* write_json.c - pyramid.json (SPEC 4): nodes and links as D3's force and sankey layouts take them.
 *
 * Streamed: a deep residual network has millions of links, so the ids, which every link repeats,
 * are spelled once a kernel and copied. */
#include "../base/json.h"
#include "links.h"
#include "output.h"
#include <string.h>

typedef struct ids { /* "<layer>:<kernel>" as JSON strings, one for each selected kernel */
    char *text;
    int64_t *start; /* [n_kernels + 1] into text, by the numbers of links->base */
} ids;

/* Spells the ids of one layer's selected kernels. */
static void spell(cfp_json *out, ids *id, const cfp_links *links, const cfp_layer *layer)
{
    const char *name = links->model->node[layer->node].name;
    const int32_t base = links->base[layer->node];
    const size_t bytes = strlen(name) + 16;
    char *text = cfp_alloc(links->ctx, bytes, 1);
    if (text == NULL) {
        out->status = CFP_NOMEM;
        return;
    }
    int s = 0;
    for (int o = 0; o < layer->n_kernels; o++) {
        id->start[base + o] = (int64_t)out->length;
        if (s < layer->n_selected && layer->selected[s] == o) {
            snprintf(text, bytes, "%s:%d", name, o);
            out->comma = false;
            cfp_json_string(out, text);
            s++;
        }
        id->start[base + o + 1] = (int64_t)out->length;
    }
    cfp_free(text);
}

static cfp_status spell_all(ids *id, const cfp_links *links)
{
    CFP_TRY_ALLOC(links->ctx, id->start, links->n_kernels + 1);
    cfp_json out;
    cfp_json_to_memory(&out, links->ctx, 0);
    /* In the order of the nodes, so that each id ends where the next one starts. */
    for (int node = 0; node < links->model->n_nodes; node++)
        if (links->layer_of[node] >= 0)
            spell(&out, id, links, &links->pyramid->layer[links->layer_of[node]]);
    id->text = out.text; /* ours now */
    return out.status;
}

static void put_id(cfp_json *json, const char *key, const ids *id, int32_t number)
{
    cfp_json_key(json, key);
    cfp_json_raw(json, id->text + id->start[number],
                 (size_t)(id->start[number + 1] - id->start[number]));
}

static void put_head(cfp_json *json, const cfp_explanation *e)
{
    const cfp_model *model = e->model;
    cfp_json_put_string(json, "model", model->name[0] != '\0' ? model->name : model->path);
    cfp_json_put_string(json, "clip", e->clip->path);
    cfp_json_key(json, "class");
    cfp_json_object(json);
    cfp_json_put_int(json, "index", e->class_index);
    cfp_json_put_string(json, "name", model->class_name[e->class_index]);
    cfp_json_put_float(json, "probability", e->probabilities[e->class_index]);
    cfp_json_object_end(json);
    cfp_json_put_string(json, "rule", cfp_rule_names[e->query.rule]);
    cfp_json_put_double(json, "theta", e->query.theta);
}

static void put_nodes(cfp_json *json, const cfp_links *links, const ids *id)
{
    cfp_json_key(json, "nodes");
    cfp_json_array(json);
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        for (int s = 0; s < layer->n_selected; s++) {
            const int o = layer->selected[s];
            cfp_json_object(json);
            put_id(json, "id", id, links->base[layer->node] + o);
            cfp_json_put_string(json, "layer", links->model->node[layer->node].name);
            cfp_json_put_int(json, "kernel", o);
            cfp_json_put_int(json, "depth", layer->depth);
            cfp_json_put_float(json, "relevance", layer->relevance[o]);
            cfp_json_object_end(json);
        }
    }
    cfp_json_array_end(json);
}

static cfp_status put_links(cfp_json *json, cfp_links *links, const ids *id)
{
    cfp_json_key(json, "links");
    cfp_json_array(json);
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        CFP_TRY(cfp_links_layer(links, l));
        for (int s = 0; s < layer->n_selected; s++) {
            const int o = layer->selected[s];
            CFP_TRY(cfp_check_interrupt(links->ctx));
            CFP_TRY(cfp_links_kernel(links, o));
            for (int k = 0; k < links->n; k++) {
                const cfp_link *link = &links->link[k];
                if (link->layer < 0)
                    continue; /* the clip, or deeper than --depth */
                cfp_json_object(json);
                put_id(json, "source", id, links->base[layer->node] + o);
                put_id(json, "target", id, links->base[link->node] + link->kernel);
                cfp_json_put_float(json, "value", link->value);
                cfp_json_object_end(json);
            }
            CFP_TRY(json->status); /* a full disk: at once */
        }
    }
    cfp_json_array_end(json);
    return CFP_OK;
}

static cfp_status put_pyramid(cfp_json *json, cfp_links *links, ids *id, const cfp_explanation *e)
{
    CFP_TRY(cfp_links_open(links, json->ctx, e));
    CFP_TRY(spell_all(id, links));
    cfp_json_object(json);
    put_head(json, e);
    put_nodes(json, links, id);
    CFP_TRY(put_links(json, links, id));
    cfp_json_object_end(json);
    return cfp_json_close(json);
}

static cfp_status write_json(cfp_output *output, const cfp_explanation *explanation,
                             const cfp_run *run)
{
    (void)run;
    CFP_TRY(cfp_output_begin(output, "pyramid.json"));
    cfp_links links = {0};
    ids id = {0};
    cfp_json json;
    cfp_json_to_file(&json, output->ctx, output->file.stream, output->file.path, 2);
    const cfp_status status = put_pyramid(&json, &links, &id, explanation);
    cfp_links_close(&links);
    cfp_free(id.text);
    cfp_free(id.start);
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
