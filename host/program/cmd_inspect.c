/* cmd_inspect.c - cfp-gpu inspect: every node of a network, as the program understands it. */
#include <stdio.h>
#include <string.h>
#include "commands.h"

static void json_node(cfp_json *json, const cfp_model *model, const cfp_node *node)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "name", node->name);
    cfp_json_put_string(json, "op", cfp_op_table[node->op].name);
    cfp_json_key(json, "inputs");
    cfp_json_array(json);
    for (int i = 0; i < node->n_inputs; i++)
        cfp_json_string(json, model->node[node->input[i]].name);
    cfp_json_array_end(json);
    cfp_json_key(json, "shape");
    cfp_json_array(json);
    cfp_json_int(json, node->shape.c);
    cfp_json_int(json, node->shape.t);
    cfp_json_int(json, node->shape.h);
    cfp_json_int(json, node->shape.w);
    cfp_json_array_end(json);
    cfp_json_put_int(json, "params", node->parameters);
    cfp_json_put_double(json, "gflop", node->flop * 1e-9);
    cfp_json_key(json, "depth");
    if (node->depth >= 0)
        cfp_json_int(json, node->depth);
    else
        cfp_json_string(json, NULL); /* not a kernel layer, or on no route from the class */
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

/* SPEC "/input", by its own words. */
static void json_input(cfp_json *json, const cfp_input_spec *spec)
{
    cfp_json_key(json, "input");
    cfp_json_object(json);
    cfp_json_put_int(json, "channels", spec->channels);
    cfp_json_put_int(json, "frames", spec->frames);
    cfp_json_put_int(json, "height", spec->height);
    cfp_json_put_int(json, "width", spec->width);
    cfp_json_put_int(json, "frame_stride", spec->frame_stride);
    if (spec->resize[0] > 0) {
        cfp_json_key(json, "resize");
        cfp_json_array(json);
        cfp_json_int(json, spec->resize[0]);
        cfp_json_int(json, spec->resize[1]);
        cfp_json_array_end(json);
    } else {
        cfp_json_put_int(json, "resize_short", spec->resize_short);
    }
    cfp_json_put_string(json, "resize_filter", cfp_resize_filter(spec));
    cfp_json_put_string(json, "color", spec->bgr ? "BGR" : "RGB");
    cfp_json_put_float(json, "scale", spec->scale);
    json_numbers(json, "mean", spec->mean, spec->channels);
    json_numbers(json, "std", spec->std, spec->channels);
    cfp_json_object_end(json);
}

static int64_t total_parameters(const cfp_model *model)
{
    int64_t total = 0;
    for (int i = 0; i < model->n_nodes; i++)
        total += model->node[i].parameters;
    return total;
}

static cfp_status print_json(cfp_session *session)
{
    const cfp_model *model = &session->model;
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "name", model->name);
    cfp_json_key(&json, "nodes");
    cfp_json_array(&json);
    for (int i = 1; i < model->n_nodes; i++) /* node 0 is the clip */
        json_node(&json, model, &model->node[i]);
    cfp_json_array_end(&json);
    cfp_json_put_int(&json, "params", total_parameters(model));
    cfp_json_put_double(&json, "gflop", cfp_model_gflop(model));
    json_input(&json, &model->input);
    cfp_json_put_string(&json, "head", cfp_head_names[model->head]);
    cfp_json_put_string(&json, "logits", model->node[model->logits].name);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static void shape_text(char *text, size_t bytes, cfp_shape s)
{
    snprintf(text, bytes, "%dx%dx%dx%d", s.c, s.t, s.h, s.w);
}

static void print_node(const cfp_model *model, const cfp_node *node, int name_width)
{
    char shape[64], depth[16] = "-";
    shape_text(shape, sizeof shape, node->shape);
    if (node->depth >= 0)
        snprintf(depth, sizeof depth, "%d", node->depth);
    cfp_print_text(stdout, node->name, name_width);
    printf("  %-15s  %-18s %11lld %10.4g %6s  ", cfp_op_table[node->op].name, shape,
           (long long)node->parameters, node->flop * 1e-9, depth);
    for (int i = 0; i < node->n_inputs; i++) {
        printf(i == 0 ? "" : ", ");
        cfp_print_text(stdout, model->node[node->input[i]].name, 0);
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
static void print_preprocessing(const cfp_input_spec *spec)
{
    const char *how = cfp_resize_filter(spec);
    if (spec->resize[0] > 0)
        printf("input: stretched to %d x %d (%s), centre crop", spec->resize[0], spec->resize[1],
               how);
    else if (spec->resize_short > 0)
        printf("input: short side resized to %d (%s), centre crop", spec->resize_short, how);
    else
        printf("input: stretched to %d x %d (%s)", spec->height, spec->width, how);
    if (spec->channels == 2)
        printf("; optical flow");
    else
        printf("; %d channels, %s", spec->channels, spec->bgr ? "BGR" : "RGB");
    printf(", 0 to 255 divided by %.6g", (double)spec->scale);
    print_numbers("mean", spec->mean, spec->channels);
    print_numbers("std", spec->std, spec->channels);
    printf("\n");
}

/* How scores become probabilities. */
static void print_head(const cfp_model *model)
{
    printf("probabilities: %s of '", cfp_head_names[model->head]);
    cfp_print_text(stdout, model->node[model->logits].name, 0);
    printf("'%s%s\n\n", model->own_head ? "" : ", which the graph leaves to the program",
           model->head == CFP_HEAD_SIGMOID ? ", each class by itself: several can hold" : "");
}

static void print_table(const cfp_model *model)
{
    const cfp_input_spec *spec = &model->input;
    int name_width = 8;
    for (int i = 1; i < model->n_nodes; i++)
        name_width = cfp_max_int(name_width, cfp_text_width(model->node[i].name));
    cfp_print_text(stdout, model->name, 0);
    printf(": %d classes; reads %d frames, %d apart, of %d x %d (height x width)\n",
           model->n_classes, spec->frames, spec->frame_stride, spec->height, spec->width);
    print_preprocessing(spec);
    print_head(model);
    printf("%-*s  %-15s  %-18s %11s %10s %6s  %s\n", name_width, "node", "op", "shape (CxTxHxW)",
           "parameters", "GFLOP", "depth", "inputs");
    for (int i = 1; i < model->n_nodes; i++)
        print_node(model, &model->node[i], name_width);
    printf("\n%d nodes, %lld parameters, %.4g GFLOP a clip, depths 0 to %d\n", model->n_nodes - 1,
           (long long)total_parameters(model), cfp_model_gflop(model), model->max_depth);
}

cfp_status cfp_cmd_inspect(cfp_session *session)
{
    CFP_TRY(cfp_session_open_model(session));
    if (session->config.json)
        return print_json(session);
    print_table(&session->model);
    return CFP_OK;
}
