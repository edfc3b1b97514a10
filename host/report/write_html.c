/* write_html.c - report.html: a page that shows the whole explanation, from a file, without a
 * server.
 *
 * The page contains its own script and style (page.h).  This file adds the data, as JSON:
 *
 *     run         options, inputs, frames, device: run.json without what changes between runs
 *     top         the most probable classes
 *     overlay     alpha, follows, colormap, and the tables of all maps, 256 x RGB each
 *     frames      the clip as the model saw it, one JPEG per frame; with --canvas source the
 *                 uncropped frames of the source
 *     canvas      with --canvas source: where in these frames the model looked; else null
 *     layers      name, op, depth, channels; selected (int32) and relevance (float32)
 *     a, b        for a contrast: its classes; each is an object with the next three members
 *     links       kept_links.h: how many links each selected kernel has, their targets and values
 *     tubes       raw maps between their min and max, with 16 bits per voxel, or 8 in large reports
 *     apart       the same maps, taken apart into those of kernels (apart.h), signed, with 16 bits
 *                 or 8; `scale` of each map is what its highest level, 32767 or 127, stands for
 *
 * Long lists of numbers are base64, little-endian.  There are limits on the number of links (LINKS)
 * and on the size of kernel tubes (KERNEL_BYTES).  The page says what was left out. */
#include "../method/contrast.h"
#include "../files/output.h"
#include "jpeg.h"
#include "kept_links.h"
#include "page.h"
#include "../draw/canvas.h"
#include "../write/write_run.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCE_SIDE = 640,         /* the longest side of a frame of the source */
    LINKS = 150000,            /* 1.2 MB, under rule grad 1.8 */
    KERNEL_BYTES = 2000000,    /* for all kernel tubes */
    VOXELS_OF_16_BITS = 400000 /* for all layer tubes; with more, a voxel gets 8 bits.  Also for
                                * all maps of kernels */
};

typedef struct report {
    cfp_ctx *ctx;
    const cfp_explanation *e;
    cfp_json json;
    int *layer_of; /* [n_nodes] index in the pyramid of `e`; -1: not visited */
    bool two;      /* true for a contrast: two classes on one page */
} report;

static void put_options(report *r, const cfp_run *run)
{
    cfp_json_key(&r->json, "options");
    cfp_json_object(&r->json);
    for (int i = 0; i < run->n_options; i++)
        if (!run->option[i].about_run)
            cfp_put_run_option(&r->json, &run->option[i]);
    cfp_json_object_end(&r->json);
}

static void put_query(report *r)
{
    const cfp_query *q = &r->e->query;
    cfp_json_key(&r->json, "query");
    cfp_json_object(&r->json);
    cfp_json_put_string(&r->json, "rule", cfp_rule_names[q->rule]);
    cfp_json_put_string(&r->json, "mask", cfp_mask_names[q->mask]);
    cfp_json_put_double(&r->json, "theta", q->theta);
    cfp_json_put_string(&r->json, "propagate", cfp_propagate_names[q->propagate]);
    cfp_json_put_string(&r->json, "tubes", cfp_tubes_names[q->tubes]);
    cfp_json_put_string(&r->json, "interp", cfp_interp_names[r->e->interp]);
    cfp_json_object_end(&r->json);
}

/* Writes the five most probable classes, and the explained class if it is not among them. */
void cfp_report_top(cfp_json *json, const cfp_explanation *e)
{
    enum { TOP = 5 };
    const cfp_model *model = e->model;
    const float *z = e->logits, *p = e->probabilities;
    int before = -1;
    cfp_json_key(json, "top");
    cfp_json_array(json);
    for (int k = 0; k < cfp_min_int(TOP, model->n_classes); k++) {
        int best = -1; /* the next in the order of probability */
        for (int i = 0; i < model->n_classes; i++) {
            const bool left = before < 0 || z[i] < z[before] || (z[i] == z[before] && i > before);
            if (left && (best < 0 || z[i] > z[best]))
                best = i;
        }
        if (best < 0)
            break;
        cfp_json_object(json);
        cfp_json_put_int(json, "index", best);
        cfp_json_put_string(json, "name", model->class_name[best]);
        cfp_json_put_float(json, "probability", p[best]);
        cfp_json_object_end(json);
        before = best;
    }
    cfp_json_array_end(json);
}

