/* write_h5.c - explanation.h5 (SPEC 3) and contrast.h5: all results as numbers, for other programs.
 *
 * Details that SPEC leaves open: `depth` is the --depth of the command line, -1 for all; `model` is
 * the name of the model, or its path if it has no name; `clip` is its path; /tubes and
 * `head` is the head that the class is of, if the model names its heads; /tubes and
 * /kernel_tubes are absent if there are no tubes.  h5_put.c decides how arrays are stored.
 *
 * contrast.h5 has cfp_format "contrast", the attributes of explanation.h5 without those of the
 * class, /logits, /probabilities and /clip.  /a and /b hold the classes: class_index, class_name
 * and probability as attributes, /pyramid and /tubes (/kernel_tubes) as in explanation.h5.
 * /tubes/<layer>/tube (/kernel_tubes/<layer>/<o>/tube) is the difference A minus B, in [-1, 1],
 * with its own min and max.  There is no raw map of a difference. */
#include "write_h5.h"
#include "../method/contrast.h"
#include "../draw/renderer.h"
#include "h5_words.h"
#include "version.h"
#include "writer.h"
#include <string.h>

/* Bytes of all tubes as floats.  If they have more, they are stored as half floats: the tubes of a
 * ResNet-50 then take 33 MB instead of 114. */
enum { MANY_BYTES = 128 << 20 };

typedef struct h5 {
    cfp_h5_file *file;
    const cfp_explanation *explanation;
    cfp_h5_parts parts;
    bool half; /* tubes are stored as half floats */
    cfp_renderer renderer;
} h5;

static const cfp_h5_parts everything = {
    .pyramid = true, .raw = true, .frames = true, .tubes = true};

static cfp_status put_class(h5 *f, hid_t at, const cfp_explanation *e)
{
    if (e->model->head_name != NULL)
        CFP_TRY(cfp_h5_put_text(f->file, at, "head", e->model->head_name));
    CFP_TRY(cfp_h5_put_text(f->file, at, "class_name", e->model->class_name[e->class_index]));
    CFP_TRY(cfp_h5_put_int(f->file, at, "class_index", e->class_index));
    return cfp_h5_put_double(f->file, at, "probability", e->probabilities[e->class_index]);
}

