/* write_h5.c - explanation.h5 (SPEC 3): everything in numbers, for other programs.
 *
 * What SPEC leaves open: `depth` is the --depth asked for, -1 for all; `model` is the model's name
 * (its path where it has none), `clip` its path; /tubes and /kernel_tubes are absent where there
 * are none.  How arrays are stored is the business of h5_put.c. */
#include "h5_put.h"
#include "renderer.h"
#include "version.h"
#include <string.h>

typedef struct h5 {
    cfp_h5_file file; /* stays first: cfp_h5_put functions take it */
    const cfp_explanation *explanation;
    cfp_renderer renderer;
} h5;

static cfp_status put_root(h5 *f, const cfp_run *run)
{
    const cfp_explanation *e = f->explanation;
    const cfp_model *m = e->model;
    const hid_t root = f->file.id;
    const struct {
        const char *name, *value;
    } texts[] = {
        {"cfp_format", "explanation"},
        {"model", m->name[0] != '\0' ? m->name : m->path},
        {"model_sha256", m->sha256},
        {"clip", e->clip->path},
        {"clip_sha256", e->clip->sha256},
        {"class_name", m->class_name[e->class_index]},
        {"rule", cfp_rule_names[e->query.rule]},
        {"mask", cfp_mask_names[e->query.mask]},
        {"target", cfp_target_names[e->query.target]},
        {"baseline", cfp_baseline_word(&e->query)},
        {"propagate", cfp_propagate_names[e->query.propagate]},
        {"normalise", cfp_normalise_names[e->query.normalise]},
        {"class_relevance", cfp_class_relevance_names[e->query.class_relevance]},
        {"interp", cfp_interp_names[e->interp]},
        {"device", run->device},
        {"precision", run->precision},
        {"cfp_gpu_version", CFP_GPU_VERSION},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CFP_TRY(cfp_h5_put_text(&f->file, root, texts[i].name, texts[i].value));
    CFP_TRY(cfp_h5_put_int(&f->file, root, "cfp_version", 1));
    CFP_TRY(cfp_h5_put_int(&f->file, root, "class_index", e->class_index));
    CFP_TRY(cfp_h5_put_int(&f->file, root, "depth", e->query.depth));
    CFP_TRY(cfp_h5_put_int(&f->file, root, "steps", e->query.steps));
    CFP_TRY(cfp_h5_put_double(&f->file, root, "turn_down", e->query.turn_down));
    CFP_TRY(cfp_h5_put_double(&f->file, root, "theta", e->query.theta));
    CFP_TRY(cfp_h5_put_double(&f->file, root, "probability", e->probabilities[e->class_index]));
    const cfp_h5_array classes = cfp_h5_list_floats(m->n_classes);
    CFP_TRY(cfp_h5_put_array(&f->file, root, "logits", classes, e->logits));
    return cfp_h5_put_array(&f->file, root, "probabilities", classes, e->probabilities);
}

static cfp_status put_clip(h5 *f)
{
    const cfp_clip *c = f->explanation->clip;
    const hsize_t T = (hsize_t)c->frames, H = (hsize_t)c->height, W = (hsize_t)c->width;
    const cfp_h5_array frames = {H5T_STD_U8LE, H5T_NATIVE_UINT8, 4, {T, H, W, 3}};
    hid_t group;
    CFP_TRY(cfp_h5_put_group(&f->file, &group, f->file.id, "clip"));
    cfp_status status = cfp_h5_put_array(&f->file, group, "frames", frames, c->rgb);
    if (status == CFP_OK)
        status =
            cfp_h5_put_array(&f->file, group, "indices", cfp_h5_list_ints(c->frames), c->index);
    H5Gclose(group);
    return status;
}

typedef struct edge_columns { /* edges on their way from structs to two arrays */
    int32_t ends[CFP_H5_CHUNK][2];
    float relevance[CFP_H5_CHUNK];
} edge_columns;

static cfp_status stream_edges(h5 *f, const cfp_layer *layer, hid_t ends, hid_t relevance)
{
    edge_columns *columns;
    CFP_TRY_ALLOC(f->file.output->ctx, columns, 1);
    cfp_status status = CFP_OK;
    for (int64_t at = 0; at < layer->n_edges && status == CFP_OK; at += CFP_H5_CHUNK) {
        const int64_t left = layer->n_edges - at, n = left < CFP_H5_CHUNK ? left : CFP_H5_CHUNK;
        for (int64_t e = 0; e < n; e++) {
            columns->ends[e][0] = layer->edge[at + e].o;
            columns->ends[e][1] = layer->edge[at + e].i;
            columns->relevance[e] = layer->edge[at + e].relevance;
        }
        const bool good = cfp_h5_put_rows(ends, H5T_NATIVE_INT32, at, n, columns->ends) &&
                          cfp_h5_put_rows(relevance, H5T_NATIVE_FLOAT, at, n, columns->relevance);
        status = cfp_h5_check(&f->file, good);
        if (status == CFP_OK)
            status = cfp_check_interrupt(f->file.output->ctx);
    }
    cfp_free(columns);
    return status;
}

/* In pieces, for there may be tens of millions of them. */
static cfp_status put_edges(h5 *f, hid_t at, const cfp_layer *layer)
{
    const cfp_h5_array pairs = {H5T_STD_I32LE, H5T_NATIVE_INT32, 2, {(hsize_t)layer->n_edges, 2}};
    const cfp_h5_array values = cfp_h5_list_floats(layer->n_edges);
    const hid_t ends = cfp_h5_create_array(&f->file, at, "edges", &pairs);
    const hid_t relevance = cfp_h5_create_array(&f->file, at, "edge_relevance", &values);
    cfp_status status = cfp_h5_check(&f->file, ends >= 0 && relevance >= 0);
    if (status == CFP_OK)
        status = stream_edges(f, layer, ends, relevance);
    bool good = ends < 0 || H5Dclose(ends) >= 0;
    good = (relevance < 0 || H5Dclose(relevance) >= 0) && good;
    return status != CFP_OK ? status : cfp_h5_check(&f->file, good);
}

static cfp_status put_layer(h5 *f, hid_t at, const cfp_layer *layer)
{
    const cfp_node *node = &f->explanation->model->node[layer->node];
    CFP_TRY(cfp_h5_put_int(&f->file, at, "depth", layer->depth));
    CFP_TRY(cfp_h5_put_text(&f->file, at, "op", cfp_op_table[node->op].name));
    CFP_TRY(cfp_h5_put_int(&f->file, at, "channels", layer->n_kernels));
    CFP_TRY(cfp_h5_put_array(&f->file, at, "selected", cfp_h5_list_ints(layer->n_selected),
                             layer->selected));
    CFP_TRY(cfp_h5_put_array(&f->file, at, "relevance", cfp_h5_list_floats(layer->n_kernels),
                             layer->relevance));
    return put_edges(f, at, layer);
}

static cfp_status put_pyramid(h5 *f)
{
    const cfp_explanation *e = f->explanation;
    hid_t pyramid, group;
    CFP_TRY(cfp_h5_put_group(&f->file, &pyramid, f->file.id, "pyramid"));
    cfp_status status = CFP_OK;
    for (int l = 0; l < e->pyramid.n_layers && status == CFP_OK; l++) {
        const cfp_layer *layer = &e->pyramid.layer[l];
        status = cfp_h5_put_group(&f->file, &group, pyramid, e->model->node[layer->node].name);
        if (status != CFP_OK)
            break;
        status = put_layer(f, group, layer);
        H5Gclose(group);
    }
    H5Gclose(pyramid);
    return status;
}

static cfp_status fill_tube(h5 *f, hid_t at, const cfp_tube *tube)
{
    const cfp_clip *c = f->explanation->clip;
    const cfp_h5_array raw = cfp_h5_volume(tube->t, tube->h, tube->w);
    const cfp_h5_array rendered = cfp_h5_volume(c->frames, c->height, c->width);
    CFP_TRY(cfp_renderer_tube(&f->renderer, tube));
    CFP_TRY(cfp_renderer_volume(&f->renderer));
    CFP_TRY(cfp_h5_put_float(&f->file, at, "min", tube->min));
    CFP_TRY(cfp_h5_put_float(&f->file, at, "max", tube->max));
    CFP_TRY(cfp_h5_put_array(&f->file, at, "raw", raw, tube->raw));
    CFP_TRY(cfp_h5_put_array(&f->file, at, "tube", rendered, f->renderer.volume));
    return cfp_output_step(f->file.output);
}

/* Down a path of groups, each made where it is missing: n names, the last one's tube. */
static cfp_status put_tube(h5 *f, hid_t at, const char *const *name, int n, const cfp_tube *tube)
{
    if (n == 0)
        return fill_tube(f, at, tube);
    hid_t group;
    CFP_TRY(cfp_h5_put_group(&f->file, &group, at, name[0]));
    const cfp_status status = put_tube(f, group, name + 1, n - 1, tube);
    H5Gclose(group);
    return status;
}

static cfp_status put_tubes(h5 *f, const cfp_device *renders_on)
{
    const cfp_explanation *e = f->explanation;
    const cfp_clip *c = e->clip;
    hid_t group;
    CFP_TRY(cfp_h5_put_group(&f->file, &group, f->file.id, "tubes"));
    H5Gclose(group);
    CFP_TRY(cfp_renderer_open(&f->renderer, f->file.output->ctx, renders_on,
                              (int[]){c->frames, c->height, c->width}, e->interp, NULL));
    for (int i = 0; i < e->tubes.n; i++) {
        const cfp_tube *tube = &e->tubes.tube[i];
        const bool whole = tube->kernel < 0; /* of the layer */
        char kernel[16];
        snprintf(kernel, sizeof kernel, "%d", tube->kernel);
        const char *const path[] = {whole ? "tubes" : "kernel_tubes",
                                    e->model->node[tube->node].name, kernel};
        CFP_TRY(put_tube(f, f->file.id, path, whole ? 2 : 3, tube));
    }
    return CFP_OK;
}

static cfp_status fill_file(h5 *f, const cfp_run *run)
{
    CFP_TRY(put_root(f, run));
    CFP_TRY(put_clip(f));
    CFP_TRY(put_pyramid(f));
    return put_tubes(f, run->renders_on);
}

static cfp_status write_h5(cfp_output *output, const cfp_explanation *explanation,
                           const cfp_run *run)
{
    CFP_TRY(cfp_output_begin(output, "explanation.h5"));
    h5 f = {.explanation = explanation};
    cfp_status status = cfp_h5_file_open(&f.file, output);
    if (status == CFP_OK)
        status = fill_file(&f, run);
    status = cfp_h5_file_close(&f.file, status);
    cfp_renderer_close(&f.renderer);
    CFP_TRY(status);
    return cfp_output_commit(output);
}

const cfp_writer cfp_writer_h5 = {
    .format = "h5",
    .summary = "explanation.h5: scores, edges and tubes in numbers",
    .write = write_h5,
    .draws_tubes = true,
};
