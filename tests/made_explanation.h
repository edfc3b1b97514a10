/* made_explanation.h - makes an explanation by hand, for tests of the writers.
 *
 *     clip (2 channels) -> a (3 kernels) -> b (3) -> sum = b + a -> pool -> fc (2 classes)
 *
 *     fc:1 rests on channels 0 (0.9) and 2 (1) of the pooled sum: on kernels 0 and 2 of a and of b;
 *     b:0 on channel 1 (0.75), b:2 on 1 (1) and 2 (0.625);  a:0 on channel 0 of the clip, a:1 on 1,
 *     a:2 on both.
 *
 * Tubes: that of b is constant; that of a is x / (width - 1) in every row and frame; kernel 2 of b
 * has one, too. */
#pragma once
#include "../host/write/writer.h"
#include "toy.h"
#include <stdlib.h>
#include <string.h>

struct made {
    struct toy toy;
    cfp_clip clip;
    cfp_explanation e;
    cfp_run run;
};

static inline void *made_take(size_t count, size_t size)
{
    void *memory = cfp_alloc(NULL, count, size);
    if (memory == NULL)
        abort();
    return memory;
}
static inline void *made_copy(const void *from, size_t bytes)
{
    return memcpy(made_take(bytes, 1), from, bytes);
}

static inline void made_layer(struct made *m, int depth, const char *name, int n_edges,
                              const cfp_edge *edge, int n_selected, const float *relevance)
{
    cfp_layer *layer = &m->e.pyramid.layer[m->e.pyramid.n_layers++];
    layer->node = cfp_model_find(&m->toy.model, name);
    layer->depth = depth;
    layer->n_kernels = m->toy.model.node[layer->node].shape.c;
    layer->relevance = made_copy(relevance, (size_t)layer->n_kernels * sizeof *relevance);
    layer->selected = made_take((size_t)n_selected, sizeof *layer->selected);
    for (int o = 0; o < layer->n_kernels; o++)
        if (relevance[o] > 0)
            layer->selected[layer->n_selected++] = o;
    layer->n_edges = n_edges;
    layer->edge = made_copy(edge, (size_t)n_edges * sizeof *edge);
    layer->child = made_take((size_t)n_edges, sizeof *layer->child);
    layer->child_relevance = made_take((size_t)n_edges, sizeof *layer->child_relevance);
    for (int i = 0; i < 3; i++) { /* all channels of any edge; no layer reads more than 3 */
        float highest = 0;
        for (int k = 0; k < n_edges; k++)
            if (edge[k].i == i && edge[k].relevance > highest)
                highest = edge[k].relevance;
        if (highest == 0)
            continue;
        layer->child[layer->n_children] = i;
        layer->child_relevance[layer->n_children++] = highest;
    }
}

static inline cfp_tube *made_tube(struct made *m, const char *name, int kernel, int t, int h, int w)
{
    cfp_tube *tube = &m->e.tubes.tube[m->e.tubes.n++];
    tube->node = cfp_model_find(&m->toy.model, name);
    tube->kernel = kernel;
    tube->t = t;
    tube->h = h;
    tube->w = w;
    tube->raw = made_take((size_t)(t * h * w), sizeof *tube->raw);
    return tube;
}

static inline void made_clip(struct made *m, int frames, int height, int width)
{
    cfp_clip *c = &m->clip;
    *c = (cfp_clip){.path = cfp_strdup(NULL, "clips/a \"clip\".mp4"),
                    .sha256 = "c11b",
                    .frames = frames,
                    .height = height,
                    .width = width,
                    .fps = 30000.0 / 1001.0,
                    .stride = 2,
                    .source_frames = 100,
                    .source_width = width,
                    .source_height = height,
                    .step_x = 1,
                    .step_y = 1};
    c->rgb = made_take((size_t)frames * (size_t)height * (size_t)width, 3);
    c->index = made_take((size_t)frames, sizeof *c->index);
    uint8_t *rgb = c->rgb;
    for (int t = 0; t < frames; t++) {
        c->index[t] = 40 + 2 * t;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++, rgb += 3) {
                rgb[0] = (uint8_t)(20 * t);
                rgb[1] = (uint8_t)(255 * y / height);
                rgb[2] = (uint8_t)(255 * x / width);
            }
    }
}

