/* explained.c - see explained.h. */
#include "explained.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 1000000, MAX_KERNELS = 1 << 20 };

const char *const cfp_explained_options[CFP_EXPLAINED_OPTIONS] = {
    "model",     "head",  "rule",      "theta",     "mask",  "target",
    "baseline",  "steps", "propagate", "normalise", "depth", "class-relevance",
    "precision", "top",   "turn-down", "seed"};
static const char *const attribute[CFP_EXPLAINED_OPTIONS] = {
    "model_sha256", "head",  "rule",      "theta",     "mask",  "target",
    "baseline",     "steps", "propagate", "normalise", "depth", "class_relevance",
    "precision",    "top",   "turn_down", "seed"};

/* --- opening --- */

static cfp_status look_inside(cfp_explained_file *f)
{
    char *format = NULL;
    CFP_TRY(cfp_h5_open(&f->file, f->ctx, f->path));
    CFP_TRY(cfp_h5_look(&f->root, f->file, f->ctx, "/"));
    CFP_TRY(cfp_h5_string(&format, f->ctx, &f->root, f->path, "cfp_format", true));
    const bool mine = strcmp(format, "explanation") == 0;
    cfp_free(format);
    const cfp_h5_child *clips = cfp_h5_find_child(&f->root, "clips");
    f->shard = clips != NULL && clips->kind == CFP_H5_GROUP;
    if (!mine || (!f->shard && cfp_h5_find_child(&f->root, "pyramid") == NULL))
        return cfp_fail(f->ctx, CFP_FORMAT, "%s: not an explanation, nor a shard of them", f->path);
    if (f->shard)
        CFP_TRY(cfp_h5_look(&f->clips, f->file, f->ctx, "clips"));
    f->n = f->shard ? f->clips.n_children : 1;
    return CFP_OK;
}

cfp_status cfp_explained_open(cfp_explained_file *out, cfp_ctx *ctx, const char *path)
{
    *out = (cfp_explained_file){.ctx = ctx, .path = cfp_strdup(ctx, path)};
    const cfp_status status = out->path == NULL ? CFP_NOMEM : look_inside(out);
    if (status != CFP_OK)
        cfp_explained_close(out);
    return status;
}

void cfp_explained_close(cfp_explained_file *file)
{
    cfp_h5_group_free(&file->root);
    cfp_h5_group_free(&file->clips);
    cfp_h5_close(&file->file);
    cfp_free(file->path);
    *file = (cfp_explained_file){0};
}

/* Returns the name of explanation i's group: "/", or "clips/<id>"; `below` is appended to it. */
static char *group_of(const cfp_explained_file *f, int i, const char *below)
{
    if (!f->shard)
        return cfp_strdup(f->ctx, *below == '\0' ? "/" : below);
    return cfp_format(f->ctx, "clips/%s%s%s", f->clips.child[i].name, *below == '\0' ? "" : "/",
                      below);
}

/* Returns the file, and in a shard the clip, that messages start with. */
static char *name_of(const cfp_explained_file *f, int i)
{
    return f->shard ? cfp_format(f->ctx, "%s: clip '%s'", f->path, f->clips.child[i].name)
                    : cfp_strdup(f->ctx, f->path);
}

static cfp_status look(cfp_h5_group *out, cfp_explained_file *f, int i, const char *below)
{
    char *path = group_of(f, i, below);
    const cfp_status status = path == NULL ? CFP_NOMEM : cfp_h5_look(out, f->file, f->ctx, path);
    cfp_free(path);
    return status;
}

/* --- the head --- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes an id of a shard: %XX stands for a byte that a name in HDF5 cannot have (SPEC 9). */
static char *decode(cfp_ctx *ctx, const char *name)
{
    char *id = cfp_strdup(ctx, name), *to = id;
    for (const char *c = name; id != NULL && *c != '\0'; c++) {
        const int high = *c == '%' ? hex(c[1]) : -1, low = high >= 0 ? hex(c[2]) : -1;
        *to++ = low >= 0 && 16 * high + low > 0 ? (char)(16 * high + low) : *c;
        c += low >= 0 && 16 * high + low > 0 ? 2 : 0;
    }
    if (id != NULL)
        *to = '\0';
    return id;
}

typedef struct head_reader {
    cfp_ctx *ctx;
    const cfp_h5_group *own,
        *root; /* the clip's group and the root: a shard may hold an attribute once for all clips */
    const char *where;
} head_reader;

static const cfp_h5_group *holder(const head_reader *r, const char *name)
{
    return cfp_h5_find_attribute(r->own, name) != NULL ? r->own : r->root;
}

static cfp_status read_text(char **out, const head_reader *r, const char *name, bool required)
{
    return cfp_h5_string(out, r->ctx, holder(r, name), r->where, name, required);
}

static bool means_all(const char *name, double value)
{
    return (strcmp(name, "depth") == 0 && value < 0) || (strcmp(name, "top") == 0 && value == 0);
}

