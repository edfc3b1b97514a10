/* heads_page.c - report.html of a network with several heads: one class of each, side by side, with
 * links to the reports of the single heads.  Its data:
 *
 *     model, clip, rule, theta
 *     action      name and probability (actions.h)
 *     heads       head, name, index and probability of its class, href, the most probable classes
 *                 (top), and a picture: the middle frame with the tube of `layer`
 *     layers      name, depth, kernels; selected: how many kernels each head selects, null where a
 *                 head does not reach the layer; all: how many all heads select */
#include "../draw/colormap.h"
#include "../draw/renderer.h"
#include "../files/output.h"
#include "../method/actions.h"
#include "../method/contrast.h"
#include "../write/write_run.h"
#include "../write/writer.h"
#include "jpeg.h"
#include "page.h"
#include <string.h>

typedef struct page {
    cfp_ctx *ctx;
    cfp_json json;
    const cfp_explanation *first;
    const cfp_run *run;
    uint8_t *rgb; /* one frame */
} page;

/* The tube of the layer that is nearest to the class; NULL: there are no tubes. */
static const cfp_tube *nearest_tube(const cfp_explanation *e)
{
    for (int i = 0; i < e->tubes.n; i++)
        if (e->tubes.tube[i].kernel < 0)
            return &e->tubes.tube[i];
    return NULL;
}

static cfp_status draw(page *p, const cfp_explanation *e, const cfp_tube *tube)
{
    const cfp_clip *clip = e->clip;
    cfp_overlay overlay = {.height = clip->height,
                           .width = clip->width,
                           .seen_height = clip->height,
                           .seen_width = clip->width,
                           .alpha = p->run->alpha};
    cfp_renderer renderer;
    cfp_colormap_table(overlay.colour, p->run->colormap);
    CFP_TRY(cfp_renderer_open(&renderer, p->ctx, p->run->renders_on,
                              (int[]){clip->frames, clip->height, clip->width}, e->interp,
                              &overlay));
    cfp_status status = cfp_renderer_tube(&renderer, tube);
    if (status == CFP_OK)
        status = cfp_renderer_overlay(&renderer, p->rgb, clip->frames / 2);
    cfp_renderer_close(&renderer);
    return status;
}

static cfp_status put_picture(page *p, const cfp_explanation *e)
{
    const cfp_clip *clip = e->clip;
    const size_t frame = (size_t)clip->height * (size_t)clip->width * 3;
    const cfp_tube *tube = nearest_tube(e);
    cfp_jpeg *jpeg = NULL;
    const uint8_t *bytes;
    size_t n;
    cfp_json_put_string(&p->json, "layer", tube == NULL ? NULL : e->model->node[tube->node].name);
    memcpy(p->rgb, clip->rgb + frame * (size_t)(clip->frames / 2), frame);
    if (tube != NULL)
        CFP_TRY(draw(p, e, tube));
    CFP_TRY(cfp_jpeg_open(&jpeg, p->ctx, "report.html", clip->height, clip->width));
    const cfp_status status = cfp_jpeg_encode(jpeg, p->rgb, &bytes, &n);
    if (status == CFP_OK) {
        cfp_json_key(&p->json, "picture");
        cfp_json_base64(&p->json, bytes, n);
    }
    cfp_jpeg_close(&jpeg);
    return status;
}

static cfp_status put_head(page *p, const cfp_explanation *e)
{
    char *folder = cfp_output_safe_name(p->ctx, e->model->head_name);
    char *href = folder == NULL ? NULL : cfp_format(p->ctx, "heads/%s/report.html", folder);
    cfp_free(folder);
    if (href == NULL)
        return CFP_NOMEM;
    cfp_json_object(&p->json);
    cfp_json_put_string(&p->json, "head", e->model->head_name);
    cfp_json_put_int(&p->json, "index", e->class_index);
    cfp_json_put_string(&p->json, "name", e->model->class_name[e->class_index]);
    cfp_json_put_float(&p->json, "probability", e->probabilities[e->class_index]);
    cfp_json_put_string(&p->json, "href", href);
    cfp_report_top(&p->json, e);
    const cfp_status status = put_picture(p, e);
    cfp_json_object_end(&p->json);
    cfp_free(href);
    return status;
}

