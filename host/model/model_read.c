/* model_read.c - reads the nodes of a model file (SPEC: model file); graph.c completes the model.
 *
 * The file is not trusted: another process reads it (h5_file.h).  Every error names the file, the
 * node and the attribute or data set. */
#include "model_read.h"
#include "input_read.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 10000, MAX_HEADS = 64 };

/* Everything that is needed while a file is read; closed and freed in one place. */
struct reader {
    cfp_model *model;
    cfp_ctx *ctx;
    cfp_h5 *file;
    cfp_h5_group root;
    cfp_h5_group group; /* the current object */
    char ***input_name; /* [n_nodes][n_inputs] names, until node numbers are known */
    char where[512];    /* the start of messages about the current object */
    char **output;      /* [n_outputs] names of nodes */
    int n_outputs;
};

/* --- classes and outputs: of one classifier, or of several heads --- */

static cfp_status read_classes(struct reader *r, cfp_model *of, const cfp_h5_group *group,
                               const char *where, const char *name)
{
    CFP_TRY(cfp_h5_data_strings(&of->class_name, &of->n_classes, r->ctx, group, where, name));
    if (of->n_classes < 1)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: '%s' is empty", where, name);
    return CFP_OK;
}

static cfp_status read_one_output(struct reader *r)
{
    CFP_TRY_ALLOC(r->ctx, r->output, 1);
    r->n_outputs = 1;
    CFP_TRY(cfp_h5_string(&r->output[0], r->ctx, &r->root, r->model->path, "output", true));
    return read_classes(r, r->model, &r->root, r->model->path, "classes");
}

/* A head's name is part of `--class HEAD=CLASS,...` and of the names of files. */
static cfp_status check_head_name(struct reader *r, const char *name)
{
    const char *const path = r->model->path;
    if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/=,") != NULL)
        return cfp_fail(r->ctx, CFP_FORMAT,
                        "%s: 'heads': '%s' cannot be a name: it is empty, begins with '.', or has "
                        "one of / = ,",
                        path, name);
    return CFP_OK;
}

/* Refuses two heads of one name, and two of one output. */
static cfp_status check_different(struct reader *r, int h)
{
    const cfp_model *m = r->model;
    for (int i = 0; i < h; i++) {
        if (strcmp(m->view[i].head_name, m->view[h].head_name) == 0)
            return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'heads' has '%s' twice", m->path,
                            m->view[h].head_name);
        if (strcmp(r->output[i], r->output[h]) == 0)
            return cfp_fail(r->ctx, CFP_FORMAT,
                            "%s: 'outputs': node '%s' is of two heads, '%s' "
                            "and '%s'",
                            m->path, r->output[h], m->view[i].head_name, m->view[h].head_name);
    }
    return CFP_OK;
}

/* Takes over the names of the heads. */
static cfp_status name_heads(struct reader *r, char **name, int n)
{
    cfp_model *m = r->model;
    if (n < 1 || n > MAX_HEADS)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'heads' has %d names; 1 to %d are possible",
                        m->path, n, MAX_HEADS);
    if (r->n_outputs != n)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'heads' has %d names, 'outputs' has %d", m->path,
                        n, r->n_outputs);
    CFP_TRY_ALLOC(r->ctx, m->view, n);
    m->n_heads = n;
    for (int h = 0; h < n; h++) {
        CFP_TRY(check_head_name(r, name[h]));
        m->view[h].head_name = name[h];
        name[h] = NULL;
        CFP_TRY(check_different(r, h));
    }
    return CFP_OK;
}

/* Each head has a list of classes, classes/<head>; no list is of no head. */
static cfp_status read_head_classes(struct reader *r)
{
    cfp_model *m = r->model;
    CFP_TRY(cfp_h5_look(&r->group, r->file, r->ctx, "classes"));
    snprintf(r->where, sizeof r->where, "%s: classes", m->path);
    for (int i = 0; i < r->group.n_children; i++) {
        int h = 0;
        while (h < m->n_heads && strcmp(m->view[h].head_name, r->group.child[i].name) != 0)
            h++;
        if (h == m->n_heads)
            return cfp_fail(r->ctx, CFP_FORMAT, "%s: '%s' is no head", r->where,
                            r->group.child[i].name);
    }
    for (int h = 0; h < m->n_heads; h++)
        CFP_TRY(read_classes(r, &m->view[h], &r->group, r->where, m->view[h].head_name));
    return CFP_OK;
}