/* Reads an option of any type as text. */
static cfp_status read_option(char **out, const head_reader *r, const char *name)
{
    const cfp_h5_attribute *a = cfp_h5_find_attribute(holder(r, name), name);
    double value = 0;
    if (a == NULL || a->class == CFP_H5_TEXT)
        return read_text(out, r, name, false);
    CFP_TRY(cfp_h5_double(&value, r->ctx, holder(r, name), r->where, name, true));
    const int digits = strcmp(name, "seed") == 0 ? 17 : 9;
    *out = means_all(name, value) ? cfp_strdup(r->ctx, "all")
                                  : cfp_format(r->ctx, "%.*g", digits, value);
    return *out == NULL ? CFP_NOMEM : CFP_OK;
}

/* Where nothing was shuffled the seed does not matter, and need not agree. */
static void forget_seed(cfp_explained_head *h)
{
    const char *baseline = "";
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++) {
        if (strcmp(attribute[k], "baseline") == 0)
            baseline = h->option[k];
        if (strcmp(attribute[k], "seed") == 0 && strcmp(baseline, "shuffle") != 0)
            h->option[k][0] = '\0';
    }
}

static cfp_status read_head(cfp_explained_head *h, const head_reader *r)
{
    CFP_TRY(read_text(&h->clip, r, "clip", false));
    CFP_TRY(read_text(&h->model, r, "model", true));
    CFP_TRY(read_text(&h->class_name, r, "class_name", true));
    CFP_TRY(cfp_h5_int(&h->class_index, r->ctx, r->own, r->where, "class_index", true));
    CFP_TRY(cfp_h5_double(&h->probability, r->ctx, r->own, r->where, "probability", true));
    if (h->class_index < 0 || h->class_index >= MAX_CLASSES)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'class_index' is %d", r->where, h->class_index);
    if (!isfinite(h->probability))
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'probability' is not a number", r->where);
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++)
        CFP_TRY(read_option(&h->option[k], r, attribute[k]));
    forget_seed(h);
    return CFP_OK;
}

cfp_status cfp_explained_head_read(cfp_explained_head *out, cfp_explained_file *f, int i)
{
    cfp_h5_group own = {0};
    char *where = name_of(f, i);
    *out = (cfp_explained_head){0};
    cfp_status status = where == NULL ? CFP_NOMEM : look(&own, f, i, "");
    const head_reader reader = {f->ctx, &own, &f->root, where};
    if (status == CFP_OK)
        status = read_head(out, &reader);
    if (status == CFP_OK) {
        out->id = f->shard ? decode(f->ctx, f->clips.child[i].name)
                           : cfp_strdup(f->ctx, *out->clip != '\0' ? out->clip : f->path);
        status = out->id == NULL ? CFP_NOMEM : CFP_OK;
    }
    cfp_h5_group_free(&own);
    cfp_free(where);
    if (status != CFP_OK)
        cfp_explained_head_free(out);
    return status;
}

void cfp_explained_head_free(cfp_explained_head *head)
{
    cfp_free(head->id);
    cfp_free(head->clip);
    cfp_free(head->model);
    cfp_free(head->class_name);
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++)
        cfp_free(head->option[k]);
    *head = (cfp_explained_head){0};
}

/* --- layers --- */

/* Reads a whole data set of `rank` axes.  Axes after the first have length `second`.  *n is the
 * number of rows. */
static cfp_status read_list(void **out, int64_t *n, cfp_ctx *ctx, const cfp_h5_group *group,
                            const char *where, const char *name, cfp_h5_element element, int rank,
                            int64_t second)
{
    const cfp_h5_dataset *data;
    CFP_TRY(cfp_h5_find_dataset(&data, ctx, group, where, name));
    if (data->rank != rank || (rank == 2 && data->size[1] != second) || data->size[0] > INT32_MAX)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has another shape", where, data->path);
    *n = data->size[0];
    *out = cfp_alloc(ctx, (size_t)(*n * second), 4);
    if (*out == NULL)
        return CFP_NOMEM;
    return cfp_h5_rows(*out, ctx, group, data, element, 0, *n);
}

static cfp_status check_relevance(const float *value, int64_t n, cfp_ctx *ctx, const char *where)
{
    for (int64_t k = 0; k < n; k++)
        if (!(value[k] >= 0 && value[k] <= 1))
            return cfp_fail(ctx, CFP_FORMAT, "%s: 'relevance' is not from 0 to 1 at %lld", where,
                            (long long)k);
    return CFP_OK;
}

/* Under rule grad an edge may have more than 1: other edges of its channel may speak against the
 * class, and the channel's relevance is their sum. */
static cfp_status check_edges(const cfp_explained_layer *layer, cfp_ctx *ctx, const char *where)
{
    for (int64_t e = 0; e < layer->n_edges; e++)
        if (!isfinite(layer->edge_relevance[e]) || layer->edge_relevance[e] < 0)
            return cfp_fail(ctx, CFP_FORMAT,
                            "%s: 'edge_relevance' is negative or no number at %lld", where,
                            (long long)e);
    return CFP_OK;
}

