/* write_contrast.c - contrast.json (SPEC 8): the kernels and links that two classes of one clip
 * share, and those of only one.
 *
 *     "classes": [A, B], each {"index", "name", "probability"}
 *     "layers":  {"layer", "depth", "kernels", "both", "only_a", "only_b"}; "kernels" is their
 *                number, the other three list kernels, ascending
 *     "links":   {"both", "only_a", "only_b"}, lists of {"source", "target", "value"} as in
 *                pyramid.json; those of both classes have "value_a" and "value_b"
 *
 * Each list of links is written while all links are visited again, because there may be millions.
 */
#include "../method/contrast.h"
#include "link_ids.h"
#include "../files/output.h"
#include "write_run.h"
#include "writer.h"

typedef struct side { /* one class */
    cfp_links links;
    cfp_link_ids id;
    bool asks; /* it selects the current kernel */
} side;

typedef struct writer {
    cfp_ctx *ctx;
    cfp_json json;
    cfp_contrast_layers layers;
    side a, b;
    int32_t *found; /* [n_kernels] 1 + index among A's links of the current kernel; 0: A has no such
                       link */
} writer;

static void put_head(writer *w, const cfp_explanation *e)
{
    const cfp_model *model = e->model;
    cfp_json_put_string(&w->json, "model", model->name[0] != '\0' ? model->name : model->path);
    cfp_json_put_string(&w->json, "clip", e->clip->path);
    cfp_put_classes(&w->json, e);
    cfp_json_put_string(&w->json, "rule", cfp_rule_names[e->query.rule]);
    cfp_json_put_double(&w->json, "theta", e->query.theta);
}