static cfp_status read_heads(struct reader *r)
{
    const char *const path = r->model->path;
    char **name = NULL;
    int n = 0;
    if (cfp_h5_find_attribute(&r->root, "output") != NULL)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: has both 'output' and 'outputs'", path);
    CFP_TRY(cfp_h5_attr_strings(&r->output, &r->n_outputs, r->ctx, &r->root, path, "outputs"));
    cfp_status status = cfp_h5_attr_strings(&name, &n, r->ctx, &r->root, path, "heads");
    if (status == CFP_OK)
        status = name_heads(r, name, n);
    cfp_h5_free_strings(name, n);
    return status == CFP_OK ? read_head_classes(r) : status;
}

static cfp_status read_root(struct reader *r)
{
    cfp_model *m = r->model;
    char *format = NULL;
    int version = 0;
    cfp_status status = cfp_h5_string(&format, r->ctx, &r->root, m->path, "cfp_format", true);
    if (status == CFP_OK && strcmp(format, "model") != 0)
        status =
            cfp_fail(r->ctx, CFP_FORMAT, "%s: is a cfp_format '%s', not a model", m->path, format);
    cfp_free(format);
    CFP_TRY(status);
    CFP_TRY(cfp_h5_int(&version, r->ctx, &r->root, m->path, "cfp_version", true));
    if (version != 1)
        return cfp_fail(r->ctx, CFP_UNSUPPORTED, "%s: cfp_version %d; this program reads 1",
                        m->path, version);
    CFP_TRY(cfp_h5_string(&m->name, r->ctx, &r->root, m->path, "name", true));
    CFP_TRY(cfp_h5_string(&m->source, r->ctx, &r->root, m->path, "source", false));
    CFP_TRY(cfp_h5_string(&m->licence, r->ctx, &r->root, m->path, "licence", false));
    if (cfp_h5_find_attribute(&r->root, "outputs") != NULL ||
        cfp_h5_find_attribute(&r->root, "heads") != NULL)
        return read_heads(r);
    return read_one_output(r);
}

static cfp_status read_kernels(struct reader *r, cfp_node *node)
{
    int dims[CFP_H5_MAX_RANK], bias_dims[CFP_H5_MAX_RANK];
    const int rank = node->op == CFP_OP_CONV3D ? 5 : 2;
    CFP_TRY(cfp_h5_floats(&node->weight, dims, rank, r->ctx, &r->group, r->where, "weight", true));
    CFP_TRY(cfp_h5_floats(&node->bias, bias_dims, 1, r->ctx, &r->group, r->where, "bias", false));
    if (node->bias != NULL && bias_dims[0] != dims[0])
        return cfp_fail(r->ctx, CFP_SHAPE, "%s: bias has %d values for %d kernels", r->where,
                        bias_dims[0], dims[0]);
    node->shape.c = dims[0];
    node->groups = 1;
    for (int a = 0; a < 3; a++)
        node->window.kernel[a] = rank == 5 ? dims[2 + a] : 1;
    if (node->op == CFP_OP_CONV3D) {
        cfp_window *w = &node->window;
        CFP_TRY(cfp_h5_ints(w->stride, 3, r->ctx, &r->group, r->where, "stride", false));
        CFP_TRY(cfp_h5_ints(w->dilation, 3, r->ctx, &r->group, r->where, "dilation", false));
        CFP_TRY(cfp_h5_ints(w->pad_begin, 3, r->ctx, &r->group, r->where, "pad_begin", false));
        CFP_TRY(cfp_h5_ints(w->pad_end, 3, r->ctx, &r->group, r->where, "pad_end", false));
        CFP_TRY(cfp_h5_int(&node->groups, r->ctx, &r->group, r->where, "groups", false));
    }
    node->kernel_channels = dims[1];
    return CFP_OK;
}

