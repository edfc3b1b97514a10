/* link_ids.c - see link_ids.h. */
#include "link_ids.h"
#include <string.h>

/* Writes the ids of one layer's selected kernels. */
static void spell(cfp_json *out, cfp_link_ids *id, const cfp_links *links, const cfp_layer *layer)
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

static cfp_status spell_all(cfp_link_ids *id, const cfp_links *links)
{
    CFP_TRY_ALLOC(links->ctx, id->start, links->n_kernels + 1);
    cfp_json out;
    cfp_json_to_memory(&out, links->ctx, 0);
    /* In the order of the nodes, so that each id ends where the next one starts. */
    for (int node = 0; node < links->model->n_nodes; node++)
        if (links->layer_of[node] >= 0)
            spell(&out, id, links, &links->pyramid->layer[links->layer_of[node]]);
    id->text = out.text; /* id frees it from now on */
    return out.status;
}

void cfp_link_ids_put(cfp_json *json, const char *key, const cfp_link_ids *id, int32_t number)
{
    cfp_json_key(json, key);
    cfp_json_raw(json, id->text + id->start[number],
                 (size_t)(id->start[number + 1] - id->start[number]));
}

cfp_status cfp_link_ids_open(cfp_link_ids *out, const cfp_links *links)
{
    *out = (cfp_link_ids){0};
    const cfp_status status = spell_all(out, links);
    if (status != CFP_OK)
        cfp_link_ids_close(out);
    return status;
}

void cfp_link_ids_close(cfp_link_ids *ids)
{
    cfp_free(ids->text);
    cfp_free(ids->start);
    *ids = (cfp_link_ids){0};
}
