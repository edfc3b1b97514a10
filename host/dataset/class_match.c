/* class_match.c - compares the labels of a list with the classes of a model; see dataset.h. */
#include "dataset.h"
#include "../base/edit_distance.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct name { /* a class of the model, under the name that is compared */
    char *plain;      /* lower case, without what data sets write differently */
    const char *exact;
    int class_index;
} name;

typedef struct matching {
    cfp_class_match *out;
    cfp_ctx *ctx;
    const cfp_dataset *dataset;
    int label;
    const char *const *class_name;
    int n_classes;
    name *sorted; /* [n_classes] by plain name; NULL: the model has no names */
} matching;

static bool counts(char c)
{
    return c != ' ' && c != '_' && c != '-' && c != '(' && c != ')' && c != '\'' && c != '"';
}

static char *plain_name(cfp_ctx *ctx, const char *text)
{
    char *plain = cfp_alloc(ctx, strlen(text) + 1, 1);
    size_t n = 0;
    for (; plain != NULL && *text != '\0'; text++)
        if (counts(*text))
            plain[n++] = (char)tolower((unsigned char)*text);
    return plain;
}

static int by_plain(const void *a, const void *b)
{
    const name *x = a, *y = b;
    const int order = strcmp(x->plain, y->plain);
    return order != 0 ? order : x->class_index - y->class_index;
}

/* "class 0", "class 1", ...: what importers call the classes of a network without names. */
static bool has_names(const matching *m)
{
    char made[32];
    for (int c = 0; c < m->n_classes; c++) {
        snprintf(made, sizeof made, "class %d", c);
        if (m->class_name == NULL || m->class_name[c] == NULL)
            return false;
        if (strcmp(m->class_name[c], made) != 0)
            return true;
    }
    return false;
}

static bool list_has_names(const matching *m)
{
    for (int i = 0; i < m->dataset->n; i++)
        if (m->dataset->clip[i].label[m->label].name != NULL)
            return true;
    return false;
}

static cfp_status sort_names(matching *m)
{
    CFP_TRY_ALLOC(m->ctx, m->sorted, m->n_classes);
    for (int c = 0; c < m->n_classes; c++) {
        m->sorted[c] = (name){.exact = m->class_name[c], .class_index = c};
        if ((m->sorted[c].plain = plain_name(m->ctx, m->class_name[c])) == NULL)
            return CFP_NOMEM;
    }
    qsort(m->sorted, (size_t)m->n_classes, sizeof *m->sorted, by_plain);
    return CFP_OK;
}

/* The class of a name: that which is spelled so, else the only one that differs in case, blanks and
 * the like; -1: none. */