static bool selects(const cfp_layer *layer, int kernel)
{
    int s = 0;
    while (s < layer->n_selected && layer->selected[s] < kernel)
        s++;
    return s < layer->n_selected && layer->selected[s] == kernel;
}

/* How many kernels of a layer all heads select; -1: a head does not reach the layer. */
static int selected_by_all(const cfp_explanation *first, const cfp_layer *layer)
{
    int n = 0;
    for (int s = 0; s < layer->n_selected; s++) {
        bool all = true;
        for (const cfp_explanation *e = first; e != NULL && all; e = e->next) {
            const cfp_layer *own = cfp_pyramid_layer(&e->pyramid, layer->node);
            if (own == NULL)
                return -1;
            all = selects(own, layer->selected[s]);
        }
        n += all;
    }
    return n;
}

static void put_count(cfp_json *json, int n)
{
    if (n >= 0)
        cfp_json_int(json, n);
    else
        cfp_json_string(json, NULL);
}

static void put_layer(page *p, const cfp_layer *layer)
{
    cfp_json *json = &p->json;
    cfp_json_object(json);
    cfp_json_put_string(json, "name", p->first->model->node[layer->node].name);
    cfp_json_put_int(json, "depth", layer->depth);
    cfp_json_put_int(json, "kernels", layer->n_kernels);
    cfp_json_key(json, "selected");
    cfp_json_array(json);
    for (const cfp_explanation *e = p->first; e != NULL; e = e->next) {
        const cfp_layer *own = cfp_pyramid_layer(&e->pyramid, layer->node);
        put_count(json, own != NULL ? own->n_selected : -1);
    }
    cfp_json_array_end(json);
    cfp_json_key(json, "all");
    put_count(json, selected_by_all(p->first, layer));
    cfp_json_object_end(json);
}

/* Every layer once, in the order of the first head that reaches it. */
static void put_layers(page *p)
{
    cfp_json_key(&p->json, "layers");
    cfp_json_array(&p->json);
    for (const cfp_explanation *e = p->first; e != NULL; e = e->next)
        for (int l = 0; l < e->pyramid.n_layers; l++) {
            const cfp_layer *layer = &e->pyramid.layer[l];
            bool listed = false;
            for (const cfp_explanation *before = p->first; before != e; before = before->next)
                listed |= cfp_pyramid_layer(&before->pyramid, layer->node) != NULL;
            if (!listed)
                put_layer(p, layer);
        }
    cfp_json_array_end(&p->json);
}

static cfp_status put_data(page *p)
{
    const cfp_explanation *e = p->first;
    const cfp_model *model = e->model;
    cfp_json *json = &p->json;
    cfp_json_object(json);
    cfp_json_put_string(json, "model", model->name[0] != '\0' ? model->name : model->path);
    cfp_json_put_string(json, "clip", e->clip->path);
    cfp_json_put_string(json, "rule", cfp_rule_names[e->query.rule]);
    cfp_json_put_double(json, "theta", e->query.theta);
    CFP_TRY(cfp_put_action(json, p->ctx, e));
    cfp_json_key(json, "heads");
    cfp_json_array(json);
    for (; e != NULL; e = e->next)
        CFP_TRY(put_head(p, e));
    cfp_json_array_end(json);
    put_layers(p);
    cfp_json_object_end(json);
    return cfp_json_close(json);
}

static cfp_status fill(page *p, cfp_newfile *file)
{
    const cfp_clip *clip = p->first->clip;
    CFP_TRY_ALLOC(p->ctx, p->rgb, (int64_t)clip->height * clip->width * 3);
    CFP_TRY(cfp_page_begin(&cfp_page_heads, &p->json, file));
    CFP_TRY(put_data(p));
    return cfp_page_end(&cfp_page_heads, file);
}

static cfp_status write_heads(cfp_output *output, const cfp_explanation *first, const cfp_run *run)
{
    CFP_TRY(cfp_output_begin(output, "report.html"));
    page p = {.ctx = output->ctx, .first = first, .run = run};
    const cfp_status status = fill(&p, &output->file);
    cfp_json_free(&p.json);
    cfp_free(p.rgb);
    CFP_TRY(status);
    return cfp_output_commit(output);
}

const cfp_writer cfp_writer_heads_html = {
    .format = "html",
    .summary = "report.html: the classes of all heads side by side",
    .write = write_heads,
};