static cfp_status check_layer(const cfp_explained_layer *layer, cfp_ctx *ctx, const char *where)
{
    for (int s = 0; s < layer->n_selected; s++)
        if (layer->selected[s] < 0 || layer->selected[s] >= layer->n_kernels ||
            (s > 0 && layer->selected[s] <= layer->selected[s - 1]))
            return cfp_fail(ctx, CFP_FORMAT, "%s: 'selected' is not ascending from 0 to %d", where,
                            layer->n_kernels - 1);
    for (int64_t e = 0; e < layer->n_edges; e++)
        if (layer->edge[2 * e] < 0 || layer->edge[2 * e] >= layer->n_kernels ||
            layer->edge[2 * e + 1] < 0)
            return cfp_fail(ctx, CFP_FORMAT, "%s: edge %lld is not one of the layer", where,
                            (long long)e);
    CFP_TRY(check_relevance(layer->relevance, layer->n_kernels, ctx, where));
    return check_edges(layer, ctx, where);
}

static cfp_status read_layer(cfp_explained_layer *layer, cfp_ctx *ctx, const cfp_h5_group *group,
                             const char *where)
{
    int64_t n = 0, edges = 0;
    CFP_TRY(cfp_h5_int(&layer->depth, ctx, group, where, "depth", true));
    CFP_TRY(cfp_h5_string(&layer->op, ctx, group, where, "op", false));
    CFP_TRY(cfp_h5_int(&layer->n_kernels, ctx, group, where, "channels", true));
    if (layer->n_kernels < 1 || layer->n_kernels > MAX_KERNELS || layer->depth < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: 'channels' or 'depth' is out of range", where);
    void *list = NULL;
    cfp_status status = read_list(&list, &n, ctx, group, where, "selected", CFP_H5_I32, 1, 1);
    layer->selected = list;
    layer->n_selected = (int)n;
    CFP_TRY(status);
    list = NULL;
    status = read_list(&list, &n, ctx, group, where, "relevance", CFP_H5_F32, 1, 1);
    layer->relevance = list;
    CFP_TRY(status);
    if (n != layer->n_kernels)
        return cfp_fail(ctx, CFP_FORMAT, "%s: 'relevance' has %lld values of %d", where,
                        (long long)n, layer->n_kernels);
    list = NULL;
    status = read_list(&list, &edges, ctx, group, where, "edges", CFP_H5_I32, 2, 2);
    layer->edge = list;
    CFP_TRY(status);
    list = NULL;
    status =
        read_list(&list, &layer->n_edges, ctx, group, where, "edge_relevance", CFP_H5_F32, 1, 1);
    layer->edge_relevance = list;
    CFP_TRY(status);
    if (edges != layer->n_edges)
        return cfp_fail(ctx, CFP_FORMAT, "%s: 'edges' and 'edge_relevance' differ in number",
                        where);
    return check_layer(layer, ctx, where);
}

static cfp_status read_named(cfp_explained_layer *layer, cfp_explained_file *f, int i,
                             const char *name, const char *where)
{
    cfp_h5_group group = {0};
    char *below = cfp_format(f->ctx, "pyramid/%s", name);
    char *inside = cfp_format(f->ctx, "%s: layer '%s'", where, name);
    layer->name = cfp_strdup(f->ctx, name);
    cfp_status status = below == NULL || inside == NULL || layer->name == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK)
        status = look(&group, f, i, below);
    if (status == CFP_OK)
        status = read_layer(layer, f->ctx, &group, inside);
    cfp_h5_group_free(&group);
    cfp_free(below);
    cfp_free(inside);
    return status;
}

static cfp_status read_layers(cfp_explained_layers *out, cfp_explained_file *f, int i,
                              const char *where)
{
    cfp_h5_group pyramid = {0};
    cfp_status status = look(&pyramid, f, i, "pyramid");
    if (status == CFP_OK && pyramid.n_children > 0) {
        out->layer = cfp_alloc(f->ctx, (size_t)pyramid.n_children, sizeof *out->layer);
        status = out->layer == NULL ? CFP_NOMEM : CFP_OK;
    }
    for (int l = 0; l < pyramid.n_children && status == CFP_OK; l++)
        status = read_named(&out->layer[out->n++], f, i, pyramid.child[l].name, where);
    cfp_h5_group_free(&pyramid);
    return status;
}

cfp_status cfp_explained_layers_read(cfp_explained_layers *out, cfp_explained_file *f, int i)
{
    *out = (cfp_explained_layers){0};
    char *where = name_of(f, i);
    const cfp_status status = where == NULL ? CFP_NOMEM : read_layers(out, f, i, where);
    cfp_free(where);
    if (status != CFP_OK)
        cfp_explained_layers_free(out);
    return status;
}

void cfp_explained_layers_free(cfp_explained_layers *layers)
{
    for (int l = 0; l < layers->n; l++) {
        cfp_explained_layer *layer = &layers->layer[l];
        cfp_free(layer->name);
        cfp_free(layer->op);
        cfp_free(layer->selected);
        cfp_free(layer->relevance);
        cfp_free(layer->edge);
        cfp_free(layer->edge_relevance);
    }
    cfp_free(layers->layer);
    *layers = (cfp_explained_layers){0};
}