static cfp_status put_root(h5 *f, hid_t root, const cfp_run *run)
{
    const cfp_explanation *e = f->explanation;
    const cfp_model *m = e->model;
    const struct {
        const char *name, *value;
    } texts[] = {
        {"cfp_format", e->against == NULL ? "explanation" : "contrast"},
        {"model", m->name[0] != '\0' ? m->name : m->path},
        {"model_sha256", m->sha256},
        {"clip", e->clip->path},
        {"clip_sha256", e->clip->sha256},
        {"rule", cfp_rule_names[e->query.rule]},
        {"mask", cfp_mask_names[e->query.mask]},
        {"target", cfp_target_names[e->query.target]},
        {"baseline", cfp_baseline_word(&e->query)},
        {"propagate", cfp_propagate_names[e->query.propagate]},
        {"normalise", cfp_normalise_names[e->query.normalise]},
        {"class_relevance", cfp_class_relevance_names[e->query.class_relevance]},
        {"interp", cfp_interp_names[e->interp]},
        {"sample", e->clip->uniform ? "uniform" : "window"},
        {"device", run->device},
        {"precision", run->precision},
        {"cfp_gpu_version", CFP_GPU_VERSION},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CFP_TRY(cfp_h5_put_text(f->file, root, texts[i].name, texts[i].value));
    CFP_TRY(cfp_h5_put_int(f->file, root, "cfp_version", 1));
    if (e->against == NULL)
        CFP_TRY(put_class(f, root, e));
    CFP_TRY(cfp_h5_put_int(f->file, root, "depth", e->query.depth));
    CFP_TRY(cfp_h5_put_int(f->file, root, "top", e->query.top)); /* 0: all */
    CFP_TRY(cfp_h5_put_int(f->file, root, "steps", e->query.steps));
    CFP_TRY(cfp_h5_put_long(f->file, root, "seed", (int64_t)e->query.seed));
    CFP_TRY(cfp_h5_put_double(f->file, root, "turn_down", e->query.turn_down));
    CFP_TRY(cfp_h5_put_double(f->file, root, "theta", e->query.theta));
    const cfp_h5_array classes = cfp_h5_list_floats(m->n_classes);
    CFP_TRY(cfp_h5_put_array(f->file, root, "logits", classes, e->logits));
    return cfp_h5_put_array(f->file, root, "probabilities", classes, e->probabilities);
}

/* The frames and their numbers in the source; or the numbers alone. */
static cfp_status put_clip(h5 *f, hid_t at)
{
    const cfp_clip *c = f->explanation->clip;
    const hsize_t T = (hsize_t)c->frames, H = (hsize_t)c->height, W = (hsize_t)c->width;
    const cfp_h5_array frames = {H5T_STD_U8LE, H5T_NATIVE_UINT8, 4, {T, H, W, 3}};
    hid_t group;
    CFP_TRY(cfp_h5_put_group(f->file, &group, at, "clip"));
    cfp_status status = CFP_OK;
    if (f->parts.frames)
        status = cfp_h5_put_array(f->file, group, "frames", frames, c->rgb);
    if (status == CFP_OK)
        status = cfp_h5_put_array(f->file, group, "indices", cfp_h5_list_ints(c->frames), c->index);
    H5Gclose(group);
    return status;
}

typedef struct edge_columns { /* edges, copied from structs to two arrays */
    int32_t ends[CFP_H5_CHUNK][2];
    float relevance[CFP_H5_CHUNK];
} edge_columns;

static cfp_status stream_edges(h5 *f, const cfp_layer *layer, hid_t ends, hid_t relevance)
{
    edge_columns *columns;
    CFP_TRY_ALLOC(f->file->output->ctx, columns, 1);
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
        status = cfp_h5_check(f->file, good);
        if (status == CFP_OK)
            status = cfp_check_interrupt(f->file->output->ctx);
    }
    cfp_free(columns);
    return status;
}

/* In pieces, because there may be tens of millions of edges. */
static cfp_status put_edges(h5 *f, hid_t at, const cfp_layer *layer)
{
    const cfp_h5_array pairs = {H5T_STD_I32LE, H5T_NATIVE_INT32, 2, {(hsize_t)layer->n_edges, 2}};
    const cfp_h5_array values = cfp_h5_list_floats(layer->n_edges);
    const hid_t ends = cfp_h5_create_array(f->file, at, "edges", &pairs);
    const hid_t relevance = cfp_h5_create_array(f->file, at, "edge_relevance", &values);
    cfp_status status = cfp_h5_check(f->file, ends >= 0 && relevance >= 0);
    if (status == CFP_OK)
        status = stream_edges(f, layer, ends, relevance);
    bool good = ends < 0 || H5Dclose(ends) >= 0;
    good = (relevance < 0 || H5Dclose(relevance) >= 0) && good;
    return status != CFP_OK ? status : cfp_h5_check(f->file, good);
}

static cfp_status put_layer(h5 *f, hid_t at, const cfp_layer *layer)
{
    const cfp_node *node = &f->explanation->model->node[layer->node];
    CFP_TRY(cfp_h5_put_int(f->file, at, "depth", layer->depth));
    CFP_TRY(cfp_h5_put_text(f->file, at, "op", cfp_op_table[node->op].name));
    CFP_TRY(cfp_h5_put_int(f->file, at, "channels", layer->n_kernels));
    CFP_TRY(cfp_h5_put_array(f->file, at, "selected", cfp_h5_list_ints(layer->n_selected),
                             layer->selected));
    CFP_TRY(cfp_h5_put_array(f->file, at, "relevance", cfp_h5_list_floats(layer->n_kernels),
                             layer->relevance));
    return put_edges(f, at, layer);
}

