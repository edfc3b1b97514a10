/* cmd_inspect.c - cfp-gpu inspect: every node of a network, as the program understands it.
 *
 * The session opens the model; everything that is printed is read through cfp.h. */
#include <stdio.h>
#include <string.h>
#include "../cfp.h"
#include "commands.h"

/* The name of node i.  NULL if there is none; the graph never asks for one. */
static const char *name_of(const cfp_model *model, int i)
{
    cfp_node_facts node;
    return cfp_describe_node(&node, model, i) ? node.name : NULL;
}

static void json_node(cfp_json *json, const cfp_model *model, const cfp_node_facts *node)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "name", node->name);
    cfp_json_put_string(json, "op", node->op);
    cfp_json_key(json, "inputs");
    cfp_json_array(json);
    for (int i = 0; i < node->inputs; i++)
        cfp_json_string(json, name_of(model, node->input[i]));
    cfp_json_array_end(json);
    cfp_json_key(json, "shape");
    cfp_json_array(json);
    cfp_json_int(json, node->channels);
    cfp_json_int(json, node->frames);
    cfp_json_int(json, node->height);
    cfp_json_int(json, node->width);
    cfp_json_array_end(json);
    cfp_json_put_int(json, "params", node->parameters);
    cfp_json_put_double(json, "gflop", node->gflop);
    cfp_json_key(json, "depth");
    if (node->depth >= 0)
        cfp_json_int(json, node->depth);
    else
        cfp_json_string(json, NULL); /* not a kernel layer, or not reached from the class */
    cfp_json_object_end(json);
}

static void json_numbers(cfp_json *json, const char *key, const float *number, int n)
{
    cfp_json_key(json, key);
    cfp_json_array(json);
    for (int c = 0; c < n; c++)
        cfp_json_float(json, number[c]);
    cfp_json_array_end(json);
}

/* How frames become the network's input, with the names of /input in a model file. */
static void json_input(cfp_json *json, const cfp_model_facts *facts, const cfp_input_spec *spec)
{
    cfp_json_key(json, "input");
    cfp_json_object(json);
    cfp_json_put_int(json, "channels", facts->channels);
    cfp_json_put_int(json, "frames", facts->frames);
    cfp_json_put_int(json, "height", facts->height);
    cfp_json_put_int(json, "width", facts->width);
    cfp_json_put_int(json, "frame_stride", facts->frame_stride);
    if (facts->resize_height > 0) {
        cfp_json_key(json, "resize");
        cfp_json_array(json);
        cfp_json_int(json, facts->resize_height);
        cfp_json_int(json, facts->resize_width);
        cfp_json_array_end(json);
    } else {
        cfp_json_put_int(json, "resize_short", facts->resize_short);
    }
    cfp_json_put_string(json, "resize_filter", facts->resize_filter);
    cfp_json_put_string(json, "color", facts->color);
    cfp_json_put_string(json, "values", spec->numbers ? "numbers" : "bytes");
    cfp_json_put_string(json, "standardise", cfp_standardise_names[spec->standardise]);
    cfp_json_put_float(json, "scale", facts->scale);
    json_numbers(json, "mean", facts->mean, facts->channels);
    json_numbers(json, "std", facts->std, facts->channels);
    cfp_json_object_end(json);
}