/* Turns gamma, beta, mean and var into one scale and one shift a channel, computed in double. */
static cfp_status read_batchnorm(struct reader *r, cfp_node *node)
{
    static const char *const name[4] = {"gamma", "beta", "mean", "var"};
    float *p[4] = {NULL};
    int channels[4] = {0};
    double eps = 1e-5;
    cfp_status status = cfp_h5_double(&eps, r->ctx, &r->group, r->where, "eps", false);
    for (int i = 0; i < 4 && status == CFP_OK; i++) {
        int dims[CFP_H5_MAX_RANK];
        status = cfp_h5_floats(&p[i], dims, 1, r->ctx, &r->group, r->where, name[i], true);
        if (status == CFP_OK) {
            channels[i] = dims[0];
            if (dims[0] != channels[0])
                status = cfp_fail(r->ctx, CFP_SHAPE, "%s: %s has %d values, gamma %d", r->where,
                                  name[i], dims[0], channels[0]);
        }
    }
    if (status == CFP_OK) {
        node->channels = channels[0];
        node->scale = cfp_alloc(r->ctx, (size_t)channels[0], sizeof *node->scale);
        node->shift = cfp_alloc(r->ctx, (size_t)channels[0], sizeof *node->shift);
        if (node->scale == NULL || node->shift == NULL)
            status = CFP_NOMEM;
    }
    for (int c = 0; c < channels[0] && status == CFP_OK; c++) {
        const double spread = sqrt((double)p[3][c] + eps);
        if (!(spread > 0))
            status = cfp_fail(r->ctx, CFP_FORMAT, "%s: var + eps is %g at channel %d", r->where,
                              (double)p[3][c] + eps, c);
        const double scale = (double)p[0][c] / spread;
        node->scale[c] = (float)scale;
        node->shift[c] = (float)((double)p[1][c] - (double)p[2][c] * scale);
        if (status == CFP_OK && (!isfinite(node->scale[c]) || !isfinite(node->shift[c])))
            status = cfp_fail(r->ctx, CFP_FORMAT, "%s: overflows at channel %d", r->where, c);
    }
    for (int i = 0; i < 4; i++)
        cfp_free(p[i]);
    return status;
}

static cfp_status read_flag(struct reader *r, bool *flag, const char *name)
{
    int value = *flag;
    CFP_TRY(cfp_h5_int(&value, r->ctx, &r->group, r->where, name, false));
    *flag = value != 0;
    return CFP_OK;
}

static cfp_status read_pool(struct reader *r, cfp_node *node)
{
    cfp_window *w = &node->window;
    CFP_TRY(cfp_h5_ints(w->kernel, 3, r->ctx, &r->group, r->where, "kernel", true));
    memcpy(w->stride, w->kernel, sizeof w->stride); /* PyTorch's default */
    CFP_TRY(cfp_h5_ints(w->stride, 3, r->ctx, &r->group, r->where, "stride", false));
    CFP_TRY(cfp_h5_ints(w->pad_begin, 3, r->ctx, &r->group, r->where, "pad_begin", false));
    CFP_TRY(cfp_h5_ints(w->pad_end, 3, r->ctx, &r->group, r->where, "pad_end", false));
    CFP_TRY(read_flag(r, &node->ceil_mode, "ceil_mode"));
    node->count_include_pad = true;
    return read_flag(r, &node->count_include_pad, "count_include_pad");
}

