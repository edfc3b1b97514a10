/* summary.c - see summary.h. */
#include "summary.h"
#include "../method/actions.h"
#include "../method/contrast.h"
#include "../write/write_run.h"
#include <stdio.h>

void cfp_result_free(cfp_result *result)
{
    for (int i = 0; result->files != NULL && result->files[i] != NULL; i++)
        cfp_free(result->files[i]);
    cfp_free(result->files);
    cfp_explanation_free(&result->explanation);
    cfp_explanation_free(&result->against);
    for (int k = 0; k < result->n_others; k++)
        cfp_explanation_free(&result->other[k]);
    cfp_free(result->other);
    cfp_free(result->directory);
    cfp_hashing_close(&result->hashing);
    *result = (cfp_result){0};
}

static int count_files(const cfp_result *result)
{
    int n = 0;
    while (result->files != NULL && result->files[n] != NULL)
        n++;
    return n;
}

static void print_class(const cfp_model *model, const cfp_explanation *e, const char *word)
{
    int top = 0;
    if (model->head_name != NULL) {
        cfp_print_text(stderr, model->head_name, 0);
        fprintf(stderr, ": ");
    }
    for (int i = 1; i < model->n_classes; i++)
        if (e->logits[i] > e->logits[top])
            top = i;
    fprintf(stderr, "%s %d, '", word, e->class_index);
    cfp_print_text(stderr, model->class_name[e->class_index], 0);
    fprintf(stderr, "', probability %.4f", (double)e->probabilities[e->class_index]);
    if (top != e->class_index) {
        fprintf(stderr, " (predicted: '");
        cfp_print_text(stderr, model->class_name[top], 0);
        fprintf(stderr, "', %.4f)", (double)e->probabilities[top]);
    }
    fprintf(stderr, "\n");
}

static void print_rest(int n)
{
    fprintf(stderr, "    ...  and %d layer%s more\n", n, n == 1 ? "" : "s");
}

static void print_layers(const cfp_model *model, const cfp_pyramid *pyramid)
{
    enum { SHOWN = 16 };
    int width = 5;
    for (int i = 0; i < pyramid->n_layers && i < SHOWN; i++)
        width = cfp_max_int(width, cfp_text_width(model->node[pyramid->layer[i].node].name));
    fprintf(stderr, "  depth  %-*s  selected kernels\n", width, "layer");
    for (int i = 0; i < pyramid->n_layers && i < SHOWN; i++) {
        const cfp_layer *layer = &pyramid->layer[i];
        fprintf(stderr, "  %5d  ", layer->depth);
        cfp_print_text(stderr, model->node[layer->node].name, width);
        fprintf(stderr, "  %d of %d\n", layer->n_selected, layer->n_kernels);
    }
    if (pyramid->n_layers > SHOWN)
        print_rest(pyramid->n_layers - SHOWN);
}

/* The layers of all heads, by depth, then from the output to the input. */
static cfp_status list_layers(const cfp_layer ***list, int *n, cfp_ctx *ctx,
                              const cfp_explanation *first)
{
    int most = 0;
    *n = 0;
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        most += e->pyramid.n_layers;
    CFP_TRY_ALLOC(ctx, *list, most);
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        for (int l = 0; l < e->pyramid.n_layers; l++) {
            const cfp_layer *layer = &e->pyramid.layer[l];
            int at = 0;
            while (at < *n &&
                   ((*list)[at]->depth < layer->depth ||
                    ((*list)[at]->depth == layer->depth && (*list)[at]->node > layer->node)))
                at++;
            if (at < *n && (*list)[at]->node == layer->node)
                continue;
            for (int k = (*n)++; k > at; k--)
                (*list)[k] = (*list)[k - 1];
            (*list)[at] = layer;
        }
    return CFP_OK;
}

/* How many kernels of a layer each head selects, side by side. */
static void print_counts(const cfp_explanation *first, const cfp_layer *layer)
{
    for (const cfp_explanation *e = first; e != NULL; e = e->next) {
        const cfp_layer *own = cfp_pyramid_layer(&e->pyramid, layer->node);
        const int width = cfp_max_int(6, cfp_text_width(e->model->head_name));
        if (own != NULL && own->depth == layer->depth)
            fprintf(stderr, "  %*d", width, own->n_selected);
        else
            fprintf(stderr, "  %*s", width, "-");
    }
    fprintf(stderr, "\n");
}

