/* write_class_h5.c - class.h5: many explanations of each class in numbers.
 *
 *     /                 attrs: cfp_format="class", cfp_version=1, model, clips (of all classes),
 *                       cfp_gpu_version, and the options of all explanations as text, model_sha256
 *                       among them
 *     /classes/<index>  attrs: class_index, class_name, clips (n), consistency_clips (tally.h)
 *         clip          strings [n];  probability  float32 [n]
 *     /classes/<index>/pyramid/<layer>   attrs: depth, op, channels (O), clips (that reached it),
 *                       consistency, random (NaN where there is one clip)
 *         count         int32 [O]: clips that select the kernel
 *         relevance     float32 [O]: mean of R over the n clips, 0 where it is not selected
 *         top_clip      int32 [O x K]: numbers in `clip`, the most relevant first; -1: none
 *         top_relevance float32 [O x K]
 *         edges         int32 [E x 2], as in an explanation;  edge_count  int32 [E];
 *                       edge_relevance  float32 [E];  edge_top_clip, edge_top_relevance  [E x K] */
#include "h5_words.h"
#include "version.h"
#include "write_class.h"
#include <string.h>

typedef struct writer {
    cfp_h5_file *h5;
    cfp_ctx *ctx;
    const cfp_tally *tally;
} writer;

static const char *attribute_of(const char *option)
{
    return strcmp(option, "model") == 0             ? "model_sha256"
           : strcmp(option, "class-relevance") == 0 ? "class_relevance"
           : strcmp(option, "turn-down") == 0       ? "turn_down"
                                                    : option;
}

typedef struct cfp_class_h5 {
    cfp_h5_file file;
    hid_t classes; /* the group */
} class_h5;

static cfp_status put_root(class_h5 *h5, const cfp_explained_head *head)
{
    cfp_h5_file *f = &h5->file;
    CFP_TRY(cfp_h5_put_text(f, f->id, "cfp_format", "class"));
    CFP_TRY(cfp_h5_put_int(f, f->id, "cfp_version", 1));
    CFP_TRY(cfp_h5_put_text(f, f->id, "model", head->model));
    CFP_TRY(cfp_h5_put_text(f, f->id, "cfp_gpu_version", CFP_GPU_VERSION));
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++)
        if (k != CFP_EXPLAINED_HEAD || *head->option[k] != '\0')
            CFP_TRY(
                cfp_h5_put_text(f, f->id, attribute_of(cfp_explained_options[k]), head->option[k]));
    return cfp_h5_put_group(f, &h5->classes, f->id, "classes");
}

cfp_status cfp_class_h5_begin(cfp_class_files *files)
{
    CFP_TRY_ALLOC(files->output->ctx, files->h5, 1);
    files->h5->classes = H5I_INVALID_HID;
    CFP_TRY(cfp_h5_file_open(&files->h5->file, files->output));
    files->h5->file.words = cfp_class_words;
    return put_root(files->h5, files->head);
}

cfp_status cfp_class_h5_end(cfp_class_files *files, cfp_status status)
{
    class_h5 *h5 = files->h5;
    if (h5 == NULL)
        return status;
    if (status == CFP_OK)
        status = cfp_h5_put_int(&h5->file, h5->file.id, "clips", files->clips);
    if (h5->classes >= 0)
        H5Gclose(h5->classes);
    status = cfp_h5_file_close(&h5->file, status);
    cfp_free(h5);
    files->h5 = NULL;
    return status;
}

static cfp_status put_clips(cfp_h5_file *f, hid_t at, const cfp_class_facts *facts)
{
    const cfp_h5_array texts = {f->text, f->text, 1, {(hsize_t)facts->n_clips}};
    const char **id;
    float *probability = NULL;
    CFP_TRY_ALLOC(f->output->ctx, id, facts->n_clips);
    probability = cfp_alloc(f->output->ctx, (size_t)facts->n_clips, sizeof *probability);
    cfp_status status = probability == NULL ? CFP_NOMEM : CFP_OK;
    for (int i = 0; i < facts->n_clips && status == CFP_OK; i++) {
        id[i] = facts->clip[i].id;
        probability[i] = (float)facts->clip[i].probability;
    }
    if (status == CFP_OK)
        status = cfp_h5_put_array(f, at, "clip", texts, id);
    if (status == CFP_OK)
        status =
            cfp_h5_put_array(f, at, "probability", cfp_h5_list_floats(facts->n_clips), probability);
    cfp_free(id);
    cfp_free(probability);
    return status;
}

/* Writes lists of the strongest clips, [n x max_top], as two arrays. */
static cfp_status put_top(const writer *w, hid_t at, const char *clip_name,
                          const char *relevance_name, const cfp_tally_top *top, int64_t n)
{
    const hsize_t per_row = (hsize_t)w->tally->max_top;
    const cfp_h5_array numbers = {H5T_STD_I32LE, H5T_NATIVE_INT32, 2, {(hsize_t)n, per_row}};
    const cfp_h5_array values = {H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 2, {(hsize_t)n, per_row}};
    const int64_t all = n * w->tally->max_top;
    int32_t *clip;
    float *relevance = NULL;
    if (all == 0) /* with --clips 0 */
        return CFP_OK;
    CFP_TRY_ALLOC(w->ctx, clip, all);
    relevance = cfp_alloc(w->ctx, (size_t)all, sizeof *relevance);
    cfp_status status = relevance == NULL ? CFP_NOMEM : CFP_OK;
    for (int64_t i = 0; i < all && status == CFP_OK; i++) {
        clip[i] = top[i].relevance > 0 ? top[i].clip : -1;
        relevance[i] = top[i].relevance;
    }
    if (status == CFP_OK)
        status = cfp_h5_put_array(w->h5, at, clip_name, numbers, clip);
    if (status == CFP_OK)
        status = cfp_h5_put_array(w->h5, at, relevance_name, values, relevance);
    cfp_free(clip);
    cfp_free(relevance);
    return status;
}