static cfp_status read_attributes(struct reader *r, cfp_node *node)
{
    const cfp_h5_group *const g = &r->group;
    for (int a = 0; a < 3; a++)
        node->window.kernel[a] = node->window.stride[a] = node->window.dilation[a] = 1;

    switch (node->op) {
    case CFP_OP_CONV3D:
    case CFP_OP_LINEAR:
        return read_kernels(r, node);
    case CFP_OP_BATCHNORM:
        return read_batchnorm(r, node);
    case CFP_OP_MAXPOOL3D:
    case CFP_OP_AVGPOOL3D:
        return read_pool(r, node);
    case CFP_OP_SLICE:
        node->stop = INT32_MAX;
        node->step = 1;
        CFP_TRY(cfp_h5_int(&node->axis, r->ctx, g, r->where, "axis", true));
        CFP_TRY(cfp_h5_int(&node->start, r->ctx, g, r->where, "start", false));
        CFP_TRY(cfp_h5_int(&node->stop, r->ctx, g, r->where, "stop", false));
        return cfp_h5_int(&node->step, r->ctx, g, r->where, "step", false);
    case CFP_OP_CHANNEL_SHUFFLE:
        return cfp_h5_int(&node->groups, r->ctx, g, r->where, "groups", true);
    default:
        return cfp_read_op(node, r->ctx, g, r->where);
    }
}

static cfp_status read_op(struct reader *r, cfp_node *node)
{
    char *word = NULL;
    CFP_TRY(cfp_h5_string(&word, r->ctx, &r->group, r->where, "op", true));
    int op = CFP_OP_INPUT + 1;
    while (op < CFP_OP_COUNT && strcmp(word, cfp_op_table[op].name) != 0)
        op++;
    cfp_status status = CFP_OK;
    if (op == CFP_OP_COUNT)
        status = cfp_fail(r->ctx, CFP_UNSUPPORTED, "%s: unknown op '%s'", r->where, word);
    node->op = (cfp_op)op;
    cfp_free(word);
    return status;
}

static cfp_status read_node(struct reader *r, int index)
{
    cfp_node *node = &r->model->node[index];
    snprintf(r->where, sizeof r->where, "%s: node '%s'", r->model->path, node->name);
    CFP_TRY(read_op(r, node));
    CFP_TRY(cfp_h5_attr_strings(&r->input_name[index], &node->n_inputs, r->ctx, &r->group, r->where,
                                "inputs"));
    const cfp_op_info *info = &cfp_op_table[node->op];
    if (node->n_inputs < info->min_inputs || node->n_inputs > info->max_inputs)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: %s with %d inputs", r->where, info->name,
                        node->n_inputs);
    return read_attributes(r, node);
}

/* Makes the group at `path` the current object. */
static cfp_status look_at(struct reader *r, const char *path)
{
    cfp_h5_group_free(&r->group);
    return cfp_h5_look(&r->group, r->file, r->ctx, path);
}

static cfp_status read_named_node(struct reader *r, int index, const char *name)
{
    cfp_model *m = r->model;
    if ((m->node[index].name = cfp_strdup(r->ctx, name)) == NULL)
        return CFP_NOMEM;
    if (strcmp(name, "input") == 0)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: a node is called 'input', the clip's name",
                        m->path);
    char *path = cfp_format(r->ctx, "graph/%s", name);
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = look_at(r, path);
    cfp_free(path);
    return status == CFP_OK ? read_node(r, index) : status;
}

static cfp_status read_nodes(struct reader *r, const cfp_h5_group *graph)
{
    cfp_model *m = r->model;
    if (graph->n_children < 1 || graph->n_children > MAX_NODES)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: %d nodes", m->path, graph->n_children);
    const int n = graph->n_children + 1;
    CFP_TRY_ALLOC(r->ctx, m->node, n);
    CFP_TRY_ALLOC(r->ctx, r->input_name, n);
    m->n_nodes = n;
    if ((m->node[0].name = cfp_strdup(r->ctx, "input")) == NULL)
        return CFP_NOMEM;
    m->node[0].op = CFP_OP_INPUT;
    m->node[0].shape =
        (cfp_shape){1, m->input.channels, m->input.frames, m->input.height, m->input.width};
    for (int i = 1; i < n; i++) {
        CFP_TRY(read_named_node(r, i, graph->child[i - 1].name));
        cfp_progress(r->ctx, "load", i, n - 1);
    }
    return CFP_OK;
}