static cfp_status put_pyramid(h5 *f, hid_t at, const cfp_explanation *e)
{
    hid_t pyramid, group;
    CFP_TRY(cfp_h5_put_group(f->file, &pyramid, at, "pyramid"));
    cfp_status status = CFP_OK;
    for (int l = 0; l < e->pyramid.n_layers && status == CFP_OK; l++) {
        const cfp_layer *layer = &e->pyramid.layer[l];
        status = cfp_h5_put_group(f->file, &group, pyramid, e->model->node[layer->node].name);
        if (status != CFP_OK)
            break;
        status = put_layer(f, group, layer);
        H5Gclose(group);
    }
    H5Gclose(pyramid);
    return status;
}

/* A difference has no raw map.  Its min and max are those of the volume. */
static cfp_status fill_difference(h5 *f, hid_t at)
{
    const cfp_clip *c = f->explanation->clip;
    const float *v = f->renderer.volume;
    const int64_t n = (int64_t)c->frames * c->height * c->width;
    float min = v[0], max = v[0];
    for (int64_t p = 1; p < n; p++) {
        min = v[p] < min ? v[p] : min;
        max = v[p] > max ? v[p] : max;
    }
    CFP_TRY(cfp_h5_put_float(f->file, at, "min", min));
    return cfp_h5_put_float(f->file, at, "max", max);
}

static cfp_status fill_map(h5 *f, hid_t at, const cfp_tube *tube)
{
    const cfp_h5_array raw = cfp_h5_volume(tube->t, tube->h, tube->w);
    CFP_TRY(cfp_h5_put_float(f->file, at, "min", tube->min));
    CFP_TRY(cfp_h5_put_float(f->file, at, "max", tube->max));
    if (!f->parts.raw)
        return CFP_OK;
    return cfp_h5_put_array(f->file, at, "raw", raw, tube->raw);
}

static cfp_status fill_tube(h5 *f, hid_t at, const cfp_tube *tube)
{
    const cfp_clip *c = f->explanation->clip;
    if (!f->parts.tubes)
        return fill_map(f, at, tube);
    CFP_TRY(cfp_renderer_tube(&f->renderer, tube));
    CFP_TRY(cfp_renderer_volume(&f->renderer));
    CFP_TRY(tube->minus == NULL ? fill_map(f, at, tube) : fill_difference(f, at));
    if (f->half)
        return cfp_h5_put_half(f->file, at, "tube", c->frames, c->height, c->width,
                               f->renderer.volume);
    return cfp_h5_put_array(f->file, at, "tube", cfp_h5_volume(c->frames, c->height, c->width),
                            f->renderer.volume);
}

/* Writes the tube of `tube` into nested groups: n names, each made if it does not exist. */
static cfp_status put_tube(h5 *f, hid_t at, const char *const *name, int n, const cfp_tube *tube)
{
    if (n == 0)
        return fill_tube(f, at, tube);
    hid_t group;
    CFP_TRY(cfp_h5_put_group(f->file, &group, at, name[0]));
    const cfp_status status = put_tube(f, group, name + 1, n - 1, tube);
    H5Gclose(group);
    return status;
}

/* Writes a tube into its place below group `at`. */
static cfp_status place_tube(h5 *f, hid_t at, const cfp_tube *tube)
{
    const bool whole = tube->kernel < 0; /* a layer's tube, not a kernel's */
    char kernel[16];
    snprintf(kernel, sizeof kernel, "%d", tube->kernel);
    const char *const path[] = {whole ? "tubes" : "kernel_tubes",
                                f->explanation->model->node[tube->node].name, kernel};
    return put_tube(f, at, path, whole ? 2 : 3, tube);
}

static cfp_status put_tubes(h5 *f, hid_t at)
{
    const cfp_tubes_list *tubes = &f->explanation->tubes;
    hid_t group;
    CFP_TRY(cfp_h5_put_group(f->file, &group, at, "tubes"));
    H5Gclose(group);
    for (int i = 0; i < tubes->n; i++) {
        CFP_TRY(place_tube(f, at, &tubes->tube[i]));
        CFP_TRY(cfp_output_step(f->file->output));
    }
    return CFP_OK;
}