static void put_overlay(report *r, const cfp_run *run)
{
    uint8_t table[256 * 3];
    cfp_json_key(&r->json, "overlay");
    cfp_json_object(&r->json);
    const bool follows = run->alpha < 0; /* CFP_ALPHA_SALIENCY */
    cfp_json_put_double(&r->json, "alpha", follows ? 1 : run->alpha);
    cfp_json_put_bool(&r->json, "follows", follows); /* alpha is multiplied by the saliency */
    cfp_json_put_string(&r->json, "colormap", cfp_colormap_names[run->colormap]);
    cfp_json_key(&r->json, "tables");
    cfp_json_object(&r->json);
    /* A contrast shows tubes and their difference; an explanation has no difference. */
    const int n_maps = r->e->against != NULL ? CFP_COLORMAP_END : CFP_COLORMAP_COUNT;
    for (int map = 0; map < n_maps; map++) {
        cfp_colormap_table(table, (cfp_colormap)map);
        cfp_json_key(&r->json, cfp_colormap_names[map]);
        cfp_json_base64(&r->json, table, sizeof table);
    }
    cfp_json_object_end(&r->json);
    cfp_json_object_end(&r->json);
}

/* Writes the frames; each pixel is the mean of n x n. */
static cfp_status put_clip(report *r, const cfp_clip *clip, int n, const char *where)
{
    const size_t frame = (size_t)clip->height * (size_t)clip->width * 3;
    const int height = clip->height / n, width = clip->width / n;
    uint8_t *small;
    cfp_jpeg *jpeg = NULL;
    CFP_TRY_ALLOC(r->ctx, small, (size_t)height * (size_t)width * 3);
    cfp_status status = cfp_jpeg_open(&jpeg, r->ctx, where, height, width);
    cfp_json_key(&r->json, "frames");
    cfp_json_array(&r->json);
    for (int t = 0; t < clip->frames && status == CFP_OK; t++) {
        const uint8_t *bytes;
        size_t size;
        cfp_shrink(small, clip->rgb + (size_t)t * frame, clip->height, clip->width, n);
        status = cfp_jpeg_encode(jpeg, small, &bytes, &size);
        if (status == CFP_OK)
            cfp_json_base64(&r->json, bytes, size);
    }
    cfp_json_array_end(&r->json);
    cfp_jpeg_close(&jpeg);
    cfp_free(small);
    return status;
}

/* Writes the frames of the source, and where in them the crop lies. */
static cfp_status put_source(report *r, const cfp_canvas *canvas, const char *where)
{
    const cfp_clip *source = canvas->clip;
    const cfp_overlay *overlay = &canvas->renderer.overlay;
    const int longer = cfp_max_int(source->height, source->width);
    const int n = cfp_min_int((longer + SOURCE_SIDE - 1) / SOURCE_SIDE,
                              cfp_min_int(source->height, source->width));
    cfp_json_key(&r->json, "canvas");
    cfp_json_object(&r->json);
    cfp_json_put_int(&r->json, "height", source->height / n);
    cfp_json_put_int(&r->json, "width", source->width / n);
    cfp_json_put_int(&r->json, "pixel", n);
    cfp_json_put_double(&r->json, "top", overlay->top);
    cfp_json_put_double(&r->json, "left", overlay->left);
    cfp_json_put_double(&r->json, "step_y", overlay->step_y);
    cfp_json_put_double(&r->json, "step_x", overlay->step_x);
    cfp_json_object_end(&r->json);
    return put_clip(r, source, n, where);
}

static cfp_status put_frames(report *r, const cfp_run *run, const char *where)
{
    cfp_canvas canvas;
    if (!run->canvas_source) {
        cfp_json_put_string(&r->json, "canvas", NULL);
        return put_clip(r, r->e->clip, 1, where);
    }
    CFP_TRY(cfp_canvas_open(&canvas, r->ctx, r->e, run));
    const cfp_status status = put_source(r, &canvas, where);
    cfp_canvas_close(&canvas);
    return status;
}