static cfp_status class_of_name(int *out, matching *m, const char *label)
{
    name key = {.plain = plain_name(m->ctx, label), .class_index = -1};
    int low = 0, high = m->n_classes;
    if (key.plain == NULL)
        return CFP_NOMEM;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (strcmp(m->sorted[middle].plain, key.plain) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    int alike = 0;
    *out = -1;
    for (int i = low; i < m->n_classes && strcmp(m->sorted[i].plain, key.plain) == 0; i++) {
        alike++;
        *out = m->sorted[i].class_index;
        if (strcmp(m->sorted[i].exact, label) == 0) {
            alike = 1;
            break;
        }
    }
    if (alike != 1)
        *out = -1;
    cfp_free(key.plain);
    return CFP_OK;
}

/* The class whose name is most like the label's; NULL: none is. */
static cfp_status find_near(const char **near, matching *m, const char *label)
{
    *near = NULL;
    char *plain = label == NULL || m->sorted == NULL ? NULL : plain_name(m->ctx, label);
    if (label == NULL || m->sorted == NULL)
        return CFP_OK;
    if (plain == NULL)
        return CFP_NOMEM;
    const size_t length = strlen(plain);
    int best = cfp_min_int(5, (int)(length + 2) / 3) + 1;
    for (int i = 0; i < m->n_classes && length > 0; i++) {
        const char *other = m->sorted[i].plain;
        const bool inside = length > 3 && (strstr(other, plain) != NULL ||
                                           (strlen(other) > 3 && strstr(plain, other) != NULL));
        const int distance = cfp_min_int(cfp_edit_distance(plain, other), inside ? 3 : INT32_MAX);
        if (distance < best) {
            best = distance;
            *near = m->sorted[i].exact;
        }
    }
    cfp_free(plain);
    return CFP_OK;
}

static bool same_label(const cfp_dataset_label *a, const cfp_dataset_label *b)
{
    if (a->name == NULL || b->name == NULL)
        return a->name == b->name && a->index == b->index;
    return strcmp(a->name, b->name) == 0;
}

static int by_label(const void *a, const void *b)
{
    const cfp_dataset_label *x = *(const cfp_dataset_label *const *)a,
                            *y = *(const cfp_dataset_label *const *)b;
    if (x->name == NULL || y->name == NULL)
        return x->name != y->name ? (x->name == NULL ? -1 : 1)
                                  : (x->index > y->index) - (x->index < y->index);
    return strcmp(x->name, y->name);
}

/* How many labels among the n are different. */
static int64_t count_different(const cfp_dataset_label **label, int n)
{
    int64_t different = n > 0;
    qsort(label, (size_t)n, sizeof *label, by_label);
    for (int i = 1; i < n; i++)
        different += !same_label(label[i - 1], label[i]);
    return different;
}

static cfp_status note_unknown(matching *m, const cfp_dataset_clip *clip)
{
    cfp_class_match *out = m->out;
    const cfp_dataset_label *label = &clip->label[m->label];
    enum { MOST = sizeof out->example / sizeof *out->example };
    for (int i = 0; i < out->n_examples; i++) {
        const cfp_dataset_label seen = {out->example[i].label, out->example[i].index};
        if (same_label(&seen, label))
            return CFP_OK;
    }
    if (out->n_examples == MOST)
        return CFP_OK;
    const int i = out->n_examples++;
    out->example[i].label = label->name;
    out->example[i].index = label->index;
    out->example[i].list = clip->list;
    out->example[i].line = clip->line;
    return find_near(&out->example[i].near, m, label->name);
}

static cfp_status match_clip(matching *m, const cfp_dataset_clip *clip, int32_t *class_of)
{
    const cfp_dataset_label *label = &clip->label[m->label];
    int found = -1;
    *class_of = -1;
    if (label->name == NULL && label->index < 0) {
        m->out->unlabelled += clip->twin == 0;
        return CFP_OK;
    }
    if (!m->out->by_index && label->name != NULL)
        CFP_TRY(class_of_name(&found, m, label->name));
    else if (m->out->by_index && label->index >= 0 && label->index < m->n_classes)
        found = (int)label->index;
    *class_of = found;
    if (clip->twin != 0)
        return CFP_OK;
    m->out->known += found >= 0;
    m->out->unknown += found < 0;
    return found < 0 ? note_unknown(m, clip) : CFP_OK;
}

static cfp_status match_all(matching *m)
{
    const cfp_dataset *d = m->dataset;
    const cfp_dataset_label **unknown;
    int n_unknown = 0;
    CFP_TRY_ALLOC(m->ctx, m->out->class_of, d->n);
    const bool named = has_names(m);
    m->out->by_index = !named || !list_has_names(m);
    if (named)
        CFP_TRY(sort_names(m));
    CFP_TRY_ALLOC(m->ctx, unknown, d->n);
    cfp_status status = CFP_OK;
    for (int i = 0; i < d->n && status == CFP_OK; i++) {
        const int64_t before = m->out->unknown;
        status = match_clip(m, &d->clip[i], &m->out->class_of[i]);
        if (m->out->unknown > before)
            unknown[n_unknown++] = &d->clip[i].label[m->label];
    }
    m->out->n_unknown_labels = count_different(unknown, n_unknown);
    cfp_free(unknown);
    return status;
}

cfp_status cfp_class_match_find(cfp_class_match *out, cfp_ctx *ctx, const cfp_dataset *dataset,
                                int label, const char *const *class_name, int n_classes)
{
    matching m = {.out = out,
                  .ctx = ctx,
                  .dataset = dataset,
                  .label = label,
                  .class_name = class_name,
                  .n_classes = n_classes};
    *out = (cfp_class_match){0};
    const cfp_status status = match_all(&m);
    for (int c = 0; c < n_classes && m.sorted != NULL; c++)
        cfp_free(m.sorted[c].plain);
    cfp_free(m.sorted);
    if (status != CFP_OK)
        cfp_class_match_free(out);
    return status;
}

cfp_status cfp_class_match_all(cfp_class_match out[CFP_DATASET_LABELS], int *best, cfp_ctx *ctx,
                               const cfp_dataset *dataset, const char *const *class_name,
                               int n_classes)
{
    cfp_status status = CFP_OK;
    *best = 0;
    memset(out, 0, CFP_DATASET_LABELS * sizeof *out);
    for (int k = 0; k < dataset->n_labels && status == CFP_OK; k++) {
        status = cfp_class_match_find(&out[k], ctx, dataset, k, class_name, n_classes);
        if (status == CFP_OK && out[k].known > out[*best].known)
            *best = k;
    }
    for (int k = 0; k < dataset->n_labels && status != CFP_OK; k++)
        cfp_class_match_free(&out[k]);
    return status;
}

static void warn_of_example(const cfp_class_match *match, cfp_ctx *ctx, int i)
{
    const char *label = match->example[i].label, *near = match->example[i].near;
    const long long line = (long long)match->example[i].line;
    if (label == NULL)
        cfp_log(ctx, CFP_LOG_WARNING, "%s:%lld: class number %lld: the model has fewer classes",
                match->example[i].list, line, (long long)match->example[i].index);
    else
        cfp_log(ctx, CFP_LOG_WARNING, "%s:%lld: the model has no class '%s'%s%s%s",
                match->example[i].list, line, label, near == NULL ? "" : "; did the list mean '",
                near == NULL ? "" : near, near == NULL ? "" : "'?");
}

void cfp_class_match_warn(const cfp_class_match *match, cfp_ctx *ctx, const cfp_dataset *dataset,
                          const char *model)
{
    if (match->by_index && match->known + match->unknown > 0)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: labels are compared with the classes of %s by number, because one of them has "
                "no names: make sure that both have the same order",
                dataset->path, model);
    if (match->unknown == 0)
        return;
    cfp_log(ctx, CFP_LOG_WARNING,
            "%s: %lld of %lld clips have a label that %s does not know (%lld different labels)",
            dataset->path, (long long)match->unknown, (long long)(match->known + match->unknown),
            model, (long long)match->n_unknown_labels);
    for (int i = 0; i < match->n_examples; i++)
        warn_of_example(match, ctx, i);
}

void cfp_class_match_free(cfp_class_match *match)
{
    cfp_free(match->class_of);
    *match = (cfp_class_match){0};
}
