/* write_tree.c - tree.json: the nested dictionary of the published code, class -> kernel -> ... ->
 * [kernels] (SPEC 4).
 *
 * {"<class>": {"12": {"3": [0, 7, 9], "5": []}, "40": ...}}: the value of a kernel holds the
 * kernels that it demanded.  It is a dictionary if these were visited.  Where the descent ended (at
 * the greatest depth of the query, or at the clip, whose channels are then listed) it is a list. As
 * in the published code, kernels are named by number if all kernels that a layer demanded belong to
 * one layer.  Otherwise they are named as "<layer>:<kernel>", because kernels of branches and
 * shortcuts could have the same number.
 *
 * A tree repeats what several paths have in common, and grows exponentially with depth.  Its size
 * is computed from the graph first, and a tree with more than ENTRIES entries is refused.  (The
 * reference tries to build it.) */
#include "../base/json.h"
#include "links.h"
#include "../files/output.h"
#include "writer.h"

#define ENTRIES 10e6

typedef struct tree {
    cfp_links links;
    double *entries; /* [n_kernels] number of entries below each selected kernel, repetitions
                        included */
    uint8_t *named;  /* [n_layers] true: kernels are named "<layer>:<kernel>" */
    int64_t *first;  /* [n_kernels] where a kernel's links start in below[] */
    int32_t *count;  /* [n_kernels] how many links it has */
    int64_t n_links;
    cfp_link *below; /* [n_links] the kernels that each selected kernel demanded */
    cfp_json json;
} tree;

static void tree_free(tree *t)
{
    cfp_links_close(&t->links);
    cfp_free(t->entries);
    cfp_free(t->named);
    cfp_free(t->first);
    cfp_free(t->count);
    cfp_free(t->below);
    cfp_json_free(&t->json);
}

/* Computes the entries below the selected kernels of one layer, in a tree that ends at depth
 * `deepest`. */
static cfp_status count_layer(tree *t, int l, int deepest)
{
    cfp_links *links = &t->links;
    const cfp_layer *layer = &links->pyramid->layer[l];
    int only = -1;
    CFP_TRY(cfp_links_layer(links, l));
    for (int s = 0; s < layer->n_selected; s++) {
        double *entries = &t->entries[links->base[layer->node] + layer->selected[s]];
        *entries = 0.0;
        CFP_TRY(cfp_check_interrupt(links->ctx));
        CFP_TRY(cfp_links_kernel(links, layer->selected[s]));
        for (int k = 0; k < links->n; k++) {
            const cfp_link *link = &links->link[k];
            const bool visited =
                link->layer >= 0 && links->pyramid->layer[link->layer].depth <= deepest;
            *entries += 1.0;
            if (visited)
                *entries += t->entries[links->base[link->node] + link->kernel];
            if (only >= 0 && link->node != only)
                t->named[l] = 1;
            only = link->node;
        }
        t->n_links += links->n;
    }
    return CFP_OK;
}

/* A demanded kernel is deeper than the kernel that demands it.  So layers are counted from the
 * deepest upwards. */
static cfp_status count_entries(double *out, tree *t, int deepest)
{
    const cfp_pyramid *pyramid = t->links.pyramid;
    t->n_links = 0;
    for (int l = pyramid->n_layers - 1; l >= 0; l--)
        if (pyramid->layer[l].depth <= deepest)
            CFP_TRY(count_layer(t, l, deepest));
    *out = t->entries[t->links.base[pyramid->layer[0].node] + pyramid->class_index];
    return CFP_OK;
}

/* Opens the links and counts the entries.  Refuses a tree that is too large, and tells the
 * largest --depth that is not. */
static cfp_status measure(tree *t, cfp_ctx *ctx, const cfp_explanation *explanation)
{
    const cfp_pyramid *pyramid = &explanation->pyramid;
    const int deepest = pyramid->layer[pyramid->n_layers - 1].depth;
    double entries, fitting;
    CFP_TRY(cfp_links_open(&t->links, ctx, explanation));
    CFP_TRY_ALLOC(ctx, t->entries, t->links.n_kernels);
    CFP_TRY_ALLOC(ctx, t->named, pyramid->n_layers);
    CFP_TRY(count_entries(&entries, t, deepest));
    if (entries <= ENTRIES)
        return CFP_OK;
    int depth = 0;
    do
        CFP_TRY(count_entries(&fitting, t, depth));
    while (fitting <= ENTRIES && ++depth < deepest);
    return cfp_fail(ctx, CFP_UNSUPPORTED,
                    "--format tree: the tree of this pyramid has %.3g entries, and %.0f are the "
                    "most; down to --depth %d it would fit (pyramid.json has no limit)",
                    entries, ENTRIES, cfp_max_int(depth - 1, 0));
}

