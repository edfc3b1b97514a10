/* write_json.c - pyramid.json (SPEC 4): nodes and links as D3's force and sankey layouts read them.
 * Links are written one by one: a deep residual network has millions (link_ids.h). */
#include "link_ids.h"
#include "../files/output.h"
#include "write_run.h"
#include "writer.h"

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

static cfp_status put_links(cfp_json *json, cfp_links *links, const cfp_link_ids *id)
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
                cfp_link_ids_put(json, "source", id, links->base[layer->node] + o);
                cfp_link_ids_put(json, "target", id, links->base[link->node] + link->kernel);
                cfp_json_put_float(json, "value", link->value);
                cfp_json_object_end(json);
            }
            CFP_TRY(json->status); /* stop as soon as the disk is full */
        }
    }
    cfp_json_array_end(json);
    return CFP_OK;
}

static cfp_status put_pyramid(cfp_json *json, cfp_links *links, cfp_link_ids *id,
                              const cfp_explanation *e)
{
    CFP_TRY(cfp_links_open(links, json->ctx, e));
    CFP_TRY(cfp_link_ids_open(id, links));
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
    cfp_link_ids id = {0};
    cfp_json json;
    cfp_json_to_file(&json, output->ctx, output->file.stream, output->file.path, 2);
    const cfp_status status = put_pyramid(&json, &links, &id, explanation);
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
