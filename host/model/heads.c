/* heads.c - networks with several classifiers, such as one for verbs and one for nouns: joins their
 * logits in one node, makes the view of each head, and finds the heads and classes that a user
 * typed. */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- joining --- */

/* All ops but this one come from the file, where no name has a '/'. */
static const char join_name[] = "/heads";

static cfp_status add_consumer(cfp_ctx *ctx, cfp_node *node, int consumer)
{
    int *longer;
    CFP_TRY_ALLOC(ctx, longer, node->n_consumers + 1);
    if (node->n_consumers > 0)
        memcpy(longer, node->consumer, (size_t)node->n_consumers * sizeof *longer);
    longer[node->n_consumers++] = consumer;
    cfp_free(node->consumer);
    node->consumer = longer;
    return CFP_OK;
}

/* Lists the classes of all heads. */
static cfp_status join_classes(cfp_model *model, cfp_ctx *ctx)
{
    model->n_classes = 0;
    for (int h = 0; h < model->n_heads; h++) {
        model->view[h].first_class = model->n_classes;
        model->n_classes += model->view[h].n_classes;
    }
    CFP_TRY_ALLOC(ctx, model->class_name, model->n_classes);
    for (int h = 0; h < model->n_heads; h++)
        for (int c = 0; c < model->view[h].n_classes; c++)
            model->class_name[model->view[h].first_class + c] = model->view[h].class_name[c];
    return CFP_OK;
}