static cfp_status keep_links(tree *t)
{
    cfp_links *links = &t->links;
    int64_t n = 0;
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        CFP_TRY(cfp_links_layer(links, l));
        for (int s = 0; s < layer->n_selected; s++) {
            const int32_t number = links->base[layer->node] + layer->selected[s];
            CFP_TRY(cfp_links_kernel(links, layer->selected[s]));
            t->first[number] = n;
            t->count[number] = links->n;
            for (int k = 0; k < links->n; k++)
                t->below[n++] = links->link[k];
        }
    }
    return CFP_OK;
}

static void put_name(tree *t, const cfp_link *link, bool named, bool is_key)
{
    const cfp_links *links = &t->links;
    if (!named && !is_key) {
        cfp_json_int(&t->json, link->kernel);
        return;
    }
    char *text =
        named ? cfp_format(links->ctx, "%s:%d", links->model->node[link->node].name, link->kernel)
              : cfp_format(links->ctx, "%d", link->kernel);
    if (text == NULL)
        t->json.status = CFP_NOMEM;
    else if (is_key)
        cfp_json_key(&t->json, text);
    else
        cfp_json_string(&t->json, text);
    cfp_free(text);
}

/* Writes the value of a visited kernel.  The recursion is as deep as the network has kernel
 * layers. */
static void put_kernel(tree *t, int layer, int32_t number)
{
    const cfp_link *below = &t->below[t->first[number]];
    const int n = t->count[number];
    bool visited = false;
    for (int k = 0; k < n; k++)
        visited |= below[k].layer >= 0;
    if (t->json.status == CFP_OK)
        t->json.status = cfp_check_interrupt(t->links.ctx);
    if (visited)
        cfp_json_object(&t->json);
    else
        cfp_json_array(&t->json);
    for (int k = 0; k < n && t->json.status == CFP_OK; k++) {
        put_name(t, &below[k], t->named[layer], visited);
        if (visited && below[k].layer >= 0) {
            put_kernel(t, below[k].layer, t->links.base[below[k].node] + below[k].kernel);
        } else if (visited) { /* a branch that ends here */
            cfp_json_array(&t->json);
            cfp_json_array_end(&t->json);
        }
    }
    if (visited)
        cfp_json_object_end(&t->json);
    else
        cfp_json_array_end(&t->json);
}

static cfp_status put_tree(tree *t, const cfp_explanation *explanation)
{
    cfp_ctx *ctx = t->json.ctx;
    const cfp_pyramid *pyramid = &explanation->pyramid;
    CFP_TRY(measure(t, ctx, explanation));
    CFP_TRY_ALLOC(ctx, t->first, t->links.n_kernels);
    CFP_TRY_ALLOC(ctx, t->count, t->links.n_kernels);
    CFP_TRY_ALLOC(ctx, t->below, t->n_links);
    CFP_TRY(keep_links(t));
    char name[16];
    snprintf(name, sizeof name, "%d", pyramid->class_index);
    cfp_json_object(&t->json);
    cfp_json_key(&t->json, name);
    put_kernel(t, 0, t->links.base[pyramid->layer[0].node] + pyramid->class_index);
    cfp_json_object_end(&t->json);
    return cfp_json_close(&t->json);
}

static cfp_status check_tree(cfp_ctx *ctx, const cfp_explanation *explanation)
{
    tree t = {0};
    const cfp_status status = measure(&t, ctx, explanation);
    tree_free(&t);
    return status;
}

static cfp_status write_tree(cfp_output *output, const cfp_explanation *explanation,
                             const cfp_run *run)
{
    (void)run;
    CFP_TRY(cfp_output_begin(output, "tree.json"));
    tree t = {0};
    cfp_json_to_file(&t.json, output->ctx, output->file.stream, output->file.path, 0);
    const cfp_status status = put_tree(&t, explanation);
    tree_free(&t);
    CFP_TRY(status);
    CFP_TRY(cfp_output_commit(output));
    return cfp_output_step(output);
}

const cfp_writer cfp_writer_tree = {
    .format = "tree",
    .summary = "tree.json: the published code's nested dictionary of kernels",
    .write = write_tree,
    .check = check_tree,
};