static inline void made_network(struct toy *t, cfp_shape clip)
{
    const float weight[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    toy_begin(t, clip);
    toy_conv(t, "a", "input", 3, 2, 1, weight);
    toy_conv(t, "b", "a", 3, 3, 1, weight);
    toy_node(t, "sum", CFP_OP_ADD, "b", "a");
    toy_node(t, "pool", CFP_OP_GLOBALAVGPOOL, "sum", NULL);
    toy_linear(t, "fc", "pool", 2, 3, weight);
    if (toy_finish(t, "fc") != CFP_OK)
        abort();
    t->model.path = cfp_strdup(NULL, "models/net.h5");
    t->model.name = cfp_strdup(NULL, "net");
    strcpy(t->model.sha256, "5a");
    t->model.class_name = made_take(2, sizeof *t->model.class_name);
    t->model.class_name[0] = cfp_strdup(NULL, "still");
    t->model.class_name[1] = cfp_strdup(NULL, "sauter à la perche");
}

static inline void made_open(struct made *m, int frames, int height, int width)
{
    static char program[] = "cfp-gpu", command[] = "explain";
    static char *const argv[] = {program, command, NULL};
    static const cfp_run_option options[] = {{.name = "theta", .value = "0.6"},
                                             {.name = "rule", .value = "cfp"}};

    *m = (struct made){0};
    made_network(&m->toy, (cfp_shape){1, 2, frames, height, width});
    made_clip(m, frames, height, width);
    m->e = (cfp_explanation){.model = &m->toy.model,
                             .clip = &m->clip,
                             .query = cfp_query_default(),
                             .class_index = 1,
                             .ms = {1.5, 2, 3, 4, 0}};
    m->e.query.target = CFP_TARGET_ODDS; /* as a trace leaves it */
    m->e.logits = made_copy((float[]){-1, 2}, 2 * sizeof(float));
    m->e.probabilities = made_copy((float[]){0.25f, 0.75f}, 2 * sizeof(float));
    m->e.pyramid.class_index = 1;
    m->e.pyramid.layer = made_take(3, sizeof *m->e.pyramid.layer);
    made_layer(m, 0, "fc", 2, (cfp_edge[]){{1, 0, 0.9f}, {1, 2, 1}}, 1, (float[]){0, 1});
    made_layer(m, 1, "b", 3, (cfp_edge[]){{0, 1, 0.75f}, {2, 1, 1}, {2, 2, 0.625f}}, 2,
               (float[]){0.9f, 0, 1});
    made_layer(m, 2, "a", 4, (cfp_edge[]){{0, 0, 1}, {1, 1, 1}, {2, 0, 0.8125f}, {2, 1, 1}}, 3,
               (float[]){0.9f, 1, 1});
    m->e.tubes.tube = made_take(3, sizeof *m->e.tubes.tube);
    cfp_tube *tube = made_tube(m, "b", -1, 1, 2, 2);
    for (int k = 0; k < 4; k++)
        tube->raw[k] = 7;
    tube->min = tube->max = 7;
    tube = made_tube(m, "a", -1, frames, height, width);
    for (int k = 0; k < frames * height * width; k++)
        tube->raw[k] = (float)(k % width);
    tube->max = (float)(width - 1);
    tube = made_tube(m, "b", 2, 1, 1, 3);
    memcpy(tube->raw, (float[]){-1, 0, 3}, 3 * sizeof(float));
    tube->min = -1;
    tube->max = 3;
    m->run = (cfp_run){.argc = 2,
                       .argv = argv,
                       .n_options = 2,
                       .option = options,
                       .device = "ref",
                       .device_detail = "plain C",
                       .precision = "fp32",
                       .seed = UINT64_MAX,
                       .threads = 3,
                       .colormap = CFP_COLORMAP_JET,
                       .alpha = 0.5};
}

static inline void made_close(struct made *m)
{
    cfp_pyramid_free(&m->e.pyramid);
    cfp_tubes_free(&m->e.tubes);
    cfp_free(m->e.logits);
    cfp_free(m->e.probabilities);
    cfp_clip_free(&m->clip);
    toy_end(&m->toy);
}

/* Calls cfp_write once, with a new context.  The message of a failure is then in m->toy.ctx. */
static inline cfp_status made_write(struct made *m, const char *directory, const char *formats)
{
    return cfp_write(&m->toy.ctx, directory, formats, &m->e, &m->run, NULL);
}