static cfp_status put_layers(report *r)
{
    const cfp_pyramid *pyramid = &r->e->pyramid;
    cfp_json_key(&r->json, "layers");
    cfp_json_array(&r->json);
    for (int l = 0; l < pyramid->n_layers; l++) {
        const cfp_layer *layer = &pyramid->layer[l];
        const cfp_node *node = &r->e->model->node[layer->node];
        const size_t n = (size_t)layer->n_selected;
        float *relevance;
        CFP_TRY_ALLOC(r->ctx, relevance, n);
        for (size_t k = 0; k < n; k++)
            relevance[k] = layer->relevance[layer->selected[k]];
        cfp_json_object(&r->json);
        cfp_json_put_string(&r->json, "name", node->name);
        cfp_json_put_string(&r->json, "op", cfp_op_table[node->op].name);
        cfp_json_put_int(&r->json, "depth", layer->depth);
        cfp_json_put_int(&r->json, "channels", layer->n_kernels);
        cfp_json_key(&r->json, "selected");
        cfp_json_base64(&r->json, layer->selected, n * sizeof *layer->selected);
        cfp_json_key(&r->json, "relevance");
        cfp_json_base64(&r->json, relevance, n * sizeof *relevance);
        cfp_json_object_end(&r->json);
        cfp_free(relevance);
    }
    cfp_json_array_end(&r->json);
    return CFP_OK;
}

static cfp_status put_links(report *r)
{
    cfp_kept_links kept;
    CFP_TRY(cfp_kept_links_open(&kept, r->ctx, r->e, r->two ? LINKS / 2 : LINKS));
    cfp_json_key(&r->json, "links");
    cfp_json_object(&r->json);
    cfp_json_put_int(&r->json, "total", kept.total);
    cfp_json_put_int(&r->json, "deciding", kept.deciding);
    cfp_json_put_float(&r->json, "weakest", kept.weakest);
    cfp_json_key(&r->json, "first");
    cfp_json_base64(&r->json, kept.first, (size_t)(kept.n_kernels + 1) * sizeof *kept.first);
    cfp_json_key(&r->json, "target");
    cfp_json_base64(&r->json, kept.target, (size_t)kept.n * sizeof *kept.target);
    cfp_json_key(&r->json, "value");
    cfp_json_base64(&r->json, kept.value, (size_t)kept.n * sizeof *kept.value);
    if (r->e->query.rule == CFP_RULE_GRAD) { /* for other rules it is the value */
        cfp_json_key(&r->json, "asked");
        cfp_json_base64(&r->json, kept.asked, (size_t)kept.n * sizeof *kept.asked);
    }
    cfp_json_object_end(&r->json);
    cfp_kept_links_close(&kept);
    return CFP_OK;
}

static int64_t voxels_of(const cfp_tube *tube)
{
    return (int64_t)tube->t * tube->h * tube->w;
}

/* Writes the raw map, scaled to its min and max.  Interpolation and min-max scaling give the same
 * result as from the raw map. */
static cfp_status put_tube(report *r, const cfp_tube *tube, int bits)
{
    const int64_t n = voxels_of(tube);
    const double top_level = bits == 16 ? 65535.0 : 255.0;
    const double span = cfp_tube_constant(tube) ? 1.0 : (double)tube->max - (double)tube->min;
    uint8_t *bytes;
    CFP_TRY_ALLOC(r->ctx, bytes, n * bits / 8);
    for (int64_t p = 0; p < n; p++) {
        const double fraction = ((double)tube->raw[p] - (double)tube->min) / span;
        const int level = (int)(fraction * top_level + 0.5);
        if (bits == 8)
            bytes[p] = (uint8_t)level;
        else
            memcpy(bytes + 2 * p, (uint8_t[]){(uint8_t)(level & 255), (uint8_t)(level >> 8)}, 2);
    }
    cfp_json_object(&r->json);
    cfp_json_put_int(&r->json, "layer", r->layer_of[tube->node]);
    cfp_json_put_int(&r->json, "kernel", tube->kernel);
    cfp_json_key(&r->json, "size");
    cfp_json_array(&r->json);
    cfp_json_int(&r->json, tube->t);
    cfp_json_int(&r->json, tube->h);
    cfp_json_int(&r->json, tube->w);
    cfp_json_array_end(&r->json);
    cfp_json_put_float(&r->json, "min", tube->min);
    cfp_json_put_float(&r->json, "max", tube->max);
    cfp_json_key(&r->json, "levels");
    cfp_json_base64(&r->json, bytes, (size_t)(n * bits / 8));
    cfp_json_object_end(&r->json);
    cfp_free(bytes);
    return r->json.status;
}

