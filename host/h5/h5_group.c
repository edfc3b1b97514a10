/* h5_group.c - see h5_file.h.  Lists a group, and converts its attributes to the wanted types. */
#include "h5_ask.h"
#include <limits.h>
#include <math.h>
#include <string.h>

static void take_attribute(cfp_h5_attribute *a, cfp_h5_cursor *from)
{
    a->name = cfp_h5_take_text(from);
    const char *const refusal = cfp_h5_take_text(from);
    if (refusal[0] != '\0') {
        a->refusal = refusal;
        a->class = CFP_H5_NO_CLASS;
        return;
    }
    a->class = (cfp_h5_class)cfp_h5_take(from);
    a->n = cfp_h5_take_count(from);
    if (a->class == CFP_H5_TEXT) {
        a->texts = from->word + from->at;
        a->n_words = from->n - from->at;
        for (int64_t i = 0; i < a->n; i++)
            cfp_h5_take_text(from);
    } else if (a->class == CFP_H5_SIGNED || a->class == CFP_H5_UNSIGNED || a->class == CFP_H5_REAL)
        a->number = cfp_h5_take_numbers(from, a->n);
    else
        from->bad = true;
}

static void take_dataset(cfp_h5_dataset *d, cfp_h5_cursor *from)
{
    d->class = (cfp_h5_class)cfp_h5_take(from);
    d->element_bytes = cfp_h5_take(from);
    d->element = (cfp_h5_element)cfp_h5_take(from);
    d->stored = cfp_h5_take(from);
    d->offset = cfp_h5_take(from);
    d->n = cfp_h5_take(from);
    const int64_t rank = cfp_h5_take(from);
    from->bad = from->bad || rank < 0 || rank > INT_MAX;
    d->rank = (int)rank;
    for (int a = 0; a < CFP_H5_MAX_RANK; a++) {
        d->size[a] = cfp_h5_take(from);
        from->bad = from->bad || d->size[a] < 0;
    }
}

static cfp_status take_child(cfp_h5_group *g, cfp_ctx *ctx, int i, cfp_h5_cursor *from)
{
    cfp_h5_child *const c = &g->child[i];
    c->name = cfp_h5_take_text(from);
    c->kind = (cfp_h5_kind)cfp_h5_take(from);
    const char *const refusal = cfp_h5_take_text(from);
    c->refusal = refusal[0] != '\0' ? refusal : NULL;
    if (c->kind != CFP_H5_DATASET)
        return CFP_OK;
    take_dataset(&c->dataset, from);
    g->child_path[i] = cfp_format(ctx, "%s%s%s", g->path + strspn(g->path, "/"),
                                  g->path[strspn(g->path, "/")] == '\0' ? "" : "/", c->name);
    c->dataset.path = g->child_path[i];
    return c->dataset.path == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status take_group(cfp_h5_group *g, cfp_ctx *ctx, cfp_h5_cursor *from)
{
    const int64_t n = cfp_h5_take_count(from);
    CFP_TRY_ALLOC(ctx, g->attribute, n);
    for (; g->n_attributes < n; g->n_attributes++)
        take_attribute(&g->attribute[g->n_attributes], from);
    const int64_t children = cfp_h5_take_count(from);
    CFP_TRY_ALLOC(ctx, g->child, children);
    CFP_TRY_ALLOC(ctx, g->child_path, children);
    g->n_children = (int)children;
    for (int i = 0; i < g->n_children; i++)
        CFP_TRY(take_child(g, ctx, i, from));
    return from->bad ? cfp_fail(ctx, CFP_FORMAT, "%s: damaged", cfp_h5_path(g->file)) : CFP_OK;
}

cfp_status cfp_h5_look(cfp_h5_group *out, cfp_h5 *file, cfp_ctx *ctx, const char *path)
{
    cfp_h5_words words;
    *out = (cfp_h5_group){.file = file};
    cfp_status status =
        cfp_h5_ask_words(&words, file, ctx, cfp_h5_path(file), CFP_H5_ASK_GROUP, path);
    out->answer = words.word;
    if (status == CFP_OK && (out->path = cfp_strdup(ctx, path)) == NULL)
        status = CFP_NOMEM;
    cfp_h5_cursor from = {.word = words.word, .n = words.n};
    if (status == CFP_OK)
        status = take_group(out, ctx, &from);
    if (status != CFP_OK)
        cfp_h5_group_free(out);
    return status;
}

void cfp_h5_group_free(cfp_h5_group *group)
{
    for (int i = 0; group->child_path != NULL && i < group->n_children; i++)
        cfp_free(group->child_path[i]);
    cfp_free(group->child_path);
    cfp_free(group->child);
    cfp_free(group->attribute);
    cfp_free(group->answer);
    cfp_free(group->path);
    *group = (cfp_h5_group){0};
}

const cfp_h5_attribute *cfp_h5_find_attribute(const cfp_h5_group *group, const char *name)
{
    for (int i = 0; i < group->n_attributes; i++)
        if (strcmp(group->attribute[i].name, name) == 0)
            return &group->attribute[i];
    return NULL;
}

const cfp_h5_child *cfp_h5_find_child(const cfp_h5_group *group, const char *name)
{
    for (int i = 0; i < group->n_children; i++)
        if (strcmp(group->child[i].name, name) == 0)
            return &group->child[i];
    return NULL;
}

static cfp_status missing(cfp_ctx *ctx, const char *where, const char *name, bool required)
{
    return required ? cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is missing", where, name) : CFP_OK;
}

/* Checks that the attribute has n numbers; 0: a single one. */
static cfp_status check_numbers(cfp_ctx *ctx, const cfp_h5_attribute *a, int n, const char *where,
                                const char *wanted)
{
    if (a->refusal != NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' %s", where, a->name, a->refusal);
    if (a->class == CFP_H5_TEXT)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is text, not %s", where, a->name, wanted);
    if (a->n != n)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has %lld values, expected %d", where, a->name,
                        (long long)a->n, n);
    return CFP_OK;
}

static double real_of(const cfp_h5_attribute *a, int i)
{
    double real;
    memcpy(&real, &a->number[i], sizeof real);
    return a->class == CFP_H5_SIGNED     ? (double)(int64_t)a->number[i]
           : a->class == CFP_H5_UNSIGNED ? (double)a->number[i]
                                         : real;
}

static cfp_status whole_of(int *value, cfp_ctx *ctx, const cfp_h5_attribute *a, int i,
                           const char *where)
{
    const double real = real_of(a, i); /* exact where it fits an int */
    if (!isfinite(real) || real != trunc(real))
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is %g, not a whole number", where, a->name,
                        real);
    if (real < INT_MIN || real > INT_MAX)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is %.17g, beyond what 32 bits hold", where,
                        a->name, real);
    *value = (int)real;
    return CFP_OK;
}

