/* write_class_json.c - class.json: many explanations of each class, for programs that read JSON.
 *
 *     {"model", "options": {...}, "classes": [class ...], "clips"}
 *     class: {"index", "name", "clips": [{"id", "probability"}], "consistency_clips", "layers"}
 *     layer: {"layer", "depth", "kernels", "clips", "consistency", "random", "selected", "edges"};
 *            "kernels" is their number, "clips" that of the clips that reached the layer;
 *            consistency and random are null where there is one clip
 *     "selected": [{"kernel", "clips", "relevance", "top"}], kernels that any clip selects;
 *            "clips": in how many it is selected; "relevance": the mean over all clips of the class
 *     "edges": [{"kernel", "channel", "clips", "relevance", "top"}]
 *     "top": [{"clip", "relevance"}], the most relevant first; "clip" is a number in "clips" */
#include "write_class.h"

void cfp_class_json_options(cfp_json *json, const cfp_explained_head *head)
{
    cfp_json_put_string(json, "model", head->model);
    cfp_json_key(json, "options");
    cfp_json_object(json);
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++)
        if (k != CFP_EXPLAINED_HEAD || *head->option[k] != '\0')
            cfp_json_put_string(json, cfp_explained_options[k], head->option[k]);
    cfp_json_object_end(json);
}

void cfp_class_json_begin(cfp_class_files *files)
{
    cfp_json_object(&files->json);
    cfp_class_json_options(&files->json, files->head);
    cfp_json_key(&files->json, "classes");
    cfp_json_array(&files->json);
}

static void put_counts(cfp_json *json, const cfp_tally *tally, int clips, double sum,
                       const cfp_tally_top *top)
{
    cfp_json_put_int(json, "clips", clips);
    cfp_json_put_float(json, "relevance", (float)(sum / tally->n_clips));
    cfp_json_key(json, "top");
    cfp_json_array(json);
    for (int k = 0; k < tally->max_top && top[k].relevance > 0; k++) {
        cfp_json_object(json);
        cfp_json_put_int(json, "clip", top[k].clip);
        cfp_json_put_float(json, "relevance", top[k].relevance);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static cfp_status put_edges(cfp_json *json, const cfp_tally *tally, const cfp_tally_layer *layer)
{
    cfp_json_key(json, "edges");
    cfp_json_array(json);
    for (int64_t e = 0; e < layer->n_edges; e++) {
        const cfp_tally_edge *edge = &layer->edge[e];
        cfp_json_object(json);
        cfp_json_put_int(json, "kernel", edge->kernel);
        cfp_json_put_int(json, "channel", edge->channel);
        put_counts(json, tally, edge->clips, edge->sum, layer->edge_top + e * tally->max_top);
        cfp_json_object_end(json);
        CFP_TRY(json->status); /* stop as soon as the disk is full */
    }
    cfp_json_array_end(json);
    return CFP_OK;
}

static cfp_status put_layer(cfp_json *json, const cfp_tally *tally, const cfp_tally_layer *layer)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "layer", layer->name);
    cfp_json_put_int(json, "depth", layer->depth);
    cfp_json_put_int(json, "kernels", layer->n_kernels);
    cfp_json_put_int(json, "clips", layer->clips);
    cfp_json_put_double(json, "consistency", layer->consistency);
    cfp_json_put_double(json, "random", layer->random);
    cfp_json_key(json, "selected");
    cfp_json_array(json);
    for (int o = 0; o < layer->n_kernels; o++) {
        if (layer->count[o] == 0)
            continue;
        cfp_json_object(json);
        cfp_json_put_int(json, "kernel", o);
        put_counts(json, tally, layer->count[o], layer->sum[o],
                   layer->top + (int64_t)o * tally->max_top);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    CFP_TRY(put_edges(json, tally, layer));
    cfp_json_object_end(json);
    return CFP_OK;
}

static void put_clips(cfp_json *json, const cfp_class_facts *facts)
{
    cfp_json_key(json, "clips");
    cfp_json_array(json);
    for (int i = 0; i < facts->n_clips; i++) {
        cfp_json_object(json);
        cfp_json_put_string(json, "id", facts->clip[i].id);
        cfp_json_put_float(json, "probability", (float)facts->clip[i].probability);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

cfp_status cfp_class_json_add(cfp_class_files *files, const cfp_class_facts *facts)
{
    cfp_json *json = &files->json;
    cfp_json_object(json);
    cfp_json_put_int(json, "index", facts->index);
    cfp_json_put_string(json, "name", facts->name);
    put_clips(json, facts);
    cfp_json_put_int(json, "consistency_clips", cfp_tally_sets(facts->tally));
    cfp_json_key(json, "layers");
    cfp_json_array(json);
    for (int l = 0; l < facts->tally->n; l++) {
        CFP_TRY(put_layer(json, facts->tally, &facts->tally->layer[l]));
        CFP_TRY(cfp_check_interrupt(files->output->ctx));
    }
    cfp_json_array_end(json);
    cfp_json_object_end(json);
    return json->status;
}