typedef struct ranked { /* a kernel tube, to be sorted by the relevance of its kernel */
    int tube;
    float relevance;
} ranked;

static int by_relevance(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->relevance > y->relevance   ? -1
           : x->relevance < y->relevance ? 1
                                         : (x->tube > y->tube) - (x->tube < y->tube);
}

/* Writes the tubes of the most relevant kernels, as many as fit. */
static cfp_status put_kernel_tubes(report *r, int *left_out)
{
    const cfp_tubes_list *tubes = &r->e->tubes;
    ranked *rank;
    int n = 0;
    int64_t bytes_left = KERNEL_BYTES;
    CFP_TRY_ALLOC(r->ctx, rank, tubes->n);
    for (int i = 0; i < tubes->n; i++) {
        const cfp_tube *tube = &tubes->tube[i];
        if (tube->kernel < 0 || !cfp_contrast_own_tube(r->e, tube))
            continue;
        const cfp_layer *layer = &r->e->pyramid.layer[r->layer_of[tube->node]];
        rank[n++] = (ranked){i, layer->relevance[tube->kernel]};
    }
    qsort(rank, (size_t)n, sizeof *rank, by_relevance);
    cfp_status status = CFP_OK;
    for (int k = 0; k < n && status == CFP_OK; k++) {
        const cfp_tube *tube = &tubes->tube[rank[k].tube];
        *left_out += bytes_left < voxels_of(tube);
        if (bytes_left < voxels_of(tube))
            continue;
        bytes_left -= voxels_of(tube);
        status = put_tube(r, tube, 8);
    }
    cfp_free(rank);
    return status;
}

static bool own_layer_tube(const report *r, const cfp_tube *tube)
{
    return tube->kernel < 0 && cfp_contrast_own_tube(r->e, tube);
}

static cfp_status put_tubes(report *r)
{
    const cfp_tubes_list *tubes = &r->e->tubes;
    int64_t voxels = 0;
    int left_out = 0;
    for (int i = 0; i < tubes->n; i++)
        voxels += own_layer_tube(r, &tubes->tube[i]) ? voxels_of(&tubes->tube[i]) : 0;
    cfp_json_key(&r->json, "tubes");
    cfp_json_array(&r->json);
    for (int i = 0; i < tubes->n; i++)
        if (own_layer_tube(r, &tubes->tube[i]))
            CFP_TRY(put_tube(r, &tubes->tube[i], voxels > VOXELS_OF_16_BITS ? 8 : 16));
    CFP_TRY(put_kernel_tubes(r, &left_out));
    cfp_json_array_end(&r->json);
    cfp_json_put_int(&r->json, "tubes_left_out", left_out);
    return CFP_OK;
}

/* Writes the maps of a layer's kernels. */
static cfp_status put_apart(report *r, const cfp_apart *a, int bits)
{
    const int64_t size = (int64_t)a->t * a->h * a->w, n = a->n * size;
    const float top_level = bits == 16 ? 32767.0f : 127.0f;
    int16_t *level;
    float *scale;
    CFP_TRY_ALLOC(r->ctx, level, n);
    CFP_TRY_ALLOC(r->ctx, scale, a->n);
    for (int k = 0; k < a->n; k++)
        for (int64_t p = k * size; p < (k + 1) * size; p++)
            scale[k] = fmaxf(scale[k], fabsf(a->map[p]));
    int8_t *const byte = (int8_t *)level;
    for (int64_t p = 0; p < n; p++) {
        const float span = scale[p / size];
        const long value = span > 0 ? lrintf(a->map[p] / span * top_level) : 0;
        if (bits == 16)
            level[p] = (int16_t)value;
        else
            byte[p] = (int8_t)value;
    }
    cfp_json_object(&r->json);
    cfp_json_put_int(&r->json, "layer", r->layer_of[a->node]);
    cfp_json_put_int(&r->json, "reduced", a->reduced);
    cfp_json_key(&r->json, "size");
    cfp_json_array(&r->json);
    cfp_json_int(&r->json, a->t);
    cfp_json_int(&r->json, a->h);
    cfp_json_int(&r->json, a->w);
    cfp_json_array_end(&r->json);
    cfp_json_key(&r->json, "kernel");
    cfp_json_base64(&r->json, a->kernel, (size_t)a->n_kernels * sizeof *a->kernel);
    cfp_json_key(&r->json, "end");
    cfp_json_base64(&r->json, a->end, (size_t)a->n * sizeof *a->end);
    cfp_json_key(&r->json, "scale");
    cfp_json_base64(&r->json, scale, (size_t)a->n * sizeof *scale);
    cfp_json_key(&r->json, "levels");
    cfp_json_base64(&r->json, level, (size_t)(n * bits / 8));
    cfp_json_object_end(&r->json);
    cfp_free(level);
    cfp_free(scale);
    return r->json.status;
}