static cfp_status put_kernels(const writer *w, hid_t at, const cfp_tally_layer *layer)
{
    float *mean;
    CFP_TRY_ALLOC(w->ctx, mean, layer->n_kernels);
    for (int o = 0; o < layer->n_kernels; o++)
        mean[o] = (float)(layer->sum[o] / w->tally->n_clips);
    cfp_status status =
        cfp_h5_put_array(w->h5, at, "count", cfp_h5_list_ints(layer->n_kernels), layer->count);
    if (status == CFP_OK)
        status =
            cfp_h5_put_array(w->h5, at, "relevance", cfp_h5_list_floats(layer->n_kernels), mean);
    cfp_free(mean);
    CFP_TRY(status);
    return put_top(w, at, "top_clip", "top_relevance", layer->top, layer->n_kernels);
}

typedef struct columns { /* edges, copied from structs to one array per column */
    int32_t *ends, *count;
    float *mean;
} columns;

static cfp_status fill_columns(columns *c, const writer *w, const cfp_tally_layer *layer)
{
    CFP_TRY_ALLOC(w->ctx, c->ends, 2 * layer->n_edges);
    CFP_TRY_ALLOC(w->ctx, c->count, layer->n_edges);
    CFP_TRY_ALLOC(w->ctx, c->mean, layer->n_edges);
    for (int64_t e = 0; e < layer->n_edges; e++) {
        c->ends[2 * e] = layer->edge[e].kernel;
        c->ends[2 * e + 1] = layer->edge[e].channel;
        c->count[e] = layer->edge[e].clips;
        c->mean[e] = (float)(layer->edge[e].sum / w->tally->n_clips);
    }
    return CFP_OK;
}

static cfp_status put_edges(const writer *w, hid_t at, const cfp_tally_layer *layer)
{
    const int64_t n = layer->n_edges;
    const cfp_h5_array pairs = {H5T_STD_I32LE, H5T_NATIVE_INT32, 2, {(hsize_t)n, 2}};
    columns c = {0};
    cfp_status status = fill_columns(&c, w, layer);
    if (status == CFP_OK)
        status = cfp_h5_put_array(w->h5, at, "edges", pairs, c.ends);
    if (status == CFP_OK)
        status = cfp_h5_put_array(w->h5, at, "edge_count", cfp_h5_list_ints(n), c.count);
    if (status == CFP_OK)
        status = cfp_h5_put_array(w->h5, at, "edge_relevance", cfp_h5_list_floats(n), c.mean);
    cfp_free(c.ends);
    cfp_free(c.count);
    cfp_free(c.mean);
    CFP_TRY(status);
    return put_top(w, at, "edge_top_clip", "edge_top_relevance", layer->edge_top, n);
}

static cfp_status put_layer(const writer *w, hid_t at, const cfp_tally_layer *layer)
{
    CFP_TRY(cfp_h5_put_int(w->h5, at, "depth", layer->depth));
    CFP_TRY(cfp_h5_put_text(w->h5, at, "op", layer->op));
    CFP_TRY(cfp_h5_put_int(w->h5, at, "channels", layer->n_kernels));
    CFP_TRY(cfp_h5_put_int(w->h5, at, "clips", layer->clips));
    CFP_TRY(cfp_h5_put_double(w->h5, at, "consistency", layer->consistency));
    CFP_TRY(cfp_h5_put_double(w->h5, at, "random", layer->random));
    CFP_TRY(put_kernels(w, at, layer));
    return put_edges(w, at, layer);
}

static cfp_status put_layers(const writer *w, hid_t pyramid)
{
    for (int l = 0; l < w->tally->n; l++) {
        hid_t group;
        CFP_TRY(cfp_h5_put_group(w->h5, &group, pyramid, w->tally->layer[l].name));
        const cfp_status status = put_layer(w, group, &w->tally->layer[l]);
        H5Gclose(group);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status put_class(const writer *w, hid_t at, const cfp_class_facts *facts)
{
    hid_t pyramid;
    CFP_TRY(cfp_h5_put_int(w->h5, at, "class_index", facts->index));
    CFP_TRY(cfp_h5_put_text(w->h5, at, "class_name", facts->name));
    CFP_TRY(cfp_h5_put_int(w->h5, at, "clips", facts->n_clips));
    CFP_TRY(cfp_h5_put_int(w->h5, at, "consistency_clips", cfp_tally_sets(facts->tally)));
    CFP_TRY(put_clips(w->h5, at, facts));
    CFP_TRY(cfp_h5_put_group(w->h5, &pyramid, at, "pyramid"));
    const cfp_status status = put_layers(w, pyramid);
    H5Gclose(pyramid);
    return status;
}

cfp_status cfp_class_h5_add(cfp_class_files *files, const cfp_class_facts *facts)
{
    const writer w = {&files->h5->file, files->output->ctx, facts->tally};
    char name[16];
    hid_t group;
    snprintf(name, sizeof name, "%d", facts->index);
    CFP_TRY(cfp_h5_put_group(&files->h5->file, &group, files->h5->classes, name));
    const cfp_status status = put_class(&w, group, facts);
    H5Gclose(group);
    return status;
}