static int compare_names(const void *a, const void *b)
{
    const cfp_node *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Replaces names of inputs by node numbers. */
static cfp_status link_nodes(struct reader *r, cfp_node **sorted)
{
    cfp_model *m = r->model;
    for (int i = 0; i < m->n_nodes; i++)
        sorted[i] = &m->node[i];
    qsort(sorted, (size_t)m->n_nodes, sizeof *sorted, compare_names);
    for (int i = 1; i < m->n_nodes; i++) {
        cfp_node *node = &m->node[i];
        CFP_TRY_ALLOC(r->ctx, node->input, node->n_inputs);
        for (int k = 0; k < node->n_inputs; k++) {
            cfp_node wanted = {.name = r->input_name[i][k]}, *key = &wanted;
            cfp_node **hit =
                bsearch(&key, sorted, (size_t)m->n_nodes, sizeof *sorted, compare_names);
            if (hit == NULL)
                return cfp_fail_node(r->ctx, CFP_FORMAT, m, node, "reads '%s', which is no node",
                                     r->input_name[i][k]);
            node->input[k] = (int)(*hit - m->node);
        }
    }
    return CFP_OK;
}

static cfp_status read_graph(struct reader *r)
{
    cfp_h5_group graph;
    CFP_TRY(cfp_h5_look(&graph, r->file, r->ctx, "graph"));
    const cfp_status status = read_nodes(r, &graph);
    cfp_h5_group_free(&graph);
    return status;
}

static cfp_status read_file(struct reader *r)
{
    CFP_TRY(cfp_h5_open(&r->file, r->ctx, r->model->path));
    CFP_TRY(cfp_h5_look(&r->root, r->file, r->ctx, "/"));
    CFP_TRY(read_root(r));
    CFP_TRY(look_at(r, "input"));
    snprintf(r->where, sizeof r->where, "%s: input", r->model->path);
    CFP_TRY(cfp_input_read(&r->model->input, r->ctx, &r->group, r->where));
    CFP_TRY(read_graph(r));
    cfp_node **sorted;
    CFP_TRY_ALLOC(r->ctx, sorted, r->model->n_nodes);
    const cfp_status status = link_nodes(r, sorted);
    cfp_free(sorted);
    return status;
}

static void reader_close(struct reader *r, int n_nodes)
{
    for (int i = 0; r->input_name != NULL && i < n_nodes; i++)
        cfp_h5_free_strings(r->input_name[i], r->model->node[i].n_inputs);
    cfp_free(r->input_name);
    cfp_h5_group_free(&r->group);
    cfp_h5_group_free(&r->root);
    cfp_h5_close(&r->file);
}

static cfp_status open_model(cfp_model *out, cfp_ctx *ctx, const char *path)
{
    if ((out->path = cfp_strdup(ctx, path)) == NULL)
        return CFP_NOMEM;
    struct reader r = {.model = out, .ctx = ctx};
    cfp_status status = read_file(&r);
    reader_close(&r, out->n_nodes); /* its names belong to nodes that are not sorted yet */
    if (status == CFP_OK)
        status = out->n_heads > 0 ? cfp_model_finish_heads(out, ctx, r.output)
                                  : cfp_model_finish(out, ctx, r.output[0]);
    cfp_h5_free_strings(r.output, r.n_outputs);
    if (status == CFP_OK && out->n_heads == 1)
        cfp_model_keep_head(out, 0);
    return status;
}

cfp_status cfp_model_open_changed(cfp_model *out, cfp_ctx *ctx, const char *path,
                                  const cfp_weight_change *change)
{
    *out = (cfp_model){.change = change};
    const cfp_status status = open_model(out, ctx, path);
    out->change = NULL;
    if (status != CFP_OK)
        cfp_model_free(out);
    return status;
}

cfp_status cfp_model_open(cfp_model *out, cfp_ctx *ctx, const char *path)
{
    return cfp_model_open_changed(out, ctx, path, NULL);
}