static cfp_status print_heads(cfp_ctx *ctx, const cfp_explanation *first)
{
    enum { SHOWN = 16 };
    const cfp_model *model = first->model;
    const cfp_layer **list;
    int n, width = 5;
    char *action = cfp_action_name(ctx, first);
    if (action == NULL)
        return CFP_NOMEM;
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        print_class(e->model, e, "class");
    fprintf(stderr, "action: '");
    cfp_print_text(stderr, action, 0);
    fprintf(stderr, "', probability %.4f\n", cfp_action_probability(first));
    cfp_free(action);
    CFP_TRY(list_layers(&list, &n, ctx, first));
    for (int i = 0; i < n && i < SHOWN; i++)
        width = cfp_max_int(width, cfp_text_width(model->node[list[i]->node].name));
    fprintf(stderr, "  depth  %-*s  kernels", width, "layer");
    for (const cfp_explanation *e = first; e != NULL; e = e->next) {
        fprintf(stderr, "  %*s", cfp_max_int(0, 6 - cfp_text_width(e->model->head_name)), "");
        cfp_print_text(stderr, e->model->head_name, 0);
    }
    fprintf(stderr, "\n");
    for (int i = 0; i < n && i < SHOWN; i++) {
        fprintf(stderr, "  %5d  ", list[i]->depth);
        cfp_print_text(stderr, model->node[list[i]->node].name, width);
        fprintf(stderr, "  %7d", list[i]->n_kernels);
        print_counts(first, list[i]);
    }
    if (n > SHOWN)
        print_rest(n - SHOWN);
    cfp_free(list);
    return CFP_OK;
}

static cfp_status print_contrast(cfp_session *session, const cfp_explanation *e)
{
    enum { SHOWN = 16 };
    const cfp_model *model = &session->model;
    cfp_contrast_layers layers;
    CFP_TRY(cfp_contrast_layers_open(&layers, &session->ctx, e));
    int width = 5;
    for (int i = 0; i < layers.n && i < SHOWN; i++)
        width = cfp_max_int(width, cfp_text_width(model->node[layers.layer[i].node].name));
    print_class(model, e, "class A:");
    print_class(model, e->against, "class B:");
    fprintf(stderr, "  depth  %-*s  kernels   both  only A  only B\n", width, "layer");
    for (int i = 0; i < layers.n && i < SHOWN; i++) {
        const cfp_contrast_layer *layer = &layers.layer[i];
        fprintf(stderr, "  %5d  ", layer->depth);
        cfp_print_text(stderr, model->node[layer->node].name, width);
        fprintf(stderr, "  %7d  %5d  %6d  %6d\n", layer->n_kernels, layer->n[CFP_SIDE_BOTH],
                layer->n[CFP_SIDE_A], layer->n[CFP_SIDE_B]);
    }
    if (layers.n > SHOWN)
        print_rest(layers.n - SHOWN);
    cfp_contrast_layers_close(&layers);
    return CFP_OK;
}

static int count_tubes(const cfp_explanation *e)
{
    int n = 0;
    for (; e != NULL; e = e->next)
        n += e->tubes.n;
    return n;
}

cfp_status cfp_print_summary(cfp_session *session, const cfp_result *result)
{
    const cfp_explanation *e = &result->explanation;
    const cfp_timings *ms = &e->ms;
    cfp_terminal_clear(&session->terminal);
    if (e->against != NULL) {
        CFP_TRY(print_contrast(session, e));
    } else if (e->next != NULL) {
        CFP_TRY(print_heads(&session->ctx, e));
    } else {
        print_class(&session->model, e, "class");
        print_layers(&session->model, &e->pyramid);
    }
    fprintf(stderr,
            "decode %.1f ms, forward %.1f ms, descent %.1f ms, %d tubes %.1f ms, write %.1f ms\n",
            ms->decode, ms->forward, ms->descent, count_tubes(e), ms->tubes, ms->write);
    const int n = count_files(result);
    fprintf(stderr, "%d file%s in ", n, n == 1 ? "" : "s");
    cfp_print_text(stderr, result->directory, 0);
    fprintf(stderr, "\n");
    return CFP_OK;
}