cfp_status cfp_heads_join(cfp_model *model, cfp_ctx *ctx)
{
    const int last = model->n_nodes;
    cfp_node *join = &model->node[last]; /* sort_nodes left room */
    *join = (cfp_node){.op = CFP_OP_CONCAT, .n_inputs = model->n_heads, .depth = -1};
    model->n_nodes++;
    if ((join->name = cfp_strdup(ctx, join_name)) == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(ctx, join->input, model->n_heads);
    for (int h = 0; h < model->n_heads; h++)
        join->input[h] = model->view[h].logits;
    join->alias = last;
    CFP_TRY(cfp_node_shape(ctx, model, join));
    for (int h = 0; h < model->n_heads; h++) {
        cfp_node *logits = &model->node[model->view[h].logits];
        if (logits->n_consumers == 0 || logits->consumer[logits->n_consumers - 1] != last)
            CFP_TRY(add_consumer(ctx, logits, last));
    }
    model->output = model->logits = last;
    model->head = model->view[0].head;
    return join_classes(model, ctx);
}

/* --- views --- */

/* True: what is computed for a class of one head alone is the same in the joined network. */
static bool view_agrees(const cfp_model *model, const cfp_model *view)
{
    const cfp_model *first = &model->view[0];
    if (view->max_depth != model->max_depth || view->head != first->head ||
        (view->n_classes > 1) != (first->n_classes > 1))
        return false;
    for (int i = 0; i < view->n_nodes; i++)
        if (view->node[i].depth >= 0 && view->node[i].depth != model->node[i].depth)
            return false;
    return true;
}

static cfp_status make_view(cfp_model *view, const cfp_model *model, cfp_ctx *ctx)
{
    view->path = model->path;
    view->name = model->name;
    view->source = model->source;
    view->licence = model->licence;
    view->input = model->input;
    view->n_nodes = 0;
    CFP_TRY_ALLOC(ctx, view->node, model->n_nodes);
    memcpy(view->node, model->node, (size_t)model->n_nodes * sizeof *view->node);
    view->n_nodes = cfp_model_file_nodes(model);
    return cfp_find_depths(view, ctx);
}

cfp_status cfp_heads_make_views(cfp_model *model, cfp_ctx *ctx)
{
    model->heads_agree = true;
    for (int h = 0; h < model->n_heads; h++) {
        CFP_TRY(make_view(&model->view[h], model, ctx));
        model->heads_agree &= view_agrees(model, &model->view[h]);
    }
    return CFP_OK;
}

static void free_view(cfp_model *view)
{
    for (int c = 0; view->class_name != NULL && c < view->n_classes; c++)
        cfp_free(view->class_name[c]);
    cfp_free(view->class_name);
    cfp_free(view->head_name);
    cfp_free(view->node);
    *view = (cfp_model){0};
}

void cfp_heads_free(cfp_model *model)
{
    for (int h = 0; model->view != NULL && h < model->n_heads; h++)
        free_view(&model->view[h]);
    cfp_free(model->view);
    model->view = NULL;
    model->n_heads = 0;
}

void cfp_model_keep_head(cfp_model *model, int head)
{
    if (model->n_heads == 0)
        return;
    cfp_model *view = &model->view[head];
    cfp_node *join = &model->node[model->n_nodes - 1];
    for (int i = 0; i < view->n_nodes; i++)
        model->node[i].depth = view->node[i].depth;
    cfp_free(join->name);
    cfp_free(join->input);
    *join = (cfp_node){0}; /* stays in memory, because its inputs still list it as a consumer */
    cfp_free(model->class_name);
    model->n_nodes = view->n_nodes;
    model->output = view->output;
    model->logits = view->logits;
    model->head = view->head;
    model->own_head = view->own_head;
    model->max_depth = view->max_depth;
    model->head_name = view->head_name;
    model->n_classes = view->n_classes;
    model->class_name = view->class_name;
    view->head_name = NULL;
    view->class_name = NULL;
    cfp_heads_free(model);
}

/* --- what a user typed --- */

static int find_head(const cfp_model *model, const char *name, size_t length)
{
    for (int h = 0; h < model->n_heads; h++)
        if (strlen(model->view[h].head_name) == length &&
            memcmp(model->view[h].head_name, name, length) == 0)
            return h;
    return -1;
}

/* Lists the heads: "verb, noun". */
static void list_heads(char *text, size_t bytes, const cfp_model *model)
{
    size_t used = 0;
    text[0] = '\0';
    for (int h = 0; h < model->n_heads && used < bytes; h++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", h == 0 ? "" : ", ",
                                 model->view[h].head_name);
}

cfp_status cfp_model_find_head(int *out, cfp_ctx *ctx, const cfp_model *model, const char *name)
{
    char heads[256];
    const bool only = model->head_name != NULL && strcmp(model->head_name, name) == 0;
    *out = only ? 0 : find_head(model, name, strlen(name));
    if (*out >= 0)
        return CFP_OK;
    list_heads(heads, sizeof heads, model);
    if (model->n_heads > 0)
        return cfp_fail(ctx, CFP_USAGE, "--head: no head '%s' in %s; there are %s", name,
                        model->path, heads);
    return cfp_fail(ctx, CFP_USAGE, "--head: %s has one classifier%s%s%s", model->path,
                    model->head_name != NULL ? ", '" : ", and no name for it",
                    model->head_name != NULL ? model->head_name : "",
                    model->head_name != NULL ? "'" : "");
}

/* The head that `item` begins with, as in "verb=cut".  -1: it begins with none. */
static int head_of_item(const cfp_model *model, const char *item)
{
    return find_head(model, item, strcspn(item, "="));
}

/* Where the class that starts here ends.  Its name may contain commas, so only a comma with a head
 * after it ends it. */
static size_t class_length(const cfp_model *model, const char *name)
{
    const char *comma = strchr(name, ',');
    while (comma != NULL && (strchr(comma, '=') == NULL || head_of_item(model, comma + 1) < 0))
        comma = strchr(comma + 1, ',');
    return comma == NULL ? strlen(name) : (size_t)(comma - name);
}

static cfp_status unknown_item(cfp_ctx *ctx, const cfp_model *model, const char *item)
{
    char heads[256];
    list_heads(heads, sizeof heads, model);
    return cfp_fail(ctx, CFP_USAGE,
                    "--class: '%s': %s has the heads %s; write %s=CLASS, or choose one by --head",
                    item, model->path, heads, model->view[0].head_name);
}

static cfp_status read_item(int *class_index, cfp_ctx *ctx, const cfp_model *model,
                            const char *name, size_t length, int head)
{
    const cfp_model *view = &model->view[head];
    char option[256];
    snprintf(option, sizeof option, "--class: %s", view->head_name);
    if (class_index[head] >= 0)
        return cfp_fail(ctx, CFP_USAGE, "%s is given twice", option);
    char *copy = cfp_format(ctx, "%.*s", (int)length, name);
    if (copy == NULL)
        return CFP_NOMEM;
    const cfp_status status = cfp_model_class_of(&class_index[head], ctx, view, option, copy);
    cfp_free(copy);
    return status;
}

cfp_status cfp_model_head_classes(int *class_index, cfp_ctx *ctx, const cfp_model *model,
                                  const char *list)
{
    for (int h = 0; h < model->n_heads; h++)
        class_index[h] = -1;
    for (const char *item = list; item != NULL;) {
        const char *const equals = strchr(item, '=');
        const int head = equals == NULL ? -1 : head_of_item(model, item);
        if (head < 0)
            return unknown_item(ctx, model, item);
        const size_t length = class_length(model, equals + 1);
        CFP_TRY(read_item(class_index, ctx, model, equals + 1, length, head));
        item = equals[1 + length] == ',' ? equals + length + 2 : NULL;
    }
    return CFP_OK;
}