static void json_heads(cfp_json *json, const cfp_model *model)
{
    cfp_json_key(json, "heads");
    cfp_json_array(json);
    for (int h = 0; h < model->n_heads; h++) {
        const cfp_model *view = &model->view[h];
        cfp_json_object(json);
        cfp_json_put_string(json, "name", view->head_name);
        cfp_json_put_int(json, "classes", view->n_classes);
        cfp_json_put_string(json, "head", cfp_head_names[view->head]);
        cfp_json_put_string(json, "logits", name_of(model, view->logits));
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static cfp_status print_json(cfp_session *session, const cfp_model_facts *facts)
{
    const cfp_model *model = &session->model;
    cfp_node_facts node;
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "name", facts->name);
    cfp_json_key(&json, "nodes");
    cfp_json_array(&json);
    for (int i = 1; cfp_describe_node(&node, model, i); i++) /* node 0 is the clip */
        json_node(&json, model, &node);
    cfp_json_array_end(&json);
    cfp_json_put_int(&json, "params", facts->parameters);
    cfp_json_put_double(&json, "gflop", facts->gflop);
    json_input(&json, facts, &model->input);
    if (model->n_heads > 0) {
        json_heads(&json, model);
    } else {
        cfp_json_put_string(&json, "head", facts->head);
        cfp_json_put_string(&json, "logits", name_of(model, facts->logits));
    }
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static void print_node(const cfp_model *model, const cfp_node_facts *node, int name_width)
{
    char shape[64], depth[16] = "-";
    snprintf(shape, sizeof shape, "%dx%dx%dx%d", node->channels, node->frames, node->height,
             node->width);
    if (node->depth >= 0)
        snprintf(depth, sizeof depth, "%d", node->depth);
    cfp_print_text(stdout, node->name, name_width);
    printf("  %-15s  %-18s %11lld %10.4g %6s  ", node->op, shape, (long long)node->parameters,
           node->gflop, depth);
    for (int i = 0; i < node->inputs; i++) {
        printf(i == 0 ? "" : ", ");
        cfp_print_text(stdout, name_of(model, node->input[i]), 0);
    }
    printf("\n");
}

static void print_numbers(const char *name, const float *number, int n)
{
    bool same = true;
    for (int c = 1; c < n; c++)
        same = same && number[c] == number[0];
    printf(", %s", name);
    for (int c = 0; c < (same ? 1 : n); c++)
        printf(" %.6g", (double)number[c]);
}

/* How a frame becomes numbers. */
static void print_preprocessing(const cfp_model_facts *facts, const cfp_input_spec *spec)
{
    const char *how = facts->resize_filter;
    if (facts->resize_height > 0)
        printf("input: stretched to %d x %d (%s), centre crop", facts->resize_height,
               facts->resize_width, how);
    else if (facts->resize_short > 0)
        printf("input: short side resized to %d (%s), centre crop", facts->resize_short, how);
    else
        printf("input: stretched to %d x %d (%s)", facts->height, facts->width, how);
    if (spec->numbers)
        printf("; numbers of %d channel%s, standardised: %s", spec->channels,
               spec->channels == 1 ? "" : "s", cfp_standardise_names[spec->standardise]);
    else if (facts->channels == 2)
        printf("; optical flow");
    else
        printf("; %d channels, %s", facts->channels, facts->color);
    printf(", %s divided by %.6g", spec->numbers ? "then" : "0 to 255", (double)facts->scale);
    print_numbers("mean", facts->mean, facts->channels);
    print_numbers("std", facts->std, facts->channels);
    printf("\n");
}

/* How scores become probabilities. */
static void print_head(const cfp_model *model)
{
    const bool sigmoid = model->head == CFP_HEAD_SIGMOID;
    if (model->head_name != NULL) {
        printf("head '");
        cfp_print_text(stdout, model->head_name, 0);
        printf("', %d classes, ", model->n_classes);
    }
    printf("probabilities: %s of '", cfp_head_names[model->head]);
    cfp_print_text(stdout, name_of(model, model->logits), 0);
    printf("'%s%s\n", model->own_head ? "" : ", which the graph leaves to the program",
           sigmoid ? ", each class by itself: several can hold" : "");
}

static void print_heads(const cfp_model *model)
{
    for (int h = 0; h < model->n_heads; h++)
        print_head(&model->view[h]);
    if (model->n_heads == 0)
        print_head(model);
    printf("\n");
}

static void print_table(const cfp_model *model, const cfp_model_facts *facts)
{
    cfp_node_facts node;
    int name_width = 8;
    for (int i = 1; cfp_describe_node(&node, model, i); i++)
        name_width = cfp_max_int(name_width, cfp_text_width(node.name));
    cfp_print_text(stdout, facts->name, 0);
    if (model->n_heads > 0)
        printf(": %d heads", model->n_heads);
    else
        printf(": %d classes", facts->classes);
    printf("; reads %d frames, %d apart, of %d x %d (height x width)\n", facts->frames,
           facts->frame_stride, facts->height, facts->width);
    print_preprocessing(facts, &model->input);
    print_heads(model);
    printf("%-*s  %-15s  %-18s %11s %10s %6s  %s\n", name_width, "node", "op", "shape (CxTxHxW)",
           "parameters", "GFLOP", "depth", "inputs");
    for (int i = 1; cfp_describe_node(&node, model, i); i++)
        print_node(model, &node, name_width);
    printf("\n%d nodes, %lld parameters, %.4g GFLOP a clip, depths 0 to %d\n", facts->nodes - 1,
           (long long)facts->parameters, facts->gflop, facts->max_depth);
}

cfp_status cfp_cmd_inspect(cfp_session *session)
{
    cfp_model_facts facts;
    CFP_TRY(cfp_session_open_model(session));
    cfp_describe_model(&facts, &session->model);
    if (session->config.json)
        return print_json(session, &facts);
    print_table(&session->model, &facts);
    return CFP_OK;
}