static void json_layers(cfp_json *json, const cfp_model *model, const cfp_pyramid *pyramid)
{
    cfp_json_key(json, "layers");
    cfp_json_array(json);
    for (int i = 0; i < pyramid->n_layers; i++) {
        const cfp_layer *layer = &pyramid->layer[i];
        cfp_json_object(json);
        cfp_json_put_string(json, "layer", model->node[layer->node].name);
        cfp_json_put_int(json, "depth", layer->depth);
        cfp_json_put_int(json, "kernels", layer->n_kernels);
        cfp_json_put_int(json, "selected", layer->n_selected);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

/* For a contrast: how many kernels both classes select, and how many only one of them. */
static cfp_status json_contrast(cfp_json *json, cfp_session *session, const cfp_explanation *e)
{
    cfp_contrast_layers layers;
    CFP_TRY(cfp_contrast_layers_open(&layers, &session->ctx, e));
    cfp_json_key(json, "layers");
    cfp_json_array(json);
    for (int i = 0; i < layers.n; i++) {
        const cfp_contrast_layer *layer = &layers.layer[i];
        cfp_json_object(json);
        cfp_json_put_string(json, "layer", session->model.node[layer->node].name);
        cfp_json_put_int(json, "depth", layer->depth);
        cfp_json_put_int(json, "kernels", layer->n_kernels);
        for (int s = 0; s < CFP_SIDES; s++)
            cfp_json_put_int(json, cfp_side_names[s], layer->n[s]);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    cfp_contrast_layers_close(&layers);
    return CFP_OK;
}

static void json_saturation(cfp_json *json, const cfp_pyramid *pyramid)
{
    const cfp_saturation s = cfp_pyramid_saturation(pyramid);
    cfp_json_key(json, "saturated");
    cfp_json_object(json);
    cfp_json_put_int(json, "layers", s.saturated);
    cfp_json_put_int(json, "of", s.layers);
    cfp_json_put_bool(json, "most", s.most);
    cfp_json_object_end(json);
}

/* The files, as paths from the current folder. */
static cfp_status json_files(cfp_json *json, cfp_ctx *ctx, const cfp_result *result)
{
    cfp_json_key(json, "files");
    cfp_json_array(json);
    for (int i = 0; i < count_files(result); i++) {
        char *path = cfp_format(ctx, "%s/%s", result->directory, result->files[i]);
        if (path == NULL)
            return CFP_NOMEM;
        cfp_json_string(json, path);
        cfp_free(path);
    }
    cfp_json_array_end(json);
    return CFP_OK;
}

static void json_timings(cfp_json *json, const cfp_timings *ms)
{
    cfp_json_key(json, "ms");
    cfp_json_object(json);
    cfp_json_put_ms(json, "decode", ms->decode);
    cfp_json_put_ms(json, "forward", ms->forward);
    cfp_json_put_ms(json, "descent", ms->descent);
    cfp_json_put_ms(json, "tubes", ms->tubes);
    cfp_json_put_ms(json, "write", ms->write);
    cfp_json_object_end(json);
}

/* For several heads: what is said of one explanation, for each of them, and their action. */
static cfp_status json_heads(cfp_json *json, cfp_ctx *ctx, const cfp_explanation *first)
{
    cfp_json_key(json, "heads");
    cfp_json_array(json);
    for (const cfp_explanation *e = first; e != NULL; e = e->next) {
        cfp_json_object(json);
        cfp_json_put_string(json, "head", e->model->head_name);
        cfp_json_key(json, "class");
        cfp_put_class(json, e);
        json_layers(json, e->model, &e->pyramid);
        json_saturation(json, &e->pyramid);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    return cfp_put_action(json, ctx, first);
}

static cfp_status put_result(cfp_json *json, cfp_session *session, const cfp_result *result)
{
    const cfp_explanation *e = &result->explanation;
    if (e->next == NULL)
        cfp_put_classes(json, e);
    if (e->next != NULL) {
        CFP_TRY(json_heads(json, &session->ctx, e));
    } else if (e->against != NULL) {
        CFP_TRY(json_contrast(json, session, e));
    } else {
        json_layers(json, &session->model, &e->pyramid);
        json_saturation(json, &e->pyramid);
    }
    CFP_TRY(json_files(json, &session->ctx, result));
    json_timings(json, &result->explanation.ms);
    return CFP_OK;
}

cfp_status cfp_put_result(cfp_json *json, cfp_session *session, const cfp_result *result)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "clip", result->explanation.clip->path);
    const cfp_status status = put_result(json, session, result);
    cfp_json_object_end(json);
    return status;
}

cfp_status cfp_print_result(cfp_session *session, const cfp_result *result)
{
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    const cfp_status status = put_result(&json, session, result);
    cfp_json_object_end(&json);
    const cfp_status closed = cfp_session_json_close(&json);
    return status != CFP_OK ? status : closed;
}