/* For a contrast: the tubes of one class, as if it were explained alone. */
static cfp_status put_own_tubes(h5 *f, hid_t at, const cfp_explanation *e)
{
    hid_t group;
    CFP_TRY(cfp_h5_put_group(f->file, &group, at, "tubes"));
    H5Gclose(group);
    for (int i = 0; i < e->tubes.n; i++) {
        cfp_tube tube = e->tubes.tube[i];
        tube.minus = NULL;
        if (cfp_contrast_own_tube(e, &tube))
            CFP_TRY(place_tube(f, at, &tube));
    }
    return CFP_OK;
}

static cfp_status put_side(h5 *f, const char *name, const cfp_explanation *e)
{
    hid_t group;
    CFP_TRY(cfp_h5_put_group(f->file, &group, f->file->id, name));
    cfp_status status = put_class(f, group, e);
    if (status == CFP_OK)
        status = put_pyramid(f, group, e);
    if (status == CFP_OK)
        status = put_own_tubes(f, group, e);
    H5Gclose(group);
    return status;
}

static cfp_status open_renderer(h5 *f, const cfp_run *run)
{
    const cfp_explanation *e = f->explanation;
    const cfp_clip *c = e->clip;
    const int64_t voxels = (int64_t)c->frames * c->height * c->width;
    f->half = voxels * (int64_t)sizeof(float) * e->tubes.n > MANY_BYTES;
    return cfp_renderer_open(&f->renderer, f->file->output->ctx, run->renders_on,
                             (int[]){c->frames, c->height, c->width}, e->interp, NULL);
}

static cfp_status fill(h5 *f, hid_t at, const cfp_run *run)
{
    const cfp_explanation *e = f->explanation;
    CFP_TRY(put_root(f, at, run));
    CFP_TRY(put_clip(f, at));
    if (f->parts.tubes)
        CFP_TRY(open_renderer(f, run));
    if (e->against != NULL) {
        CFP_TRY(put_side(f, "a", e));
        CFP_TRY(put_side(f, "b", e->against));
    } else if (f->parts.pyramid) {
        CFP_TRY(put_pyramid(f, at, e));
    }
    return f->parts.tubes || f->parts.raw ? put_tubes(f, at) : CFP_OK;
}

cfp_status cfp_h5_put_explanation(cfp_h5_file *file, hid_t at, const cfp_explanation *explanation,
                                  const cfp_run *run, const cfp_h5_parts *parts)
{
    h5 f = {.file = file, .explanation = explanation, .parts = *parts};
    file->words = explanation->against == NULL ? cfp_explanation_words : cfp_contrast_words;
    const cfp_status status = fill(&f, at, run);
    cfp_renderer_close(&f.renderer);
    return status;
}

static cfp_status write_h5(cfp_output *output, const cfp_explanation *explanation,
                           const cfp_run *run)
{
    cfp_h5_file file;
    CFP_TRY(
        cfp_output_begin(output, explanation->against == NULL ? "explanation.h5" : "contrast.h5"));
    cfp_status status = cfp_h5_file_open(&file, output);
    if (status == CFP_OK)
        status = cfp_h5_put_explanation(&file, file.id, explanation, run, &everything);
    CFP_TRY(cfp_h5_file_close(&file, status));
    return cfp_output_commit(output);
}

const cfp_writer cfp_writer_h5 = {
    .format = "h5",
    .summary = "explanation.h5: scores, edges and tubes in numbers",
    .write = write_h5,
    .draws_tubes = true,
};

const cfp_writer cfp_writer_contrast_h5 = {
    .format = "h5",
    .summary = "contrast.h5: both pyramids, both classes' tubes and their difference in numbers",
    .write = write_h5,
    .draws_tubes = true,
};