static void put_layers(writer *w, const cfp_model *model)
{
    cfp_json *json = &w->json;
    cfp_json_key(json, "layers");
    cfp_json_array(json);
    for (int l = 0; l < w->layers.n; l++) {
        const cfp_contrast_layer *layer = &w->layers.layer[l];
        cfp_json_object(json);
        cfp_json_put_string(json, "layer", model->node[layer->node].name);
        cfp_json_put_int(json, "depth", layer->depth);
        cfp_json_put_int(json, "kernels", layer->n_kernels);
        for (int s = 0; s < CFP_SIDES; s++) {
            cfp_json_key(json, cfp_side_names[s]);
            const int lines = json->lines;
            json->lines = 0; /* on one line */
            cfp_json_array(json);
            for (int k = 0; k < layer->n[s]; k++)
                cfp_json_int(json, layer->kernel[s][k]);
            cfp_json_array_end(json);
            json->lines = lines;
        }
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static int32_t number_of(const side *of, const cfp_link *link)
{
    return of->links.base[link->node] + link->kernel;
}

static void put_ends(writer *w, const side *of, int32_t source, const cfp_link *link)
{
    cfp_json_object(&w->json);
    cfp_link_ids_put(&w->json, "source", &of->id, source);
    cfp_link_ids_put(&w->json, "target", &of->id, number_of(of, link));
}

static void put_one(writer *w, const side *of, int32_t source, const cfp_link *link)
{
    put_ends(w, of, source, link);
    cfp_json_put_float(&w->json, "value", link->value);
    cfp_json_object_end(&w->json);
}

static void put_both(writer *w, int32_t source, const cfp_link *a, const cfp_link *b)
{
    put_ends(w, &w->a, source, a);
    cfp_json_put_float(&w->json, "value_a", a->value);
    cfp_json_put_float(&w->json, "value_b", b->value);
    cfp_json_object_end(&w->json);
}

/* Writes the links of the current kernel that belong to this list. */
static void put_kernel(writer *w, cfp_side which, int32_t source)
{
    const cfp_links *a = &w->a.links, *b = &w->b.links;
    const int n_a = w->a.asks ? a->n : 0, n_b = w->b.asks ? b->n : 0;
    for (int k = 0; k < n_a; k++)
        if (a->link[k].layer >= 0) /* -1: the clip, or deeper than --depth */
            w->found[number_of(&w->a, &a->link[k])] = 1 + k;
    for (int k = 0; k < n_b; k++) {
        const cfp_link *link = &b->link[k];
        if (link->layer < 0)
            continue;
        int32_t *found = &w->found[number_of(&w->b, link)];
        if (*found == 0 && which == CFP_SIDE_B)
            put_one(w, &w->b, source, link);
        else if (*found > 0 && which == CFP_SIDE_BOTH)
            put_both(w, source, &a->link[*found - 1], link);
        *found = *found > 0 ? -1 : 0; /* -1: both classes have it */
    }
    for (int k = 0; k < n_a; k++) {
        if (a->link[k].layer < 0)
            continue;
        int32_t *found = &w->found[number_of(&w->a, &a->link[k])];
        if (*found > 0 && which == CFP_SIDE_A)
            put_one(w, &w->a, source, &a->link[k]);
        *found = 0;
    }
}

/* Makes kernel o of a layer the current kernel of one class, if the class selects it. */
static cfp_status turn(side *of, int node, int o)
{
    of->asks = of->links.layer_of[node] >= 0 && of->links.is_selected[of->links.base[node] + o];
    return of->asks ? cfp_links_kernel(&of->links, o) : CFP_OK;
}

static cfp_status turn_layer(side *of, int node)
{
    const int layer = of->links.layer_of[node];
    return layer >= 0 ? cfp_links_layer(&of->links, layer) : CFP_OK;
}

static cfp_status put_side(writer *w, cfp_side which)
{
    cfp_json_key(&w->json, cfp_side_names[which]);
    cfp_json_array(&w->json);
    for (int l = 0; l < w->layers.n; l++) {
        const cfp_contrast_layer *layer = &w->layers.layer[l];
        CFP_TRY(turn_layer(&w->a, layer->node));
        CFP_TRY(turn_layer(&w->b, layer->node));
        for (int o = 0; o < layer->n_kernels; o++) {
            CFP_TRY(turn(&w->a, layer->node, o));
            CFP_TRY(turn(&w->b, layer->node, o));
            put_kernel(w, which, w->a.links.base[layer->node] + o);
            CFP_TRY(w->json.status); /* stop as soon as the disk is full */
        }
        CFP_TRY(cfp_check_interrupt(w->ctx));
    }
    cfp_json_array_end(&w->json);
    return CFP_OK;
}

static cfp_status open_side(side *of, cfp_ctx *ctx, const cfp_explanation *e)
{
    CFP_TRY(cfp_links_open(&of->links, ctx, e));
    return cfp_link_ids_open(&of->id, &of->links);
}

static void close_side(side *of)
{
    cfp_links_close(&of->links);
    cfp_link_ids_close(&of->id);
}

static cfp_status fill(writer *w, const cfp_explanation *e)
{
    CFP_TRY(cfp_contrast_layers_open(&w->layers, w->ctx, e));
    CFP_TRY(open_side(&w->a, w->ctx, e));
    CFP_TRY(open_side(&w->b, w->ctx, e->against));
    CFP_TRY_ALLOC(w->ctx, w->found, w->a.links.n_kernels);
    cfp_json_object(&w->json);
    put_head(w, e);
    put_layers(w, e->model);
    cfp_json_key(&w->json, "links");
    cfp_json_object(&w->json);
    for (int s = 0; s < CFP_SIDES; s++)
        CFP_TRY(put_side(w, (cfp_side)s));
    cfp_json_object_end(&w->json);
    cfp_json_object_end(&w->json);
    return cfp_json_close(&w->json);
}

static cfp_status write_contrast(cfp_output *output, const cfp_explanation *explanation,
                                 const cfp_run *run)
{
    (void)run;
    CFP_TRY(cfp_output_begin(output, "contrast.json"));
    writer w = {.ctx = output->ctx};
    cfp_json_to_file(&w.json, output->ctx, output->file.stream, output->file.path, 2);
    const cfp_status status = fill(&w, explanation);
    cfp_contrast_layers_close(&w.layers);
    close_side(&w.a);
    close_side(&w.b);
    cfp_free(w.found);
    cfp_json_free(&w.json);
    CFP_TRY(status);
    CFP_TRY(cfp_output_commit(output));
    return cfp_output_step(output);
}

const cfp_writer cfp_writer_contrast_json = {
    .format = "json",
    .summary = "contrast.json: kernels and links of both classes, of A alone, of B alone",
    .write = write_contrast,
};
