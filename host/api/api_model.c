/* api_model.c - cfp.h: models, their classes and their nodes. */
#include "api.h"
#include "../base/hash.h"

/* head NULL: the first. */
static cfp_status open_head(cfp_model *model, cfp_ctx *ctx, const char *path, const char *head)
{
    int h = 0;
    CFP_TRY(cfp_model_open(model, ctx, path));
    if (head != NULL)
        CFP_TRY(cfp_model_find_head(&h, ctx, model, head));
    cfp_model_keep_head(model, h);
    return CFP_OK;
}

cfp_status cfp_open_model(cfp_model **out, cfp_context *context, const char *path)
{
    return cfp_open_head(out, context, path, NULL);
}

cfp_status cfp_open_head(cfp_model **out, cfp_context *context, const char *path, const char *head)
{
    cfp_ctx *ctx = &context->ctx;
    const int64_t taken = ctx->memory_taken;
    api_model *model;
    *out = NULL;
    CFP_TRY_ALLOC(ctx, model, 1);
    model->context = context;
    cfp_status status = open_head(&model->model, ctx, path, head);
    model->taken = ctx->memory_taken - taken;
    if (status == CFP_OK) /* now, because an open model must not change */
        status = cfp_sha256_file(model->model.sha256, ctx, path);
    *out = &model->model;
    if (status != CFP_OK)
        cfp_close_model(out);
    return status;
}

void cfp_close_model(cfp_model **model)
{
    api_model *m = (api_model *)*model;
    *model = NULL;
    if (m == NULL)
        return;
    m->context->ctx.memory_taken -= m->taken;
    cfp_model_free(&m->model);
    cfp_free(m);
}

static void describe_input(cfp_model_facts *out, const cfp_input_spec *spec)
{
    out->channels = spec->channels;
    out->frames = spec->frames;
    out->height = spec->height;
    out->width = spec->width;
    out->frame_stride = spec->frame_stride;
    out->resize_height = spec->resize[0];
    out->resize_width = spec->resize[1];
    out->resize_short = spec->resize_short;
    out->resize_filter = cfp_resize_filter(spec);
    out->color = spec->bgr ? "BGR" : "RGB";
    out->scale = spec->scale;
    out->mean = spec->mean;
    out->std = spec->std;
}

void cfp_describe_model(cfp_model_facts *out, const cfp_model *model)
{
    double flop = 0;
    *out = (cfp_model_facts){.path = model->path,
                             .name = model->name,
                             .source = model->source,
                             .licence = model->licence,
                             .classes = model->n_classes,
                             .nodes = cfp_model_file_nodes(model),
                             .max_depth = model->max_depth,
                             .head = cfp_head_names[model->head],
                             .own_head = model->own_head,
                             .logits = model->logits,
                             .head_name = model->head_name != NULL ? model->head_name : ""};
    describe_input(out, &model->input);
    for (int i = 0; i < cfp_model_file_nodes(model); i++) {
        out->parameters += model->node[i].parameters;
        flop += model->node[i].flop;
    }
    out->gflop = flop * 1e-9;
}

const char *cfp_class_name(const cfp_model *model, int class_index)
{
    const bool there = class_index >= 0 && class_index < model->n_classes;
    return there ? model->class_name[class_index] : NULL;
}

cfp_status cfp_find_class(int *out, cfp_context *context, const cfp_model *model,
                          const char *name_or_index)
{
    return cfp_model_class(out, &context->ctx, model, name_or_index);
}

bool cfp_describe_node(cfp_node_facts *out, const cfp_model *model, int node)
{
    *out = (cfp_node_facts){.depth = -1};
    if (node < 0 || node >= cfp_model_file_nodes(model))
        return false;
    const cfp_node *n = &model->node[node];
    *out = (cfp_node_facts){.name = n->name,
                            .op = cfp_op_table[n->op].name,
                            .inputs = n->n_inputs,
                            .input = n->input,
                            .channels = n->shape.c,
                            .frames = n->shape.t,
                            .height = n->shape.h,
                            .width = n->shape.w,
                            .parameters = n->parameters,
                            .gflop = n->flop * 1e-9,
                            .depth = n->depth};
    return true;
}