static cfp_status put_parts(report *r)
{
    const cfp_apart_list *list = &r->e->apart;
    int64_t values = 0;
    for (int l = 0; l < list->n; l++) {
        const cfp_apart *a = &list->layer[l];
        values += (int64_t)a->n * a->t * a->h * a->w;
    }
    cfp_json_key(&r->json, "apart");
    cfp_json_array(&r->json);
    for (int l = 0; l < list->n; l++)
        CFP_TRY(put_apart(r, &list->layer[l], values > VOXELS_OF_16_BITS ? 8 : 16));
    cfp_json_array_end(&r->json);
    return r->json.status;
}

static cfp_status number_layers(report *r)
{
    const cfp_model *model = r->e->model;
    cfp_free(r->layer_of);
    CFP_TRY_ALLOC(r->ctx, r->layer_of, model->n_nodes);
    for (int i = 0; i < model->n_nodes; i++)
        r->layer_of[i] = -1;
    for (int l = 0; l < r->e->pyramid.n_layers; l++)
        r->layer_of[r->e->pyramid.layer[l].node] = l;
    return CFP_OK;
}

/* Writes the links and tubes of one class. */
static cfp_status put_class(report *r)
{
    CFP_TRY(number_layers(r));
    CFP_TRY(put_layers(r));
    CFP_TRY(put_links(r));
    CFP_TRY(put_tubes(r));
    return put_parts(r);
}

/* For a contrast: writes one of its classes as an object. */
static cfp_status put_side(report *r, const char *key, const cfp_explanation *e)
{
    const cfp_explanation *contrast = r->e;
    cfp_json_key(&r->json, key);
    cfp_json_object(&r->json);
    r->e = e;
    const cfp_status status = put_class(r);
    r->e = contrast;
    cfp_json_object_end(&r->json);
    return status;
}

static cfp_status put_data(report *r, const cfp_run *run, const char *where)
{
    cfp_json_object(&r->json);
    put_query(r);
    cfp_json_key(&r->json, "run");
    cfp_json_object(&r->json);
    put_options(r, run);
    cfp_run_put_facts(&r->json, r->e, run);
    cfp_json_object_end(&r->json);
    cfp_report_top(&r->json, r->e);
    put_overlay(r, run);
    CFP_TRY(put_frames(r, run, where));
    if (r->e->against == NULL) {
        CFP_TRY(put_class(r));
    } else {
        CFP_TRY(put_side(r, "a", r->e));
        CFP_TRY(put_side(r, "b", r->e->against));
    }
    cfp_json_object_end(&r->json);
    return cfp_json_close(&r->json);
}

static cfp_status fill(report *r, cfp_newfile *file, const cfp_run *run)
{
    const cfp_page *page = r->e->against == NULL ? &cfp_page_report : &cfp_page_contrast;
    CFP_TRY(cfp_page_begin(page, &r->json, file));
    CFP_TRY(put_data(r, run, file->path));
    return cfp_page_end(page, file);
}

static cfp_status write_html(cfp_output *output, const cfp_explanation *explanation,
                             const cfp_run *run)
{
    CFP_TRY(cfp_output_begin(output, "report.html"));
    report r = {.ctx = output->ctx, .e = explanation, .two = explanation->against != NULL};
    const cfp_status status = fill(&r, &output->file, run);
    cfp_json_free(&r.json);
    cfp_free(r.layer_of);
    CFP_TRY(status);
    CFP_TRY(cfp_output_commit(output));
    return cfp_output_step(output);
}

const cfp_writer cfp_writer_html = {
    .format = "html",
    .summary = "report.html: one page of all of it, for a browser, offline",
    .write = write_html,
};

const cfp_writer cfp_writer_contrast_html = {
    .format = "html",
    .summary = "report.html: both pyramids in one graph, for a browser, offline",
    .write = write_html,
};