cfp_status cfp_h5_ints(int *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                       const char *where, const char *name, bool required)
{
    const cfp_h5_attribute *const a = cfp_h5_find_attribute(group, name);
    if (a == NULL)
        return missing(ctx, where, name, required);
    CFP_TRY(check_numbers(ctx, a, n, where, "a whole number"));
    for (int i = 0; i < n; i++)
        CFP_TRY(whole_of(&value[i], ctx, a, i, where));
    return CFP_OK;
}

cfp_status cfp_h5_int(int *value, cfp_ctx *ctx, const cfp_h5_group *group, const char *where,
                      const char *name, bool required)
{
    return cfp_h5_ints(value, 1, ctx, group, where, name, required);
}

cfp_status cfp_h5_doubles(double *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                          const char *where, const char *name, bool required)
{
    const cfp_h5_attribute *const a = cfp_h5_find_attribute(group, name);
    if (a == NULL)
        return missing(ctx, where, name, required);
    CFP_TRY(check_numbers(ctx, a, n, where, "a number"));
    for (int i = 0; i < n; i++)
        if (!isfinite(value[i] = real_of(a, i)))
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not finite", where, name);
    return CFP_OK;
}

cfp_status cfp_h5_double(double *value, cfp_ctx *ctx, const cfp_h5_group *group, const char *where,
                         const char *name, bool required)
{
    return cfp_h5_doubles(value, 1, ctx, group, where, name, required);
}

static cfp_status copy_texts(char ***value, int *n, cfp_ctx *ctx, cfp_h5_cursor from, int64_t count)
{
    CFP_TRY_ALLOC(ctx, *value, count);
    *n = (int)count;
    for (int i = 0; i < *n; i++)
        if (((*value)[i] = cfp_strdup(ctx, cfp_h5_take_text(&from))) == NULL)
            return CFP_NOMEM;
    return CFP_OK;
}

cfp_status cfp_h5_attr_strings(char ***value, int *n, cfp_ctx *ctx, const cfp_h5_group *group,
                               const char *where, const char *name)
{
    const cfp_h5_attribute *const a = cfp_h5_find_attribute(group, name);
    *value = NULL;
    *n = 0;
    if (a == NULL)
        return missing(ctx, where, name, true);
    if (a->refusal != NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' %s", where, name, a->refusal);
    if (a->class != CFP_H5_TEXT)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not a list of strings", where, name);
    return copy_texts(value, n, ctx, (cfp_h5_cursor){.word = a->texts, .n = a->n_words}, a->n);
}

void cfp_h5_free_strings(char **value, int n)
{
    for (int i = 0; value != NULL && i < n; i++)
        cfp_free(value[i]);
    cfp_free(value);
}

cfp_status cfp_h5_string(char **value, cfp_ctx *ctx, const cfp_h5_group *group, const char *where,
                         const char *name, bool required)
{
    char **list = NULL;
    int n = 0;
    if (cfp_h5_find_attribute(group, name) == NULL) {
        CFP_TRY(missing(ctx, where, name, required));
        return (*value = cfp_strdup(ctx, "")) == NULL ? CFP_NOMEM : CFP_OK;
    }
    cfp_status status = cfp_h5_attr_strings(&list, &n, ctx, group, where, name);
    if (status == CFP_OK && n != 1)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has %d values, expected 1", where, name, n);
    if (status == CFP_OK) {
        *value = list[0];
        list[0] = NULL;
    }
    cfp_h5_free_strings(list, n);
    return status;
}

cfp_status cfp_h5_find_dataset(const cfp_h5_dataset **out, cfp_ctx *ctx, const cfp_h5_group *group,
                               const char *where, const char *name)
{
    const cfp_h5_child *const child = cfp_h5_find_child(group, name);
    if (child == NULL)
        return missing(ctx, where, name, true);
    if (child->refusal != NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' %s", where, name, child->refusal);
    if (child->kind != CFP_H5_DATASET)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not a data set", where, name);
    *out = &child->dataset;
    return CFP_OK;
}
